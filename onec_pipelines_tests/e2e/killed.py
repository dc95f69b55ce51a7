"""What a process that was killed leaves behind for a moment."""

from __future__ import annotations

from onec_pipelines_tests.fixtures.patience import until
from onec_pipelines_tests.fixtures.pipeline import value

_OTHERS = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    " AND backend_type = 'client backend'"
)


def until_alone(database_url: str) -> None:
    """Until PostgreSQL has noticed that nobody else is there any more: locks go with their connection."""
    until(lambda: value(database_url, _OTHERS) == 0, pause=0.01)
