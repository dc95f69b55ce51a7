"""merge: one entity's load into the shop, looked at before it is written. What a limit holds is remembered and the shop stays as it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from onec_pipelines.db.engine import Database, driver_connection
from onec_pipelines.ledger import approvals, jobs, shop_rows
from onec_pipelines.spec import Entity, Limit
from onec_pipelines.steps.diff import DryRun, Figures, Guard, Withheld, tell_held
from onec_pipelines.steps.outcome import Outcome


def guarded_merge(
    database: Database,
    entity: Entity,
    outcome: Outcome,
    *,
    system_name: str,
    limits: Sequence[Limit],
    everything: bool,
    dry_run: bool = False,
    before_write: Callable[[], None] = lambda: None,
) -> None:
    """Merge clean into the shop in one transaction and fill the outcome.

    The difference is in the job's row before anything is written, and `before_write` is told. A dry run ends there; a load that is held
    ends as status 'held' with its approval. Neither moves the mark of what the shop has merged: the next run begins where this one did.
    """

    def told(figures: Figures) -> None:
        outcome.diff = figures
        # Seen before the merge is committed, and whatever becomes of it.
        if figures["new"] or figures["changed"] or figures["deleted"]:
            jobs.note(database, outcome.job_id, {"diff": figures})
        before_write()

    guard = Guard(
        entity,
        system_name=system_name,
        job_id=outcome.job_id,
        limits=limits,
        dry_run=dry_run,
        told=told,
    )
    try:
        with database.transaction() as connection:
            merged = shop_rows.merge(
                driver_connection(connection),
                entity,
                system_name=system_name,
                everything=everything,
                examine=guard,
            )
    except DryRun:
        outcome.message = "dry run: the shop was not written"
    except Withheld:
        approval = approvals.hold(
            database,
            entity.name,
            guard.breaches,
            guard.figures,
            system_name=system_name,
            job_id=outcome.job_id,
        )
        outcome.status, outcome.approval = "held", approval.id
        outcome.message = tell_held(guard.figures, approval)
    else:
        outcome.approval = guard.used.id if guard.used else None
        outcome.ids_new, outcome.held = merged.ids_new, merged.held
        outcome.shop_new, outcome.shop_changed = merged.new, merged.changed
        outcome.unresolved = merged.unresolved
