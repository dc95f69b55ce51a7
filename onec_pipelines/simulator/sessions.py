"""1C sessions: the pool of reused ones, `IBSession` cookies, waiting and refusing (PROTOCOL §5)."""

from __future__ import annotations

import asyncio
import time
import uuid
from dataclasses import dataclass, field

from onec_pipelines.simulator.errors import HostError, html_page
from onec_pipelines.simulator.http import Request
from onec_pipelines.simulator.options import Options


@dataclass(kw_only=True, eq=False)
class Session:
    """One session; `cookie` is set for sessions started with `IBSession: start`."""

    owner: tuple[str, str]
    cookie: str = ""
    busy: bool = True
    last_used: float = 0.0
    fresh: bool = True
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


@dataclass(frozen=True, kw_only=True)
class Lease:
    """A session for one request; `set_cookie` goes into the answer, `finish` ends the session afterwards."""

    session: Session
    set_cookie: str = ""
    finish: bool = False


class Sessions:
    """The pool of one publication. Counters only grow: `started` counts session starts."""

    def __init__(self) -> None:
        self._all: list[Session] = []
        self._changed = asyncio.Condition()
        self.started = 0
        self.refused = 0
        self.longest = 0

    def open_count(self) -> int:
        """Number of sessions that are alive now."""
        return len(self._all)

    async def acquire(self, request: Request, owner: tuple[str, str], options: Options) -> Lease:
        """A session for the request; raises HostError 406 when the pool is full and 400 for a dead cookie."""
        if options.sessions == "use":
            return await self._acquire_use(request, owner, options)
        reuse = options.sessions == "autouse"
        session = await self._take(owner, options, reuse=reuse)
        return Lease(session=session, finish=not reuse)

    async def _acquire_use(self, request: Request, owner: tuple[str, str], options: Options) -> Lease:
        wish = request.headers.get("ibsession", "").lower()
        cookie = _cookie(request.headers.get("cookie", ""))
        if wish == "start":
            session = await self._take(owner, options, reuse=False)
            session.cookie = str(uuid.uuid4())
            return Lease(session=session, set_cookie=f"ibsession={session.cookie}; path=/")
        if not cookie:
            return Lease(session=await self._take(owner, options, reuse=False), finish=True)
        self._expire(options)
        found = next((one for one in self._all if one.cookie == cookie and one.owner == owner), None)
        if found is None:
            raise HostError(400, html_page("400 Bad Request", "Сеанс не найден или завершен."))
        await found.lock.acquire()
        found.busy = True
        return Lease(session=found, finish=wish == "finish")

    async def _take(self, owner: tuple[str, str], options: Options, *, reuse: bool) -> Session:
        deadline = time.monotonic() + options.pool_timeout
        async with self._changed:
            while True:
                self._expire(options)
                session = self._idle(owner) if reuse else None
                if session is not None or len(self._all) < options.pool_size:
                    break
                left = deadline - time.monotonic()
                if left <= 0:
                    self.refused += 1
                    raise HostError(
                        406, html_page("406 Not Acceptable", "Превышено время ожидания свободного сеанса.")
                    )
                try:
                    await asyncio.wait_for(self._changed.wait(), min(left, 1.0))
                except TimeoutError:
                    continue
            if session is None:
                session = Session(owner=owner)
                self.started += 1
                self._all.append(session)
                self.longest = max(self.longest, len(self._all))
            session.busy = True
        await session.lock.acquire()
        return session

    def _idle(self, owner: tuple[str, str]) -> Session | None:
        return next(
            (one for one in self._all if not one.busy and not one.cookie and one.owner == owner), None
        )

    def _expire(self, options: Options) -> None:
        oldest = time.monotonic() - options.session_max_age
        self._all = [one for one in self._all if one.busy or one.last_used >= oldest]

    async def release(self, lease: Lease) -> None:
        """Give the session back, or end it."""
        session = lease.session
        session.busy = False
        session.fresh = False
        session.last_used = time.monotonic()
        session.lock.release()
        async with self._changed:
            if lease.finish and session in self._all:
                self._all.remove(session)
            self._changed.notify_all()

    def drop_all(self) -> None:
        """End every idle session, as an administrator would."""
        self._all = [one for one in self._all if one.busy]


def _cookie(header: str) -> str:
    for part in header.split(";"):
        name, _, value = part.strip().partition("=")
        if name.lower() == "ibsession":
            return value
    return ""
