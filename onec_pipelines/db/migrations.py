"""The runner of `sql/NNNN_name.sql`: each file once, in order, and never a changed one.

Here belong finding, checking and applying the files. What they say belongs to `sql/`. A file is plain SQL in
one transaction together with its line in the ledger `public.onec_schema_migrations`. A file that starts with
`-- no-transaction` (for CREATE INDEX CONCURRENTLY) runs statement by statement, each ended by a semicolon at
the end of a line; it must bear being run again, as a crash may fall between its end and the ledger.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from onec_pipelines.db.engine import Limits, connect
from onec_pipelines.db.errors import describe, translate
from onec_pipelines.errors import RetryLater, Stop

_FILE_NAME = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql")
_WITHOUT_TRANSACTION = "-- no-transaction"
_OLDEST_SERVER = 140_000
# Any constant will do as long as nobody else takes it: "onec" in ASCII.
_LOCK = 0x6F6E6563
# Not in a schema of ours: the files make those. In a shared database other tools keep a "schema_migrations".
_LEDGER = """
CREATE TABLE IF NOT EXISTS public.onec_schema_migrations (
    version integer PRIMARY KEY,
    name text NOT NULL,
    sha256 text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now(),
    seconds numeric(10, 3) NOT NULL
)
"""


@dataclass(frozen=True, kw_only=True)
class Migration:
    """One file of `sql/`. `sha256` is of the text with unix line ends: a checkout must not change it."""

    version: int
    name: str
    text: str

    @property
    def sha256(self) -> str:
        """The fingerprint kept in the ledger."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def in_transaction(self) -> bool:
        """Whether the file runs as one transaction."""
        return not self.text.startswith(_WITHOUT_TRANSACTION)

    def __str__(self) -> str:
        return f"{self.version:04d}_{self.name}.sql"


def migrate(url: str, folder: Path | None = None, *, wait_seconds: float = 60) -> tuple[Migration, ...]:
    """Bring the database at `url` to the newest version and return what was applied, in order.

    Of several starts at once one applies and the others find nothing to do; whoever waits longer than
    `wait_seconds` gets RetryLater (MIGRATION_BUSY). Raises Stop when the ledger and the folder disagree:
    MIGRATION_EDITED, MIGRATION_MISSING, MIGRATION_UNKNOWN (the database is newer than this code),
    MIGRATION_ORDER; when a file fails: MIGRATION_FAILED, with nothing of it left behind; when the server is
    unfit: DB_UNSUPPORTED.
    """
    migrations = read_folder(folder or default_folder())
    with _connected(url) as connection, _locked(connection, wait_seconds):
        connection.execute(_LEDGER)
        waiting = _outstanding(migrations, _ledger(connection))
        for migration in waiting:
            _apply(connection, migration)
    return waiting


def pending(url: str, folder: Path | None = None) -> tuple[Migration, ...]:
    """What `migrate` would apply, without changing anything. Raises the same Stops."""
    migrations = read_folder(folder or default_folder())
    with _connected(url) as connection:
        found = connection.execute(
            "SELECT to_regclass('public.onec_schema_migrations') IS NOT NULL"
        ).fetchone()
        return _outstanding(migrations, _ledger(connection) if found and found[0] else {})


def default_folder() -> Path:
    """`sql/` of the wheel, or of the checkout."""
    package = Path(__file__).resolve().parent.parent
    shipped = package / "sql"
    return shipped if shipped.is_dir() else package.parent / "sql"


def read_folder(folder: Path) -> tuple[Migration, ...]:
    """The migrations of `folder` by version. Raises Stop (MIGRATION_NAME) on a wrong or doubled name."""
    if not folder.is_dir():
        raise Stop(f"there is no folder {folder} with migrations", code="MIGRATION_NAME")
    found: dict[int, Migration] = {}
    for path in sorted(folder.glob("*.sql")):
        named = _FILE_NAME.fullmatch(path.name)
        if not named:
            raise Stop(f"{path.name} is not named NNNN_name.sql", code="MIGRATION_NAME")
        version = int(named[1])
        if version in found:
            raise Stop(f"{path.name} and {found[version]} have the same number", code="MIGRATION_NAME")
        text = path.read_text(encoding="utf-8").replace("\r\n", "\n")
        found[version] = Migration(version=version, name=named[2], text=text)
    return tuple(found.values())


