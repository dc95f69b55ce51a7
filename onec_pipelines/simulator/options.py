"""Every switch of the simulator, once, typed, with PROTOCOL §12's defaults. The command line is made from it."""

from __future__ import annotations

import argparse
import dataclasses
from dataclasses import dataclass, field
from typing import Any, get_type_hints

from onec_pipelines.simulator.releases import DEFAULT, RELEASES


def _option(default: Any, text: str, *choices: str) -> Any:
    return field(default=default, metadata={"help": text, "choices": choices})


@dataclass(frozen=True, kw_only=True)
class Options:
    """What a simulated base is and how its host treats requests.

    Times in `_ms` are milliseconds, others seconds.
    """

    products: int = _option(1000, "number of products in the generated shop")
    seed: int = _option(1, "seed of the generated data; the same seed gives the same base")
    broken: bool = _option(
        default=True, text="put broken rows of each kind that real bases have into the data"
    )
    host: str = _option("127.0.0.1", "address to listen on")
    port: int = _option(0, "port to listen on; 0 lets the system choose")
    public_url: str = _option(
        "", "scheme, host and port that answers name instead of the Host header (behind a proxy)"
    )
    publication: str = _option("ut", "name of the publication: the root is /<name>/odata/standard.odata")
    user: str = _option("odata", "login of the technical user")
    password: str = _option("odata", "password of the technical user")

    day: int = _option(0, "steps of business done before serving: orders, prices, receipts, edits, deletions")
    release: str = _option(DEFAULT, "release of UT 11 whose shape the base has", *RELEASES)
    metadata: str = _option(
        "", "an EDMX file: serve a base of this shape (data that the shop lacks is invented)"
    )
    replay: str = _option("", "a recording: answer from it instead of from a base")
    rows: int = _option(20, "rows per set invented for sets of --metadata that the shop does not know")
    publish: str = _option(
        "", "comma list of objects in the composition (Catalog_X,Document_Y); empty = all, none = nothing"
    )
    enums: str = _option(
        "shape", "enumerations in $metadata: those of the shape or the system ones only", "shape", "system"
    )
    padding_mb: int = _option(0, "make $metadata this many megabytes large, as in a full publication")

    lock_ms: float = _option(0.0, "how long a posting keeps its managed locks on goods")
    lock_timeout_ms: float = _option(
        20_000.0, "how long a posting waits for locks of another before it fails"
    )
    latency_ms: float = _option(0.0, "time that every request takes at least")
    row_latency_ms: float = _option(0.0, "additional time per row read")
    function_latency_ms: float = _option(0.0, "additional time per call of a virtual table")
    cold_start_ms: float = _option(0.0, "time that the start of a session takes (11-18 s on a real base)")
    state_lag_ms: float = _option(0.0, "how late СостоянияЗаказовКлиентов follows an order")

    sessions: str = _option("autouse", "reuse of sessions in default.vrd", "autouse", "use", "dontuse")
    session_max_age: float = _option(20.0, "seconds after which an idle session ends")
    pool_size: int = _option(10, "most sessions at one time")
    pool_timeout: float = _option(5.0, "seconds to wait for a free session before 406")
    maintenance: bool = _option(default=False, text="answer 403: the infobase is blocked")
    version_mismatch: bool = _option(default=False, text="answer 409: web extension and server differ")
    publication_off: bool = _option(default=False, text="answer 404 HTML: OData is not published")

    web_server: str = _option("apache", "limits of the web server in front", "none", "apache", "iis", "nginx")
    hide_errors: bool = _option(
        default=False, text="IIS httpErrors: replace the bodies of 404 and 500 by HTML"
    )
    gzip: bool = _option(default=False, text="compress answers when the client accepts it")
    bearer: bool = _option(
        default=False, text="accept bearer tokens; POST /token gives them for client credentials"
    )
    bearer_seconds: int = _option(300, "life of a bearer token")

    accept: str = _option("honour", "the Accept header", "honour", "ignore")
    bom: str = _option(
        "genuine",
        "BOM before answers: $count; also errors; all; none",
        "genuine",
        "errors",
        "always",
        "never",
    )
    charset: str = _option("utf-8", "charset that JSON answers claim (the body is UTF-8 whatever it says)")
    inlinecount: str = _option(
        "page", "$inlinecount with $top: a page, or the whole set as documented", "page", "all"
    )
    count: str = _option("supported", "the $count segment", "supported", "refused")
    unknown_field: str = _option("error", "unknown field in $filter: 400, or no rows", "error", "empty")
    plus: str = _option("error", "a literal + in $filter: 500, or the filter is ignored", "error", "ignored")
    if_match: str = _option("ignore", "If-Match: silently ignored, or 412", "ignore", "enforce")
    client_keys: str = _option("honour", "Ref_Key sent with POST", "honour", "ignore")
    stock_control: bool = _option(default=True, text="posting a sale of more than there is fails")
    closed_until: str = _option(
        "", "documents dated up to this day (YYYY-MM-DD) are refused: a closed period"
    )
    blocked: str = _option("", "comma list of keys of partners to whom nothing may be sold")
    tombstones: bool = _option(default=False, text="put at:deleted-entry into SelectChanges packets")
    rls: str = _option("", "comma list of Set:N - every N-th row of Set is hidden from the user")
    denied: str = _option("", "comma list of sets that the user has no right to")
    exchange: str = _option(
        "", "comma list of objects registered by the exchange plan; empty = goods, customers, orders, sales"
    )


