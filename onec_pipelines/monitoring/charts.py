"""Figures as shapes: the bars and sparklines of the dashboard, as plain numbers that a template draws as SVG.

Text is not part of the drawings: they are stretched to the width of the screen, and letters would be stretched with them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

HEIGHT = 100.0


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One bar: from the bottom `low` in the main colour, up to `high` in the second one; of HEIGHT. `text` is its tooltip."""

    low: float
    high: float
    text: str


@dataclass(frozen=True, kw_only=True)
class Chart:
    """Bars from left to right, what the top of the chart means, and labels below."""

    bars: list[Bar]
    top: float
    labels: list[str]

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to see."""
        return not any(bar.high or bar.low for bar in self.bars)


def steps(now: datetime, *, hours: int, minutes: int) -> list[datetime]:
    """The beginnings of the last `hours` in steps of `minutes`, oldest first; the step that `now` lies in is the last."""
    seconds = minutes * 60
    last = datetime.fromtimestamp(now.timestamp() // seconds * seconds, tz=now.tzinfo)
    number = hours * 60 // minutes
    return [last - timedelta(seconds=seconds * (number - 1 - index)) for index in range(number)]


def bars(
    at: Sequence[datetime],
    low: Mapping[datetime, float],
    high: Mapping[datetime, float],
    *,
    texts: Mapping[datetime, str],
    labels: Sequence[str],
    least_top: float = 0.0,
) -> Chart:
    """One bar for each moment; moments without figures are gaps."""
    top = round_up(max([*high.values(), *low.values(), least_top], default=0.0))
    scale = HEIGHT / top if top else 0.0
    return Chart(
        bars=[
            Bar(low=low.get(one, 0.0) * scale, high=high.get(one, 0.0) * scale, text=texts.get(one, ""))
            for one in at
        ],
        top=top,
        labels=list(labels),
    )


def sparkline(values: Sequence[float], *, width: float = 100.0, height: float = 24.0) -> str:
    """Points of a polyline, newest at the right; empty for fewer than two values."""
    if len(values) < 2:  # noqa: PLR2004 - a line has two ends
        return ""
    top = max(values) or 1.0
    step = width / (len(values) - 1)
    return " ".join(
        f"{index * step:.1f},{height - 2 - value / top * (height - 4):.1f}"
        for index, value in enumerate(values)
    )


def round_up(value: float) -> float:
    """The next number that reads well: 1, 2 or 5 times a power of ten."""
    if value <= 0:
        return 0.0
    power = 10.0 ** (len(str(int(value))) - 1) if value >= 1 else 1.0
    while power > value:
        power /= 10
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= value)


def by_hour(rows: Sequence[Mapping[str, Any]]) -> dict[datetime, dict[str, float]]:
    """Rows of `ledger.health.hours`, all entities together: runs, failed, average and worst seconds."""
    found: dict[datetime, dict[str, float]] = {}
    for row in rows:
        one = found.setdefault(
            row["hour"], {"runs": 0.0, "failed": 0.0, "weight": 0.0, "sum": 0.0, "worst": 0.0}
        )
        one["runs"] += row["runs"]
        one["failed"] += row["failed"]
        good = row["runs"] - row["failed"]
        if row["seconds"] is not None:
            one["sum"] += row["seconds"] * good
            one["weight"] += good
            one["worst"] = max(one["worst"], row["worst_seconds"])
    for one in found.values():
        one["average"] = one["sum"] / one["weight"] if one["weight"] else 0.0
    return found
