"""watch: keep what `$metadata` means to the entities, and say what the latest change of it does to them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from onec_pipelines.db.engine import Database, driver_connection
from onec_pipelines.ledger import schema_versions
from onec_pipelines.ledger.schema_versions import SchemaVersion, Tx
from onec_pipelines.onec.metadata_document import Wanted, fingerprint, narrowed, restored, wanted_of
from onec_pipelines.onec.metadata_file import MetadataFile
from onec_pipelines.onec.metadata_model import Metadata
from onec_pipelines.spec import Entity
from onec_pipelines.steps.drift import Condition, Drift, condition, drifts, wanted_by


@dataclass(frozen=True, kw_only=True)
class Watched:
    """The version that holds, whether it has just been stored, and the one that was last shown to people."""

    version: SchemaVersion
    is_new: bool
    shown: SchemaVersion | None


@dataclass(frozen=True, kw_only=True)
class Report:
    """What changed between two meanings and how the entities fare on the later one. `since` is None without an earlier one."""

    since: SchemaVersion | None
    drifts: tuple[Drift, ...]
    condition: Condition


def watch_schema(
    database: Database,
    entities: Sequence[Entity],
    *,
    system_name: str,
    file: MetadataFile,
    read: Callable[[], Metadata],
) -> Watched:
    """Store what the fetched file means, if that is news; the same file is not even parsed (`read` is not called).

    A file older than the stored version changes nothing: another machine has fetched a later one.
    """
    wanted = wanted_by(entities)
    with database.transaction() as connection:
        tx = driver_connection(connection)
        schema_versions.lock(tx, system_name)
        stored = schema_versions.newest(tx, system_name)
        is_new = False
        if stored is None or not _is_known(stored, file, wanted):
            is_new = _store(tx, stored, narrowed(read(), wanted), system_name=system_name, file=file)
        elif file.fetched_at > stored.confirmed_at:
            schema_versions.confirm(tx, stored.id, fetched_at=file.fetched_at, file_sha256=file.sha256)
        version = schema_versions.newest(tx, system_name)
        assert version is not None  # noqa: S101 - stored above, within this transaction
        return Watched(version=version, is_new=is_new, shown=schema_versions.last_reported(tx, system_name))


def report(entities: Sequence[Entity], document: dict[str, Any], since: SchemaVersion | None) -> Report:
    """Compare a meaning with a stored one, in what both were asked for: a newly declared entity is no drift."""
    after = restored(document)
    found: tuple[Drift, ...] = ()
    if since is not None:
        now, then = wanted_of(document), wanted_of(since.document)
        both = {name: now[name] & then[name] for name in now.keys() & then.keys()}
        found = drifts(entities, restored(since.document), after, both)
    return Report(since=since, drifts=found, condition=condition(entities, after))


def last_change(
    database: Database, entities: Sequence[Entity], *, system_name: str, metadata: Metadata
) -> Report:
    """What `metadata` changes against the newest stored version; when it changes nothing, what that version changed. Stores nothing."""
    document = narrowed(metadata, wanted_by(entities))
    with database.transaction() as connection:
        tx = driver_connection(connection)
        since = schema_versions.newest(tx, system_name)
        if since is not None and since.fingerprint == fingerprint(document):
            since = schema_versions.previous(tx, system_name, since.id)
    return report(entities, document, since)


def _is_known(stored: SchemaVersion, file: MetadataFile, wanted: Wanted) -> bool:
    is_old = file.fetched_at <= stored.confirmed_at
    return (is_old or file.sha256 == stored.file_sha256) and wanted_of(stored.document) == wanted


def _store(
    tx: Tx, stored: SchemaVersion | None, document: dict[str, Any], *, system_name: str, file: MetadataFile
) -> bool:
    mark = fingerprint(document)
    if stored is not None and stored.fingerprint == mark:
        schema_versions.confirm(tx, stored.id, fetched_at=file.fetched_at, file_sha256=file.sha256)
        return False
    schema_versions.add(
        tx,
        system_name=system_name,
        fetched_at=file.fetched_at,
        fingerprint=mark,
        file_sha256=file.sha256,
        document=document,
    )
    return True