class OptionError(ValueError):
    """An option has a name or value that does not exist; the text says which and what is allowed."""


def build(values: dict[str, Any]) -> Options:
    """Make options from names and values (text is converted); raises OptionError."""
    return change(Options(), values)


def change(options: Options, values: dict[str, Any]) -> Options:
    """The options with some values changed (text is converted); raises OptionError."""
    known = {one.name: one for one in dataclasses.fields(Options)}
    hints = get_type_hints(Options)
    out: dict[str, Any] = {}
    for name, value in values.items():
        if name not in known:
            raise OptionError(f"no option {name!r}; there are: {', '.join(known)}")
        out[name] = _convert(name, value, hints[name], known[name].metadata["choices"])
    return dataclasses.replace(options, **out)


def _convert(name: str, value: Any, type_: type, choices: tuple[str, ...]) -> Any:
    try:
        converted = _to_bool(value) if type_ is bool else type_(value)
    except (TypeError, ValueError) as error:
        raise OptionError(f"option {name}: {value!r} is not {type_.__name__}") from error
    if choices and converted not in choices:
        raise OptionError(f"option {name}: {value!r} is none of {', '.join(choices)}")
    return converted


def _to_bool(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    text = str(value).lower()
    if text not in {"true", "false", "1", "0", "yes", "no"}:
        raise ValueError(text)
    return text in {"true", "1", "yes"}


def parser() -> argparse.ArgumentParser:
    """The command line: one option per field."""
    out = argparse.ArgumentParser(
        prog="onec simulator",
        description="A 1C:Enterprise OData v3 server with a generated shop, to develop and test against.",
        epilog="To a running one: `onec simulator day --help` lets its shop work, `onec simulator oracle --help`"
        " tells its true state.",
    )
    hints = get_type_hints(Options)
    for one in dataclasses.fields(Options):
        name = "--" + one.name.replace("_", "-")
        text = f"{one.metadata['help']} (default: {one.default!r})".replace("%", "%%")
        if hints[one.name] is bool:
            out.add_argument(name, action=argparse.BooleanOptionalAction, default=one.default, help=text)
        else:
            choices = one.metadata["choices"] or None
            out.add_argument(name, type=hints[one.name], choices=choices, default=one.default, help=text)
    return out


def from_arguments(arguments: list[str]) -> Options:
    """Options of a command line; exits with a message as argparse does."""
    return Options(**vars(parser().parse_args(arguments)))


def to_arguments(options: Options) -> list[str]:
    """The command line that gives these options."""
    out: list[str] = []
    for one in dataclasses.fields(Options):
        value = getattr(options, one.name)
        name = "--" + one.name.replace("_", "-")
        if value == one.default:
            continue
        if isinstance(value, bool):
            out.append(name if value else name.replace("--", "--no-", 1))
        else:
            out.append(f"{name}={value}")
    return out


__all__ = ["OptionError", "Options", "build", "change", "from_arguments", "parser", "to_arguments"]
