"""rejects: how many rows of an entity stand in quarantine, and when they are so many that the shop must not see the rest."""

from __future__ import annotations

from onec_pipelines.db.engine import Database
from onec_pipelines.ledger import quarantine
from onec_pipelines.spec import Entity
from onec_pipelines.steps.outcome import Outcome

FEW = 10
"""So many rejects never hold a load: of a small table they are any share."""


def note_rejects(database: Database, entity: Entity, outcome: Outcome, *, system_name: str) -> None:
    """Fill in what stands in quarantine now, whichever run put it there: a second run must not find the share gone."""
    rows, total = quarantine.standing(database, entity, system_name=system_name)
    outcome.rejects_open, outcome.rejects_share = rows, rows / max(total, 1)


def are_too_many(entity: Entity, outcome: Outcome) -> bool:
    """Whether the entity's `max_quarantined_share` is exceeded."""
    return outcome.rejects_open > FEW and outcome.rejects_share > entity.max_quarantined_share


def hold_back(entity: Entity, outcome: Outcome) -> None:
    """Say that the shop stays as it is."""
    outcome.status = "held"
    outcome.message = (
        f"held: {outcome.rejects_open} rows ({outcome.rejects_share:.1%}) are in quarantine, at most"
        f" {entity.max_quarantined_share:.0%} may be. `onec quarantine list {entity.name}` says why; mend them in 1C,"
        f" or let the others into the shop with `onec sync {entity.name} --layer shop`."
    )
