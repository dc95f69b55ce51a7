"""A job run inside this process, recorded in Dagster's history like any other: the demo and tests see its progress."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import dagster as dg

from onec_pipelines.defs.partitions import today_key
from onec_pipelines.defs.resources import progress_to
from onec_pipelines.inbound import Outcome


@dataclass(frozen=True, kw_only=True)
class FinishedRun:
    """A finished run: the last outcome of each entity that got to work, and what went wrong in words."""

    run_id: str
    outcomes: dict[str, Outcome]
    problems: list[str]


def run_job(defs: dg.Definitions, name: str, listener: Callable[[Outcome], None]) -> FinishedRun:
    """Run a job on the instance of DAGSTER_HOME; errors of steps are reported, not raised."""
    outcomes: dict[str, Outcome] = {}

    def listen(outcome: Outcome) -> None:
        outcomes[outcome.entity] = outcome
        listener(outcome)

    quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    with dg.DagsterInstance.get() as instance, progress_to(listen):
        job = defs.resolve_job_def(name)
        # Documents are brought up to date as the open day; the first time that reads their whole history.
        day = today_key() if job.partitions_def is not None else None
        result = job.execute_in_process(
            instance=instance, raise_on_error=False, run_config=quiet, partition_key=day
        )
    problems = []
    for event in result.all_events:
        if event.is_step_failure:
            error = event.step_failure_data.error
            problems.append(f"{event.step_key}: {error.message.strip() if error else 'failed'}")
    if not result.success and not problems:
        problems.append(f"the run {result.run_id} failed outside its steps; its page in Dagster says where")
    return FinishedRun(run_id=result.run_id, outcomes=outcomes, problems=problems)
