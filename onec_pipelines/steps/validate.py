"""validate: decoded page → a frame of good rows, and every reject with its row, field, rule and reason. Nothing is dropped in silence."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pandera.errors
import pyarrow as pa
import pyarrow.compute as pc

from onec_pipelines.errors import Stop
from onec_pipelines.onec.decode import DecodedPage, Failure, SectionRows
from onec_pipelines.spec import ColumnType, Entity, Field, Section
from onec_pipelines.steps.contract import contract, reason_of
from onec_pipelines.steps.convert import DECIMAL, TIMESTAMP, convert
from onec_pipelines.steps.resolve import Plan

ARROW_TYPES: dict[ColumnType, pa.DataType] = {
    ColumnType.GUID: pa.string(),
    ColumnType.TEXT: pa.string(),
    ColumnType.DECIMAL: DECIMAL,
    ColumnType.INTEGER: pa.int64(),
    ColumnType.BOOLEAN: pa.bool_(),
    ColumnType.TIMESTAMP: TIMESTAMP,
}
_MASK = "***"


@dataclass(frozen=True, kw_only=True)
class Reject:
    """A row that may not pass: its key as text, everything that is wrong with it, the row itself as JSON text, an object's version."""

    external_key: str
    failures: tuple[Failure, ...]
    source_row: str
    data_version: str | None = None


@dataclass(frozen=True, kw_only=True)
class Checked:
    """A page group after the checks: `table` holds the good rows (one Arrow column per field of the entity), `sections` their tabular rows.

    Section tables have the columns `owner` (the owner's first key column), `line_number` and the section's fields. `duplicates` counts
    rows whose key came more than once (the last one is kept).
    """

    table: pa.Table
    sections: dict[str, pa.Table]
    rejects: list[Reject]
    rows_in: int
    duplicates: int


def validate(page: DecodedPage, plan: Plan, zone: ZoneInfo) -> Checked:
    """Convert and check a page. All failures of a row are collected; a frame that lacks a column raises Stop."""
    entity = plan.entity
    columns, failures = _convert_all(page.columns, entity.fields, page.row_count, zone)
    sections, section_failures = _convert_sections(page, entity, zone)
    failures = [*page.failures, *failures, *section_failures]
    table = pa.table(columns)
    failures += _contract_failures(table, entity)
    rejects = _rejects(table, failures, entity, page)
    good = np.ones(page.row_count, dtype=bool)
    good[[failure.row for failure in failures]] = False
    last = _last_of_each_key(table, entity, good)
    return Checked(
        table=table.filter(pa.array(last)),
        sections={name: _keep_owners(rows, last, table) for name, rows in sections.items()},
        rejects=rejects,
        rows_in=page.row_count,
        duplicates=int(good.sum() - last.sum()),
    )


def _convert_all(
    values: dict[str, list[object]], fields: Sequence[Field], rows: int, zone: ZoneInfo
) -> tuple[dict[str, pa.Array], list[Failure]]:
    columns: dict[str, pa.Array] = {}
    failures: list[Failure] = []
    for field in fields:
        if field.name in values:
            converted = convert(values[field.name], field, zone)
            columns[field.name] = converted.array
            failures += converted.failures
        else:
            columns[field.name] = pa.nulls(rows, ARROW_TYPES[field.type])
    return columns, failures


def _convert_sections(
    page: DecodedPage, entity: Entity, zone: ZoneInfo
) -> tuple[dict[str, pa.Table], list[Failure]]:
    tables: dict[str, pa.Table] = {}
    failures: list[Failure] = []
    for section in entity.sections:
        rows = page.sections.get(section.name, SectionRows())
        columns, found = _convert_all(rows.columns, section.fields, len(rows.owners), zone)
        tables[section.name] = pa.table(
            {
                "owner_position": pa.array(rows.owners, pa.int64()),
                "line_number": pa.array(rows.line_numbers, pa.int64()),
                **columns,
            }
        )
        failures += [_as_owner_failure(failure, rows, section) for failure in found]
        failures += _empty_section_cells(tables[section.name], section)
    return tables, failures


def _as_owner_failure(failure: Failure, rows: SectionRows, section: Section) -> Failure:
    """A broken line makes its whole object a reject: an order without one of its lines would be wrong."""
    return Failure(
        row=rows.owners[failure.row],
        field=f"{section.name}[{rows.line_numbers[failure.row]}].{failure.field}",
        rule=failure.rule,
        reason=failure.reason,
        value=failure.value,
    )


def _empty_section_cells(table: pa.Table, section: Section) -> list[Failure]:
    failures: list[Failure] = []
    for field in section.fields:
        if field.nullable:
            continue
        empty = pc.indices_nonzero(pc.is_null(table[field.name])).to_pylist()
        failures += [
            Failure(
                row=table["owner_position"][i].as_py(),
                field=f"{section.name}[{table['line_number'][i].as_py()}].{field.name}",
                rule="not_nullable",
                reason="must not be empty",
            )
            for i in empty
        ]
    return failures


