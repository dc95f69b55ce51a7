"""The embedded server: made, found, stopped, and up again after anything."""

from __future__ import annotations

import multiprocessing
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from onec_pipelines.db.embedded import EmbeddedServer
from onec_pipelines.db.embedded_place import find_place
from onec_pipelines.db.urls import conninfo
from onec_pipelines.errors import Stop
from onec_pipelines_tests.fixtures.patience import PATIENCE_SECONDS, until
from onec_pipelines_tests.fixtures.postgres import TUNING

AS_ROOT = os.geteuid() == 0
only_root = pytest.mark.skipif(not AS_ROOT, reason="another user's server exists only under root")


def ask(url: str, statement: str) -> object:
    with psycopg.connect(conninfo(url), autocommit=True) as connection:
        cursor = connection.execute(statement.encode())
        row = cursor.fetchone() if cursor.description else None
        return row[0] if row else None


def start(home: Path, results: multiprocessing.Queue[str]) -> None:
    results.put(EmbeddedServer(home, tuning=TUNING).ensure_running())


@pytest.fixture
def server(short_home: Path) -> EmbeddedServer:
    return EmbeddedServer(short_home, tuning=TUNING)


def test_made_started_found_stopped_and_started_again(server: EmbeddedServer, short_home: Path) -> None:
    assert not server.status().running
    with server:
        ask(server.url, "CREATE TABLE kept (x int)")
        first = server.status().pid
        another = EmbeddedServer(short_home)
        assert another.ensure_running() == server.url
        assert another.status().pid == first
    assert not server.status().running
    with server:
        assert server.status().pid != first
        assert ask(server.url, "SELECT count(*) FROM kept") == 0


def test_who_found_it_running_does_not_stop_it(server: EmbeddedServer, short_home: Path) -> None:
    with server:
        with EmbeddedServer(short_home):
            pass
        assert server.status().running


def test_stop_of_a_stopped_server_does_nothing(server: EmbeddedServer) -> None:
    server.stop()
    assert not server.status().running


def test_it_holds_cyrillic_and_survives_crashes(postgres: EmbeddedServer) -> None:
    assert ask(postgres.url, "SHOW server_encoding") == "UTF8"
    assert ask(postgres.url, "SELECT lower('ЁЛКА')") == "ёлка"
    assert ask(postgres.url, "SELECT 'Ёлка' ILIKE 'ёл%'") is True
    assert ask(postgres.url, "SHOW data_checksums") == "on"


def test_durability_is_on_unless_a_test_turns_it_off(server: EmbeddedServer, short_home: Path) -> None:
    with EmbeddedServer(short_home) as plain:
        for name in ("fsync", "full_page_writes", "synchronous_commit"):
            assert ask(plain.url, f"SHOW {name}") == "on"


def test_nobody_else_can_come_in(postgres: EmbeddedServer) -> None:
    """No port is open, and the folders of socket and data are private."""
    assert ask(postgres.url, "SHOW listen_addresses") == ""
    sockets = Path(str(ask(postgres.url, "SHOW unix_socket_directories")))
    for folder in (sockets, postgres.status().data):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_rows_stay_out_of_the_servers_log(postgres: EmbeddedServer) -> None:
    for statement in ("SELECT 'canary-row'::int", "SELECT canary_column FROM nowhere WHERE x = 'canary-row'"):
        with pytest.raises(psycopg.Error):
            ask(postgres.url, statement)
    log = postgres.status().log.read_text(encoding="utf-8")
    assert "STATEMENT" not in log
    assert "nowhere WHERE" not in log


def test_after_kill_9_it_recovers(short_home: Path) -> None:
    """Everything committed is there: this server is not tuned for tests."""
    with EmbeddedServer(short_home) as server:
        ask(server.url, "CREATE TABLE kept AS SELECT generate_series(1, 1000) AS x")
        killed = server.status().pid
        assert killed
        os.kill(killed, signal.SIGKILL)
        server.ensure_running()
        assert server.status().pid != killed
        assert ask(server.url, "SELECT count(*) FROM kept") == 1000


def test_after_kill_9_the_pid_may_belong_to_somebody_else(server: EmbeddedServer) -> None:
    """A container that starts again hands out the same low numbers."""
    with server:
        killed = server.status().pid
        assert killed
        os.kill(killed, signal.SIGKILL)
        account = find_place(server.status().data.parent.parent).account
        with subprocess.Popen(
            ["sleep", str(PATIENCE_SECONDS)], user=account.uid if account else None
        ) as stranger:
            for file in (server.status().data / "postmaster.pid", lock_of_socket(server)):
                text = file.read_text(encoding="utf-8")
                file.write_text(text.replace(str(killed), str(stranger.pid), 1), encoding="utf-8")
            assert not server.status().running
            server.ensure_running()
            assert server.status().pid not in {killed, stranger.pid}
            assert stranger.poll() is None
            stranger.kill()


def lock_of_socket(server: EmbeddedServer) -> Path:
    return Path(conninfo_host(server.url)) / ".s.PGSQL.5432.lock"


def conninfo_host(url: str) -> str:
    return str(psycopg.conninfo.conninfo_to_dict(conninfo(url))["host"])


def test_four_processes_at_once_start_one_server(server: EmbeddedServer, short_home: Path) -> None:
    context = multiprocessing.get_context("spawn")
    results: multiprocessing.Queue[str] = context.Queue()
    processes = [context.Process(target=start, args=(short_home, results)) for _ in range(4)]
    for process in processes:
        process.start()
    urls = {results.get(timeout=PATIENCE_SECONDS) for _ in processes}
    for process in processes:
        process.join()
    assert urls == {server.url}
    assert ask(server.url, "SELECT count(*) FROM pg_database WHERE datname = 'onec'") == 1
    server.stop()


