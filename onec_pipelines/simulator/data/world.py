"""What every generated table shares.

The seed, the sizes, today's date, and the keys of objects known by name.

No rows are made here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta

from onec_pipelines.simulator.data.guids import Guids, salt, scramble

TODAY = date(2026, 6, 15)
_NAME_BITS = 59


def stamp(moment: datetime) -> str:
    """Give a moment as 1C writes it: infobase wall clock, no zone, whole seconds."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S")


@dataclass(kw_only=True)
class World:
    """One generated base: same seed, products and today, same base for ever."""

    seed: int
    products: int
    today: date = TODAY
    broken: bool = True
    illegal_xml: bool = False
    flags: list[tuple[str, tuple[str, ...], str]] = field(default_factory=list, repr=False)
    _spaces: dict[str, Guids] = field(default_factory=dict, repr=False)
    _names: dict[tuple[str, str], str] = field(default_factory=dict, repr=False)

    def guids(self, entity: str) -> Guids:
        """Give the key space of an entity set."""
        space = self._spaces.get(entity)
        if space is None:
            space = self._spaces[entity] = Guids(self.seed, entity)
        return space

    def ref(self, entity: str, name: str) -> str:
        """Give the GUID of an object known by name (a currency by its code, a folder by its path)."""
        guid = self._names.get((entity, name))
        if guid is None:
            number = (1 << _NAME_BITS) | salt(0, name) >> (64 - _NAME_BITS)
            guid = self._names[entity, name] = self.guids(entity).make(number)
        return guid

    def gone(self, number: int) -> str:
        """Give a GUID that no object of the base has: a reference left by a physical deletion."""
        return self.guids("physically deleted").make(number)

    def gone_number(self, guid: str) -> int | None:
        """Give the number whose physically deleted object this is, or None."""
        return self.guids("physically deleted").number(guid)

    def flag(self, entity: str, guid: str, kind: str) -> str:
        """Remember that the row of a short catalog is broken, and how; give its key back."""
        self.flags.append((entity, (guid,), kind))
        return guid

    def chance(self, number: int, what: str) -> int:
        """Give 64 bits of chance for a number under a name; for loops use `salt` and `scramble` directly."""
        return scramble(number, salt(self.seed, what))

    @property
    def now(self) -> datetime:
        """The moment the generated base stands at: noon of today."""
        return datetime.combine(self.today, time(12))  # naive as in 1C: wall clock without zone

    def days_ago(self, days: float) -> datetime:
        """Give the moment some days before now."""
        return self.now - timedelta(days=days)
