"""`onec approve`: loads into the shop that a limit holds; who let them through, or not, and why (docs/guard.md)."""

from __future__ import annotations

import click

from onec_pipelines.cli import diff_view, output
from onec_pipelines.cli.who import at_keyboard

_REASON = click.option("--reason", required=True, help="Why; it goes to the audit log with your name.")
_BY = click.option("--by", default=at_keyboard, show_default="user@host", help="Who decides.")


@click.group()
def approve() -> None:
    """Decide on loads that a limit holds."""


@approve.command("list")
@click.option("--all", "everything", is_flag=True, help="Closed ones too, the last hundred.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def listing(*, everything: bool, as_json: bool) -> None:
    """List held loads, newest first."""
    from onec_pipelines.ledger import approvals
    from onec_pipelines.runtime import open_runtime

    with open_runtime() as runtime:
        found = approvals.listing(runtime.database, runtime.system_name, everything=everything)
    if as_json:
        output.as_json(found)
        return
    output.table(
        "Held loads",
        ["id", "entity", "state", "since", "held runs", "breaches", "decided by", "reason"],
        (
            [
                one["id"],
                one["entity_type"],
                one["state"],
                f"{one['created_at']:%Y-%m-%d %H:%M:%S}",
                one["held_runs"],
                "; ".join(f"{b['limit']}: {b['counted']}, allowed {b['allowed']}" for b in one["breaches"]),
                one["decided_by"],
                one["reason"],
            ]
            for one in found
        ),
        wrap=True,
    )
    if not found:
        click.echo("nothing is held")


@approve.command()
@click.argument("approval_id", type=int, metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def show(approval_id: int, *, as_json: bool) -> None:
    """Show what the load would do to the shop, and which rows breach which limit (personal data masked)."""
    from onec_pipelines.ledger import approvals
    from onec_pipelines.runtime import open_runtime

    with open_runtime() as runtime:
        found = approvals.entry(runtime.database, runtime.system_name, approval_id)
    if found is None:
        raise click.UsageError(f"there is no approval {approval_id}")
    if as_json:
        output.as_json(found)
        return
    for name, value in found.items():
        if name not in {"breaches", "diff"} and value is not None:
            click.echo(f"{name}: {value}")
    diff_view.show(found["entity_type"], found["diff"])


@approve.command()
@click.argument("approval_id", type=int, metavar="ID")
@_REASON
@_BY
def grant(approval_id: int, *, reason: str, by: str) -> None:
    """Let exactly this load through with the entity's next run; if the data has changed beyond it, that run is held again."""
    entity = _decide(approval_id, granted=True, reason=reason, by=by)
    click.echo(f"granted: the next run of {entity} loads it; at once: `onec sync {entity}`")


@approve.command()
@click.argument("approval_id", type=int, metavar="ID")
@_REASON
@_BY
def reject(approval_id: int, *, reason: str, by: str) -> None:
    """Keep this load out of the shop until 1C's data is mended, or you grant it after all."""
    entity = _decide(approval_id, granted=False, reason=reason, by=by)
    click.echo(f"rejected: the shop's {entity} stay as they are until the data is mended in 1C")


def _decide(approval_id: int, *, granted: bool, reason: str, by: str) -> str:
    from onec_pipelines.ledger import approvals
    from onec_pipelines.runtime import open_runtime

    with open_runtime() as runtime:
        return approvals.decide(
            runtime.database,
            approval_id,
            "granted" if granted else "rejected",
            system_name=runtime.system_name,
            by=by,
            reason=reason,
        )
