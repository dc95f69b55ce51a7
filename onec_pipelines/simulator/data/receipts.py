"""Deliveries from suppliers.

`Document_ПриобретениеТоваровУслуг` and what they add to the stock (PROTOCOL §11.5).

Every batch of stock-keeping units is delivered to every warehouse that keeps some of them, in two rounds;
quantities are computed.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from itertools import accumulate
from typing import NamedTuple

from onec_pipelines.simulator.data.guids import salt, scramble
from onec_pipelines.simulator.data.layout import Periodic, Runs
from onec_pipelines.simulator.data.plan import Group, Plan
from onec_pipelines.simulator.data.words.fixed import WAREHOUSES
from onec_pipelines.simulator.data.world import World, stamp

RECEIPT = "Document_ПриобретениеТоваровУслуг"
BATCH = 96
_WHOLE = [Decimal(number) for number in range(161)]
_DIVISIBLE = frozenset(
    ("166", "006", "112")
)  # sold by weight, length or volume: quantities have three decimals


class Delivery(NamedTuple):
    """One line of a delivery; a named tuple because a base of a million products has millions of them."""

    sku: int
    group: Group
    item: int
    variant: int
    quantity: Decimal


@dataclass(frozen=True, kw_only=True, slots=True)
class Wave:
    """One round of deliveries: days ago, and for each warehouse how many units of a batch it gets."""

    started: int
    ended: int
    shares: tuple[int, ...]


WAVES = (
    Wave(started=330, ended=200, shares=(24, 20, 20, 64, 40, 30)),
    Wave(started=90, ended=20, shares=(6, 0, 4, 32, 16, 0)),
)


class Receipts:
    """All deliveries: documents numbered by date, a warehouse and a batch each.

    Only documents with lines exist.
    """

    def __init__(self, world: World, plan: Plan) -> None:
        self._world = world
        self._plan = plan
        self.guids = world.guids(RECEIPT)
        self._chance = salt(world.seed, "delivery")
        self._total = len(plan.skus)
        self._members = [
            [
                Periodic(total=self._total, period=BATCH, residues=self._residues(number, place, share))
                for place, share in enumerate(wave.shares)
            ]
            for number, wave in enumerate(WAVES)
        ]
        self._stores = [[place for place, share in enumerate(wave.shares) if share] for wave in WAVES]
        self._batches, rest = divmod(self._total, BATCH)
        self._last = [
            [
                place
                for place in stores
                if rest and len(self._members[number][place].between(self._total - rest, self._total))
            ]
            for number, stores in enumerate(self._stores)
        ]
        self._runs = Runs(
            [
                (number, self._batches * len(stores) + len(self._last[number]))
                for number, stores in enumerate(self._stores)
            ]
        )
        self._sums = [
            [0, *accumulate(len(self._members[number][place].residues) for place in stores)]
            for number, stores in enumerate(self._stores)
        ]
        self._assortments = [self._assortment(place) for place in range(len(WAREHOUSES))]
        self.lines_of_wave = [sum(len(members) for members in wave) for wave in self._members]

    def _assortment(self, place: int) -> Periodic:
        residues = {residue for wave in self._members for residue in wave[place].residues}
        return Periodic(total=self._total, period=BATCH, residues=residues)

    def _residues(self, number: int, place: int, share: int) -> list[int]:
        key = salt(self._world.seed, f"assortment {number} {place}")
        return sorted(range(BATCH), key=lambda residue: scramble(residue, key))[:share]

    def __len__(self) -> int:
        """Give the number of documents."""
        return len(self._runs)

    def date(self, document: int) -> str:
        """Give the date of a document."""
        number, at = self._runs.locate(document)
        wave = WAVES[number]
        count = self._runs.starts[number + 1] if number + 1 < len(WAVES) else len(self._runs)
        seconds = (wave.started - wave.ended) * 86_400 * at // max(count - self._runs.starts[number], 1)
        return stamp(self._world.days_ago(wave.started) + timedelta(seconds=seconds))

    def place(self, document: int) -> tuple[int, int, int]:
        """Give (wave, batch, warehouse) of a document."""
        number, at = self._runs.locate(document)
        batch, turn = divmod(at, len(self._stores[number]))
        if batch >= self._batches:
            return number, self._batches, self._last[number][at - self._batches * len(self._stores[number])]
        return number, batch, self._stores[number][turn]

    def lines(self, document: int) -> list[Delivery]:
        """Give the lines of a document."""
        number, batch, place = self.place(document)
        members = self._members[number][place]
        ranks = members.between(batch * BATCH, min((batch + 1) * BATCH, self._total))
        return [self._delivery(number, place, members.at(rank)) for rank in ranks]

    def before(self, document: int) -> int:
        """Give how many lines the documents before this one have."""
        if document >= len(self._runs):
            return sum(self.lines_of_wave)
        number, at = self._runs.locate(document)
        earlier = sum(self.lines_of_wave[:number])
        batch, turn = divmod(at, len(self._stores[number]))
        sums = self._sums[number]
        if batch < self._batches:
            return earlier + batch * sums[-1] + sums[turn]
        done = self._last[number][: at - self._batches * len(self._stores[number])]
        rest = (self._batches * BATCH, self._total)
        return (
            earlier
            + self._batches * sums[-1]
            + sum(len(self._members[number][place].between(*rest)) for place in done)
        )

    def document_of(self, line: int) -> int:
        """Give the document of a line."""
        number = 0
        while line >= self.lines_of_wave[number]:
            line -= self.lines_of_wave[number]
            number += 1
        sums, start = self._sums[number], self._runs.starts[number]
        batch, rest = divmod(line, sums[-1])
        if batch < self._batches:
            return start + batch * len(self._stores[number]) + bisect_right(sums, rest) - 1
        document = start + self._batches * len(self._stores[number])
        while self.before(document + 1) <= sum(self.lines_of_wave[:number]) + line:
            document += 1
        return document

    def unit(self, place: int, chance: int) -> int:
        """Give by chance a unit that a warehouse keeps; any unit if it keeps none."""
        kept = self._assortments[place]
        return kept.at(chance % len(kept)) if len(kept) else chance % self._total

    def delivered(self, place: int) -> Iterator[Delivery]:
        """Give the whole quantity, over all rounds, of every unit that a warehouse ever got, by unit."""
        waves: dict[int, list[int]] = {}
        for number, wave in enumerate(self._members):
            for residue in wave[place].residues:
                waves.setdefault(residue, []).append(number)
        for cut in self._plan.skus.cut(0, self._total):
            group, size, start = cut.value, cut.value.skus, self._plan.skus.starts[cut.run]
            for offset in range(cut.high):
                sku = start + offset
                found = waves.get(sku % BATCH)
                if found is not None:
                    item, variant = divmod(offset, size)
                    quantity = self._quantity(found[0], place, sku, group)
                    for number in found[1:]:
                        quantity += self._quantity(number, place, sku, group)
                    yield Delivery(
                        sku=sku, group=group, item=group.first + item, variant=variant, quantity=quantity
                    )

    def _delivery(self, number: int, place: int, sku: int) -> Delivery:
        group, item, variant = self._plan.sku(sku)
        return Delivery(
            sku=sku,
            group=group,
            item=item,
            variant=variant,
            quantity=self._quantity(number, place, sku, group),
        )

    def _quantity(self, number: int, place: int, sku: int, group: Group) -> Decimal:
        chance = scramble(sku * 16 + number * 8 + place, self._chance)
        many = 4 if WAREHOUSES[place][1] == "ОптовыйСклад" else 1
        whole = 1 + chance % (40 * many)
        if group.kind.unit in _DIVISIBLE:
            return Decimal(whole * 1000 + (chance >> 32) % 1000).scaleb(-3)
        return _WHOLE[whole]
