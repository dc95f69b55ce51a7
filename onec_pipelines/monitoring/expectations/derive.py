"""What follows for a table from its entity's declaration: keys, values that must be there, ranges, codes, references, freshness."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal

from onec_pipelines.monitoring.expectations.cadence import age_of, watch_of
from onec_pipelines.monitoring.expectations.model import Expectation, Form, Severity
from onec_pipelines.monitoring.expectations.tables import Table
from onec_pipelines.spec import Column, ColumnType, Entity, Field, NaturalKey
from onec_pipelines.steps.code_tables import CODE_TABLES

UNIQUENESS = "uniqueness"
NOT_NULL = "not_null"
RANGES = "ranges"
VALUE_SETS = "value_sets"
REFERENCES_EXIST = "references_exist"
FRESHNESS = "freshness"
UNKNOWN_CODES = "unknown_codes"
# Entities that the view integ.unknown_codes counts, section rows included.
COUNTED_BY_VIEW = frozenset(
    {"orders", "order_states", "shipments", "return_requests", "returns", "agreements"}
)
# Variants that a product kind has in common are named alike in every kind.
_ALIKE = frozenset({"variants"})
_OURS = "The declaration and the table disagree: `onec sync {entity} --layer shop` merges anew; if it stays, report it."


def derived(table: Table, entities: Mapping[str, Entity]) -> Iterator[Expectation]:
    """The expectations of a table; those of the entity as a whole come with its own table."""
    yield from _keys(table)
    for column in table.target.columns:
        field = table.field_of(column)
        yield from _filled(table, column, field)
        yield from _references(table, column, entities)
        if field is not None:
            yield from _bounds(table, column, field)
            yield from _codes(table, column, field)
    if table.section is None:
        yield _fresh(table)
        if table.entity.name in COUNTED_BY_VIEW:
            yield _known_codes(table)


def _keys(table: Table) -> Iterator[Expectation]:
    entity = table.entity
    if table.section is not None:
        return
    for natural in () if entity.name in _ALIKE else table.target.natural_keys:
        columns = [_compared(natural, name, i, table) for i, name in enumerate(natural.columns)]
        yield Expectation(
            check=UNIQUENESS,
            words=f"No two live rows have the same {' + '.join(natural.columns)}.",
            remedy=f"Two objects of 1C share {' + '.join(natural.columns)}: merge or rename one of them in 1C.",
            severity=Severity.WARN,
            rows=_repeated(table, columns),
        )
    names = [_register_column(table, name) for name in entity.key]
    if not entity.has_ids and all(names):
        yield Expectation(
            check=UNIQUENESS,
            words=f"No two live rows have the same {', '.join(filter(None, names))}.",
            remedy=_OURS.format(entity=entity.name),
            severity=Severity.ERROR,
            rows=_repeated(table, [f"coalesce(t.{name}::text, '')" for name in names]),
        )


def _register_column(table: Table, key: str) -> str | None:
    return next((c.name for c in table.target.columns if key in {c.reference, c.copy}), None)


def _compared(key: NaturalKey, name: str, position: int, table: Table) -> str:
    column = next((c for c in table.target.columns if c.name == name), None)
    if column is not None and column.reference is not None:
        return f"coalesce(t.{name}::text, '')"
    if key.digits:
        return f"nullif(right(regexp_replace(t.{name}, '\\D', '', 'g'), 10), '')"
    text = f"nullif(lower(trim(t.{name}::text)), '')"
    return text if position == 0 else f"coalesce({text}, '')"


def _repeated(table: Table, columns: list[str]) -> str:
    """SQL of the rows whose values another one has as well; a row without the first is no one's double."""
    listed = ", ".join(columns)
    return (
        f"SELECT q.id FROM (SELECT {table.id} AS id, count(*) OVER (PARTITION BY {listed}) AS times"
        f" FROM {table.name} t WHERE {table.live} AND {columns[0]} IS NOT NULL) q WHERE q.times > 1"
    )


def _filled(table: Table, column: Column, field: Field | None) -> Iterator[Expectation]:
    source = next((f for f in table.fields if f.name == column.reference), field)
    # A `required` reference may be empty: it only waits for the row that it names.
    if source is not None and not source.nullable and (column.required or not column.reference):
        yield Expectation(
            check=NOT_NULL,
            words=f"{column.name} is never empty.",
            remedy=_OURS.format(entity=table.entity.name),
            severity=Severity.ERROR,
            form=Form.NOT_NULL,
            columns=(column.name,),
            rows=table.breaking(f"t.{column.name} IS NULL"),
        )


