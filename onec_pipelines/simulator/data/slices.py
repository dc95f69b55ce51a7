"""The last price of everything, by one price kind, without reading the register: computed from the rounds.

A product takes part in a round by its remainder, so which round priced it last is known per batch. What was
written since the start is not known here.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from onec_pipelines.simulator.data.layout import Runs
from onec_pipelines.simulator.data.plan import NOMENCLATURE, OWN_VARIANTS
from onec_pipelines.simulator.data.prices import BATCH, PRICE_DOCUMENT, PriceSource
from onec_pipelines.simulator.data.tables import ZERO_GUID
from onec_pipelines.simulator.data.variants import PRICE_VARIANT
from onec_pipelines.simulator.data.world import World
from onec_pipelines.simulator.source import Row

_TYPE = f"StandardODATA.{PRICE_DOCUMENT}"
_GONE, _DANGLING = "price of a deleted product", "dangling price kind"
if TYPE_CHECKING:
    Members = array[int]


class PriceSlice:
    """The last records of one price kind up to a moment ("" = all), in the order of the register."""

    def __init__(self, world: World, sources: Sequence[PriceSource], kind: str, period: str) -> None:
        self._world = world
        self._kind = kind
        self._sources = [source for source in sources if source.kind(kind) is not None]
        self._members: list[Members] = [array("L") for _ in self._sources]
        for variants in (False, True):
            self._collect(
                [at for at, one in enumerate(self._sources) if one.round.variants is variants], period
            )
        self._spoil(period)
        self._runs: Runs[int] = Runs([(at, len(found)) for at, found in enumerate(self._members)])

    def _collect(self, rounds: list[int], period: str) -> None:
        """Put every member of these rounds to the last round that it takes part in."""
        if not rounds:
            return
        total = self._sources[rounds[0]].total
        won: dict[tuple[int, ...], list[tuple[int, list[int]]]] = {}
        for batch in range(-(-total // BATCH)):
            held = tuple(at for at in rounds if not period or self._sources[at].period(batch) <= period)
            if held not in won:
                won[held] = self._winners(held)
            base, room = batch * BATCH, total - batch * BATCH
            for at, residues in won[held]:
                self._members[at].extend(base + one for one in residues if one < room)

    def _winners(self, rounds: tuple[int, ...]) -> list[tuple[int, list[int]]]:
        last = {residue: at for at in rounds for residue in self._sources[at].round.residues}
        return [(at, sorted(one for one, winner in last.items() if winner == at)) for at in rounds]

    def _spoil(self, period: str) -> None:
        """Correct for records of broken data: those under another kind go, those of another product stay."""
        for at, source in enumerate(self._sources):
            found = dict(source.defects_of(self._kind))
            if not found:
                continue
            gone = {member for member, defect in found.items() if defect == _DANGLING}
            stay = {
                member
                for member, defect in found.items()
                if defect == _GONE and (not period or source.period(member // BATCH) <= period)
            }
            self._members[at] = array("L", sorted((set(self._members[at]) - gone) | stay))

    def __len__(self) -> int:
        """Give the number of records."""
        return len(self._runs)

    def rows(self, start: int, stop: int) -> list[Row]:
        """Give the records of these places, complete with recorder and line number."""
        return [
            row
            for cut in self._runs.cut(start, stop)
            for row in self._records(self._sources[cut.value], self._members[cut.value][cut.low : cut.high])
        ]

    def _records(self, source: PriceSource, members: Members) -> Iterator[Row]:
        found = source.kind(self._kind)
        if found is None:
            return
        place, kind = found
        batch, head, first = -1, Row(), 0
        width = len(source.round.kinds)
        for member in members:
            if member // BATCH != batch:
                batch = member // BATCH
                first = source.before(batch) - place - 1
                head = {
                    "Recorder": source.recorder_key(batch),
                    "Recorder_Type": _TYPE,
                    "Active": True,
                    "Period": source.period(batch),
                }
            line = source.rank(member) * width - first
            yield {**head, "LineNumber": line, **source.prices_of(member, (kind,))[0]}

    def find(self, row: Row) -> int | None:
        """Give the place of the record with the dimensions of a row, or None."""
        goods, twin = str(row.get("Номенклатура_Key")), str(row.get("ХарактеристикаЦО_Key", ZERO_GUID))
        number = self._world.guids(NOMENCLATURE).number(goods)
        item = number if number is not None else self._world.gone_number(goods)
        variant = -1 if twin == ZERO_GUID else self._world.guids(PRICE_VARIANT).number(twin)
        plain = all(row.get(name, ZERO_GUID) == ZERO_GUID for name in ("СерияЦО_Key", "УпаковкаЦО_Key"))
        if item is None or item >= self._world.products or variant is None or not plain:
            return None
        for at, source in enumerate(self._sources):
            member = source.member(item, variant % OWN_VARIANTS if variant >= 0 else -1)
            place = None if member is None else _place(self._members[at], member)
            if place is not None and source.names(item, self._kind) == (goods, self._kind):
                return self._runs.starts[at] + place
        return None


def _place(members: Members, member: int) -> int | None:
    at = bisect_left(members, member)
    return at if at < len(members) and members[at] == member else None


class Said:
    """A slice whose records another register has, or says otherwise."""

    def __init__(
        self, found: PriceSlice, row: Callable[[Row], Row], back: Callable[[Row], Row] = lambda row: row
    ) -> None:
        self._found = found
        self._row = row
        self._back = back

    def __len__(self) -> int:
        """Give the number of records."""
        return len(self._found)

    def rows(self, start: int, stop: int) -> list[Row]:
        """Give the records of these places."""
        return [self._row(row) for row in self._found.rows(start, stop)]

    def find(self, row: Row) -> int | None:
        """Give the place of the record with the dimensions of a row, or None."""
        return self._found.find(self._back(row))
