"""`onec simulator day` and `onec simulator oracle`: what the control endpoint of a running simulator does, by hand.

Nothing of the business is here: see `living.py`.
"""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote
from urllib.request import Request, urlopen

_SECONDS = 600
_WRONG, _UNREACHABLE = 2, 1


class CommandError(Exception):
    """A command failed: the text says why, `code` is the exit code."""

    def __init__(self, text: str, code: int) -> None:
        super().__init__(text)
        self.code = code


def main(name: str, arguments: list[str]) -> int:
    """Run a command; returns its exit code (2 = wrong usage, 1 = the simulator does not answer)."""
    try:
        COMMANDS[name](arguments)
    except CommandError as error:
        sys.stderr.write(f"{error}\n")
        return error.code
    return 0


def _parser(name: str, text: str) -> argparse.ArgumentParser:
    out = argparse.ArgumentParser(prog=f"onec simulator {name}", description=text)
    out.add_argument(
        "--control", required=True, metavar="URL", help="control_url of the running simulator's first line"
    )
    out.add_argument("--json", action="store_true", help="print the whole answer as JSON")
    return out


def _ask(control: str, path: str, body: Any = None) -> Any:
    """The answer of the control endpoint; raises CommandError."""
    if not control.startswith(("http://", "https://")):
        raise CommandError(f"--control {control!r} is not an http address", _WRONG)
    data = None if body is None else json.dumps(body).encode()
    request = Request(f"{control.rstrip('/')}/{quote(path)}", data)  # noqa: S310 - http or https, checked above
    try:
        with urlopen(request, timeout=_SECONDS) as answer:  # noqa: S310 - checked above
            return json.load(answer)
    except HTTPError as refusal:
        raise CommandError(_reason(refusal), _WRONG) from refusal
    except (URLError, OSError, ValueError) as error:
        raise CommandError(f"no simulator answers at {control}: {error}", _UNREACHABLE) from error


def _reason(refusal: HTTPError) -> str:
    try:
        return str(json.load(refusal)["error"])
    except (ValueError, KeyError):
        return f"{refusal.url} answered {refusal.code}: is that the control_url?"


def _print(value: Any) -> None:
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=1) + "\n")


def _day(arguments: list[str]) -> None:
    parser = _parser("day", "Let the generated shop work: the next steps of its day, told one a line.")
    parser.add_argument("--steps", type=int, default=1, help="how many steps (default: 1)")
    parser.add_argument("--seed", type=int, default=0, help="another day of the same shop (default: 0)")
    parser.add_argument("--kind", help="all steps of this kind, e.g. 'new order'; 'list' names the kinds")
    given = parser.parse_args(arguments)
    if given.kind == "list":
        found = _ask(given.control, "day")
        sys.stdout.write("\n".join(found["kinds"]) + "\n")
        return
    wish = {"steps": given.steps, "seed": given.seed, **({"kind": given.kind} if given.kind else {})}
    done = _ask(given.control, "day", wish)
    if given.json:
        _print(done)
        return
    for step in done:
        touched = ", ".join(
            f"{one['action']} {one['entity']} {' '.join(one['key'])}" for one in step["touched"]
        )
        sys.stdout.write(f"{step['number']} {step['moment']} {step['kind']}: {touched or 'nothing to do'}\n")


def _oracle(arguments: list[str]) -> None:
    parser = _parser("oracle", "Tell the true state of a base: the topics, or the rows of one topic.")
    parser.add_argument("topic", nargs="?", default="", help="products, prices, stock, orders, …")
    given = parser.parse_args(arguments)
    told = _ask(given.control, f"oracle/{given.topic}" if given.topic else "oracle")
    if given.json:
        _print(told)
        return
    if not given.topic:
        sys.stdout.write("\n".join(told["topics"]) + "\n")
        return
    if told:
        sys.stdout.write("\t".join(told[0]) + "\n")
    for row in told:
        sys.stdout.write("\t".join("" if value is None else str(value) for value in row.values()) + "\n")


COMMANDS = {"day": _day, "oracle": _oracle}
