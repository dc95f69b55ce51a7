"""The hands of a business step: chance, time, and reads and writes that keep a record of what was touched."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

from onec_pipelines.simulator.data.shop import Shop
from onec_pipelines.simulator.data.world import World, stamp
from onec_pipelines.simulator.source import Key, Row

_MINUTES = 7
_TRIES = 40
_RECENT_PART = 16
_RECENT_LEAST = 20


class Refused(Exception):
    """The base would not post a document; the text is what 1C's handler said."""


class Living(Protocol):
    """A base that can be worked upon: rows in and out, values typed as `source.py` says."""

    def get(self, entity: str, key: Key) -> Row | None:
        """Give a copy of the row as it stands now, or None."""
        ...

    def create(self, entity: str, row: Row) -> None:
        """Write a new row under the key it carries."""
        ...

    def change(self, entity: str, key: Key, changes: Row) -> None:
        """Write some properties of a row.

        An empty `changes` is a save that changes nothing but the version.
        """
        ...

    def delete(self, entity: str, key: Key) -> None:
        """Remove a row physically."""
        ...

    def post(self, entity: str, key: Key) -> None:
        """Post a document: movements, derived states.

        Raises Refused and then leaves the document as it was.
        """
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Touch:
    """One write of a step: entity set, key, and what was done (create, change, delete, post, refuse)."""

    entity: str
    key: Key
    action: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """What a step did, in order; a step that found nothing to do touched nothing."""

    number: int
    kind: str
    moment: str
    touched: tuple[Touch, ...]


@dataclass(kw_only=True)
class Clerk:
    """One step in the making."""

    shop: Shop
    living: Living
    number: int
    kind: str
    seed: int = 0
    _touched: list[Touch] = field(default_factory=list)
    _draws: int = 0

    @property
    def world(self) -> World:
        """The generated base."""
        return self.shop.world

    @property
    def now(self) -> datetime:
        """The clock of the shop: every step is some minutes after the one before.

        From the day the base stands at.
        """
        return self.world.now + timedelta(minutes=_MINUTES * self.number)

    def draw(self, below: int) -> int:
        """Give the next number by chance, at least 0 and less than `below`."""
        self._draws += 1
        what = f"activity {self.kind}{f' {self.seed}' if self.seed else ''}"
        return self.world.chance(self.number * 1000 + self._draws, what) % max(below, 1)

    def new_key(self, entity: str) -> str:
        """Give the key of the object that this step creates in an entity set."""
        return self.world.guids(f"activity {entity}").make(self.number)

    def pick(self, entity: str, *, where: dict[str, Any] | None = None, recent: bool = False) -> Row | None:
        """Give a row by chance that still exists and has these values, or None after some tries.

        Every third try looks among the objects that earlier steps created; `recent` looks only among the last
        generated rows, where the documents are that are still worked upon.
        """
        table = self.shop.tables[entity]
        first = len(table) - max(len(table) // _RECENT_PART, min(len(table), _RECENT_LEAST)) if recent else 0
        for attempt in range(_TRIES):
            if attempt % 3 == 2 and self.number:  # noqa: PLR2004 - every third
                guid = self.world.guids(f"activity {entity}").make(self.draw(self.number))
            elif len(table):
                place = first + self.draw(len(table) - first)
                guid = table.rows(place, place + 1)[0]["Ref_Key"]
            else:
                continue
            row = self.living.get(entity, (guid,))
            if row is not None and all(row.get(name) == value for name, value in (where or {}).items()):
                return row
        return None

    def create(self, entity: str, row: Row, *key: str) -> None:
        """Create a row; the key is `Ref_Key` unless given."""
        self.living.create(entity, row)
        self._note(entity, key or (row["Ref_Key"],), "create")

    def change(self, entity: str, key: Key, **changes: Any) -> None:
        """Change a row."""
        self.living.change(entity, key, changes)
        self._note(entity, key, "change")

    def delete(self, entity: str, key: Key) -> None:
        """Remove a row."""
        self.living.delete(entity, key)
        self._note(entity, key, "delete")

    def post(self, entity: str, guid: str) -> bool:
        """Post a document; False if the base refuses."""
        try:
            self.living.post(entity, (guid,))
        except Refused:
            self._note(entity, (guid,), "refuse")
            return False
        self._note(entity, (guid,), "post")
        return True

    def done(self) -> Step:
        """Give the account of the step."""
        return Step(number=self.number, kind=self.kind, moment=stamp(self.now), touched=tuple(self._touched))

    def _note(self, entity: str, key: Key, action: str) -> None:
        self._touched.append(Touch(entity=entity, key=tuple(key), action=action))
