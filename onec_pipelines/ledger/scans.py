"""A scan = one reading of an entity from its first page to its last: its checkpoint and the keys it has seen.

Seen keys live in an unlogged table of their own (no WAL for an unchanged reload). PostgreSQL empties it after a crash of the server;
then its count no longer fits the checkpoint and the scan starts anew.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import psycopg
import pyarrow as pa

from onec_pipelines.db import clean_sql
from onec_pipelines.db.copy import copy_into
from onec_pipelines.ledger import state
from onec_pipelines.spec import Entity

Tx = psycopg.Connection[Any]


WHOLE = "scan"
"""Kind of a reading of everything. Kinds of others begin with the same word."""
COMPLETE = "complete"
"""State of the last reading of everything that came to its end."""
COMPARED = "compared"
"""State of the last version scan of everything that came to its end."""
PARTIAL = "partial"
"""State of the last window, or version scan of one, that came to its end."""
VERSIONS = "scan versions"
"""Kind of a scan of `Ref_Key, DataVersion`."""
REPLAY = "scan replay"
"""Kind of the keys that a replay of an older time leaves out."""


def of_window(name: str) -> str:
    """Kind of a reading of a window, so that a cancelled backfill is continued whatever ran in between."""
    return f"scan {name}"


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """How far a scan has come: parts that are done, and the paging cursor within the current one.

    `plan` is a fingerprint of what is asked for: a scan of another plan is not continued. `seen` counts the rows of the
    seen table. `kind` names the state under which the checkpoint is kept: scans of different kinds do not disturb each other. `judged` says
    that what is missed has been counted, which must happen once a scan.
    """

    scan_id: int
    plan: str
    kind: str = WHOLE
    parts_done: tuple[str, ...] = ()
    part: str = ""
    cursor: dict[str, Any] | None = None
    rows: int = 0
    rejected: int = 0
    pages: int = 0
    seen: int = 0
    count_before: int | None = None
    count_after: int | None = None
    judged: bool = False

    @property
    def table(self) -> str:
        """The scan's table of seen keys."""
        return f"integ.seen_{self.scan_id:d}"


def resume(tx: Tx, system_name: str, entity: str, plan: str, kind: str = WHOLE) -> Checkpoint | None:
    """The unfinished scan of this plan, or None when there is none that can be continued."""
    document = state.read(tx, system_name, entity, kind)
    if document is None or document["plan"] != plan:
        return None
    checkpoint = Checkpoint(**{**document, "parts_done": tuple(document["parts_done"])})
    exists = tx.execute("SELECT to_regclass(%s) IS NOT NULL", (checkpoint.table,)).fetchone()
    if not exists or not exists[0]:
        return None
    count = tx.execute(f"SELECT count(*) FROM {checkpoint.table}".encode()).fetchone()
    return checkpoint if count and count[0] == checkpoint.seen else None


def begin(tx: Tx, system_name: str, entity: str, *, plan: str, scan_id: int, kind: str = WHOLE) -> Checkpoint:
    """A new scan; what an older one of its kind left is dropped."""
    forget(tx, system_name, entity, kind)
    checkpoint = Checkpoint(scan_id=scan_id, plan=plan, kind=kind)
    tx.execute(f"DROP TABLE IF EXISTS {checkpoint.table}".encode())
    tx.execute(
        f"CREATE UNLOGGED TABLE {checkpoint.table} (row_key uuid NOT NULL, data_version text)".encode()
    )
    save(tx, system_name, entity, checkpoint)
    return checkpoint


def forget(tx: Tx, system_name: str, entity: str, kind: str = WHOLE) -> None:
    """Drop the unfinished scan of an entity, if there is one: the next reading starts anew."""
    old = state.read(tx, system_name, entity, kind)
    if old is not None:
        tx.execute(f"DROP TABLE IF EXISTS integ.seen_{int(old['scan_id']):d}".encode())
        state.forget(tx, system_name, entity, kind)


def forget_old(tx: Tx, *, days: int) -> int:
    """Drop unfinished scans that nobody has continued for so long: cancelled backfills. Gives how many."""
    rows = tx.execute(
        "SELECT system_name, entity_type, kind FROM integ.sync_state"
        " WHERE kind LIKE 'scan%%' AND updated_at < now() - make_interval(days => %s)",
        (days,),
    ).fetchall()
    for system_name, entity, kind in rows:
        forget(tx, system_name, entity, kind)
    return len(rows)


def save(tx: Tx, system_name: str, entity: str, checkpoint: Checkpoint) -> None:
    """Move the checkpoint, in the transaction that stored the rows up to it."""
    state.write(tx, system_name, entity, checkpoint.kind, asdict(checkpoint))


def note_seen(tx: Tx, entity: Entity, checkpoint: Checkpoint, rejected_keys: list[str]) -> int:
    """Add the keys of the staged rows and of the rejects: they exist in 1C. Gives how many were added."""
    staged = tx.execute(
        f"INSERT INTO {checkpoint.table} (row_key) {clean_sql.staged_keys(entity)}".encode()
    ).rowcount
    for key in rejected_keys:
        tx.execute(f"INSERT INTO {checkpoint.table} (row_key) VALUES (%s)".encode(), (key,))
    return staged + len(rejected_keys)


def among(tx: Tx, table: str, keys: list[str]) -> frozenset[str]:
    """Those of the keys that are in a table of seen keys."""
    if not keys:
        return frozenset()
    rows = tx.execute(
        f"SELECT DISTINCT row_key::text FROM {table} WHERE row_key = ANY(%s::uuid[])".encode(), (keys,)
    )
    return frozenset(str(key) for (key,) in rows)


def note_versions(tx: Tx, checkpoint: Checkpoint, versions: pa.Table) -> None:
    """Add the keys and versions (`row_key`, `data_version`) of a page of a version scan."""
    copy_into(tx, checkpoint.table, versions)


def distinct_seen(tx: Tx, checkpoint: Checkpoint) -> int:
    """How many different keys the scan has seen; its table has statistics afterwards."""
    tx.execute(f"ANALYZE {checkpoint.table}".encode())
    row = tx.execute(f"SELECT count(DISTINCT row_key) FROM {checkpoint.table}".encode()).fetchone()
    return int(row[0]) if row else 0


def end(
    tx: Tx,
    system_name: str,
    entity: str,
    checkpoint: Checkpoint,
    summary: dict[str, Any],
    *,
    kind: str = COMPLETE,
) -> None:
    """The scan is over: its summary stays under `kind` (replay reads that of whole readings), its checkpoint and seen keys go."""
    tx.execute(f"DROP TABLE IF EXISTS {checkpoint.table}".encode())
    state.forget(tx, system_name, entity, checkpoint.kind)
    state.write(tx, system_name, entity, kind, {"scan_id": checkpoint.scan_id, **summary})