def _contract_failures(table: pa.Table, entity: Entity) -> list[Failure]:
    if table.num_rows == 0:
        return []
    frame = table.to_pandas(types_mapper=pd.ArrowDtype)
    try:
        contract(entity).validate(frame, lazy=True)
    except pandera.errors.SchemaErrors as error:
        return _from_cases(error.failure_cases, entity)
    return []


def _from_cases(cases: pd.DataFrame, entity: Entity) -> list[Failure]:
    of_the_frame = cases[cases["index"].isna()]
    if len(of_the_frame):
        raise Stop(
            f"{entity.name}: the frame breaks its contract: {of_the_frame['check'].iloc[0]}",
            code="CONTRACT_BROKEN",
            remedy="The declaration and the code disagree; this is a mistake of ours, report it.",
        )
    rules = {rule.name: rule.columns for rule in entity.rules}
    failures: list[Failure] = []
    seen: set[tuple[int, str, str]] = set()
    for column, check, value, index in zip(
        cases["column"], cases["check"], cases["failure_case"], cases["index"], strict=True
    ):
        field = "+".join(rules[check]) if check in rules else str(column)
        identity = (int(index), field, str(check))
        if identity not in seen:
            seen.add(identity)
            failures.append(
                Failure(
                    row=int(index),
                    field=field,
                    rule=str(check),
                    reason=reason_of(str(check), entity),
                    value="" if check in rules or check == "not_nullable" else str(value)[:200],
                )
            )
    return failures


def _rejects(table: pa.Table, failures: list[Failure], entity: Entity, page: DecodedPage) -> list[Reject]:
    by_row: dict[int, list[Failure]] = defaultdict(list)
    refused = {(f.row, f.field) for f in failures if f.rule != "not_nullable"}
    for failure in failures:
        # A refused value became null, which would fail a second time as empty.
        if failure.rule == "not_nullable" and (failure.row, failure.field) in refused:
            continue
        by_row[failure.row].append(_masked(failure, entity))
    return [
        Reject(
            external_key=_external_key(table, row, entity, page, refused),
            failures=tuple(found),
            source_row=page.source_row(row) if not _has_pii(entity) else "{}",
            data_version=_version(table, row),
        )
        for row, found in sorted(by_row.items())
    ]


def _version(table: pa.Table, row: int) -> str | None:
    held = table["data_version"][row].as_py() if "data_version" in table.column_names else None
    return None if held is None else _storable(str(held))


def _masked(failure: Failure, entity: Entity) -> Failure:
    """The failure without personal data, its value fit for any text column."""
    section, _, field = failure.field.partition("].")
    fields = next((s.fields for s in entity.sections if s.name == section.partition("[")[0]), entity.fields)
    is_pii = any(f.pii for f in fields if f.name == (field or failure.field))
    return replace(failure, value=_MASK if is_pii else _storable(failure.value))


def _storable(text: str) -> str:
    """Text with what PostgreSQL refuses (NUL, halves of surrogate pairs) written out."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\x00", "\\x00")


def _has_pii(entity: Entity) -> bool:
    return any(f.pii for f in entity.fields) or any(f.pii for s in entity.sections for f in s.fields)


def _external_key(
    table: pa.Table, row: int, entity: Entity, page: DecodedPage, refused: set[tuple[int, str]]
) -> str:
    """The key as `db/clean_sql.py` makes it of a good row; a part that was refused stands as it came."""
    parts = []
    for name in entity.key:
        part = table[name][row].as_py()
        if part is None and (row, name) in refused:
            part = page.columns[name][row]
        parts.append("" if part is None else _key_text(part))
    key = "|".join(parts)
    # Without any key the row itself must serve, else two broken rows would be one.
    return key if any(parts) else f"row:{sha256(page.source_row(row).encode()).hexdigest()[:16]}"


def _key_text(part: object) -> str:
    if isinstance(part, datetime):
        return part.isoformat(" ").removesuffix(":00")  # as PostgreSQL writes a timestamptz in UTC
    return _storable(str(part))


def _last_of_each_key(table: pa.Table, entity: Entity, good: np.ndarray) -> np.ndarray:
    keys = table.select(list(entity.key)).to_pandas(types_mapper=pd.ArrowDtype)
    keep = ~keys[good].duplicated(keep="last")
    last = good.copy()
    last[good] = keep.to_numpy()
    return last


def _keep_owners(rows: pa.Table, kept: np.ndarray, objects: pa.Table) -> pa.Table:
    positions = rows["owner_position"].combine_chunks()
    mask = pa.array(kept[positions.to_numpy()]) if len(positions) else pa.array([], pa.bool_())
    owners = pc.take(objects["ref"], positions) if len(positions) else pa.array([], pa.string())
    return rows.append_column("owner", owners).drop_columns("owner_position").filter(mask)
