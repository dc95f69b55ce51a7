"""Registers written by documents, as 1C publishes them.

Record sets by recorder, and single records (PROTOCOL §1.1).

A source knows which documents wrote into one register and what; this module makes the two tables of the
register out of sources.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import Protocol

from onec_pipelines.simulator.data.layout import Runs
from onec_pipelines.simulator.data.tables import ComputedTable, line_of
from onec_pipelines.simulator.source import Key, Row


class Source(Protocol):
    """The records that documents of one type made in one register.

    Only documents that made any are counted.
    """

    recorder: str

    def __len__(self) -> int:
        """Give the number of documents with records."""
        ...

    def recorder_key(self, at: int) -> str:
        """Give the GUID of the document."""
        ...

    def find(self, guid: str) -> int | None:
        """Give the place of a document among those with records, or None."""
        ...

    def before(self, at: int) -> int:
        """Give how many records the documents before this one made; `at` may be the number of documents."""
        ...

    def document_of(self, record: int) -> int:
        """Give the document that made a record."""
        ...

    def records(self, at: int) -> list[Row]:
        """Give the records of a document in line order, without Recorder and LineNumber."""
        ...


class ListedSource:
    """A source over documents that are few enough to remember how many records each made."""

    def __init__(
        self,
        recorder: str,
        *,
        documents: Sequence[int],
        sizes: Sequence[int],
        key: Callable[[int], str],
        number: Callable[[str], int | None],
        records: Callable[[int], list[Row]],
    ) -> None:
        self.recorder = recorder
        self._documents = array("l", documents)
        self._places = {document: at for at, document in enumerate(documents)}
        self._ends = array("l")
        total = 0
        for size in sizes:
            total += size
            self._ends.append(total)
        self._key = key
        self._number = number
        self._records = records

    def __len__(self) -> int:
        """Give the number of documents with records."""
        return len(self._documents)

    def recorder_key(self, at: int) -> str:
        """Give the GUID of the document."""
        return self._key(self._documents[at])

    def find(self, guid: str) -> int | None:
        """Give the place of a document, or None."""
        number = self._number(guid)
        return None if number is None else self._places.get(number)

    def before(self, at: int) -> int:
        """Give how many records the documents before this one made."""
        return self._ends[at - 1] if at else 0

    def document_of(self, record: int) -> int:
        """Give the document that made a record."""
        return bisect_right(self._ends, record)

    def records(self, at: int) -> list[Row]:
        """Give the records of a document."""
        return self._records(self._documents[at])


def _sets(source: Source, start: int, stop: int) -> Iterator[tuple[int, Row, list[Row]]]:
    """Give (place, recorder members, numbered records) of the documents of a source."""
    recorder_type = f"StandardODATA.{source.recorder}"
    for at in range(start, stop):
        recorder = {"Recorder": source.recorder_key(at), "Recorder_Type": recorder_type}
        records = [
            {"LineNumber": line, "Active": True, **row} for line, row in enumerate(source.records(at), 1)
        ]
        yield at, recorder, records


class RecordSets(ComputedTable):
    """The set `…Register_X`: one row per document, with its records in `RecordSet`."""

    def __init__(self, name: str, sources: Sequence[Source]) -> None:
        super().__init__(name)
        self._sources = sources

    @cached_property
    def _runs(self) -> Runs[Source]:
        return Runs([(source, len(source)) for source in self._sources])

    def __len__(self) -> int:
        """Give the number of documents with records."""
        return len(self._runs)

    def compute(self, start: int, stop: int) -> list[Row]:
        """Give the rows of these positions."""
        return [
            {**recorder, "RecordSet": records}
            for cut in self._runs.cut(start, stop)
            for _, recorder, records in _sets(cut.value, cut.low, cut.high)
        ]

    def find(self, key: Key) -> int | None:
        """Give the position of a document by (GUID, type name with its prefix)."""
        guid, recorder_type = key
        for source, start in zip(self._runs.values, self._runs.starts, strict=True):
            if recorder_type == f"StandardODATA.{source.recorder}":
                at = source.find(guid)
                if at is not None:
                    return start + at
        return None


class Records(ComputedTable):
    """The set `…Register_X_RecordType`: one row per record, document by document."""

    def __init__(self, name: str, sources: Sequence[Source]) -> None:
        super().__init__(name)
        self._sources = sources

    @cached_property
    def _runs(self) -> Runs[Source]:
        return Runs([(source, source.before(len(source))) for source in self._sources])

    def __len__(self) -> int:
        """Give the number of records."""
        return len(self._runs)

    def compute(self, start: int, stop: int) -> list[Row]:
        """Give the rows of these positions."""
        rows: list[Row] = []
        for cut in self._runs.cut(start, stop):
            source = cut.value
            first, last = source.document_of(cut.low), source.document_of(cut.high - 1)
            for at, recorder, records in _sets(source, first, last + 1):
                begin = source.before(at)
                part = records[max(cut.low - begin, 0) : cut.high - begin]
                rows.extend({**recorder, **record} for record in part)
        return rows

    def find(self, key: Key) -> int | None:
        """Give the position of a record by (recorder, line number, recorder type)."""
        guid, line, recorder_type = key
        number = line_of(line)
        for source, start in zip(self._runs.values, self._runs.starts, strict=True):
            if recorder_type != f"StandardODATA.{source.recorder}" or not number:
                continue
            at = source.find(guid)
            if at is not None and number <= source.before(at + 1) - source.before(at):
                return start + source.before(at) + number - 1
        return None

    def place(self, source: Source, at: int, line: int) -> int:
        """Give the position of a record by its source, document and line (from 0)."""
        run = self._runs.values.index(source)
        return self._runs.starts[run] + source.before(at) + line
