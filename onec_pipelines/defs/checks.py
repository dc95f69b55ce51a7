"""Asset checks of every entity, reported by the step that did the work: completeness of the reading, quarantine, references."""

from __future__ import annotations

import dagster as dg

from onec_pipelines.defs.keys import asset_key
from onec_pipelines.defs.remedies import advised
from onec_pipelines.inbound import Outcome
from onec_pipelines.spec import Entity, Layer
from onec_pipelines.steps.rejects import are_too_many

COMPLETENESS = "completeness"
QUARANTINE = "quarantine"
REFERENCES = "references"


def check_specs(entity: Entity) -> list[dg.AssetCheckSpec]:
    """The checks of an entity."""
    return [
        dg.AssetCheckSpec(
            COMPLETENESS,
            asset=asset_key(entity, Layer.RAW),
            description="Every row that 1C counts was seen; only then may anything be deleted.",
        ),
        dg.AssetCheckSpec(
            QUARANTINE,
            asset=asset_key(entity, Layer.CLEAN),
            description=(
                "No row is in quarantine: some are a warning; more than"
                f" {entity.max_quarantined_share:.0%} are an error and hold the shop layer back."
            ),
        ),
        dg.AssetCheckSpec(
            REFERENCES,
            asset=asset_key(entity, Layer.SHOP),
            description="No row waits for an object that 1C has not sent.",
        ),
    ]


@advised("READING_INCOMPLETE")
def completeness(entity: Entity, outcome: Outcome) -> dg.AssetCheckResult:
    """The proof of completeness of this reading; what a release does not have is complete without a row."""
    return dg.AssetCheckResult(
        check_name=COMPLETENESS,
        asset_key=asset_key(entity, Layer.RAW),
        passed=bool(outcome.complete) or outcome.status == "skipped",
        metadata={
            "reason": outcome.completeness or outcome.message,
            "rows": outcome.rows_read,
            "duplicates": outcome.duplicates,
        },
    )


def _of_rejects(result: dg.AssetCheckResult) -> str:
    return "QUARANTINE_SPIKE" if result.severity is dg.AssetCheckSeverity.ERROR else "ROWS_REJECTED"


@advised(_of_rejects)
def quarantine(entity: Entity, outcome: Outcome) -> dg.AssetCheckResult:
    """What stands in quarantine: a few rows are a warning, more than the entity may have an error, which holds the shop layer back."""
    is_error = are_too_many(entity, outcome)
    return dg.AssetCheckResult(
        check_name=QUARANTINE,
        asset_key=asset_key(entity, Layer.CLEAN),
        passed=outcome.rejects_open == 0,
        severity=dg.AssetCheckSeverity.ERROR if is_error else dg.AssetCheckSeverity.WARN,
        metadata={
            "rejected_rows": outcome.rejects_open,
            "rejected_by_this_run": outcome.quarantined,
            "share": round(outcome.rejects_share, 6),
            "shop": "held back" if is_error else "loaded with the others",
            "remedy": f"`onec quarantine list {entity.name}` says which field of which row; mend it in 1C.",
        },
    )


@advised("REFERENCES_WAIT")
def references(entity: Entity, outcome: Outcome) -> dg.AssetCheckResult:
    """References that wait: a warning, because they heal by themselves when the object comes."""
    return dg.AssetCheckResult(
        check_name=REFERENCES,
        asset_key=asset_key(entity, Layer.SHOP),
        passed=outcome.held == 0 and outcome.unresolved == 0,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "held_rows": outcome.held,
            "waiting_references": outcome.unresolved,
            "remedy": "integ.unresolved_refs names the GUIDs: deleted in 1C, not published, or hidden from the user.",
        },
    )
