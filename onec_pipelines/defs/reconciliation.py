"""The comparison with 1C in Dagster: one check an entity on its shop table, run by a job of its own and not with the loads."""

from collections.abc import Iterator
from dataclasses import asdict

import dagster as dg

from onec_pipelines.defs.assets import POOL
from onec_pipelines.defs.keys import asset_key
from onec_pipelines.defs.remedies import advised
from onec_pipelines.defs.resources import OnecResource
from onec_pipelines.entities import ENTITIES
from onec_pipelines.errors import PipelineError
from onec_pipelines.ledger.reconciliation import Finding
from onec_pipelines.reconcile import reconcile
from onec_pipelines.spec import Entity, Layer

RECONCILIATION = "reconciliation"
OP = "reconcile_with_1c"
_SHOWN = 50


class ReconcileConfig(dg.Config):
    """Whether what differs is brought in order, and how many rows are looked at one by one; 0 takes ONEC_RECONCILE_ROWS."""

    repair: bool = False
    rows: int = 0


def check_key(entity: Entity) -> dg.AssetCheckKey:
    """Key of the check of an entity."""
    return dg.AssetCheckKey(asset_key(entity, Layer.SHOP), RECONCILIATION)


CHECKS = tuple(check_key(entity) for entity in ENTITIES)
"""Keys of the checks of all entities, so that jobs that load can leave them out."""


@dg.multi_asset_check(
    name=OP,
    specs=[
        dg.AssetCheckSpec(
            RECONCILIATION,
            asset=asset_key(entity, Layer.SHOP),
            description=(
                "The shop has what 1C has: totals, a sample of rows asked for by key, and every row of clean against the shop."
                " Drift is what a sync does not bring; what 1C changed just now is none."
            ),
        )
        for entity in ENTITIES
    ],
    can_subset=True,
    pool=POOL,
    description="Compare with 1C, entity by entity; with repair: true what differs is fetched or merged anew.",
)
def reconciliation(
    context: dg.AssetCheckExecutionContext, config: ReconcileConfig, onec: OnecResource
) -> Iterator[dg.AssetCheckResult]:
    """One result an entity. An entity that fails does not stop the others."""
    if context.job_def.asset_layer.executable_asset_keys:
        context.log.info("not compared in a run that loads; the job `reconcile` does it")
        return
    wanted = context.selected_asset_check_keys
    for entity in ENTITIES:
        if check_key(entity) not in wanted:
            continue
        try:
            finding = reconcile(
                entity,
                onec.runtime,
                repair=config.repair,
                rows=config.rows or None,
                run_id=context.run.run_id,
            )
        except PipelineError as error:
            yield _failed(entity, error)
        else:
            yield check_result(entity, finding)


@advised("RECONCILIATION_DRIFT")
def check_result(entity: Entity, finding: Finding) -> dg.AssetCheckResult:
    """The finding as the check shows it: passed when no drift is left."""
    rows = [
        dg.TableRecord({**asdict(row), "columns": ", ".join(row.columns), "ask": row.ask or ""})
        for row in finding.differences[:_SHOWN]
    ]
    return dg.AssetCheckResult(
        check_name=RECONCILIATION,
        asset_key=asset_key(entity, Layer.SHOP),
        passed=finding.rows_left == 0,
        severity=dg.AssetCheckSeverity.ERROR,
        metadata={
            "status": finding.status,
            "drift": finding.rows_left,
            "rows_drift": finding.rows_drift,
            "rows_repaired": finding.rows_repaired,
            "rows_late": finding.rows_late,
            "rows_asked": finding.rows_asked,
            "rows_compared": finding.rows_compared,
            **({"message": finding.message} if finding.message else {}),
            **({"totals": dg.MetadataValue.json(list(finding.totals[:_SHOWN]))} if finding.totals else {}),
            **({"differences": dg.MetadataValue.table(rows)} if rows else {}),
            **({"remedy": f"`onec reconcile {entity.name} --repair`"} if finding.rows_left else {}),
        },
    )


@advised("PROBE_FAILED")
def _failed(entity: Entity, error: PipelineError) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name=RECONCILIATION,
        asset_key=asset_key(entity, Layer.SHOP),
        passed=False,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"status": "failed", "message": str(error), "code": error.code},
    )


reconcile_job = dg.define_asset_job(
    "reconcile",
    selection=dg.AssetSelection.checks(*CHECKS),
    description="Compare every entity with 1C, independent of how it is loaded. repair: true brings what differs in order.",
)
