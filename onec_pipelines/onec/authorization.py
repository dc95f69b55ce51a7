"""The Authorization header of requests to 1C, for each way of saying who asks (PROTOCOL §9).

Three ways behind one seam: user and password, a token made elsewhere, OAuth2 client credentials. How a
token is fetched and kept is in `token_endpoint.py` and `token_cache.py`. Logs and errors never hold a secret.
"""

from __future__ import annotations

import base64
import logging
import os
import threading
from pathlib import Path
from typing import Protocol

from onec_pipelines.errors import Stop
from onec_pipelines.onec.connection import Connection
from onec_pipelines.onec.logins import TOKEN, Bearer, ClientCredentials
from onec_pipelines.onec.token_cache import TokenCache
from onec_pipelines.onec.token_endpoint import TokenEndpoint

_log = logging.getLogger(__name__)
_LONGEST = 64 * 1024
"""Bytes; web servers refuse a header long before that."""


class Authorizer(Protocol):
    """Gives the Authorization header of each request; safe to use from several threads."""

    def header(self, ends_at: float) -> str:
        """Give the header's value, fetching a token if needed until `ends_at` (a `time.monotonic()` moment).

        RetryLater (never sent to 1C) or Stop when there is none.
        """
        ...

    def refused(self, header: str) -> bool:
        """Learn that 1C did not accept this value, and tell whether another one is worth one attempt."""
        ...


class BasicAuthorizer:
    """User and password, in UTF-8 as 1C wants it."""

    def __init__(self, user: str, password: str) -> None:
        login = f"{user}:{password}".encode()
        self._header = "Basic " + base64.b64encode(login).decode("ascii")

    def header(self, ends_at: float) -> str:
        """Give the same value always."""
        del ends_at
        return self._header

    def refused(self, header: str) -> bool:
        """Never worth another attempt: repeats lock accounts."""
        del header
        return False


class BearerAuthorizer:
    """A token made elsewhere; one in a file is read again when the file changes.

    While the file is being written, or cannot be read, the last good token stays in use. Stop ONEC_AUTH
    when there never was one.
    """

    def __init__(self, login: Bearer) -> None:
        self._file = login.token_file
        self._header = f"Bearer {login.token}" if login.token else ""
        self._stamp: tuple[int, int, int] | None = None
        self._lock = threading.Lock()

    def header(self, ends_at: float) -> str:
        """Give the token that counts now."""
        del ends_at
        with self._lock:
            if self._file is not None:
                self._read(self._file, always=False)
            return self._header

    def refused(self, header: str) -> bool:
        """Read the file again, whatever its time says, and tell whether it holds another token."""
        with self._lock:
            if self._file is not None:
                self._read(self._file, always=True)
            return self._header != header

    def _read(self, file: Path, *, always: bool) -> None:
        try:
            with file.open("rb") as opened:
                status = os.fstat(opened.fileno())
                # a secret that is mounted is replaced by another file, so that the time alone says little
                stamp = (status.st_mtime_ns, status.st_ino, status.st_size)
                if stamp == self._stamp and not always:
                    return
                token = opened.read(_LONGEST).decode("ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            self._keep_or_stop(file, f"cannot be read ({type(error).__name__})")
            return
        if not TOKEN.fullmatch(token):
            self._keep_or_stop(file, "holds no token: one line with the token alone is expected")
            return
        self._stamp = stamp
        self._header = f"Bearer {token}"

    def _keep_or_stop(self, file: Path, what: str) -> None:
        if not self._header:
            raise Stop(
                f"the token file {file} {what}",
                code="ONEC_AUTH",
                remedy="Correct ONEC_TOKEN_FILE, or the program that writes the file.",
            )
        _log.warning("the token file %s %s; the token read before stays in use", file, what)


def authorizer_of(connection: Connection) -> Authorizer:
    """Make the authorizer of a connection."""
    login = connection.login
    if isinstance(login, Bearer):
        return BearerAuthorizer(login)
    if isinstance(login, ClientCredentials):
        return TokenCache(TokenEndpoint(login, connection.token_route(login.origin)).fetch)
    return BasicAuthorizer(connection.user, connection.password)


_shared: dict[Connection, Authorizer] = {}
_shared_lock = threading.Lock()
_MOST_SHARED = 16


def shared_authorizer(connection: Connection) -> Authorizer:
    """Give the one authorizer of this process for this connection, so that its clients share one token."""
    with _shared_lock:
        if connection not in _shared:
            while len(_shared) >= _MOST_SHARED:
                del _shared[next(iter(_shared))]  # the oldest: only tests have so many bases
            _shared[connection] = authorizer_of(connection)
        return _shared[connection]
