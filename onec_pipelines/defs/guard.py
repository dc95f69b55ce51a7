"""The check that shows what a load was about to do to the shop, and the job by which a held load is granted or rejected in the UI."""

from collections.abc import Callable
from typing import Any, Literal

import dagster as dg
from pydantic import Field

from onec_pipelines.defs.keys import asset_key
from onec_pipelines.defs.remedies import advised
from onec_pipelines.defs.resources import OnecResource
from onec_pipelines.errors import PipelineError
from onec_pipelines.inbound import Outcome
from onec_pipelines.ledger import approvals
from onec_pipelines.spec import Entity, Layer

DIFF = "diff"


def diff_spec(entity: Entity) -> dg.AssetCheckSpec:
    """The check of an entity's shop layer."""
    return dg.AssetCheckSpec(
        DIFF,
        asset=asset_key(entity, Layer.SHOP),
        description="What the load was about to do to the shop breaches no limit (docs/guard.md).",
    )


@advised("APPROVAL_HELD")
def diff_check(entity: Entity, outcome: Outcome) -> dg.AssetCheckResult:
    """The difference as it was before the merge; failed while the load is held, a warning when a dry run would be."""
    # A load that is held for its rejects has no approval and no difference: the check of the quarantine tells of it.
    is_held = outcome.status == "held" and outcome.approval is not None
    breaches = outcome.diff.get("breaches", [])
    return dg.AssetCheckResult(
        check_name=DIFF,
        asset_key=asset_key(entity, Layer.SHOP),
        passed=not is_held and (not breaches or outcome.approval is not None),
        severity=dg.AssetCheckSeverity.ERROR if is_held else dg.AssetCheckSeverity.WARN,
        metadata=_metadata(outcome, breaches),
    )


def telling(
    context: dg.AssetExecutionContext, listener: Callable[[Outcome], None]
) -> Callable[[Outcome], None]:
    """The listener, and the difference in the run's log before the merge is committed."""
    told: list[dict[str, Any]] = []

    def listen(outcome: Outcome) -> None:
        if outcome.diff and not told:
            told.append(outcome.diff)
            context.log.info("about to load %s into the shop: %s", outcome.entity, _line(outcome.diff))
        listener(outcome)

    return listen


class DecisionConfig(dg.Config):
    """Which held load, what is decided, and why."""

    approval: int = Field(description="Its number: the check `diff` and `onec approve list` show it.")
    decision: Literal["grant", "reject"]
    reason: str = Field(description="For the audit log.")


@dg.op(description="Grant or reject a held load; noted in the audit log with this run's id.")
def decide_on_load(context: dg.OpExecutionContext, config: DecisionConfig, onec: OnecResource) -> None:
    """The next run of the entity then loads it, if the data has not changed beyond it."""
    by = f"{context.run.tags.get('user') or 'dagster'} (run {context.run.run_id})"
    try:
        entity = approvals.decide(
            onec.runtime.database,
            config.approval,
            "granted" if config.decision == "grant" else "rejected",
            system_name=onec.runtime.system_name,
            by=by,
            reason=config.reason,
        )
    except PipelineError as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    context.add_output_metadata({"approval": config.approval, "entity": entity, "decision": config.decision})


@dg.job(description="Grant or reject a load that a limit holds (docs/guard.md).")
def approve_load() -> None:
    """One op."""
    decide_on_load()


def _metadata(outcome: Outcome, breaches: list[dict[str, Any]]) -> dict[str, Any]:
    diff = outcome.diff
    found: dict[str, Any] = {name: diff.get(name, 0) for name in ("new", "changed", "deleted", "waiting")}
    if diff.get("columns"):
        found["columns"] = _table(
            {"column": name, "values_changed": count} for name, count in diff["columns"].items()
        )
    if diff.get("children"):
        found["tabular_rows"] = _table({"table": name, **count} for name, count in diff["children"].items())
    if diff.get("sample"):
        found["sample"] = dg.MetadataValue.json(diff["sample"])
    if breaches:
        found["breaches"] = _table(
            {"limit": one["limit"], "counted": one["counted"], "allowed": one["allowed"]} for one in breaches
        )
        found["examples"] = dg.MetadataValue.json({one["limit"]: one["examples"] for one in breaches})
    if outcome.approval is not None:
        found["approval"] = outcome.approval
    if outcome.message:
        found["message"] = outcome.message
    return found


def _table(records: Any) -> dg.TableMetadataValue:
    return dg.MetadataValue.table(records=[dg.TableRecord(record) for record in records])


def _line(diff: dict[str, Any]) -> str:
    figures = ", ".join(f"{diff[name]} {name}" for name in ("new", "changed", "deleted", "waiting"))
    columns = ", ".join(f"{name} in {count}" for name, count in diff["columns"].items())
    return f"{figures}{f'; {columns}' if columns else ''}"
