"""How many rows to ask for at a time, by bytes and by time (PROTOCOL §10).

Smaller at once when 1C cannot give a page, larger again bit by bit.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from onec_pipelines.onec.connection import MEBIBYTE

_GROWTH = 2.0
_RECOVERY = 1.25
_MIN_PATIENCE = 2
_MAX_PATIENCE = 64


@dataclass(frozen=True, kw_only=True)
class PagePolicy:
    """The shape of a paged read.

    `rows` is the first page; pages then aim at `target_bytes` (unpacked) and `target_seconds` within
    `min_rows…max_rows`. `overlap` rows are read again at each page's start, so that rows that moved up
    while others were deleted are not missed (RELIABILITY C-2). `max_pages` ends a read that would never
    end. `max_bytes` caps one page.
    """

    rows: int = 1000
    min_rows: int = 10
    max_rows: int = 10_000
    target_bytes: int = 2 * MEBIBYTE
    target_seconds: float = 10.0
    overlap: int = 50
    max_pages: int = 1_000_000
    max_bytes: int | None = None

    def for_base(self, *, page_rows: int | None, skips: bool) -> PagePolicy:
        """The same policy for a base that gives at most `page_rows` at once, or only first pages, which are large then."""
        most = self.max_rows if page_rows is None else min(page_rows, self.max_rows)
        first = min(self.rows, most) if skips else most
        return replace(self, rows=first, max_rows=most, min_rows=min(self.min_rows, most))


class PageSize:
    """The current number of rows; one owner, no threads."""

    def __init__(self, policy: PagePolicy, rows: int | None = None) -> None:
        self._policy = policy
        self._ceiling = float(policy.max_rows)
        self._patience = (
            _MIN_PATIENCE  # good pages before the ceiling is lifted; a failed page costs 1C dearly
        )
        self._good = 0
        self.rows = self._bounded(rows or policy.rows)

    @property
    def overlap(self) -> int:
        """Rows to read again, never more than half a page."""
        return min(self._policy.overlap, self.rows // 2)

    def answered(self, rows: int, body_bytes: int, seconds: float) -> None:
        """Learn from a page that came."""
        if rows == 0:
            return
        self._good += 1
        if self._good >= self._patience:
            self._ceiling = min(self._ceiling * _RECOVERY, self._policy.max_rows)
            self._patience = max(self._patience // 2, _MIN_PATIENCE)
            self._good = 0
        by_bytes = self._policy.target_bytes * rows / max(body_bytes, 1)
        by_time = self._policy.target_seconds * rows / max(seconds, 1e-6)
        self.rows = self._bounded(min(by_bytes, by_time, self.rows * _GROWTH))

    def failed(self, rows: int) -> bool:
        """Learn from a page of this many rows that 1C could not give; False when it cannot get smaller."""
        if rows <= self._policy.min_rows:
            return False
        self._ceiling = max(rows / 2, self._policy.min_rows)
        self._patience = min(self._patience * 2, _MAX_PATIENCE)
        self._good = 0
        self.rows = self._bounded(rows / 2)
        return True

    def _bounded(self, rows: float) -> int:
        return int(max(self._policy.min_rows, min(rows, self._ceiling, self._policy.max_rows)))
