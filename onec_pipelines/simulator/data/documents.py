"""Documents of the sales chain as tables, and their movements as sources: prepared when somebody first asks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property

from onec_pipelines.simulator.data.guids import Guids
from onec_pipelines.simulator.data.movements import Source
from onec_pipelines.simulator.data.sales_rows import ORDER
from onec_pipelines.simulator.data.tables import ComputedTable
from onec_pipelines.simulator.source import Key, Row


class Documents(ComputedTable):
    """Documents numbered by their orders; `numbers` gives the numbers in native order when first asked."""

    def __init__(
        self, name: str, guids: Guids, numbers: Callable[[], Sequence[int]], build: Callable[[int], Row]
    ) -> None:
        super().__init__(name)
        self._guids = guids
        self._make_numbers = numbers
        self._build = build

    @cached_property
    def numbers(self) -> Sequence[int]:
        """The numbers of the documents in native order."""
        return self._make_numbers()

    @cached_property
    def _places(self) -> dict[int, int]:
        return {number: at for at, number in enumerate(self.numbers)}

    def __len__(self) -> int:
        """Give the number of documents."""
        return len(self.numbers)

    def compute(self, start: int, stop: int) -> list[Row]:
        """Give the rows of these positions."""
        return [self._build(number) for number in self.numbers[start:stop]]

    def find(self, key: Key) -> int | None:
        """Give the position of a document."""
        number = self._guids.number(key[0])
        if number is None:
            return None
        if isinstance(self.numbers, range):
            return number if number in self.numbers else None
        return self._places.get(number)


class States(Documents):
    """`InformationRegister_СостоянияЗаказовКлиентов`: independent, keyed by the order."""

    def find(self, key: Key) -> int | None:
        """Give the position of the record of an order."""
        return super().find(key[:1]) if key[1] == f"StandardODATA.{ORDER}" else None


class LazySource:
    """A source that gives what another one gives, which is prepared when first asked."""

    def __init__(self, recorder: str, prepare: Callable[[], Source]) -> None:
        self.recorder = recorder
        self._prepare = prepare

    @cached_property
    def _source(self) -> Source:
        return self._prepare()

    def __len__(self) -> int:
        """Give the number of documents with records."""
        return len(self._source)

    def recorder_key(self, at: int) -> str:
        """Give the GUID of the document."""
        return self._source.recorder_key(at)

    def find(self, guid: str) -> int | None:
        """Give the place of a document, or None."""
        return self._source.find(guid)

    def before(self, at: int) -> int:
        """Give how many records the documents before this one made."""
        return self._source.before(at)

    def document_of(self, record: int) -> int:
        """Give the document that made a record."""
        return self._source.document_of(record)

    def records(self, at: int) -> list[Row]:
        """Give the records of a document."""
        return self._source.records(at)
