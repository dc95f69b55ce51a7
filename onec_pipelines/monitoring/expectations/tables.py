"""A shop table as SQL that an audit reads: its live rows, their ids, its columns with personal data masked."""

from __future__ import annotations

from dataclasses import dataclass

from onec_pipelines.monitoring.expectations.model import Scope
from onec_pipelines.spec import Column, ColumnType, Entity, Field, Section, Target
from onec_pipelines.steps.masking import masked_columns


@dataclass(frozen=True, kw_only=True)
class Table:
    """The table of an entity's target or of one of its children. In all SQL the row is `t`."""

    entity: Entity
    target: Target
    section: Section | None
    scope: Scope

    @property
    def name(self) -> str:
        """Qualified name."""
        return self.target.table

    @property
    def id(self) -> str:
        """SQL of the id that people see: of a line, its owner's and its number."""
        return "t.id::text" if self.section is None else "t.owner_id || ':' || t.line_number"

    @property
    def fields(self) -> tuple[Field, ...]:
        """The fields behind its columns."""
        return self.entity.fields if self.section is None else self.section.fields

    @property
    def live(self) -> str:
        """Condition of the rows that count: not deleted in 1C, of the asked day."""
        head = "t" if self.section is None else "h"
        parts = []
        if _has(self.entity.target, "is_deleted"):
            parts.append(f"NOT {head}.is_deleted")
        if self.scope.day is not None and self.day_column is not None:
            parts.append(f"{self.local_day(head)} = DATE '{self.scope.day.isoformat()}'")
        condition = " AND ".join(parts) or "TRUE"
        if self.section is None:
            return condition
        return f"EXISTS (SELECT FROM {self.entity.target.table} h WHERE h.id = t.owner_id AND {condition})"

    @property
    def day_column(self) -> str | None:
        """The column by which the head's table is partitioned."""
        window = self.entity.source.window
        return next((c.name for c in self.entity.target.columns if window and c.copy == window), None)

    def local_day(self, alias: str) -> str:
        """SQL of the day of a head, in the base's time zone."""
        return f"({alias}.{self.day_column} AT TIME ZONE '{self.scope.timezone}')::date"

    @property
    def day(self) -> str | None:
        """SQL of the days of failing rows `x`, None when there are no days."""
        if self.day_column is None:
            return None
        return (
            f"SELECT {self.local_day('h')}::text AS day, count(*) FROM ({{rows}}) x"
            f" JOIN {self.entity.target.table} h ON h.id = split_part(x.id, ':', 1)::bigint GROUP BY 1 ORDER BY 1"
        )

    @property
    def batch(self) -> str:
        """SQL of the live rows with the declared columns, personal data masked to its length."""
        keys = ("id",) if self.section is None else ("owner_id", "line_number")
        columns = [f"t.{name}" for name in keys] + [self._shown(column) for column in self.target.columns]
        return f"SELECT {', '.join(columns)} FROM {self.name} t WHERE {self.live}"

    def breaking(self, condition: str) -> str:
        """SQL of the ids of live rows of which the condition is true."""
        return f"SELECT {self.id} AS id FROM {self.name} t WHERE {self.live} AND ({condition})"

    def field_of(self, column: Column) -> Field | None:
        """The field that the column shows as it is, None for a column that is made of something."""
        name = column.copy
        if name is None and column.sql == f"trim_scale(c.{column.inputs[0] if column.inputs else ''})":
            name = column.inputs[0]
        return next((field for field in self.fields if field.name == name), None)

    @property
    def masked(self) -> frozenset[str]:
        """Columns with personal data."""
        if self.section is None:
            return masked_columns(self.entity)
        personal = {field.name for field in self.section.fields if field.pii}
        if not personal:
            return frozenset()
        return frozenset(
            column.name
            for column in self.target.columns
            if column.reference is None
            and (not ({column.copy, *column.inputs} - {None}) or personal & {column.copy, *column.inputs})
        )

    def _shown(self, column: Column) -> str:
        if column.name not in self.masked:
            return f"t.{column.name}"
        field = self.field_of(column)
        if field is not None and field.type is ColumnType.TEXT:
            return f"repeat('*', length(t.{column.name})) AS {column.name}"
        return f"CASE WHEN t.{column.name} IS NOT NULL THEN '*' END AS {column.name}"


def tables_of(entity: Entity, scope: Scope) -> list[Table]:
    """The entity's own table and those of its tabular sections."""
    sections = {section.name: section for section in entity.sections}
    head = Table(entity=entity, target=entity.target, section=None, scope=scope)
    return [
        head,
        *(
            Table(entity=entity, target=child, section=sections[child.section or ""], scope=scope)
            for child in entity.target.children
        ),
    ]


def _has(target: Target, name: str) -> bool:
    return any(column.name == name for column in target.columns)
