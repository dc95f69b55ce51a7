"""What a run needs, opened once and closed at the end: settings, database, 1C client, the base's `$metadata`."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache, cached_property
from pathlib import Path
from typing import BinaryIO, Self

import pyarrow as pa

from onec_pipelines.db.embedded import EmbeddedServer
from onec_pipelines.db.engine import Database, connect
from onec_pipelines.db.migrations import migrate, pending
from onec_pipelines.errors import Stop
from onec_pipelines.ledger import audit, bases, capabilities, metadata_cache, stock_policy
from onec_pipelines.ledger.calls import CallRecorder, Meter, Spent
from onec_pipelines.ledger.controls import QuietUntil, Standing, quiet_hours, standing
from onec_pipelines.ledger.throttle import SharedThrottle
from onec_pipelines.ledger.throttle_rules import Limits
from onec_pipelines.onec import contacts
from onec_pipelines.onec.answers import Call
from onec_pipelines.onec.capabilities import Capabilities
from onec_pipelines.onec.changes import ChangeFeed
from onec_pipelines.onec.client import DAY_SECONDS, OnecClient
from onec_pipelines.onec.connection import MEBIBYTE, Connection
from onec_pipelines.onec.logins import Bearer, ClientCredentials, Login
from onec_pipelines.onec.marks import place_of, read_marks
from onec_pipelines.onec.metadata import parse_metadata
from onec_pipelines.onec.metadata_file import MetadataFile, base_key, cached_metadata, keep_metadata
from onec_pipelines.onec.metadata_model import Metadata
from onec_pipelines.onec.throttle import Throttle, shared_throttle
from onec_pipelines.onec.writer import OnecWriter
from onec_pipelines.settings import Settings, load_settings

# glibc's malloc.h
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8


class Runtime:
    """One base and one database, for one process. The 1C side is opened at its first use: a replay never touches 1C."""

    def __init__(
        self, settings: Settings, database: Database, *, observer: Callable[[Call], None] | None = None
    ) -> None:
        self.settings = settings
        self.database = database
        self.meter = Meter()
        self._recorder = CallRecorder(database, system_name=settings.system)
        self._observer = observer
        contacts.use_region(settings.phone_region)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def system_name(self) -> str:
        """The base's name: part of every key."""
        return self.settings.system

    @property
    def spent(self) -> Spent:
        """What was asked of 1C so far; the difference of two moments is what went on between them, in all threads."""
        return self.meter.spent

    @cached_property
    def throttle(self) -> Throttle:
        """How hard 1C is pressed: by all processes together, or with ONEC_THROTTLE=local by each."""
        if self.settings.throttle == "local":
            return shared_throttle(
                self.settings.url,
                self.settings.user,
                rate_per_second=self.settings.rate_per_second,
                max_calls=self.settings.max_sessions,
                max_writers=self.settings.max_writers,
            )
        return SharedThrottle(
            self.database,
            system_name=self.system_name,
            limits=Limits(
                rate_per_second=self.settings.rate_per_second,
                max_calls=self.settings.max_sessions,
                max_writers=self.settings.max_writers,
            ),
            quiet_until=self.quiet_until,
        )

    @cached_property
    def quiet_until(self) -> QuietUntil:
        """Gives the end of the quiet hours that a moment lies in, or None."""
        return quiet_hours(self.settings.quiet_hours, self.settings.zone)

    def standing(self) -> Standing:
        """Whether 1C may be called now, by all that is known of it: pause, quiet hours, breaker."""
        return standing(self.database, self.system_name, self.quiet_until)

    @property
    def place(self) -> str:
        """Where the base is, in one spelling."""
        return place_of(self.settings.url)

    @cached_property
    def connection(self) -> Connection:
        """The way to the base that fills this database; Stop BASE_MOVED, without a request, when the settings lead elsewhere."""
        bases.check_place(self.database, system_name=self.system_name, place=self.place)
        made = connection_of(self.settings)
        bears = self.capabilities.sessions
        return made if bears is None else replace(made, max_sessions=max(1, min(made.max_sessions, bears)))

    @cached_property
    def capabilities(self) -> Capabilities:
        """What the doctor found the base able to do."""
        return capabilities.read(self.database, system_name=self.system_name, place=self.place)

    @cached_property
    def client(self) -> OnecClient:
        """The reader of the base."""
        return OnecClient(
            self.connection, self.throttle, observer=self._observe, capabilities=self.capabilities
        )

    @cached_property
    def writer(self) -> OnecWriter:
        """The writer of the base: one write at a time, whichever process makes it (PROTOCOL §13.1)."""
        return OnecWriter(self.connection, self.throttle, observer=self._observe)

    @cached_property
    def change_feed(self) -> ChangeFeed:
        """The exchange plan's side of the base: packets of changes."""
        return ChangeFeed(self.connection, self.throttle, observer=self._observe)

    @cached_property
    def metadata(self) -> Metadata:
        """The base's `$metadata`, from the caches under ONEC_HOME and in PostgreSQL while it is fresh."""
        return parse_metadata(self.metadata_file().path)

    def metadata_file(self, *, max_age_seconds: float = DAY_SECONDS) -> MetadataFile:
        """The `$metadata` document: from ONEC_HOME, from PostgreSQL if another machine fetched it later, from 1C when both are older.

        With each fetch from 1C the base is recognised (one small request): Stop BASE_OTHER for one with other objects, whose
        document is not kept in PostgreSQL.
        """
        folder = self.settings.home / "metadata"
        base = base_key(self.client.connection.base)
        self._bring_later_metadata(folder, base)
        before = cached_metadata(folder, base=self.client.connection.base)
        file = self.client.metadata_file(folder, max_age_seconds=max_age_seconds)
        known = metadata_cache.kept(self.database, system_name=self.system_name, base=base)
        if file != before or known is None:
            self.recognise(parse_metadata(file.path))
            metadata_cache.keep(self.database, file, system_name=self.system_name, base=base)
        return file

    def recognise(self, metadata: Metadata) -> None:
        """Ask the base for its marks and compare; the first one is remembered. Raises Stop BASE_OTHER or BASE_MOVED."""
        known = bases.find(self.database, self.system_name)
        seen = read_marks(self.client, metadata, known.marks_of if known else None)
        bases.meet(
            self.database, system_name=self.system_name, place=self.place, seen=seen, by="the first run"
        )

    def _bring_later_metadata(self, folder: Path, base: str) -> None:
        """Put the document that another machine has fetched into the folder, if it is the later one."""
        whose = self.client.connection.base
        here = cached_metadata(folder, base=whose)
        known = metadata_cache.kept(self.database, system_name=self.system_name, base=base)
        if known is None or (here is not None and here.fetched_at >= known.fetched_at):
            return
        found = metadata_cache.body(self.database, system_name=self.system_name, base=base)
        if found is not None:
            content, fetched_at = found
            keep_metadata(lambda sink: _write(sink, content), folder, base=whose, fetched_at=fetched_at)

    def keep_policies(self) -> None:
        """Write the settings that SQL reads to where it reads them (`integ.stock_policy`); nothing without a base."""
        if self.system_name:
            stock_policy.keep(
                self.database,
                system_name=self.system_name,
                formula=self.settings.stock_formula,
                negative=self.settings.negative_stock,
            )

    def note_settings(self) -> None:
        """Have the audit log say which settings differ from those of the last process; nothing without a base."""
        if self.system_name:
            audit.note_settings(self.database, self.system_name, self.settings.prints())

    def close(self) -> None:
        """End the sessions in 1C and the connections to the database."""
        if "client" in self.__dict__:
            self.client.close()
        if "writer" in self.__dict__:
            self.writer.close()
        if "change_feed" in self.__dict__:
            self.change_feed.close()
        if isinstance(throttle := self.__dict__.get("throttle"), SharedThrottle):
            throttle.close()
        self._recorder.close()
        self.database.close()

    def _observe(self, call: Call) -> None:
        self.meter.add(call)
        self._recorder.note(call)
        if self._observer is not None:
            self._observer(call)


