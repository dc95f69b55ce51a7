"""The parts of a paged read: what a page tells, where a read goes on, the requests sent ahead.

`paging.py` joins them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from onec_pipelines.onec.answers import Answer
from onec_pipelines.onec.page_size import PageSize


class PageRows(NamedTuple):
    """What `rows_of` tells of a page: number of rows, first, last and all keys in order.

    `payload` is handed on with the page untouched.
    """

    row_count: int
    first_key: Hashable
    last_key: Hashable
    keys: Sequence[Hashable]
    payload: Any = None


@dataclass(frozen=True, kw_only=True)
class PageCursor:
    """Where a read goes on: plain data for a checkpoint.

    `skip` is the position of the next page, `tail` marks the last keys read, which that page repeats; the
    rest is what was seen so far.
    """

    skip: int = 0
    rows: int = 0
    distinct: int = 0
    pages: int = 0
    top: int | None = None
    count_before: int | None = None
    tail: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class RawPage:
    """One page as 1C sent it. `skip` and `top` are what was asked.

    `next` is the cursor for a checkpoint after this page.
    """

    index: int
    skip: int
    top: int
    answer: Answer
    rows: PageRows = field(repr=False)
    next: PageCursor = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A page that was asked for; `overlap` rows of it are asked for again by the next one."""

    skip: int
    top: int
    overlap: int
    result: Future[tuple[Answer, PageRows]]


class Ahead:
    """The requests under way, in order of position, at most `parallel`."""

    def __init__(
        self, fetch: Callable[[int, int], tuple[Answer, PageRows]], parallel: int, skip: int
    ) -> None:
        self._fetch = fetch
        self._parallel = parallel
        self._executor = ThreadPoolExecutor(parallel, thread_name_prefix="onec-page")
        self._asked: deque[Asked] = deque()
        self._next_skip = skip

    def take(self, size: PageSize, expected: int | None) -> Asked:
        """Give the next request in order, after asking ahead."""
        self.ask(size, expected)
        return self._asked.popleft()

    def ask(self, size: PageSize, expected: int | None) -> None:
        """Ask ahead up to the limit.

        At least one is under way then; none of the others begins at or beyond the `expected` number of rows.
        """
        while len(self._asked) < self._parallel and (
            not self._asked or expected is None or self._next_skip < expected
        ):
            top, overlap = size.rows, size.overlap
            result = self._executor.submit(self._fetch, self._next_skip, top)
            self._asked.append(Asked(skip=self._next_skip, top=top, overlap=overlap, result=result))
            self._next_skip += top - overlap

    def go_to(self, skip: int) -> None:
        """Forget what is under way and go on from this position."""
        for asked in self._asked:
            asked.result.cancel()
        self._asked.clear()
        self._next_skip = skip

    def close(self) -> None:
        """Let go; requests under way end by their deadline, unheard."""
        self._executor.shutdown(wait=False, cancel_futures=True)
