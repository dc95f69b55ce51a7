"""One factory makes the assets of an entity from its declaration: a step with the layers raw → clean → shop → ids, any of them alone."""

from collections.abc import Iterable, Iterator
from typing import Any, Protocol

import dagster as dg

from onec_pipelines.db.engine import Database
from onec_pipelines.defs import checks, guard
from onec_pipelines.defs.asking import SyncConfig, arguments
from onec_pipelines.defs.covered import tell_covered
from onec_pipelines.defs.freshness import freshness_of
from onec_pipelines.defs.interrupts import Cancelled, cancellable
from onec_pipelines.defs.keys import CHANGES_KEY, METADATA_KEY, asset_key, layers_of, source_key, step_name
from onec_pipelines.defs.lineage import (
    as_metadata,
    clean_columns,
    clean_lineage,
    shop_columns,
    shop_lineage,
)
from onec_pipelines.defs.partitions import backfill_policy, days_of, partitions_of
from onec_pipelines.defs.remedies import remedy_metadata
from onec_pipelines.defs.resources import OnecResource
from onec_pipelines.entities import BY_NAME, ENTITIES
from onec_pipelines.errors import PipelineError, RetryLater, Stop
from onec_pipelines.inbound import Outcome, inbound
from onec_pipelines.ledger import counts
from onec_pipelines.spec import Entity, Layer, Way
from onec_pipelines.steps.resolve import SCHEMA_CODES
from onec_pipelines.steps.ways import possible_ways

POOL = "onec_odata"
"""Caps the steps that call 1C at once; requests are capped by the client."""

_KINDS = {
    Layer.RAW: {"odata", "postgres"},
    Layer.CLEAN: {"pandas", "pandera", "postgres"},
    Layer.SHOP: {"postgres", "table"},
    Layer.IDS: {"postgres"},
}
_WORDS = {
    Layer.RAW: "Pages exactly as 1C sent them.",
    Layer.CLEAN: "One typed, checked row per 1C object; rejects are in quarantine.",
    Layer.SHOP: "The shop's table: only rows that differ are written, references are resolved.",
    Layer.IDS: "1C GUID ↔ our id, stable for ever.",
}
# Seconds are the client's to wait; minutes are Dagster's; a failure that repeating cannot help says so itself.
RETRY = dg.RetryPolicy(max_retries=2, delay=20, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS)
"""How Dagster repeats a step whose error says that repeating can help."""


def entity_assets(entity: Entity) -> dg.AssetsDefinition:
    """The assets of one entity as one subsettable step."""

    @dg.multi_asset(
        name=step_name(entity),
        specs=[_spec(entity, layer) for layer in layers_of(entity)],
        check_specs=[*checks.check_specs(entity), guard.diff_spec(entity)],
        can_subset=True,
        pool=POOL,
        retry_policy=RETRY,
        partitions_def=partitions_of(entity),
        backfill_policy=backfill_policy() if partitions_of(entity) else None,
    )
    def sync(
        context: dg.AssetExecutionContext, config: SyncConfig, onec: OnecResource
    ) -> Iterator[dg.MaterializeResult[None]]:
        selected = [
            layer for layer in layers_of(entity) if asset_key(entity, layer) in context.selected_asset_keys
        ]
        try:
            with cancellable():
                outcome = inbound(
                    entity,
                    onec.runtime,
                    layers=selected,
                    run_id=context.run.run_id,
                    on_progress=guard.telling(context, onec.on_progress),
                    **arguments(context, config, entity, onec.runtime, selected),
                )
        except Cancelled:
            raise
        except PipelineError as error:
            status = _without_failure(context, error, selected)
            if status is None:
                raise as_failure(error) from error
            outcome = Outcome(
                entity=entity.name, status=status, message=str(error), completeness=error.message
            )
            onec.on_progress(outcome)
        except Exception as error:
            # A mistake of ours: trying it again would only take longer to be seen.
            raise dg.Failure(f"{type(error).__name__}: {error}", allow_retries=False) from error
        if outcome.message:
            context.log.warning(outcome.message)
        tell_covered(context, entity, selected, outcome)
        wanted = {(key.asset_key, key.name) for key in context.selected_asset_check_keys}
        for result in _results(entity, selected, outcome, onec, wanted):
            yield _with_days(result, days_of(context, entity))

    return sync