@contextmanager
def _connected(url: str) -> Iterator[psycopg.Connection[Any]]:
    limits = Limits(statement=0, lock=10, idle=0)
    with connect(url, application_name="onec_migrate", limits=limits).session() as connection:
        if connection.info.server_version < _OLDEST_SERVER:
            raise Stop(
                f"PostgreSQL {connection.info.server_version // 10_000} is too old",
                code="DB_UNSUPPORTED",
                remedy="use PostgreSQL 14 or newer",
            )
        encoding = connection.info.parameter_status("server_encoding")
        if encoding != "UTF8":
            raise Stop(
                f"the database is encoded in {encoding}, which cannot hold what 1C sends",
                code="DB_UNSUPPORTED",
                remedy="create the database with ENCODING 'UTF8'",
            )
        yield connection


@contextmanager
def _locked(connection: psycopg.Connection[Any], wait_seconds: float) -> Iterator[None]:
    """One runner at a time; the lock goes with the session, also when it is killed."""
    deadline = time.monotonic() + wait_seconds
    # Asked again and again, not waited for: a waiting session holds a snapshot, and CREATE INDEX CONCURRENTLY
    # would wait for that snapshot while the session waits for us.
    while not _true(connection, "SELECT pg_try_advisory_lock(%s)"):
        if time.monotonic() > deadline:
            raise RetryLater("another process is migrating the database", code="MIGRATION_BUSY")
        time.sleep(0.1)
    try:
        yield
    finally:
        if not connection.closed:
            _true(connection, "SELECT pg_advisory_unlock(%s)")


def _true(connection: psycopg.Connection[Any], statement: str) -> bool:
    row = connection.execute(statement.encode(), (_LOCK,)).fetchone()
    return bool(row and row[0])


def _ledger(connection: psycopg.Connection[Any]) -> dict[int, tuple[str, str]]:
    rows = connection.execute(
        "SELECT version, name, sha256 FROM public.onec_schema_migrations ORDER BY version"
    )
    return {version: (name, sha256) for version, name, sha256 in rows}


def _outstanding(
    migrations: Sequence[Migration], ledger: dict[int, tuple[str, str]]
) -> tuple[Migration, ...]:
    """The migrations not in the ledger, after a check that the rest is what the ledger says."""
    known = {migration.version: migration for migration in migrations}
    newest = max(known, default=0)
    for version, (name, sha256) in ledger.items():
        if version > newest:
            raise Stop(
                f"the database has migration {version:04d}_{name}, this code ends at {newest:04d}",
                code="MIGRATION_UNKNOWN",
                remedy="run the newer code that this database was migrated by",
            )
        if version not in known:
            raise Stop(
                f"migration {version:04d}_{name} was applied, but its file is gone",
                code="MIGRATION_MISSING",
                remedy="bring the file back from version control",
            )
        if known[version].sha256 != sha256:
            raise Stop(
                f"migration {known[version]} was changed after it had been applied",
                code="MIGRATION_EDITED",
                remedy="bring the old text back and put the change into a new file",
            )
    waiting = tuple(migration for migration in migrations if migration.version not in ledger)
    if waiting and ledger and waiting[0].version < max(ledger):
        raise Stop(
            f"migration {waiting[0]} is older than the newest applied one, {max(ledger):04d}",
            code="MIGRATION_ORDER",
            remedy="give it the next free number",
        )
    return waiting


def _apply(connection: psycopg.Connection[Any], migration: Migration) -> None:
    started = time.monotonic()
    try:
        if migration.in_transaction:
            with connection.transaction():
                connection.execute(migration.text.encode())
                _record(connection, migration, time.monotonic() - started)
        else:
            for statement in _statements(migration):
                connection.execute(statement.encode())
            _record(connection, migration, time.monotonic() - started)
    except psycopg.Error as error:
        if isinstance(ours := translate(error), RetryLater):
            raise ours from None
        # The words about the statement itself are safe: classes other than 42 may quote data.
        words = error.diag.message_primary if (error.sqlstate or "").startswith("42") else ""
        raise Stop(
            f"migration {migration} failed: {describe(error)} {words or ''}".strip(),
            code="MIGRATION_FAILED",
            remedy="correct the file, or the data it stumbles over, and run again",
        ) from None


def _statements(migration: Migration) -> list[str]:
    if "$$" in migration.text:
        raise Stop(
            f"migration {migration} runs without a transaction and cannot hold $$", code="MIGRATION_NAME"
        )
    pieces = re.split(r";[ \t]*$", migration.text, flags=re.MULTILINE)
    return [piece for piece in pieces if re.sub(r"--.*", "", piece).strip()]


def _record(connection: psycopg.Connection[Any], migration: Migration, seconds: float) -> None:
    connection.execute(
        "INSERT INTO public.onec_schema_migrations (version, name, sha256, seconds) VALUES (%s, %s, %s, %s)",
        (migration.version, migration.name, migration.sha256, round(seconds, 3)),
    )
