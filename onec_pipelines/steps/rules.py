"""Named rules over several columns of a row: frame in, boolean mask of good rows out. Entities name them.

None is needed by every entity.
"""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

RULES: dict[str, Callable[[pd.DataFrame], pd.Series[bool]]] = {}
