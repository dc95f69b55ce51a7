"""What the latest change of 1C's schema does to the entities, for the alert of it; compared once per pair of versions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import psycopg

from onec_pipelines.entities import ENTITIES
from onec_pipelines.ledger import schema_versions
from onec_pipelines.ledger.schema_versions import SchemaVersion
from onec_pipelines.steps.drift import Severity
from onec_pipelines.steps.watch_schema import report

Tx = psycopg.Connection[Any]

_NEWS = timedelta(hours=24)
_SHOWN = 5
_compared: dict[tuple[str, str], tuple[str, ...]] = {}


@dataclass(frozen=True, kw_only=True)
class SchemaChange:
    """A version that altered or emptied what is read. `count` is of such changes, `text` names the first few."""

    version: int
    since: datetime
    count: int
    text: str


def schema_changes(tx: Tx, system_name: str, now: datetime) -> list[SchemaChange]:
    """The change of the last day, if there was one that matters; what only added is none, what stops an entity is told of the entity."""
    version = schema_versions.newest(tx, system_name)
    if version is None or now - version.fetched_at > _NEWS:
        return []
    before = schema_versions.previous(tx, system_name, version.id)
    found = _sentences(version, before) if before else ()
    if not found:
        return []
    text = "; ".join(found[:_SHOWN]) + (f"; and {len(found) - _SHOWN} more" if len(found) > _SHOWN else "")
    return [SchemaChange(version=version.id, since=version.fetched_at, count=len(found), text=text)]


def _sentences(version: SchemaVersion, before: SchemaVersion) -> tuple[str, ...]:
    """Kept for the last pair: a sensor asks every half minute, and the answer is the same for a day."""
    pair = (before.fingerprint, version.fingerprint)
    if pair not in _compared:
        drifts = report(ENTITIES, version.document, before).drifts
        _compared.clear()
        _compared[pair] = tuple(
            drift.change.sentence for drift in drifts if drift.severity in {Severity.WARNING, Severity.BROKEN}
        )
    return _compared[pair]
