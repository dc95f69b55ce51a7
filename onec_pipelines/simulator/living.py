"""The base as the people of the shop work on it: business steps of the data half write through here.

Also what must be known about the true state: the oracle reads the same rows past formats, rights and faults.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from onec_pipelines.simulator.adapted import Adapted
from onec_pipelines.simulator.assemble import Widened
from onec_pipelines.simulator.base import Base
from onec_pipelines.simulator.data.activity import KINDS, Activity, Refused
from onec_pipelines.simulator.data.oracle import Oracle
from onec_pipelines.simulator.data.shop import Shop
from onec_pipelines.simulator.dialect import OLD_PRICES
from onec_pipelines.simulator.errors import OdataError
from onec_pipelines.simulator.source import Key, Row
from onec_pipelines.simulator.tables import BLOCK
from onec_pipelines.simulator.writing import Manner, Writer


class Hands:
    """Reads and writes of business steps; implements the data half's `Living`."""

    def __init__(self, base: Base, writer: Writer, manner: Manner) -> None:
        self._base = base
        self._writer = writer
        self._manner = manner

    def get(self, entity: str, key: Key) -> Row | None:
        """Give a complete copy of the row as it stands now, or None."""
        row = self._base.table(entity).get(self._base.dialect.key(entity, key))
        return None if row is None else self._base.meta(entity).complete(row)

    def create(self, entity: str, row: Row) -> None:
        """Write a new row under the key it carries."""
        self._writer.insert(entity, self._base.dialect.row(entity, row), self._manner)

    def change(self, entity: str, key: Key, changes: Row) -> None:
        """Write some properties of a row; none is a save that changes the version only."""
        dialect = self._base.dialect
        self._writer.alter(entity, dialect.key(entity, key), dialect.row(entity, changes), self._manner)

    def delete(self, entity: str, key: Key) -> None:
        """Remove a row physically."""
        self._writer.delete(entity, self._base.dialect.key(entity, key), self._manner)

    def post(self, entity: str, key: Key) -> None:
        """Post a document; raises Refused with the handler's words."""
        try:
            self._writer.post(entity, key, self._manner)
        except OdataError as refusal:
            raise Refused(refusal.message) from refusal


class Life:
    """The business of a generated base; `number` is the step that comes next."""

    def __init__(self, base: Base, writer: Writer, manner: Manner) -> None:
        data = base.data.data if isinstance(base.data, Widened) else base.data
        if isinstance(data, Adapted):
            data = data.shop
        if not isinstance(data, Shop):
            raise TypeError("this base was not generated, so nobody works in it")
        self._base = base
        self._hands = Hands(base, writer, manner)
        self._activity = Activity(data)
        self.number = 0
        self.kinds = KINDS
        self.oracle = Oracle(self.rows, **_old_prices() if base.dialect.old_prices else {})

    def rows(self, name: str) -> Iterator[Row]:
        """All rows of a set as they stand now, complete."""
        table = self._base.table(name)
        for start in itertools.count(0, BLOCK):
            rows = table.rows(start, start + BLOCK)
            if not rows:
                return
            yield from (table.meta.complete(row) for row in rows)

    def work(self, steps: int, *, kind: str | None = None, seed: int = 0) -> list[dict[str, Any]]:
        """Do the next steps; tells what each touched. Raises ValueError for an unknown kind.

        Another `seed` than 0 is another day of the same shop.
        """
        done = []
        for _ in range(steps):
            done.append(asdict(self._activity.perform(self._hands, self.number, kind=kind, seed=seed)))
            self.number += 1
        return done


def _old_prices() -> dict[str, Any]:
    return {"prices": OLD_PRICES, "price_key": ("Номенклатура_Key", "Характеристика_Key", "ВидЦены_Key")}
