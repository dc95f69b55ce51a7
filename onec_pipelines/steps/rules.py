"""Named rules over several columns of a row: frame in, boolean mask of good rows out. Entities name them.

None is needed by every entity.
"""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

_WHOLE = 100


def percent_at_most_100(frame: pd.DataFrame) -> pd.Series[bool]:
    """A discount given in percent is at most 100; markups (below zero), amounts and folders pass."""
    is_percent = frame["method"].eq("percent").fillna(value=False)
    is_more = frame["value"].gt(_WHOLE).fillna(value=False)
    return ~(is_percent & is_more).astype(bool)


RULES: dict[str, Callable[[pd.DataFrame], pd.Series[bool]]] = {"percent_at_most_100": percent_at_most_100}
