"""A day in the shop: seeded business steps upon a living base.

Each the work of a clerk or of another program.

A step reads and writes through the small interface below, so it works upon any base that offers it. The
same seed, the same base and the same numbers of steps give the same end state. What a step means for the
books (movements, states of orders) is the business of the base's `post`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from onec_pipelines.simulator.data.activity_catalogs import CATALOG_STEPS
from onec_pipelines.simulator.data.activity_clerk import Clerk, Living, Refused, Step
from onec_pipelines.simulator.data.activity_trade import TRADE_STEPS
from onec_pipelines.simulator.data.shop import Shop

__all__ = ["KINDS", "Activity", "Clerk", "Living", "Refused", "Step"]

Work = Callable[[Clerk], Step]
# How often each kind of step comes, out of the sum of all.
_WEIGHTS: Mapping[str, int] = {
    "price change": 8,
    "back-dated price change": 2,
    "receipt": 6,
    "back-dated receipt": 1,
    "new order": 14,
    "order moves on": 14,
    "shipment": 12,
    "return": 3,
    "payment": 6,
    "new product": 5,
    "edited product": 10,
    "moved product": 2,
    "deletion mark": 3,
    "deletion mark taken off": 1,
    "physical deletion": 2,
    "no-op save": 6,
    "new customer": 4,
    "edited customer": 5,
    "new barcode": 2,
    "removed barcode": 1,
    "currency rate": 1,
}
_STEPS: Mapping[str, Work] = {**TRADE_STEPS, **CATALOG_STEPS}
KINDS = tuple(_WEIGHTS)


class Activity:
    """The steps of one shop; holds no state but the shop it was made for."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop
        self._wheel = tuple(kind for kind, weight in _WEIGHTS.items() for _ in range(weight))

    def kind_of(self, number: int, *, seed: int = 0) -> str:
        """Give the kind of the n-th step."""
        what = f"step {seed}" if seed else "step"
        return self._wheel[self._shop.world.chance(number, what) % len(self._wheel)]

    def perform(self, living: Living, number: int, *, kind: str | None = None, seed: int = 0) -> Step:
        """Do the n-th step (from 0) upon a base and tell what was touched.

        `kind` asks for another kind of step, `seed` for another day of the same shop.

        A refusal by the base (not enough stock) is part of business: the step says so and leaves the
        document unposted. Raises ValueError for an unknown kind.
        """
        chosen = kind or self.kind_of(number, seed=seed)
        work = _STEPS.get(chosen)
        if work is None:
            raise ValueError(f"unknown kind of step {chosen!r}; known are: {', '.join(KINDS)}")
        return work(Clerk(shop=self._shop, living=living, number=number, kind=chosen, seed=seed))

    def day(self, living: Living, *, start: int = 0, steps: int = 100) -> Iterator[Step]:
        """Do a run of steps, one by one as the caller asks for them."""
        for number in range(start, start + steps):
            yield self.perform(living, number)
