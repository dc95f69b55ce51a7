"""Windows: cut at the midnights of the base, named so that a checkpoint finds them again, said in the base's wall clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from onec_pipelines.errors import Stop
from onec_pipelines.steps.windows import Window, days_for, local_window

MOSCOW = ZoneInfo("Europe/Moscow")
BERLIN = ZoneInfo("Europe/Berlin")


def window(start, end=None, zone=MOSCOW):
    return Window(
        start=datetime.fromisoformat(start).replace(tzinfo=zone),
        end=None if end is None else datetime.fromisoformat(end).replace(tzinfo=zone),
    )


def test_a_quarter_is_cut_into_days():
    parts = window("2026-01-01", "2026-04-01").parts(MOSCOW)

    assert len(parts) == 90
    assert {part.end - part.start for part in parts} == {timedelta(days=1)}


@pytest.mark.parametrize("zone", [MOSCOW, BERLIN])
@pytest.mark.parametrize("end", ["2026-04-05", "2026-10-30T12:00:00", "2031-01-01", None])
def test_parts_cover_the_window_without_gap_or_overlap(zone, end):
    """Clocks change in Berlin on 29 March and 25 October."""
    whole = window("2026-03-20T07:30:00", end, zone)

    parts = whole.parts(zone)

    assert (parts[0].start, parts[-1].end) == (whole.start, whole.end)
    assert all(before.end == after.start for before, after in pairwise(parts))
    assert all(part.start.astimezone(zone).hour == 0 for part in parts[1:])


def test_a_name_gives_the_window_back():
    for one in (window("2026-03-29", "2026-03-30", BERLIN), window("2026-01-01")):
        assert Window.named(one.name) == Window(
            start=one.start.astimezone(UTC), end=one.end and one.end.astimezone(UTC)
        )


def test_the_condition_is_in_the_wall_clock_of_the_base():
    assert window("2026-06-01", "2026-06-02").condition("Date", MOSCOW) == (
        "(Date ge datetime'2026-06-01T00:00:00') and (Date lt datetime'2026-06-02T00:00:00')"
    )
    assert window("2026-06-01").condition("Period", MOSCOW) == "Period ge datetime'2026-06-01T00:00:00'"


@pytest.mark.parametrize(
    ("rows", "days"), [(0, 36_525), (900, 36_525), (40_000, 365), (450_000, 30), (2_000_000, 7), (10**8, 1)]
)
def test_more_rows_make_shorter_parts(rows, days):
    two_years = window("2024-01-01", "2026-01-01")

    assert days_for(two_years, rows, rows_at_once=20_000) == days


def test_a_window_that_ends_before_it_begins_is_refused():
    moment = datetime(2026, 1, 1)  # noqa: DTZ001 - wall clock of the base
    assert local_window(None, None, MOSCOW) is None
    with pytest.raises(Stop, match="WRONG_ASK"):
        local_window(moment, moment, MOSCOW)
    with pytest.raises(ValueError, match="aware"):
        Window(start=moment)
