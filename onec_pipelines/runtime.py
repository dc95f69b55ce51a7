"""What a run needs, opened once and closed at the end: settings, database, 1C client, the base's `$metadata`."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, cached_property
from typing import Self

import pyarrow as pa

from onec_pipelines.db.embedded import EmbeddedServer
from onec_pipelines.db.engine import Database, connect
from onec_pipelines.db.migrations import migrate, pending
from onec_pipelines.errors import Stop
from onec_pipelines.onec.answers import Call
from onec_pipelines.onec.client import DAY_SECONDS, OnecClient
from onec_pipelines.onec.connection import MEBIBYTE, Connection
from onec_pipelines.onec.logins import Bearer, ClientCredentials, Login
from onec_pipelines.onec.metadata import parse_metadata
from onec_pipelines.onec.metadata_file import MetadataFile
from onec_pipelines.onec.metadata_model import Metadata
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
        self.calls: list[Call] = []
        self._observer = observer

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def system_name(self) -> str:
        """The base's name: part of every key."""
        return self.settings.system

    @cached_property
    def client(self) -> OnecClient:
        """The reader of the base."""
        return OnecClient(connection_of(self.settings), observer=self._observe)

    @cached_property
    def metadata(self) -> Metadata:
        """The base's `$metadata`, from the cache under ONEC_HOME while it is fresh."""
        return parse_metadata(self.metadata_file().path)

    def metadata_file(self, *, max_age_seconds: float = DAY_SECONDS) -> MetadataFile:
        """The `$metadata` document in the cache under ONEC_HOME; fetched anew when it is older."""
        return self.client.metadata_file(self.settings.home / "metadata", max_age_seconds=max_age_seconds)

    def close(self) -> None:
        """End the sessions in 1C and the connections to the database."""
        if "client" in self.__dict__:
            self.client.close()
        self.database.close()

    def _observe(self, call: Call) -> None:
        self.calls.append(call)
        if self._observer is not None:
            self._observer(call)


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
        yield runtime
