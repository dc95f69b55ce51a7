"""windows: spans of time by which documents and periodic registers are read (PROTOCOL §3.3, §7.2), cut into parts for the checkpoint."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from onec_pipelines.errors import Stop
from onec_pipelines.onec.query import all_of, moment

# A backfill of a quarter goes day by day; a history of years in larger steps, because each part costs three requests.
_BY_DAY = 100
_BY_WEEK = 3 * 366
_ONE_PART = 36_525
_STEPS = (365, 30, 7)


@dataclass(frozen=True, kw_only=True)
class Window:
    """From `start` up to but without `end`, both aware; None = for ever."""

    start: datetime
    end: datetime | None = None

    def __post_init__(self) -> None:
        if self.start.tzinfo is None or (self.end is not None and self.end.tzinfo is None):
            raise ValueError("a window needs aware times")
        if self.end is not None and self.end <= self.start:
            raise ValueError("a window ends after it begins")

    @property
    def name(self) -> str:
        """The window as text, for keys and messages: `2026-06-01T00:00:00Z/2026-06-02T00:00:00Z`."""
        end = ".." if self.end is None else _stamp(self.end)
        return f"{_stamp(self.start)}/{end}"

    @classmethod
    def named(cls, name: str) -> Window:
        """The window of such a text."""
        start, _, end = name.partition("/")
        return cls(
            start=datetime.fromisoformat(start), end=None if end == ".." else datetime.fromisoformat(end)
        )

    def parts(self, zone: ZoneInfo, *, days: int | None = None) -> tuple[Window, ...]:
        """The window cut at midnights of the base: every `days`, else by days, or for a long one by weeks or months of 30 days.

        What has no end is cut up to tomorrow.
        """
        last = since(today(zone) + timedelta(days=1), zone) if self.end is None else self.end
        length = (last - self.start).days
        step = days or (1 if length <= _BY_DAY else 7 if length <= _BY_WEEK else 30)
        cuts = [self.start, *_midnights(self.start, last, step, zone)]
        return tuple(
            Window(start=start, end=end) for start, end in zip(cuts, [*cuts[1:], self.end], strict=True)
        )

    def condition(self, wire: str, zone: ZoneInfo) -> str:
        """The window in OData's words, in the wall clock of the base."""
        end = None if self.end is None else f"{wire} lt {moment(self.end, zone)}"
        return all_of(f"{wire} ge {moment(self.start, zone)}", end) or ""


def local_window(begin: datetime | None, end: datetime | None, zone: ZoneInfo) -> Window | None:
    """The window between two moments of the base's wall clock, of which either may be open; None when both are.

    Raises Stop WRONG_ASK when it ends before it begins.
    """
    if begin is None and end is None:
        return None
    if begin is not None and end is not None and end <= begin:
        raise Stop("the time ends before it begins", code="WRONG_ASK", remedy="Exchange the two.")
    start = datetime(1, 1, 2, tzinfo=UTC) if begin is None else begin.replace(tzinfo=zone)
    return Window(start=start, end=None if end is None else end.replace(tzinfo=zone))


def days_for(window: Window, rows: int, *, rows_at_once: int) -> int:
    """Length of parts of which each has about as many rows; one of a few lengths, so that a resumed reading finds the same."""
    if rows <= rows_at_once:
        return _ONE_PART
    length = max(((window.end or datetime.now(UTC)) - window.start).days, 1)
    wanted = length * rows_at_once / rows
    return next((step for step in _STEPS if wanted >= step), 1)


def since(day: date, zone: ZoneInfo) -> datetime:
    """The first moment of a day of the base."""
    return datetime.combine(day, time(), zone)


def today(zone: ZoneInfo) -> date:
    """Today's date in the base."""
    return datetime.now(zone).date()


def _midnights(start: datetime, end: datetime, step: int, zone: ZoneInfo) -> Iterator[datetime]:
    day = start.astimezone(zone).date() + timedelta(days=step)
    while (cut := since(day, zone)) < end:
        yield cut
        day += timedelta(days=step)


def _stamp(value: datetime) -> str:
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
