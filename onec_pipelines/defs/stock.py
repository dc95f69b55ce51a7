"""The check of the stock that looks at the shop's rows themselves: how many have promised more than there is.

Checks of the reading are in `checks.py`.
"""

from __future__ import annotations

import dagster as dg

from onec_pipelines.defs.keys import asset_key
from onec_pipelines.defs.remedies import advised
from onec_pipelines.defs.resources import OnecResource
from onec_pipelines.entities import BY_NAME
from onec_pipelines.ledger import stock_policy
from onec_pipelines.spec import Layer

OVERSOLD = "oversold"


@dg.asset_check(
    asset=asset_key(BY_NAME["stock"], Layer.SHOP),
    name=OVERSOLD,
    description="No row has more reserved or about to be shipped than is on hand; what the shop shows of it is ONEC_NEGATIVE_STOCK.",
)
@advised("STOCK_NEGATIVE")
def oversold(onec: OnecResource) -> dg.AssetCheckResult:
    """Count the rows below zero, whatever the policy shows of them."""
    settings = onec.runtime.settings
    rows = stock_policy.negative_rows(onec.runtime.database, system_name=onec.runtime.system_name)
    return dg.AssetCheckResult(
        passed=rows == 0,
        # Shops sell ahead of deliveries; that is for people to judge.
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "negative_rows": rows,
            "formula": settings.stock_formula,
            "shown_as": "the negative number" if settings.negative_stock == "keep" else "zero",
            "remedy": "shop.negative_stock names warehouse, product and variant of each.",
        },
    )
