"""Is the result of a demo right? Counted in the tables themselves, not taken from what the run says of itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from onec_pipelines.entities import ENTITIES
from onec_pipelines.inbound import Outcome
from onec_pipelines.ledger import counts, quarantine
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
    database, system = runtime.database, runtime.system_name
    if not outcome.complete:
        yield f"{entity.name}: {outcome.completeness}"
    live = counts.clean_rows(database, entity, system_name=system)
    rejected = quarantine.counts(database, system).get(entity.name, 0)
    # What is missed once is believed gone when it is missed again.
    if outcome.whole and live + rejected != outcome.rows_seen + outcome.absent - outcome.deleted:
        yield (
            f"{entity.name}: 1C sent {outcome.rows_seen} different rows,"
            f" clean holds {live} and quarantine {rejected}"
        )
    wanted = counts.rows_for_shop(database, entity, system_name=system)
    loaded = counts.shop_rows(database, entity, system_name=system)
    if loaded != wanted - outcome.held:
        yield (
            f"{entity.name}: {wanted} clean rows belong to the shop,"
            f" {outcome.held} are held, and it holds {loaded}"
        )
