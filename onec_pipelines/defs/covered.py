"""Days that a whole reading brought along: a run asks for one partition, and what it loaded may be the history.

Without this the first load of a document leaves all its days but today "missing" in the UI, and somebody would load them again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from uuid import uuid4

import dagster as dg
from dagster._core.events import (
    DagsterEvent,
    DagsterEventBatchMetadata,
    DagsterEventType,
    StepMaterializationData,
)

from onec_pipelines.defs.keys import asset_key
from onec_pipelines.defs.partitions import partitions_of
from onec_pipelines.inbound import Outcome
from onec_pipelines.spec import Entity, Layer


def tell_covered(
    context: dg.AssetExecutionContext, entity: Entity, layers: Iterable[Layer], outcome: Outcome
) -> int:
    """Record every day of these layers that a whole and complete reading has filled and no run before it; gives how many.

    In one batch a layer (0.2 s for two years); a later whole reading has nothing left to tell. Days of the run itself are told by Dagster.
    """
    days = partitions_of(entity)
    if days is None or not (outcome.whole and outcome.complete):
        return 0
    told = 0
    for layer in layers:
        if outcome.status == "held" and layer in {Layer.SHOP, Layer.IDS}:
            continue
        key = asset_key(entity, layer)
        known = {*context.instance.get_materialized_partitions(key), *_own(context)}
        missing = [day for day in days.get_partition_keys() if day not in known]
        _record(context, key, missing, outcome)
        told += len(missing)
    return told


def _own(context: dg.AssetExecutionContext) -> Sequence[str]:
    return context.partition_keys if context.has_partition_key or context.has_partition_key_range else ()


def _record(
    context: dg.AssetExecutionContext, key: dg.AssetKey, days: Sequence[str], outcome: Outcome
) -> None:
    batch = uuid4().hex
    for day in days:
        materialization = dg.AssetMaterialization(
            key,
            partition=day,
            description="By the reading of the whole history",
            metadata={"job_id": outcome.job_id},
        )
        # `log_event` would store them one by one, each with a line in the console.
        context.instance.report_dagster_event(
            DagsterEvent(
                event_type_value=DagsterEventType.ASSET_MATERIALIZATION.value,
                job_name=context.job_name,
                message=f"{key.to_user_string()} {day} was read along",
                event_specific_data=StepMaterializationData(materialization),
            ),
            run_id=context.run.run_id,
            batch_metadata=DagsterEventBatchMetadata(batch, day == days[-1]),
        )
