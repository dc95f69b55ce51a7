"""Is the result of a demo right? Counted in the tables themselves, not taken from what the run says of itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from onec_pipelines.db.engine import driver_connection
from onec_pipelines.entities import ENTITIES
from onec_pipelines.inbound import Outcome
from onec_pipelines.runtime import Runtime
from onec_pipelines.spec import Entity


def check(runtime: Runtime, outcomes: Mapping[str, Outcome]) -> list[str]:
    """What is wrong, one sentence each; empty when all is right."""
    problems: list[str] = []
    for entity in ENTITIES:
        outcome = outcomes.get(entity.name)
        if outcome is None:
            problems.append(f"{entity.name} did not run")
        elif outcome.status == "succeeded":
            problems += _check_entity(runtime, entity, outcome)
        elif not (entity.optional and outcome.status == "skipped"):
            problems.append(f"{entity.name} ended as {outcome.status}")
    return problems


def _check_entity(runtime: Runtime, entity: Entity, outcome: Outcome) -> Iterator[str]:
    if not outcome.complete:
        yield f"{entity.name}: {outcome.completeness}"
    live = _number(
        runtime,
        f"SELECT count(*) FROM {entity.clean_table} WHERE system_name = %(system)s AND deleted_at IS NULL",
    )
    passed = outcome.rows_read - outcome.duplicates - outcome.quarantined
    if live != passed:
        yield f"{entity.name}: {passed} good rows were read and clean holds {live}"
    wanted = _number(
        runtime,
        f"SELECT count(*) FROM {entity.clean_table} c WHERE c.system_name = %(system)s AND ({entity.target.where})",
    )
    loaded = _number(runtime, _shop_count(entity))
    if loaded != wanted - outcome.held:
        yield (
            f"{entity.name}: {wanted} clean rows belong to the shop, {outcome.held} are held, and it holds {loaded}"
        )


def _shop_count(entity: Entity) -> str:
    if not entity.has_ids:
        return f"SELECT count(*) FROM {entity.target.table} WHERE system_name = %(system)s"
    return (
        f"SELECT count(*) FROM {entity.target.table} t JOIN integ.external_id_mappings m ON m.internal_id = t.id"
        f" AND m.entity_type = '{entity.name}' AND m.system_name = %(system)s"
    )


def _number(runtime: Runtime, statement: str) -> int:
    with runtime.database.transaction() as connection:
        row = (
            driver_connection(connection)
            .execute(statement.encode(), {"system": runtime.system_name})
            .fetchone()
        )
    return int(row[0]) if row else 0
