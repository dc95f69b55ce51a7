"""`onec outbox`: what is on its way to 1C, which stores sell through it, and whether orders can go out."""

from __future__ import annotations

import sys

import click

from onec_pipelines.cli import output


@click.group()
def outbox() -> None:
    """Orders, customers and returns on their way to 1C, and the stores they come from."""


@outbox.command()
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 1000))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def status(*, limit: int, as_json: bool) -> None:
    """Show how many are done, on their way, or wait for a person, and what the last ones wait for."""
    from onec_pipelines.ledger import outbox as ledger
    from onec_pipelines.runtime import open_runtime

    with open_runtime() as runtime:
        counts = ledger.counts(runtime.database, runtime.system_name)
        waiting = ledger.attention(runtime.database, runtime.system_name, limit)
    if as_json:
        output.as_json({"counts": counts, "attention": waiting})
        return
    output.table("On their way to 1C", ["what", "state", "how many"], counts)
    if waiting:
        output.table(
            "A person must act: onec queue show ID, then onec queue retry ID",
            ["queue item", "what", "code", "1C or the check says", "what to do"],
            (
                [
                    row["queue_id"],
                    f"{row['aggregate']} {row['aggregate_id']}",
                    row["error_code"],
                    row["onec_message"] or row["message"],
                    row["remedy"],
                ]
                for row in waiting
            ),
            wrap=True,
        )


@outbox.command()
@click.argument("code")
@click.argument("values", nargs=-1, metavar="[NAME=VALUE]...")
@click.option("--title", help="What people call the store.")
def store(code: str, values: tuple[str, ...], *, title: str | None) -> None:
    """Make the store CODE sell through this base, or change its defaults: organization=…, agreement=…; NAME= removes one."""
    from onec_pipelines.ledger import outbox as ledger
    from onec_pipelines.runtime import open_runtime
    from onec_pipelines.steps.push.defaults import NAMES

    given = dict(value.partition("=")[::2] for value in values)
    wrong = [value for value in values if "=" not in value]
    unknown = [name for name in given if name not in NAMES and not name.startswith("cancel_reason.")]
    if wrong or unknown:
        raise click.UsageError(
            f"not understood: {', '.join([*wrong, *unknown])}; names: {', '.join(sorted(NAMES))}"
        )
    with open_runtime() as runtime:
        held = ledger.set_store(runtime.database, runtime.system_name, code, title=title, values=given)
    output.table(f"Store {code}", ["default", "value"], sorted(held.items()))


@outbox.command()
@click.option("--offline", is_flag=True, help="Do not ask 1C for its $metadata.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def check(*, offline: bool, as_json: bool) -> None:
    """Say whether orders can go out, store by store. Exits 1 when they cannot."""
    from dataclasses import asdict

    from onec_pipelines.outbound import check_order_defaults
    from onec_pipelines.runtime import open_runtime

    with open_runtime() as runtime:
        found = check_order_defaults(runtime, offline=offline)
    if as_json:
        output.as_json([asdict(one) for one in found])
    else:
        output.table(
            "Can orders go out?",
            ["", "where", "what", "what to do"],
            ([one.level, one.where, one.message, one.remedy] for one in found),
            wrap=True,
        )
    if any(one.level == "bad" for one in found):
        sys.exit(1)


@outbox.command("forget-keys")
def forget_keys() -> None:
    """Have the base tried anew for whether it keeps the keys we choose, after an update of the platform."""
    from onec_pipelines.ledger import outbox as ledger
    from onec_pipelines.runtime import open_runtime

    with open_runtime() as runtime:
        ledger.forget_keys(runtime.database, runtime.system_name)
    click.echo("The next creation tells whether the base keeps our keys.")
