"""Rules over several columns."""

from __future__ import annotations

from decimal import Decimal

import pandas as pd
import pyarrow as pa

from onec_pipelines.steps.rules import RULES


def test_a_discount_in_percent_is_at_most_the_whole_price():
    table = pa.table(
        {
            "method": ["percent", "percent", "percent", "amount", None, "percent"],
            "value": pa.array([100, 120, -30, 5000, 120, None], pa.decimal128(38, 10)),
        }
    )
    frame = table.to_pandas(types_mapper=pd.ArrowDtype)

    assert RULES["percent_at_most_100"](frame).tolist() == [True, False, True, True, True, True]
    assert Decimal(120) in frame["value"].tolist()