def _write(sink: BinaryIO, content: bytes) -> None:
    sink.write(content)


def connection_of(settings: Settings) -> Connection:
    """The part of the settings that leads to 1C."""
    return Connection(
        url=settings.url,
        user=settings.user,
        password=settings.password.get_secret_value(),
        timezone=settings.timezone,
        system=settings.system,
        max_sessions=settings.max_sessions,
        rate_per_second=settings.rate_per_second,
        deadline_seconds=settings.deadline_seconds,
        session_mode=settings.session_mode,
        login=_login_of(settings),
        verify=settings.verify_tls,
        ca_file=settings.ca_file,
        client_cert=settings.client_cert,
        client_key=settings.client_key,
        proxy=settings.proxy.get_secret_value() or None,
        compression=settings.compression,
    )


def _login_of(settings: Settings) -> Login | None:
    if settings.auth == "bearer":
        return Bearer(token=settings.token.get_secret_value(), token_file=settings.token_file)
    if settings.auth == "client_credentials":
        return ClientCredentials(
            token_url=settings.token_url,
            client_id=settings.client_id,
            client_secret=settings.client_secret.get_secret_value(),
            scope=settings.scope,
        )
    return None


def database_url(settings: Settings) -> str:
    """The configured database, or the embedded one, started if it is not running."""
    given = settings.database_url.get_secret_value()
    return given or EmbeddedServer(settings.home).ensure_running()


@cache
def _give_memory_back() -> None:
    """Have freed pages go back to the system: a load works through buffers of megabytes in several threads.

    glibc would keep them in one arena per thread and raise its threshold for mapped blocks with each large one. Measured at
    100 000 products: products peak at 342 MB instead of 430, prices at 444 instead of 614. Other C libraries are left alone.
    """
    pa.set_memory_pool(pa.system_memory_pool())
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        for option, value in ((_ARENA_MAX, 2), (_MMAP_THRESHOLD, MEBIBYTE), (_TRIM_THRESHOLD, MEBIBYTE)):
            mallopt(option, value)


@contextmanager
def open_runtime(
    settings: Settings | None = None, *, observer: Callable[[Call], None] | None = None
) -> Iterator[Runtime]:
    """A runtime on a database with all migrations.

    The embedded database is migrated by itself; a database of the customer's is not touched without `onec
    migrate` (Stop MIGRATIONS_PENDING).
    """
    settings = settings or load_settings()
    _give_memory_back()
    url = database_url(settings)
    if not settings.database_url.get_secret_value():
        migrate(url)
    elif waiting := pending(url):
        raise Stop(
            f"the database lacks {len(waiting)} migrations, the first is {waiting[0]}",
            code="MIGRATIONS_PENDING",
            remedy="Run `onec migrate`.",
        )
    with Runtime(settings, connect(url), observer=observer) as runtime:
        runtime.keep_policies()
        runtime.note_settings()
        yield runtime
