"""The words of an audit: expectation, suite, finding. Data only; what they say of which table is `derive.py`'s and `cross.py`'s."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Any


class Severity(StrEnum):
    """ERROR: our tables are wrong. WARN: they are what 1C says, and that is odd."""

    ERROR = "error"
    WARN = "warn"


class Form(StrEnum):
    """Which expectation of Great Expectations says it; ROWS is a query of the rows that break it."""

    NOT_NULL = "not_null"
    UNIQUE = "unique"
    BETWEEN = "between"
    LENGTH = "length"
    IN_SET = "in_set"
    ROW_COUNT = "row_count"
    FILLED = "filled"
    MEAN = "mean"
    ROWS = "rows"


@dataclass(frozen=True, kw_only=True)
class Expectation:
    """One sentence that must be true of a table.

    `check` is the Dagster check that shows it. `rows` is SQL with one column `id` (text) of our ids: the rows that break it; empty for
    a figure of the whole table. `columns`, `minimum`, `maximum` and `choices` are the arguments of its `form`.
    """

    check: str
    words: str
    remedy: str
    severity: Severity
    form: Form = Form.ROWS
    rows: str = ""
    columns: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Suite:
    """What is expected of one table of an entity.

    `batch` is SQL of the rows that are looked at, in which personal data is masked before it leaves PostgreSQL. `day` is
    the SQL of the day of the head with the id `x.id`, for tables that are partitioned by day.
    """

    entity: str
    table: str
    batch: str
    expectations: tuple[Expectation, ...]
    day: str | None = None

    @property
    def name(self) -> str:
        """Name without a dot, which Great Expectations would make a folder of."""
        return self.table.replace(".", "_")


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What became of one expectation. `rows` counts what breaks it, None for a figure of the whole table; `sample` are a few of our ids.

    `days` are the failing rows of a partitioned table by day. `error` is set when it could not be evaluated.
    """

    entity: str
    table: str
    expectation: Expectation
    passed: bool
    rows: int | None = None
    observed: float | None = None
    sample: tuple[str, ...] = ()
    days: dict[str, int] = field(default_factory=dict)
    error: str = ""

    @property
    def document(self) -> dict[str, Any]:
        """The finding as JSON, without any value of a row."""
        return {
            "entity": self.entity,
            "table": self.table,
            "check": self.expectation.check,
            "expected": self.expectation.words,
            "severity": self.expectation.severity.value,
            "passed": self.passed,
            "rows": self.rows,
            "observed": self.observed,
            "sample": list(self.sample),
            "days": self.days,
            "remedy": self.expectation.remedy,
            "error": self.error,
        }


@dataclass(frozen=True, kw_only=True)
class Scope:
    """Of which base, and of which day of the partitioned tables; without a day of everything.

    `schedules` are those that run, since when.
    """

    system_name: str
    timezone: str
    day: date | None = None
    schedules: Mapping[str, datetime] = field(default_factory=dict)
