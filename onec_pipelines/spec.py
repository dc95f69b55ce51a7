"""The words an entity may use to say what is read from 1C, what a good row is, and where it goes. Data only, no behaviour.

An entity file in `entities/` is one `Entity(...)`. From it follow `$select`, the pandera contract, the clean table, the merge into the
shop, column lineage, the mapping docs, the Dagster assets with their checks, and the standard tests.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum


class ColumnType(StrEnum):
    """What a clean column holds; the PostgreSQL type is the value."""

    GUID = "uuid"
    TEXT = "text"
    DECIMAL = "numeric"
    INTEGER = "bigint"
    BOOLEAN = "boolean"
    TIMESTAMP = "timestamptz"


class Layer(StrEnum):
    """The four layers of an entity, in the order in which data flows."""

    RAW = "raw"
    CLEAN = "clean"
    SHOP = "shop"
    IDS = "ids"


@dataclass(frozen=True, kw_only=True)
class Field:
    """One column of a clean table and where it comes from.

    `source` names alternatives on the wire: the first that the base's `$metadata` has wins (PROTOCOL §11.1). A `required` field that a base
    does not have stops the entity; otherwise the column stays NULL and the gap is reported. `references` names the entity whose row a GUID
    points to. `transform` names a function of `steps/transforms.py`.
    """

    name: str
    source: tuple[str, ...]
    type: ColumnType = ColumnType.TEXT
    required: bool = True
    nullable: bool = True
    references: str | None = None
    transform: str | None = None
    max_length: int | None = None
    minimum: Decimal | None = None
    maximum: Decimal | None = None
    choices: tuple[str, ...] = ()
    scale: int | None = None
    pii: bool = False
    doc: str = ""


@dataclass(frozen=True, kw_only=True)
class Section:
    """A tabular section (табличная часть) of an object: its rows go to a clean table of their own, replaced whole with their owner."""

    name: str
    source: str
    fields: tuple[Field, ...]
    required: bool = False


class Reading(StrEnum):
    """How a source is read to the end (PROTOCOL §3.3, §6)."""

    PAGED = "paged"
    """An entity set, by `$top` and `$skip` over the full key."""
    WHOLE = "whole"
    """A virtual table, one answer a part: whether `$skip` works there is not known (PROTOCOL §14.8)."""


class Way(StrEnum):
    """How an entity is kept up to date (DESIGN §3): what a setting may choose, as far as the source and the base can do it."""

    CHANGES = "changes"
    """Packets of an exchange plan (PROTOCOL §7.1)."""
    VERSIONS = "versions"
    """A scan of `Ref_Key,DataVersion`; only what differs is fetched (PROTOCOL §7.2)."""
    WINDOWS = "windows"
    """By date: the Dagster partitions, and a version scan of the open horizon (PROTOCOL §7.2); of states those of what is still open."""
    SNAPSHOT = "snapshot"
    """Everything, compared here."""


@dataclass(frozen=True, kw_only=True)
class Split:
    """One part for each live row of another entity: prices by price type, stock by warehouse (PROTOCOL §6: conditions, not filters).

    `composite` names the property and the type by which releases are split whose register holds the dimension `field` as one of several
    types: `("Склад", "Catalog_Склады")`.
    """

    entity: str
    field: str
    where: str = "TRUE"
    composite: tuple[str, str] | None = None


@dataclass(frozen=True, kw_only=True)
class Follow:
    """Objects of another entity whose rows still change: `where` over its clean row `c` (an order until it is closed)."""

    entity: str
    where: str


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where the rows are in 1C.

    `resources` are alternatives in order of preference; of those that are published the first that has rows is taken,
    because a base may publish a register that it no longer fills (PROTOCOL §11.4). `only` narrows a set to the rows whose boolean property
    has this value: folders and items share one set. `window` names the timestamp field by which documents and periodic registers are
    read in windows. `narrow` names the field by whose values a reading may be restricted to a few rows on demand; for objects
    that is the reference itself. Of a virtual table, `nonzero` names fields of which one must not be zero, and `as_of_now` asks for the
    state at this moment, where movements of the future exist (PROTOCOL §11.9). `narrow_type` is the type of its values where the
    property may hold several (PROTOCOL §3.1). `follow` says for which of those values the rows are asked for between whole readings,
    where nothing in 1C tells what has changed.
    """

    resources: tuple[str, ...]
    reading: Reading = Reading.PAGED
    only: tuple[str, bool] | None = None
    function: str | None = None
    dimensions: tuple[str, ...] = ()
    split: Split | None = None
    window: str | None = None
    narrow: str | None = None
    narrow_type: str | None = None
    follow: Follow | None = None
    nonzero: tuple[str, ...] = ()
    as_of_now: bool = False

    @property
    def filter(self) -> str | None:
        """`only` in OData's words."""
        return None if self.only is None else f"{self.only[0]} eq {str(self.only[1]).lower()}"


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column of a shop table.

    Exactly one of: `copy` (a clean column), `reference` (a clean GUID column → our id of that `entity` through
    `external_id_mappings`, only `when` the SQL condition holds), or `sql` (an expression over the clean row `c` and the joined tables, with
    its inputs named for the lineage). `required` on a reference keeps a row that has the GUID out of the
    shop until the row it points to is known.
    """

    name: str
    copy: str | None = None
    reference: str | None = None
    entity: str | None = None
    when: str | None = None
    sql: str | None = None
    inputs: tuple[str, ...] = ()
    required: bool = False
    doc: str = ""


@dataclass(frozen=True, kw_only=True)
class NaturalKey:
    """Columns of a shop table that people would know a row by: rows that were there before 1C came are recognised by them.

    The first column must have a value, of the others empty equals empty. Texts are compared without case and blanks around; of
    `digits` (telephone numbers) the last ten digits.
    """

    columns: tuple[str, ...]
    digits: bool = False


@dataclass(frozen=True, kw_only=True)
class Target:
    """The shop table of an entity: which rows of clean go there and how each column is made.

    Objects are found by our id of `external_id_mappings`; registers have no GUID and are found by `(system_name, onec_key)`, where
    `onec_key` is the `row_key` of clean. `where` says which clean rows go to the shop, `joins` are extra
    joins for `sql` columns, `children` fill tables from
    tabular sections, `finish` is SQL run after the merge in the same transaction, with `%(system_name)s`. `reads` names the entities behind
    `joins`: when some of their rows changed, the rows joined to these by `alias.row_key = c.column` are compared again; all rows when the
    join is of another form. `natural_keys` are alternatives by which rows
    without an id in 1C are adopted (`onec adopt`).
    """

    table: str
    columns: tuple[Column, ...]
    where: str = "TRUE"
    joins: str = ""
    reads: tuple[str, ...] = ()
    natural_keys: tuple[NaturalKey, ...] = ()
    children: tuple[Target, ...] = ()
    section: str | None = None
    finish: str = ""


@dataclass(frozen=True, kw_only=True)
class RowRule:
    """A rule over several columns of a row.

    `function` names a pure function of `steps/rules.py` from frame to a boolean mask of good rows.
    """

    name: str
    function: str
    columns: tuple[str, ...]
    reason: str


class Measure(StrEnum):
    """What a limit counts in the difference between the shop and what it would become."""

    FALL = "fall"
    """Rows whose number `column` falls by more than `share`."""
    TO_ZERO = "to_zero"
    """Groups of rows (`by`) whose sum of `column` falls to zero."""
    EMPTIED = "emptied"
    """Values of `column` (a category) that had at least `rows` live rows and would have none."""
    DELETED = "deleted"
    """Rows that become deleted, of the live ones."""
    CHANGED = "changed"
    """Rows that change or become deleted, of all."""


@dataclass(frozen=True, kw_only=True)
class Limit:
    """How much one load may do to the shop's table before a person is asked (docs/guard.md).

    More than `rows` is too much if it is also more than `share` of what is counted; of `FALL` the share is the fall itself. `on` is
    whether it holds unless the setting ONEC_LIMITS says otherwise.
    """

    name: str
    measure: Measure
    rows: int
    share: Decimal | None = None
    column: str | None = None
    by: tuple[str, ...] = ()
    on: bool = True


@dataclass(frozen=True, kw_only=True)
class Entity:
    """Everything the pipeline knows about one kind of thing that is synced.

    `key` names the clean columns that identify a row within a base: `("ref",)` for objects. `any_of` lists groups of optional fields of
    which a base must have at least one. An `optional` entity may be unknown to a release: that is reported,
    not an error. `depends_on` are entities whose ids the target resolves or whose rows split the source. `way` is how it is kept up to date
    unless a setting says otherwise; None = windows for a source that has them, else snapshot. `limits` are added to those that every entity
    has (`steps/limits.py`); one of the same measure takes their place.
    """

    name: str
    title_ru: str
    description: str
    group: str
    source: Source
    fields: tuple[Field, ...]
    target: Target
    key: tuple[str, ...] = ("ref",)
    sections: tuple[Section, ...] = ()
    rules: tuple[RowRule, ...] = ()
    any_of: tuple[tuple[str, ...], ...] = ()
    depends_on: tuple[str, ...] = ()
    way: Way | None = None
    has_ids: bool = True
    optional: bool = False
    max_absent_share: float = 0.2
    max_quarantined_share: float = 0.05
    limits: tuple[Limit, ...] = ()
    owners: tuple[str, ...] = ("team:data-engineering",)

    def __post_init__(self) -> None:
        names = [f.name for f in self.fields]
        for name in (self.name, *names, *(s.name for s in self.sections)):
            # Names go into SQL as they are; longer ones would be cut by PostgreSQL (RELIABILITY trap 11).
            if not re.fullmatch(r"[a-z][a-z0-9_]{0,40}", name):
                raise ValueError(f"{self.name}: {name!r} is no plain ASCII name")
        if self.sections and self.key != ("ref",):
            raise ValueError(f"{self.name}: only objects have tabular sections")
        if len(names) != len(set(names)):
            raise ValueError(f"{self.name}: a field is declared twice")
        unknown = set(self.key) - set(names)
        if unknown:
            raise ValueError(f"{self.name}: the key names unknown fields {sorted(unknown)}")

    @property
    def clean_table(self) -> str:
        """Qualified name of the clean table."""
        return f"clean.{self.name}"

    def section_table(self, section: Section) -> str:
        """Qualified name of the clean table of a tabular section."""
        return f"clean.{self.name}_{section.name}"

    def field(self, name: str) -> Field:
        """Field of this name; KeyError if there is none."""
        for candidate in self.fields:
            if candidate.name == name:
                return candidate
        raise KeyError(f"{self.name} has no field {name!r}")


def ref(
    name: str, *source: str, to: str | None = None, required: bool = True, nullable: bool = True
) -> Field:
    """Field that holds a reference to another 1C object; the zero GUID becomes NULL (PROTOCOL §1.5)."""
    return Field(
        name=name, source=source, type=ColumnType.GUID, references=to, required=required, nullable=nullable
    )


OBJECT_FIELDS: tuple[Field, ...] = (
    Field(name="ref", source=("Ref_Key",), type=ColumnType.GUID, nullable=False, doc="The object's GUID"),
    Field(
        name="data_version",
        source=("DataVersion",),
        doc="Opaque version of the object; equality only (PROTOCOL §2.2)",
    ),
    Field(name="deletion_mark", source=("DeletionMark",), type=ColumnType.BOOLEAN, nullable=False),
)
"""What every reference object of 1C has."""

IS_DELETED = Column(
    name="is_deleted",
    sql="c.deletion_mark OR c.deleted_at IS NOT NULL",
    inputs=("deletion_mark",),
    doc="Marked for deletion in 1C, or gone from it",
)
"""What every shop table of reference objects says of a row that is no longer wanted; the row itself stays."""