def test_a_killed_starter_leaves_nothing_that_blocks(server: EmbeddedServer, short_home: Path) -> None:
    """Killed while initdb works, and again while the server starts."""
    script = "import sys, pathlib; from onec_pipelines.db.embedded import EmbeddedServer as S; "
    script += "S(pathlib.Path(sys.argv[1])).ensure_running()"
    for sign in ("data-unfinished-*", "data/postmaster.pid"):
        with subprocess.Popen([sys.executable, "-c", script, str(short_home)]) as starter:
            until(lambda sign=sign: list((short_home / "postgres").glob(sign)), pause=0.005)
            starter.kill()
    with server:
        assert ask(server.url, "SELECT 1") == 1


def test_a_long_path_gets_a_short_socket(short_home: Path) -> None:
    """A socket's path is at most 107 bytes; Cyrillic letters take two each."""
    with EmbeddedServer(short_home / ("дом" * 20), tuning=TUNING) as server:
        folder = Path(conninfo_host(server.url))
        assert ask(server.url, "SELECT 1") == 1
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    shutil.rmtree(folder)


def test_a_planted_socket_folder_is_refused(short_home: Path) -> None:
    home = short_home / ("x" * 100)
    folder = find_place(home).sockets
    folder.rmdir()
    folder.symlink_to(short_home)
    with pytest.raises(Stop, match="belongs to somebody else"):
        EmbeddedServer(home).ensure_running()
    folder.unlink()


def test_blanks_and_quotes_in_the_path_do_no_harm(short_home: Path) -> None:
    with EmbeddedServer(short_home / "my 'shop' & co", tuning=TUNING) as server:
        assert ask(server.url, "SELECT 1") == 1


def test_data_of_another_version_is_refused(server: EmbeddedServer, short_home: Path) -> None:
    data = short_home / "postgres" / "data"
    data.mkdir(parents=True)
    (data / "PG_VERSION").write_text("16\n", encoding="ascii")
    with pytest.raises(Stop, match="was made by PostgreSQL 16, this is 18") as caught:
        server.ensure_running()
    assert caught.value.code == "DB_EMBEDDED"


def test_a_server_that_cannot_start_says_why(short_home: Path) -> None:
    with pytest.raises(Stop, match=r"does not start: .*nonsense"):
        EmbeddedServer(short_home, tuning={"nonsense": "1"}).ensure_running()


@only_root
def test_root_gives_the_server_to_an_ordinary_user(postgres: EmbeddedServer) -> None:
    pid = postgres.status().pid
    owner = Path(f"/proc/{pid}").stat().st_uid
    assert owner != 0
    assert postgres.status().data.stat().st_uid == owner


@only_root
def test_root_gives_the_server_to_the_owner_of_the_home(short_home: Path) -> None:
    """A folder mounted into a container, or a checkout used with sudo."""
    nobody = pwd.getpwnam("nobody")
    os.chown(short_home, nobody.pw_uid, nobody.pw_gid)
    with EmbeddedServer(short_home, tuning=TUNING) as server:
        assert server.status().data.stat().st_uid == nobody.pw_uid


@only_root
def test_a_home_closed_to_others_is_not_opened(short_home: Path) -> None:
    """As /root: the data goes where the server's user reaches it, no mode is changed (RELIABILITY 0.18)."""
    closed = short_home / "closed"
    closed.mkdir(mode=0o700)
    with EmbeddedServer(closed / "var", tuning=TUNING) as server:
        assert ask(server.url, "SELECT 1") == 1
        data = server.status().data
        assert not data.is_relative_to(closed)
        assert (closed / "var/postgres/moved-to").read_text(encoding="utf-8").strip() == str(data.parent)
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700
    shutil.rmtree(data.parent)


@only_root
def test_programs_closed_to_others_are_copied(short_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a virtualenv under /root. The wheel is copied to such a place and found there first."""
    wheel = find_place(short_home / "first").programs.parent
    closed = short_home / "closed"
    closed.mkdir(mode=0o700)
    for folder in (wheel, wheel.with_name(f"{wheel.name}.libs")):
        shutil.copytree(folder, closed / folder.name, ignore=shutil.ignore_patterns("include", "pginstall"))
    monkeypatch.syspath_prepend(str(closed))
    with EmbeddedServer(short_home / "second", tuning=TUNING) as server:
        assert ask(server.url, "SELECT 1") == 1
        command = Path(f"/proc/{server.status().pid}/cmdline").read_text(encoding="utf-8")
        assert command.startswith(str(short_home / "second" / "postgres"))
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700


@only_root
def test_an_ordinary_user_runs_it_as_itself(short_home: Path) -> None:
    """And is told clearly when the folder is somebody else's."""
    nobody = pwd.getpwnam("nobody")
    (short_home / "mine").mkdir()
    os.chown(short_home / "mine", nobody.pw_uid, nobody.pw_gid)
    script = (
        "import os, sys, pathlib; from onec_pipelines.db.embedded import EmbeddedServer as S\n"
        "from onec_pipelines.db.embedded_place import find_place\n"
        "from onec_pipelines.errors import Stop\n"
        f"os.setgroups([]); os.setgid({nobody.pw_gid}); os.setuid({nobody.pw_uid})\n"
        "home = pathlib.Path(sys.argv[1])\n"
        "with S(home / 'mine') as server: print(server.status().data.stat().st_uid, flush=True)\n"
        "try: find_place(home / 'theirs')\n"
        "except Stop as error: print(error)\n"
    )
    find_place(short_home / "theirs")
    done = subprocess.run(
        [sys.executable, "-c", script, str(short_home)], check=True, capture_output=True, text=True
    )
    first, second = done.stdout.splitlines()
    assert first == str(nobody.pw_uid)
    assert "is not ours to use" in second
