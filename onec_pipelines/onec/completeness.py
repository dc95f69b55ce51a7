"""The proof that a paged read saw everything.

Counts before and after against distinct keys seen (issue A.4, PROTOCOL §3.3).
"""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

_Hashes = np.ndarray[Any, np.dtype[np.int64]]
_NONE: _Hashes = np.empty(0, dtype=np.int64)


@dataclass(frozen=True, kw_only=True)
class Completeness:
    """What a paged read saw, and the verdict.

    `complete`: at least as many distinct keys as the set held before or after, whichever is less.
    `incomplete`: fewer; nothing may be deleted for its absence then. `unproven`: the base was not asked to
    count. `changed` says that the set changed meanwhile; `short_pages` counts pages that ended before the
    set did; `resumed` that an earlier run read the beginning.
    """

    count_before: int | None
    count_after: int | None
    rows: int
    distinct: int
    pages: int
    short_pages: int
    shrunk_pages: int
    resumed: bool

    @property
    def changed(self) -> bool:
        """Tell whether the set is known to have changed while it was read."""
        return self.count_before != self.count_after

    @property
    def verdict(self) -> Literal["complete", "incomplete", "unproven"]:
        """Give the verdict; `reason` says why."""
        if self.count_before is None or self.count_after is None:
            return "unproven"
        enough = self.distinct >= min(self.count_before, self.count_after)
        return "complete" if enough else "incomplete"

    @property
    def reason(self) -> str:
        """Say why, in figures."""
        if self.count_before is None or self.count_after is None:
            return f"{self.distinct} distinct rows; the base was not asked how many there are"
        text = f"{self.distinct} distinct rows of {self.count_before} before and {self.count_after} after"
        if self.short_pages:
            text += f"; {self.short_pages} pages ended early"
        if self.verdict == "incomplete":
            missing = min(self.count_before, self.count_after) - self.distinct
            text += f"; {missing} are missing: 1C skipped them or repeated others in their place"
        return text


def key_mark(key: Hashable) -> str:
    """Give a short mark of a key that means the same in another process."""
    return hashlib.blake2b(repr(key).encode(), digest_size=8).hexdigest()


class KeyLedger:
    """All keys of one read in eight bytes each, and which of a page's keys are new.

    New means: neither in the page before nor in the first page, and none of `known` marks, which an earlier
    run left. Keys are told apart by their 64-bit hashes, whole pages at a time: at a million keys sets of Python took longer than all else.
    """

    def __init__(self, *, distinct: int = 0, known: Iterable[str] = ()) -> None:
        self._pages: list[_Hashes] = []
        self._earlier = distinct
        self._known = frozenset(known)
        self._first = _NONE
        self._last = _NONE

    def add(self, keys: Sequence[Hashable]) -> int:
        """Take the keys of the next page and give how many are new."""
        if self._known:
            keys = [key for key in keys if key_mark(key) not in self._known]
            self._known = frozenset()
        page = _each_once(np.fromiter(map(hash, keys), np.int64, len(keys)))
        fresh = int(page.size - np.count_nonzero(_are_in(page, self._last) | _are_in(page, self._first)))
        if page.size:
            self._pages.append(page)
            self._first = self._first if self._first.size else page
            self._last = page
        return fresh

    def distinct(self) -> int:
        """Count distinct keys so far; costs a sort."""
        seen = _each_once(np.concatenate(self._pages)) if self._pages else _NONE
        return self._earlier + int(seen.size)


def _each_once(hashes: _Hashes) -> _Hashes:
    """In order. Of whole numbers `np.unique` makes a hash table, which at a million costs fifty times this sort."""
    ordered = np.sort(hashes)
    return ordered[np.concatenate(([True], ordered[1:] != ordered[:-1]))] if ordered.size else ordered


def _are_in(hashes: _Hashes, among: _Hashes) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """For each hash whether it is among others that are in order."""
    if not among.size:
        return np.zeros(hashes.size, dtype=np.bool_)
    places = np.minimum(np.searchsorted(among, hashes), among.size - 1)
    return np.equal(among[places], hashes)
