"""The paged read of one set: pages in order, others fetched meanwhile, completeness proven (PROTOCOL §3.3).

Knows positions and sizes; does not parse pages: the caller's `rows_of` does, in the fetching thread. 1C
gives neither a link to the next page nor a snapshot, so that everything a page tells (its length, its keys)
is checked.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Hashable, Iterator
from dataclasses import replace
from typing import Self

from onec_pipelines.errors import PipelineError, Stop
from onec_pipelines.onec.answers import Answer
from onec_pipelines.onec.client import OnecClient
from onec_pipelines.onec.completeness import Completeness, KeyLedger, key_mark
from onec_pipelines.onec.page_size import PagePolicy, PageSize
from onec_pipelines.onec.pages import Ahead, Asked, PageCursor, PageRows, RawPage
from onec_pipelines.onec.query import SetQuery

__all__ = ["Completeness", "PageCursor", "PagePolicy", "PageRows", "PagedRead", "RawPage", "read_pages"]

Instead = Callable[[SetQuery, PipelineError], tuple[Answer, PageRows] | None]
"""What takes the place of a page that 1C cannot give, or None: then its error ends the read."""
_ASK_FOR_LESS = frozenset({"ONEC_OUT_OF_MEMORY", "ONEC_TIMEOUT", "ONEC_TOO_LARGE"})
_PATIENCE = 3  # full pages in a row without a new key; looks at the end because rows were added behind us
_SAME_START = 3  # keys that a page shares with the first one when $skip is ignored


def read_pages(
    client: OnecClient,
    query: SetQuery,
    *,
    key: tuple[str, ...],
    rows_of: Callable[[Answer], PageRows],
    count: bool = True,
    policy: PagePolicy | None = None,
    start: PageCursor | None = None,
    parallel: int = 1,
    instead: Instead | None = None,
) -> PagedRead:
    """Read a whole set in pages of adapting size, ordered by its full key unless the query orders it.

    At most `parallel` requests at once. `rows_of` may raise RetryLater to have a page that does not parse
    fetched again; it runs in several threads. `instead` is asked for pages that do not
    come. `count` has the base count before and after. The result is an
    iterator of pages in order, without pages that hold nothing new; its `completeness` is there after the
    last page. Raises what `OnecClient.get` does, and Stop ONEC_SKIP_IGNORED or ONEC_REPEATED_PAGE when
    paging leads nowhere. Close it when leaving early.
    """
    return PagedRead(
        client,
        replace(query, orderby=query.orderby or key),
        rows_of=rows_of,
        count=count,
        policy=(policy or PagePolicy()).for_base(
            page_rows=client.capabilities.page_rows, skips=client.capabilities.skip is not False
        ),
        start=start or PageCursor(),
        parallel=parallel,
        instead=instead,
    )


class PagedRead(Iterator[RawPage]):
    """A paged read under way (see `read_pages`)."""

    def __init__(
        self,
        client: OnecClient,
        query: SetQuery,
        *,
        rows_of: Callable[[Answer], PageRows],
        count: bool,
        policy: PagePolicy,
        start: PageCursor,
        parallel: int,
        instead: Instead | None = None,
    ) -> None:
        self._client = client
        self._instead = instead
        self._query = query
        self._rows_of = rows_of
        self._counting = count
        self._policy = policy
        self._start = start
        self._cursor = start
        self._size = PageSize(policy, start.top)
        self._keys = KeyLedger(distinct=start.distinct, known=start.tail)
        self._ahead = Ahead(self._fetch, parallel, start.skip)
        self._count_after: int | None = None
        self._distinct: int | None = None  # exact, which costs a sort of all keys; at the end only
        self._covered = start.skip  # rows from the beginning that pages have covered
        self._ended_early = False  # the last page was shorter than asked: the end, or 1C cut it
        self._short_pages = 0
        self._shrunk_pages = 0
        self._idle_pages = 0
        self._first_keys: tuple[Hashable, ...] = ()
        self._previous: tuple[Hashable, Hashable] | None = None
        self._pages = self._read()

    def __next__(self) -> RawPage:
        return next(self._pages)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Leave early; nothing more is asked."""
        self._pages.close()
        self._ahead.close()

    @property
    def completeness(self) -> Completeness:
        """What has been seen so far; the verdict and the exact `distinct` are there after the last page."""
        return Completeness(
            count_before=self._cursor.count_before,
            count_after=self._count_after,
            rows=self._cursor.rows,
            distinct=self._cursor.distinct if self._distinct is None else self._distinct,
            pages=self._cursor.pages,
            short_pages=self._short_pages,
            shrunk_pages=self._shrunk_pages,
            resumed=self._start.pages > 0,
        )

    def _read(self) -> Generator[RawPage, None, None]:
        try:
            if self._counting and self._cursor.count_before is None:
                self._cursor = replace(self._cursor, count_before=self._count())
            expected = self._cursor.count_before
            self._refuse_pages(expected)
            for _ in range(_PATIENCE):
                yield from self._read_to_end(expected)
                self._distinct = self._keys.distinct()
                if not self._counting:
                    return
                if self._cursor.pages == 1 and self._start.pages == 0 and self._distinct == expected:
                    # One answer that holds all that was counted cannot have shifted: most sets are that small.
                    self._count_after = expected
                    return
                self._count_after = expected = self._count()
                if expected <= max(self._covered, self._distinct):
                    return
                self._ahead.go_to(self._cursor.skip)  # rows were added behind us
        finally:
            self._ahead.close()

    def _refuse_pages(self, expected: int | None) -> None:
        """Where $skip is known to be ignored, a set that needs a second page is not begun."""
        if self._client.capabilities.skip is False and expected is not None and expected > self._size.rows:
            raise Stop(
                f"{self._query.resource} has {expected} rows, and this base ignores $skip: no second page can be read",
                code="ONEC_SKIP_IGNORED",
                remedy="Have what drops $skip between us and 1C mended, then run `onec doctor`; or raise ONEC_PAGE_ROWS.",
            )

    def _read_to_end(self, expected: int | None) -> Generator[RawPage, None, None]:
        for _ in range(self._policy.max_pages):
            asked = self._ahead.take(self._size, expected)
            try:
                answer, rows = asked.result.result()
            except PipelineError as error:
                if error.code in _ASK_FOR_LESS and self._size.failed(asked.top):
                    self._shrunk_pages += 1
                    self._ahead.go_to(asked.skip)
                    continue
                answer, rows = self._substitute(asked, error)
            else:
                self._size.answered(rows.row_count, len(answer.body), answer.elapsed_seconds)
            fresh = self._keys.add(rows.keys)
            at_end = self._judge(asked, rows, fresh, expected)
            if not at_end:
                self._ahead.ask(self._size, expected)  # under way while the caller works on this page
            if fresh:
                yield self._page(asked, answer, rows, fresh)
            if at_end:
                return
        raise Stop(
            f"{self._query.resource} did not end within {self._policy.max_pages} pages",
            code="ONEC_ENDLESS_PAGING",
            remedy="Raise the limit of pages if the set is that large.",
        )

    def _substitute(self, asked: Asked, error: PipelineError) -> tuple[Answer, PageRows]:
        page = replace(self._query, skip=asked.skip, top=asked.top)
        found = None if self._instead is None else self._instead(page, error)
        if found is None:
            raise error
        return found

    def _judge(self, asked: Asked, rows: PageRows, fresh: int, expected: int | None) -> bool:
        """Tell whether this page is the last one, and set where to go on if it is not."""
        covered = asked.skip + rows.row_count
        if rows.row_count >= asked.top:
            self._check_progress(asked, rows, fresh)
        if fresh and self._ended_early:
            self._short_pages += 1  # the page before was not the end after all
        suspect = rows.row_count == 0 and asked.skip > 0 and asked.overlap > 0  # not even the overlap came
        confirmed = not fresh and rows.row_count < asked.top and (not suspect or self._ended_early)
        at_end = confirmed or (expected is not None and covered >= expected)
        self._ended_early = rows.row_count < asked.top
        self._covered = max(self._covered, covered)
        again = min(asked.overlap, rows.row_count // 2)
        self._cursor = replace(self._cursor, skip=covered - again, top=self._size.rows)
        if not at_end and rows.row_count != asked.top:
            self._ahead.go_to(covered - again)
        self._previous = (rows.first_key, rows.last_key)
        return at_end

    def _check_progress(self, asked: Asked, rows: PageRows, fresh: int) -> None:
        start = tuple(rows.keys[:_SAME_START])
        if asked.skip > 0 and start == self._first_keys:
            raise Stop(
                (
                    f"1C gives the beginning of {self._query.resource} again instead of page "
                    f"{self._cursor.pages + 1}"
                ),
                code="ONEC_SKIP_IGNORED",
                remedy=(
                    "Something between us and 1C drops $skip. Read this set another way (by dates, or whole)."
                ),
            )
        self._first_keys = self._first_keys or start
        self._idle_pages = 0 if fresh else self._idle_pages + 1
        same = not fresh and self._previous == (rows.first_key, rows.last_key)
        if same or self._idle_pages >= _PATIENCE:
            raise Stop(
                f"1C repeats a page of {self._query.resource}: nothing new at row {asked.skip}",
                code="ONEC_REPEATED_PAGE",
                remedy="Look for a cache between us and 1C; the order of this set may not be stable.",
            )

    def _page(self, asked: Asked, answer: Answer, rows: PageRows, fresh: int) -> RawPage:
        before = self._cursor
        repeated = rows.keys[-asked.overlap :] if asked.overlap else ()
        self._cursor = replace(
            before,
            rows=before.rows + rows.row_count,
            distinct=before.distinct + fresh,
            pages=before.pages + 1,
            tail=tuple(map(key_mark, repeated)),
        )
        return RawPage(
            index=before.pages, skip=asked.skip, top=asked.top, answer=answer, rows=rows, next=self._cursor
        )

    def _fetch(self, skip: int, top: int) -> tuple[Answer, PageRows]:
        parsed: list[PageRows] = []
        answer = self._client.get(
            replace(self._query, skip=skip, top=top).target(),
            max_bytes=self._policy.max_bytes,
            check=lambda given: parsed.append(self._rows_of(given)),
        )
        return answer, parsed[-1]

    def _count(self) -> int:
        return self._client.count(self._query.resource, self._query.filter)
