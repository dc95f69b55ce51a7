"""The intake of changes as an asset: runs before the entities, stores what waits for our node, and says what looks wrong.

A packet that cannot be had fails the check and not the step: a failed step would have Dagster skip every entity, and those that are read
by changes fall back to versions by themselves.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from onec_pipelines.defs.assets import POOL, RETRY, as_failure
from onec_pipelines.defs.interrupts import cancellable
from onec_pipelines.defs.keys import CHANGES_KEY, METADATA_KEY
from onec_pipelines.defs.lineage import as_metadata
from onec_pipelines.defs.remedies import advised
from onec_pipelines.defs.resources import OnecResource
from onec_pipelines.entities import ENTITIES
from onec_pipelines.errors import PipelineError
from onec_pipelines.intake import by_changes, intake_of, is_configured, readers, report
from onec_pipelines.ledger import packets
from onec_pipelines.onec.changes import cannot_be_had, may_be_the_packet
from onec_pipelines.steps.intake import MAX_PACKETS, Taken, take

OP = "onec_changes"
INTAKE = "intake"
# Another process reads the node: what it stores is applied by this run, too.
_NOT_OURS = frozenset({"NODE_BUSY", "LEASE_LOST"})


class ChangesConfig(dg.Config):
    """How much a run takes in, and for how many days packets that everybody has applied are kept (ONEC_RAW_KEEP_DAYS if not said)."""

    max_packets: int = MAX_PACKETS
    keep_days: int | None = None


@dg.multi_asset(
    name=OP,
    specs=[
        dg.AssetSpec(
            CHANGES_KEY,
            deps=[METADATA_KEY],
            group_name="onec",
            kinds={"odata", "postgres"},
            owners=["team:data-engineering"],
            description=(
                "Packets of the exchange plan, stored as 1C sent them and only then acknowledged."
                " Nothing when ONEC_EXCHANGE_NODE is not set."
            ),
            metadata={"dagster/table_name": "raw.packets"},
        )
    ],
    pool=POOL,
    retry_policy=RETRY,
    check_specs=[
        dg.AssetCheckSpec(
            INTAKE,
            asset=CHANGES_KEY,
            description="Packets come, the node's counters move as they should, and every type that comes is read.",
        )
    ],
)
def changes(
    context: dg.AssetExecutionContext, config: ChangesConfig, onec: OnecResource
) -> Iterator[dg.MaterializeResult[None]]:
    """Take in, prune, and report."""
    runtime = onec.runtime
    if not is_configured(runtime):
        wanting = [entity.name for entity in by_changes(ENTITIES, runtime)]
        yield dg.MaterializeResult(
            metadata={"status": "no node is set"},
            check_results=[_check(not wanting, {"read_by_changes": ", ".join(wanting) or None})],
        )
        return
    taken, trouble = Taken(), ""
    try:
        intake = intake_of(runtime, run_id=context.run.run_id, max_packets=config.max_packets)
        with cancellable():
            taken = take(intake)
    except PipelineError as error:
        if not (cannot_be_had(error) or may_be_the_packet(error) or error.code in _NOT_OURS):
            raise as_failure(error) from error
        trouble = str(error)
        context.log.warning(trouble)
    days = runtime.settings.raw_keep_days if config.keep_days is None else config.keep_days
    pruned = packets.prune_in(runtime.database, runtime.system_name, days=days)
    found = report(runtime, ENTITIES)
    problems = [text for text in (trouble, taken.jumped, *found.problems) if text]
    yield dg.MaterializeResult(
        metadata=as_metadata(
            {**_figures(taken), **_lag(found.node, found.entities), "packets_pruned": pruned}
        ),
        check_results=[
            _check(
                not problems,
                {"problems": "\n".join(problems) or None},
                error=bool(found.node and found.node["stuck_since"]) or bool(taken.jumped),
            )
        ],
    )


@advised("INTAKE_TROUBLED")
def _check(passed: bool, metadata: Mapping[str, Any], *, error: bool = True) -> dg.AssetCheckResult:  # noqa: FBT001 - Dagster's word
    return dg.AssetCheckResult(
        check_name=INTAKE,
        asset_key=CHANGES_KEY,
        passed=passed,
        severity=dg.AssetCheckSeverity.ERROR if error else dg.AssetCheckSeverity.WARN,
        metadata=as_metadata(dict(metadata)),
    )


def _figures(taken: Taken) -> dict[str, Any]:
    known = readers(ENTITIES)
    rows = [
        dg.TableRecord(
            {"type": name, "kind": kind, "entries": number, "read_by": ", ".join(known.get(name, ["nobody"]))}
        )
        for name, kinds in taken.counts.items()
        for kind, number in kinds.items()
    ]
    return {
        "packets": taken.packets,
        "entries": taken.entries,
        "bytes": taken.raw_bytes,
        "queue_empty": taken.drained,
        "message_no": taken.node.received_no if taken.node else None,
        "types": dg.MetadataValue.table(records=rows) if rows else None,
    }


def _lag(node: Mapping[str, Any] | None, entities: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """How far behind 1C we may be: since when the queue was last empty, and the packets that some entity has not applied."""
    if node is None:
        return {}
    since = node["drained_at"] or node["epoch_at"]
    return {
        "epoch": node["epoch"],
        "lag_seconds": round((datetime.now(UTC) - since).total_seconds(), 1),
        "packets_behind": max((one["packets_behind"] for one in entities), default=0),
        "queue_last_empty": node["drained_at"].isoformat() if node["drained_at"] else None,
        "stuck_since": node["stuck_since"].isoformat() if node["stuck_since"] else None,
    }
