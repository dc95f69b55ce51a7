"""A PostgreSQL 18 of our own, from a wheel: nothing to install, started when needed, found when running.

Here belong making, starting, finding and stopping the server. Where its files are and whose process it is
belong to `embedded_place`. It listens on a unix socket in a private folder and on no port: there is no
password to keep and no port to collide.

The server outlives the process that started it, as the next one will want it again; `stop` ends it.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

import psycopg
from psycopg import sql

from onec_pipelines.db.embedded_place import MAJOR, PORT, Place, find_place
from onec_pipelines.db.urls import conninfo, with_database
from onec_pipelines.errors import RetryLater, Stop

DATABASE = "onec"
_PATIENCE_SECONDS = 120
_LOG_BYTES = 16 * 1024 * 1024
# A pid no system hands out: postgres takes the file that holds it for a dead server's.
_NOBODYS_PID = "2147483647"

# Modest in memory, generous in write-ahead log: bulk loads. Nothing here risks data: fsync stays on.
_TUNED = {
    "shared_buffers": "256MB",
    "work_mem": "32MB",
    "maintenance_work_mem": "128MB",
    "effective_cache_size": "1GB",
    "max_connections": "100",
    "random_page_cost": "1.1",
    "jit": "off",
    "wal_level": "minimal",  # a COPY into a table made in the same transaction skips the log
    "max_wal_senders": "0",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "client_connection_check_interval": "5s",  # a killed client's statement ends, and with it its locks
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_messages": "warning",
    "log_min_error_statement": "panic",  # statements hold customers' data
    "log_error_verbosity": "terse",  # so does DETAIL
    "log_line_prefix": "%m [%p] %a ",
}


@dataclass(frozen=True, kw_only=True)
class ServerStatus:
    """What is known of the server without talking to it."""

    running: bool
    pid: int | None
    url: str
    data: Path
    log: Path


class EmbeddedServer:
    """The server that belongs to the folder `home`. As a context manager it stops what it has started.

    `tuning` replaces single settings of postgresql.conf at the next start. All methods raise Stop
    (DB_EMBEDDED) with the last lines of the server's log when it cannot be made to run, RetryLater (DB_DOWN)
    when another process holds it for longer than two minutes.
    """

    def __init__(self, home: Path, *, tuning: Mapping[str, str] | None = None) -> None:
        self._home = home.absolute()
        self._tuning = dict(tuning or {})
        self._started_here = False

    def __enter__(self) -> Self:
        self.ensure_running()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._started_here:
            self.stop()

    @property
    def url(self) -> str:
        """The address of the database `onec`, whether or not the server runs."""
        return f"postgresql://postgres@/{DATABASE}?host={quote(str(self._place.sockets))}&port={PORT}"

    def ensure_running(self) -> str:
        """The URL of the database `onec` on a server that answers: started, or made, if need be.

        Several processes may call it at once. The data of a killed server is recovered by PostgreSQL itself.
        """
        if not self._answers(self.url):
            with self._locked() as lock:
                self._initialise(lock)
                self._start()
                self._create_database()
        return self.url

    def stop(self) -> None:
        """End the server and its connections. Nothing happens if it does not run."""
        with self._locked():
            if self._pid() is not None:
                done = self._run(
                    "pg_ctl", "stop", "-s", "-w", "-m", "fast", "-t", "60", "-D", self._place.data
                )
                if done.returncode:
                    raise self._failed("does not stop", done.stdout)
            self._started_here = False

    def status(self) -> ServerStatus:
        """Whether the server runs, and where its files are."""
        pid = self._pid()
        place = self._place
        return ServerStatus(running=pid is not None, pid=pid, url=self.url, data=place.data, log=place.log)

    @cached_property
    def _place(self) -> Place:
        return find_place(self._home)

    def _initialise(self, lock: int) -> None:
        version = self._place.data / "PG_VERSION"
        if version.is_file():
            found = version.read_text(encoding="ascii").strip()
            if found != MAJOR:
                raise Stop(
                    f"{self._place.data} was made by PostgreSQL {found}, this is {MAJOR}",
                    code="DB_EMBEDDED",
                    remedy="move the data with pg_dump and pg_restore, or choose another ONEC_HOME",
                )
            return
        for unfinished in self._place.base.glob("data-unfinished-*"):
            shutil.rmtree(unfinished)
        # Made aside and renamed, so that a killed initdb leaves no half of a cluster.
        fresh = self._place.base / f"data-unfinished-{os.getpid()}"
        # The builtin provider sorts and folds Cyrillic the same way on every machine.
        locale = ("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
        # It keeps the lock if we are killed: the next process must not clear its folder away under it.
        options = ("-U", "postgres", "-A", "trust", "-E", "UTF8", *locale)
        done = self._run("initdb", "-D", fresh, *options, keep_lock=lock)
        if done.returncode:
            raise self._failed("cannot be made", done.stdout)
        fresh.rename(self._place.data)

    def _start(self) -> None:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        maintenance = with_database(self.url, "postgres")
        while not self._answers(maintenance):
            if time.monotonic() > deadline:
                raise self._failed("does not answer", "")
            if self._pid() is None:
                self._launch()
            else:
                time.sleep(0.1)  # it is starting, recovering or stopping

    def _launch(self) -> None:
        place = self._place
        self._disown_reused_pid()
        self._configure()
        if place.log.is_file() and place.log.stat().st_size > _LOG_BYTES:
            place.log.replace(place.log.with_suffix(".log.1"))
        known = place.log.stat().st_size if place.log.is_file() else 0
        wait = ("-w", "-t", str(_PATIENCE_SECONDS))
        done = self._run("pg_ctl", "start", "-s", *wait, "-D", place.data, "-l", place.log)
        if done.returncode == 0:
            self._started_here = True
            return
        logged = place.log.read_bytes()[known:] if place.log.is_file() else b""
        said = logged.decode(errors="replace") or done.stdout
        if "pre-existing shared memory block" not in said:
            raise self._failed("does not start", said)
        time.sleep(0.5)  # children of a killed server are still about to notice

    def _configure(self) -> None:
        settings = {
            **_TUNED,
            **self._tuning,
            "listen_addresses": "",
            "port": str(PORT),
            "unix_socket_directories": str(self._place.sockets),
            "unix_socket_permissions": "0700",
        }
        lines = ["# Written at each start. ALTER SYSTEM is the way to change a setting for good."]
        lines += [f"{name} = '{value.replace(chr(39), chr(39) * 2)}'" for name, value in settings.items()]
        (self._place.data / "postgresql.conf").write_text("\n".join(lines) + "\n", encoding="utf-8")

    def _create_database(self) -> None:
        with psycopg.connect(conninfo(with_database(self.url, "postgres")), autocommit=True) as connection:
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,)).fetchone():
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))

    def _answers(self, url: str) -> bool:
        if not (self._place.sockets / f".s.PGSQL.{PORT}").exists():
            return False
        try:
            psycopg.connect(conninfo(url, connect_timeout="5")).close()
        except psycopg.OperationalError:
            return False
        return True

    def _pid(self) -> int | None:
        """The process that serves our data, if there is one."""
        pid = self._recorded_pid()
        return pid if pid is not None and str(self._place.data) in _command(pid) else None

    def _recorded_pid(self) -> int | None:
        try:
            first = (self._place.data / "postmaster.pid").read_text(encoding="utf-8").split("\n", 1)[0]
        except FileNotFoundError:
            return None
        return int(first) if first.strip().isdigit() else None

    def _disown_reused_pid(self) -> None:
        """Let a killed server's lock files not stop the next one.

        Their pid may be another program's by now, or a zombie nobody reaps (in a container either is likely),
        and postgres would refuse to start. The rest of postmaster.pid stays: it protects from orphaned
        children.
        """
        if self._recorded_pid() is None or self._pid() is not None:
            return
        file = self._place.data / "postmaster.pid"
        rest = file.read_text(encoding="utf-8").split("\n", 1)[1:]
        file.write_text("\n".join([_NOBODYS_PID, *rest]), encoding="utf-8")
        (self._place.sockets / f".s.PGSQL.{PORT}.lock").unlink(missing_ok=True)

    @contextmanager
    def _locked(self) -> Iterator[int]:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        with (self._place.base / "lock").open("a") as file:
            while True:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > deadline:
                        raise RetryLater(
                            "another process is busy starting or stopping the embedded server", code="DB_DOWN"
                        ) from None
                    time.sleep(0.05)
            yield file.fileno()

    def _run(
        self, program: str, *arguments: str | Path, keep_lock: int | None = None
    ) -> subprocess.CompletedProcess[str]:
        place = self._place
        account = place.account
        return subprocess.run(  # noqa: S603 - our own programs and paths, no shell
            [str(place.programs / "bin" / program), *map(str, arguments)],
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            cwd=place.base,
            # Not ours: PG* variables would redirect initdb and pg_ctl.
            env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=account.groups if account else None,
            umask=0o077,
            pass_fds=() if keep_lock is None else (keep_lock,),
        )

    def _failed(self, what: str, said: str) -> Stop:
        tail = " | ".join(said.strip().splitlines()[-5:])
        return Stop(
            f"the embedded PostgreSQL in {self._place.base} {what}: {tail}",
            code="DB_EMBEDDED",
            remedy=f"look into {self._place.log}, or set ONEC_DATABASE_URL",
        )


def _command(pid: int) -> str:
    """The command line of a process, empty when there is none. A pid alone says little: it gets reused."""
    if Path("/proc/self/cmdline").exists():
        try:
            return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            return ""
    listed = subprocess.run(  # noqa: S603 - a number is the only argument
        ["/bin/ps", "-o", "command=", "-p", str(pid)], check=False, capture_output=True, text=True
    )
    return listed.stdout
