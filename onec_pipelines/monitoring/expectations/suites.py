"""All suites: one for each table that is loaded, and the names of the Dagster checks that show them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from onec_pipelines.entities import BY_NAME, ENTITIES
from onec_pipelines.monitoring.expectations import cross, derive, distribution
from onec_pipelines.monitoring.expectations.distribution import Figures
from onec_pipelines.monitoring.expectations.model import Expectation, Scope, Suite
from onec_pipelines.monitoring.expectations.tables import Table, tables_of
from onec_pipelines.spec import Entity

_ANY = Scope(system_name="", timezone="UTC")


def suites_of(
    scope: Scope, *, entities: Sequence[Entity] = ENTITIES, last: Mapping[str, Figures] | None = None
) -> list[Suite]:
    """The suites of the entities' tables. `last` holds the figures of the last good run by table.

    With a day in the scope only tables that are partitioned have suites, without figures: a day is no distribution.
    """
    found = []
    for entity in entities:
        for table in tables_of(entity, scope):
            if scope.day is not None and table.day_column is None:
                continue
            found.append(
                Suite(
                    entity=entity.name,
                    table=table.name,
                    batch=table.batch,
                    expectations=tuple(_expectations(table, (last or {}).get(table.name))),
                    day=table.day,
                )
            )
    return found


def check_names(entity: Entity) -> dict[str, list[str]]:
    """Names of the checks of an entity, each with the sentences that it stands for."""
    names: dict[str, list[str]] = {}
    for suite in suites_of(_ANY, entities=[entity]):
        for one in suite.expectations:
            names.setdefault(one.check, []).append(f"{suite.table}: {one.words}")
    return names


def _expectations(table: Table, last: Figures | None) -> Iterator[Expectation]:
    is_day = table.scope.day is not None
    for one in derive.derived(table, BY_NAME):
        # How long ago a run was, and what all rows have in common, is not said of a day.
        if not (is_day and one.check in {derive.FRESHNESS, derive.UNKNOWN_CODES}):
            yield one
    yield from cross.of_table(table)
    if not is_day:
        yield from distribution.compared(table, last)