def _with_days(result: dg.MaterializeResult[None], days: str | None) -> dg.MaterializeResult[None]:
    """The same result, whose checks say for which days they ran.

    They are no partitioned checks: they judge what stands in the entity's tables now, and a past day would stay red in the UI after its
    cause is gone.
    """
    if days is None:
        return result
    told = [
        one.with_metadata({**one.metadata, "days": dg.MetadataValue.text(days)})
        for one in result.check_results or ()
    ]
    return result._replace(check_results=told)


def _is_schema_break(error: PipelineError, selected: list[Layer]) -> bool:
    """A schema that does not fit stops its entity and no other: a failed step would have Dagster skip all that stand on it.

    The layers stay as they were, and the check of the raw layer fails.
    """
    return Layer.RAW in selected and isinstance(error, Stop) and error.code in SCHEMA_CODES


def _without_failure(
    context: dg.AssetExecutionContext, error: PipelineError, selected: list[Layer]
) -> str | None:
    """Status of an entity that could not be brought up to date without its run being at fault; None for a failure."""
    if _is_schema_break(error, selected):
        return "stopped"
    # Two cadences met: the other run does this one's work.
    if error.code == "ALREADY_RUNNING" and "dagster/schedule_name" in context.run.tags:
        return "skipped"
    return None


def as_failure(error: PipelineError) -> dg.Failure:
    """The error as Dagster shows it: what happened, 1C's own words, what to do, and whether trying again can help."""
    return dg.Failure(
        description=str(error),
        metadata=as_metadata(
            {
                "code": error.code,
                "what": error.message,
                "remedy": error.remedy or None,
                "onec_message": error.onec_message,
                "http_status": error.http_status,
                **remedy_metadata(error.code),
            }
        ),
        allow_retries=isinstance(error, RetryLater),
    )


def external_assets() -> list[dg.AssetSpec]:
    """1C's own objects, where the lineage starts."""
    return [
        dg.AssetSpec(
            source_key(entity),
            group_name="onec",
            kinds={"odata"},
            description=f"{entity.title_ru}: {' | '.join(entity.source.resources)} of 1C:УТ 11, read by OData.",
        )
        for entity in ENTITIES
    ]


def all_assets() -> list[dg.AssetsDefinition]:
    """The assets of every entity."""
    return [entity_assets(entity) for entity in ENTITIES]


def _spec(entity: Entity, layer: Layer) -> dg.AssetSpec:
    metadata: dict[str, Any] = {"dagster/table_name": _table(entity, layer)}
    if layer is Layer.CLEAN:
        metadata["dagster/column_schema"] = clean_columns(entity)
    if layer is Layer.SHOP:
        metadata["dagster/column_schema"] = shop_columns(entity)
    return dg.AssetSpec(
        asset_key(entity, layer),
        deps=list(_upstream(entity, layer)),
        group_name=layer.value,
        kinds=_KINDS[layer],
        owners=list(entity.owners),
        description=f"{entity.title_ru}. {entity.description} {_WORDS[layer]}",
        metadata=metadata,
        tags={"onec/entity": entity.name, "onec/area": entity.group},
        freshness_policy=freshness_of(entity) if layer is Layer.SHOP else None,
        skippable=True,
    )


def _table(entity: Entity, layer: Layer) -> str:
    return {
        Layer.RAW: "raw.pages",
        Layer.CLEAN: entity.clean_table,
        Layer.SHOP: entity.target.table,
        Layer.IDS: "integ.external_id_mappings",
    }[layer]


def _upstream(entity: Entity, layer: Layer) -> Iterable[dg.AssetKey]:
    if layer is Layer.RAW:
        yield source_key(entity)
        # So that a run reads it before everything else.
        yield METADATA_KEY
        if Way.CHANGES in possible_ways(entity):
            # So that what waits in the exchange plan is here before it is applied.
            yield CHANGES_KEY
        if entity.source.split:
            # Its clean rows name the parts; the edge is drawn between the raw layers so that the layers stand in a row.
            yield asset_key(BY_NAME[entity.source.split.entity], Layer.RAW)
        return
    if layer is Layer.CLEAN:
        yield asset_key(entity, Layer.RAW)
        return
    if layer is Layer.IDS:
        yield asset_key(entity, Layer.SHOP)
        return
    yield asset_key(entity, Layer.CLEAN)
    for name in entity.depends_on:
        yield asset_key(BY_NAME[name], Layer.SHOP)


