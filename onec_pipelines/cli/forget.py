"""`onec forget` and `onec remember`: personal data of a customer, taken out and let in again (docs/audit.md)."""

from __future__ import annotations

import click

from onec_pipelines.cli import output
from onec_pipelines.cli.who import at_keyboard

_REASON = click.option("--reason", required=True, help="Why; it goes to the audit log with your name.")
_BY = click.option("--by", default=at_keyboard, show_default="user@host", help="Who decides.")


@click.command()
@click.argument("customer")
@_REASON
@_BY
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def forget(customer: str, *, reason: str, by: str, yes: bool, as_json: bool) -> None:
    """Take the personal data of CUSTOMER (our id or GUID) out of everything stored here. There is no way back but 1C.

    Ids and sums stay. Whatever 1C sends of them later stays masked until `onec remember`. 1C itself is not changed.
    """
    from dataclasses import asdict

    from onec_pipelines.entities import ENTITIES
    from onec_pipelines.runtime import open_runtime
    from onec_pipelines.steps.forget import forget as take_out

    if not yes:
        click.confirm(f"Forget customer {customer}? Stored pages are rewritten.", abort=True, err=True)
    with open_runtime() as runtime:
        done = take_out(
            runtime.database, ENTITIES, customer, system_name=runtime.system_name, by=by, reason=reason
        )
    if as_json:
        output.as_json(asdict(done))
        return
    output.table("Forgotten", ["what", "how many"], asdict(done).items())


@click.command()
@click.argument("customer")
@_REASON
@_BY
def remember(customer: str, *, reason: str, by: str) -> None:
    """Let the personal data of a forgotten CUSTOMER come from 1C again, with the next reading."""
    from onec_pipelines.entities import ENTITIES
    from onec_pipelines.runtime import open_runtime
    from onec_pipelines.steps.forget import remember as let_in

    with open_runtime() as runtime:
        count = let_in(
            runtime.database, ENTITIES, customer, system_name=runtime.system_name, by=by, reason=reason
        )
    click.echo(f"{count} objects are no longer forgotten; the next reading brings them")
