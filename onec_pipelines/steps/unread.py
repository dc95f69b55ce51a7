"""unread: a page or an object that breaks 1C's answer does not keep the rest of its entity away.

A page that 1C cannot give is asked for as keys alone; the objects are then asked for by key, and those that break even so are left to the
queue (`ledger/unread.py`) as items of kind `page`. Because their keys are known, nothing is taken for deleted that was merely not readable.
Here belongs what counts as such a fault and how far it is followed; only objects with a `Ref_Key` can be told apart so.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from onec_pipelines.errors import PipelineError, RetryLater
from onec_pipelines.ledger import retry_policy
from onec_pipelines.onec.answers import Answer
from onec_pipelines.onec.client import OnecClient
from onec_pipelines.onec.decode import WireShape, decode_json
from onec_pipelines.onec.links import deep_link
from onec_pipelines.onec.paging import PageRows
from onec_pipelines.onec.query import SetQuery
from onec_pipelines.spec import Entity
from onec_pipelines.steps.resolve import Plan

MOST_PAGES = 5
"""Pages of one reading that may be taken apart. More is no single broken row but a base that cannot answer: the reading ends."""
MOST_OBJECTS = 10
"""Objects that one reading may leave unread, for the same reason."""
_TOGETHER = 200
_LINKS = 5
# What one row can do to an answer: a handler or a formatter fails on it, it takes for ever, it is too large, it cannot be parsed.
_ITS_OWN = frozenset(
    {
        "ONEC_BAD_ANSWER",
        "ONEC_GATEWAY",
        "ONEC_HANDLER",
        "ONEC_OUT_OF_MEMORY",
        "ONEC_SERVER_ERROR",
        "ONEC_TIMEOUT",
        "ONEC_TOO_LARGE",
    }
)


@dataclass(frozen=True, kw_only=True)
class UnreadPage:
    """The keys of a page that 1C could not give, and what it answered instead."""

    keys: tuple[str, ...]
    error: PipelineError


@dataclass(kw_only=True)
class Broken:
    """Collects the objects that 1C cannot give, by key; several threads add to it."""

    most: int = MOST_OBJECTS
    errors: dict[str, PipelineError] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def add(self, key: str, error: PipelineError) -> None:
        """Note one; raises its error when there are too many to be single broken objects."""
        with self._lock:
            self.errors[key] = error
            if len(self.errors) > self.most:
                raise error


def is_its_own(error: PipelineError) -> bool:
    """Whether the rows that were asked for may be at fault, and not the base, the way to it or the request."""
    return error.code in _ITS_OWN and not retry_policy.is_not_its_fault(error)


def can_be_taken_apart(entity: Entity) -> bool:
    """Whether a page of the entity can be asked for as keys alone."""
    return entity.key == ("ref",)


class PagesApart:
    """Gives the keys of pages that 1C cannot give whole: the way out that a paged read is offered."""

    def __init__(self, client: OnecClient, plan: Plan) -> None:
        self._client = client
        self._shape = WireShape(columns=tuple(one for one in plan.shape.columns if one.name == "ref"))
        self._empty = decode_json(b'{"value": []}', plan.shape)
        self._left = MOST_PAGES

    def __call__(self, query: SetQuery, error: PipelineError) -> tuple[Answer, PageRows] | None:
        """The page without rows but with its keys; None when the page is not at fault, or too many were."""
        if not is_its_own(error) or self._left == 0:
            return None
        self._left -= 1
        narrow = replace(query, select=tuple(column.wire for column in self._shape.columns))
        try:
            answer = self._client.get(narrow.target())
            refs = [str(ref) for ref in decode_json(answer.body, self._shape).columns["ref"]]
        except PipelineError:
            return None  # not even its keys can be read: the first error tells more
        keys = [(ref,) for ref in refs]
        ends = (keys[0], keys[-1]) if keys else (None, None)
        apart = UnreadPage(keys=tuple(refs), error=error)
        return answer, PageRows(
            row_count=len(keys),
            first_key=ends[0],
            last_key=ends[1],
            keys=keys,
            payload=(self._empty, None, apart),
        )


def read_apart(keys: Sequence[str], read: Callable[[Sequence[str]], object]) -> dict[str, PipelineError]:
    """Have the objects read, halving what fails; gives the error of each that cannot be read, and of all not tried after too many.

    Raises what is not the objects' own fault.
    """
    todo = deque(tuple(keys[at : at + _TOGETHER]) for at in range(0, len(keys), _TOGETHER))
    broken: dict[str, PipelineError] = {}
    last: PipelineError | None = None
    while todo:
        piece = todo.popleft()
        if len(broken) >= MOST_OBJECTS and last is not None:
            broken |= dict.fromkeys(piece, last)
            continue
        try:
            read(piece)
        except PipelineError as error:
            if not is_its_own(error):
                raise
            last = error
            if len(piece) == 1:
                broken[piece[0]] = error
            else:
                middle = len(piece) // 2
                todo.extendleft((piece[middle:], piece[:middle]))
    return broken


def unread_error(entity: str, resource: str, broken: dict[str, PipelineError]) -> RetryLater:
    """What the queue item of unread objects says: 1C's words for the first of them, and links to open them."""
    first = next(iter(broken.values()))
    links = [link for link in (deep_link(resource, key) for key in list(broken)[:_LINKS]) if link]
    return RetryLater(
        f"1C cannot give {len(broken)} objects of {entity}: {first.message}",
        code="PAGE_UNREAD",
        remedy=f"Open them in 1C and mend what breaks them: {', '.join(links)}" if links else first.remedy,
        http_status=first.http_status,
        onec_code=first.onec_code,
        onec_message=first.onec_message,
    )