def _results(
    entity: Entity,
    selected: list[Layer],
    outcome: Outcome,
    onec: OnecResource,
    wanted: set[tuple[dg.AssetKey, str]],
) -> Iterator[dg.MaterializeResult[None]]:
    makers = {
        Layer.RAW: checks.completeness,
        Layer.CLEAN: checks.quarantine,
        Layer.SHOP: checks.references,
    }
    for layer in selected:
        is_told = layer in makers and (layer is Layer.RAW or outcome.status != "stopped")
        found = [makers[layer](entity, outcome)] if is_told else []
        if is_told and layer is Layer.SHOP and outcome.status != "skipped":
            found.append(guard.diff_check(entity, outcome))
        yield dg.MaterializeResult(
            asset_key=asset_key(entity, layer),
            metadata=_metadata(entity, layer, outcome, onec),
            check_results=[result for result in found if (result.asset_key, result.check_name) in wanted],
        )


def _metadata(entity: Entity, layer: Layer, outcome: Outcome, onec: OnecResource) -> dict[str, Any]:
    common = {"status": outcome.status, "job_id": outcome.job_id, "seconds": outcome.seconds.get("total")}
    if outcome.message:
        common["message"] = outcome.message
    return as_metadata({**common, **_FIGURES[layer](entity, outcome, onec)})


def _raw_figures(entity: Entity, outcome: Outcome, onec: OnecResource) -> dict[str, Any]:
    del entity, onec
    return {
        "resource": outcome.resource or None,
        "way": outcome.way or None,
        "rows_scanned": outcome.rows_scanned,
        "rows_read": outcome.rows_read,
        "seconds_scan": outcome.seconds.get("scan"),
        "requests": outcome.requests,
        "wire_bytes": outcome.wire_bytes,
        "completeness": outcome.completeness,
    }


def _clean_figures(entity: Entity, outcome: Outcome, onec: OnecResource) -> dict[str, Any]:
    figures: dict[str, Any] = {
        "dagster/row_count": _count(counts.clean_rows, entity, onec),
        "rows_new": outcome.clean_new,
        "rows_changed": outcome.clean_changed - outcome.clean_new,
        "rows_quarantined": outcome.quarantined,
        "rows_deleted": outcome.deleted,
        "seconds_clean": outcome.seconds.get("clean"),
        "missing_fields": ", ".join(outcome.missing_fields) or None,
    }
    if outcome.columns:
        figures["dagster/column_lineage"] = clean_lineage(entity, outcome.columns)
    return figures


def _shop_figures(entity: Entity, outcome: Outcome, onec: OnecResource) -> dict[str, Any]:
    return {
        "dagster/row_count": _count(counts.shop_rows, entity, onec),
        "dagster/column_lineage": shop_lineage(entity),
        "rows_new": outcome.shop_new,
        "rows_changed": outcome.shop_changed - outcome.shop_new,
        "rows_held": outcome.held,
        "seconds_shop": outcome.seconds.get("shop"),
    }


def _ids_figures(entity: Entity, outcome: Outcome, onec: OnecResource) -> dict[str, Any]:
    return {
        "dagster/row_count": _count(counts.ids, entity, onec),
        "ids_new": outcome.ids_new,
    }


_FIGURES = {
    Layer.RAW: _raw_figures,
    Layer.CLEAN: _clean_figures,
    Layer.SHOP: _shop_figures,
    Layer.IDS: _ids_figures,
}


class _Counter(Protocol):
    def __call__(self, database: Database, entity: Entity, *, system_name: str) -> int: ...


def _count(counter: _Counter, entity: Entity, onec: OnecResource) -> int:
    return counter(onec.runtime.database, entity, system_name=onec.runtime.system_name)