def _references(table: Table, column: Column, entities: Mapping[str, Entity]) -> Iterator[Expectation]:
    if column.reference is None:
        return
    known = next((f.references for f in table.fields if f.name == column.reference), None)
    target = entities.get(column.entity or known or "")
    if target is not None:
        yield Expectation(
            check=REFERENCES_EXIST,
            words=f"Each {column.name} is the id of a row of {target.target.table}.",
            remedy=_OURS.format(entity=table.entity.name),
            severity=Severity.ERROR,
            rows=table.breaking(
                f"t.{column.name} IS NOT NULL AND NOT EXISTS"
                f" (SELECT FROM {target.target.table} r WHERE r.id = t.{column.name})"
            ),
        )


def _bounds(table: Table, column: Column, field: Field) -> Iterator[Expectation]:
    name = column.name
    if field.minimum is not None or field.maximum is not None:
        below = f"t.{name} < {field.minimum}" if field.minimum is not None else "FALSE"
        above = f"t.{name} > {field.maximum}" if field.maximum is not None else "FALSE"
        yield Expectation(
            check=RANGES,
            words=f"{name} is {_between(field.minimum, field.maximum)}.",
            remedy=_OURS.format(entity=table.entity.name),
            severity=Severity.ERROR,
            form=Form.ROWS if name in table.masked else Form.BETWEEN,
            columns=(name,),
            minimum=_number(field.minimum),
            maximum=_number(field.maximum),
            rows=table.breaking(f"{below} OR {above}"),
        )
    if field.max_length is not None and field.type is ColumnType.TEXT:
        yield Expectation(
            check=RANGES,
            words=f"{name} has at most {field.max_length} characters.",
            remedy=_OURS.format(entity=table.entity.name),
            severity=Severity.ERROR,
            form=Form.LENGTH,
            columns=(name,),
            maximum=field.max_length,
            rows=table.breaking(f"length(t.{name}) > {field.max_length}"),
        )


def _between(minimum: Decimal | None, maximum: Decimal | None) -> str:
    if maximum is None:
        return f"at least {minimum}"
    return f"at most {maximum}" if minimum is None else f"between {minimum} and {maximum}"


def _number(value: Decimal | None) -> float | None:
    return None if value is None else float(value)


def _codes(table: Table, column: Column, field: Field) -> Iterator[Expectation]:
    known = field.choices or tuple(sorted(set(CODE_TABLES.get(field.transform or "", {}).values())))
    if not known or (not field.choices and table.entity.name in COUNTED_BY_VIEW):
        return
    listed = ", ".join(f"'{code}'" for code in known)
    yield Expectation(
        check=VALUE_SETS,
        words=f"{column.name} is one of {', '.join(known)}.",
        remedy="1C has a value that no table of ours knows: add it to steps/code_tables.py.",
        severity=Severity.ERROR if field.choices else Severity.WARN,
        form=Form.IN_SET,
        columns=(column.name,),
        choices=known,
        rows=table.breaking(f"t.{column.name} IS NOT NULL AND t.{column.name}::text NOT IN ({listed})"),
    )


def _known_codes(table: Table) -> Expectation:
    name = table.entity.name
    return Expectation(
        check=UNKNOWN_CODES,
        words="Every status and other name of 1C has a code of ours (integ.unknown_codes).",
        remedy="`SELECT * FROM integ.unknown_codes` names them: add them to steps/code_tables.py.",
        severity=Severity.WARN,
        rows=(
            "SELECT u.field || ' = ' || u.value AS id FROM integ.unknown_codes u"
            " CROSS JOIN LATERAL generate_series(1, u.row_count)"
            f" WHERE u.entity_type = '{name}' AND u.system_name = '{table.scope.system_name}'"
        ),
    )


def _fresh(table: Table) -> Expectation:
    name, watch = table.entity.name, watch_of(table.entity, table.scope.schedules)
    age = watch.age if watch else age_of(table.entity)
    hours = int(age.fail.total_seconds() // 3600)
    words = f"It was brought up to date within {hours} hours while its schedule runs."
    # A schedule that was just switched on gets its time first; without one there is nothing to be late for.
    since = f"'{watch.since.isoformat()}'::timestamptz" if watch else "now()"
    return Expectation(
        check=FRESHNESS,
        words=words if watch else f"{words} None runs now: not judged.",
        remedy="Look at its last runs (`onec status`), and whether Dagster's daemon runs (`onec doctor`).",
        severity=Severity.WARN,
        rows=(
            # What nobody ever synced is not late.
            f"SELECT '{name}' AS id FROM integ.sync_jobs j"
            f" WHERE j.system_name = '{table.scope.system_name}' AND j.entity_type = '{name}'"
            f" AND j.job_type <> 'dry_run' HAVING greatest({since}, max(j.completed_at)"
            f" FILTER (WHERE j.status IN ('succeeded', 'skipped'))) < now() - interval '{hours} hours'"
            " AND count(*) > 0"
        ),
    )
