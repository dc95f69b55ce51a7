"""grouping: pages → page groups, checked together and stored together, made ahead of the database in a thread of its own."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

from onec_pipelines.ledger.raw_pages import Body, NewPage
from onec_pipelines.onec.answers import Answer
from onec_pipelines.onec.connection import MEBIBYTE
from onec_pipelines.onec.decode import concat
from onec_pipelines.onec.paging import PageCursor
from onec_pipelines.steps.ahead import ahead
from onec_pipelines.steps.extract import GROUP_ROWS, Fetched
from onec_pipelines.steps.resolve import Plan
from onec_pipelines.steps.unread import UnreadPage
from onec_pipelines.steps.validate import Checked, validate

# Three groups are in memory at once (being made, waiting, being stored), each as bytes, values and Arrow columns.
_GROUP_BYTES = 8 * MEBIBYTE
# While a group is being checked, pages go on coming in.
_PAGES_AHEAD = 1


@dataclass(frozen=True, kw_only=True)
class Group:
    """Pages of one part that are checked and stored together.

    `pages` are those of the raw layer that begin in this group; `cursor` says where the part goes on, None at its end; `counts` are 1C's
    counts before and after, at the end of a paged part. `asked` are the keys for which the group is the whole truth: a row of theirs that
    is not in it is gone from 1C. `unread` are pages that 1C could not give: their objects are there, but not their rows.
    """

    part: str
    pages: tuple[NewPage, ...] = field(repr=False)
    checked: Checked = field(repr=False)
    cursor: PageCursor | None
    counts: tuple[int | None, int | None]
    asked: tuple[str, ...] = ()
    unread: tuple[UnreadPage, ...] = ()

    @property
    def expected(self) -> int | None:
        """How many rows 1C counted before the reading, where it was asked."""
        return self.cursor.count_before if self.cursor is not None else self.counts[0]


def groups(pages: Iterable[Fetched], plan: Plan, zone: ZoneInfo) -> Generator[Group]:
    """Checked page groups, one made ahead while the last one is being stored."""
    return ahead(_checked(pages, plan, zone), depth=1)


def _checked(pages: Iterable[Fetched], plan: Plan, zone: ZoneInfo) -> Iterator[Group]:
    for together in _grouped(ahead(pages, depth=_PAGES_AHEAD)):
        last = together[-1]
        yield Group(
            part=last.part,
            pages=tuple(
                _new_page(page, page.answer, page.body)
                for page in together
                if page.answer is not None and page.body is not None
            ),
            checked=validate(concat([page.page for page in together]), plan, zone),
            cursor=last.cursor,
            counts=last.counts,
            unread=tuple(page.unread for page in together if page.unread is not None),
        )


def _grouped(pages: Iterable[Fetched]) -> Iterator[list[Fetched]]:
    together: list[Fetched] = []
    rows = size = 0
    for page in pages:
        together.append(page)
        rows += page.page.row_count
        size += page.body.raw_bytes if page.body is not None else 0
        if rows >= GROUP_ROWS or size >= _GROUP_BYTES or page.cursor is None:
            yield together
            together, rows, size = [], 0, 0
    if together:
        yield together


def _new_page(page: Fetched, answer: Answer, body: Body) -> NewPage:
    return NewPage(
        part=page.part,
        page_index=page.index,
        request=answer.request,
        format=page.format,
        requested_at=answer.requested_at,
        elapsed_seconds=answer.elapsed_seconds,
        row_count=page.page.row_count,
        body=body,
    )
