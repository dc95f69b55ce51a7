"""The base's `$metadata` as an asset: read before anything else of a run, with a check that says what a change of it breaks."""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from onec_pipelines.defs.assets import POOL, RETRY, as_failure
from onec_pipelines.defs.interrupts import cancellable
from onec_pipelines.defs.keys import METADATA_KEY
from onec_pipelines.defs.lineage import as_metadata
from onec_pipelines.defs.remedies import advised
from onec_pipelines.defs.resources import OnecResource
from onec_pipelines.entities import ENTITIES
from onec_pipelines.errors import PipelineError
from onec_pipelines.ledger import schema_versions
from onec_pipelines.onec.metadata import parse_metadata
from onec_pipelines.steps.drift import Severity
from onec_pipelines.steps.watch_schema import Report, Watched, report, watch_schema

OP = "onec_metadata"
DRIFT = "schema_drift"
_SHOWN = 200


class MetadataConfig(dg.Config):
    """How old the fetched `$metadata` may be; 0 asks 1C at once (17 MB and 23 s on a full base, PROTOCOL §1.4)."""

    max_age_hours: float = 24.0


@dg.multi_asset(
    name=OP,
    specs=[
        dg.AssetSpec(
            METADATA_KEY,
            group_name="onec",
            kinds={"odata", "postgres"},
            owners=["team:data-engineering"],
            description=(
                "What 1C publishes ($metadata), narrowed to what the entities read;"
                " each meaning is kept in integ.schema_versions."
            ),
            metadata={"dagster/table_name": "integ.schema_versions"},
        )
    ],
    pool=POOL,
    retry_policy=RETRY,
    check_specs=[
        dg.AssetCheckSpec(
            DRIFT,
            asset=METADATA_KEY,
            description="Every entity finds its fields. A change of the schema stops only the entities that it breaks.",
        )
    ],
)
def metadata(
    context: dg.AssetExecutionContext, config: MetadataConfig, onec: OnecResource
) -> Iterator[dg.MaterializeResult[None]]:
    """Fetch by age, store by meaning, report by impact."""
    runtime = onec.runtime
    try:
        with cancellable():
            file = runtime.metadata_file(max_age_seconds=config.max_age_hours * 3600)
        watched = watch_schema(
            runtime.database,
            ENTITIES,
            system_name=runtime.system_name,
            file=file,
            read=lambda: parse_metadata(file.path),
        )
    except PipelineError as error:
        raise as_failure(error) from error
    found = report(ENTITIES, watched.version.document, watched.shown)
    for text in found.condition.broken.values():
        context.log.error(text)
    schema_versions.reported(runtime.database, watched.version.id)
    yield dg.MaterializeResult(
        metadata=_figures(watched, found, file.size), check_results=[drift_check(found)]
    )


@advised("SCHEMA_CHANGED")
def drift_check(found: Report) -> dg.AssetCheckResult:
    """ERROR as long as an entity cannot be read; WARN once for a change that empties or alters a mapped field; else passed, with notes."""
    broken = found.condition.broken
    worst = {drift.severity for drift in found.drifts}
    return dg.AssetCheckResult(
        check_name=DRIFT,
        asset_key=METADATA_KEY,
        passed=not broken and not worst & {Severity.WARNING, Severity.BROKEN},
        severity=dg.AssetCheckSeverity.ERROR if broken else dg.AssetCheckSeverity.WARN,
        metadata=as_metadata(
            {
                "broken_entities": "\n".join(broken.values()) or None,
                "not_published": "\n".join(found.condition.skipped.values()) or None,
                "empty_fields": _empty_fields(found) or None,
                "changes": _table(found) if found.drifts else None,
                "remedy": "`onec schema diff` shows each change with what it feeds. Add a new name as an alternative of the field."
                if found.drifts or broken
                else None,
            }
        ),
    )


def _empty_fields(found: Report) -> str:
    return ", ".join(
        f"{entity}.{field}" for entity, fields in found.condition.missing.items() for field in fields
    )


def _table(found: Report) -> dg.TableMetadataValue:
    rows = [
        dg.TableRecord(
            {
                "severity": drift.severity.value,
                "change": drift.change.sentence,
                "impact": "; ".join(impact.text for impact in drift.impacts),
            }
        )
        for drift in found.drifts[:_SHOWN]
    ]
    return dg.MetadataValue.table(records=rows)


def _figures(watched: Watched, found: Report, size: int) -> dict[str, Any]:
    version = watched.version
    return as_metadata(
        {
            "version": version.id,
            "is_new": watched.is_new,
            "fingerprint": version.fingerprint,
            "first_seen": version.fetched_at.isoformat(),
            "fetched": version.confirmed_at.isoformat(),
            "file_bytes": size,
            "sets": sum(item["type"] is not None for item in version.document.values()),
            "changes": len(found.drifts),
            "broken_entities": len(found.condition.broken),
        }
    )
