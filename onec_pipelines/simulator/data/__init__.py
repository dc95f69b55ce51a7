"""A believable Russian shop on 1C:Управление Торговлей 11.5.20, computed from a seed.

Same arguments, same base for ever. Rows are computed from their positions, so a million products cost no
memory; the protocol (formats, queries, writes) is not here.
"""

from __future__ import annotations

from datetime import date

from onec_pipelines.simulator.data.shop import Shop
from onec_pipelines.simulator.data.world import TODAY, World

__all__ = ["Shop", "generate"]


def generate(
    *, seed: int, products: int, broken: bool = True, today: date = TODAY, illegal_xml: bool = False
) -> Shop:
    """Give the base: its tables, opening balances, and the list of rows that are broken.

    `broken` adds a small share of rows with the mistakes real bases hold; `illegal_xml` adds to them
    characters that XML cannot carry, which make 1C refuse a whole packet (PROTOCOL §7.1.8). `today` is the
    day the base stands at.
    """
    return Shop(World(seed=seed, products=products, today=today, broken=broken, illegal_xml=illegal_xml))
