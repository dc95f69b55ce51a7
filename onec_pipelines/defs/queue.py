"""The queue in Dagster: a sensor that sees due items, a job that works them off, and a job to retry, drop or correct items by id."""

import json
import time
from typing import Any, Literal

import dagster as dg
from pydantic import Field

from onec_pipelines import dispatch
from onec_pipelines.db.engine import connect, driver_connection
from onec_pipelines.defs.assets import as_failure
from onec_pipelines.defs.gate import refusal_now
from onec_pipelines.defs.lineage import as_metadata
from onec_pipelines.defs.resources import OnecResource
from onec_pipelines.errors import PipelineError
from onec_pipelines.ledger import queue, workers
from onec_pipelines.runtime import database_url
from onec_pipelines.settings import load_settings

_SENSOR_SECONDS = 30


class DrainConfig(dg.Config):
    """What to work off: these kinds (none: all), at most so many items (0: all that are due), for so many seconds."""

    kinds: list[str] = Field(default=[])
    limit: int = 0
    seconds: float = 600.0


@dg.op(description="Work off what is due in integ.retry_queue.")
def work_off(context: dg.OpExecutionContext, config: DrainConfig, onec: OnecResource) -> None:
    """Drain once; dead letters are told as warnings, because the run itself went well."""
    try:
        drained = dispatch.drain(
            onec.runtime,
            kinds=config.kinds or None,
            limit=config.limit or None,
            until=time.monotonic() + config.seconds,
        )
    except PipelineError as error:
        raise as_failure(error) from error
    context.add_output_metadata(
        as_metadata(
            {
                "done": drained.done,
                "tried_again_later": drained.later,
                "put_off": drained.put_off,
                "dead": drained.dead,
                "taken_over": drained.lost,
                "seconds": round(drained.seconds, 2),
                "not_allowed": drained.refusal,
            }
        )
    )
    if drained.dead:
        context.log.warning("%s items are dead: `onec queue list --state dead` says why", drained.dead)
    if drained.refusal:
        context.log.warning(drained.refusal)


@dg.job(description="Work off what is due in the queue: pushes, webhook hints, pictures, failed pages.")
def drain_queue() -> None:
    """One op."""
    work_off()


class ActConfig(dg.Config):
    """`retry`, `drop` or `edit` items by id; `retry` without ids takes all dead ones, as narrowed by class (or code) and kind.

    `payload` (a JSON object) belongs to `edit` of one id. `per_second` is how fast retried items become due.
    """

    action: Literal["retry", "drop", "edit"]
    ids: list[int] = Field(default=[])
    error_class: str = ""
    kind: str = ""
    payload: str = ""
    per_second: float = 1.0
    reason: str


@dg.op(description="Retry, drop or edit items of the queue; noted in the audit log with this run's id.")
def act_on_items(context: dg.OpExecutionContext, config: ActConfig, onec: OnecResource) -> None:
    """Do the one act of the config."""
    by = context.run.tags.get("user") or "dagster"
    try:
        found = _act(onec, config, by=f"{by} (run {context.run.run_id})")
    except (PipelineError, ValueError) as error:
        if isinstance(error, PipelineError):
            raise as_failure(error) from error
        raise dg.Failure(str(error), allow_retries=False) from None
    context.add_output_metadata({"items": len(found), "ids": ", ".join(map(str, found[:100]))})
    left = [item_id for item_id in config.ids if item_id not in found]
    if left:
        raise dg.Failure(
            f"not in a state for this, or not there: {', '.join(map(str, left))}", allow_retries=False
        )


@dg.job(description="Retry, drop or correct items of the queue by id (docs/queue.md).")
def queue_act() -> None:
    """One op."""
    act_on_items()


@dg.sensor(
    name="queue_waiting",
    job_name=drain_queue.name,  # with `job` Dagster warns of a beta parameter of its own
    minimum_interval_seconds=_SENSOR_SECONDS,
    description="Works the queue off while no `onec worker` lives. Off until you switch it on.",
)
def queue_waiting(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """One drain at a time, and only if something is due that a drain can do."""
    settings = load_settings()
    with connect(database_url(settings), application_name="onec_sensor", pool_size=1) as database:
        due = queue.due(database, settings.system)
        living = workers.alive(database, settings.system)
    if not due:
        return dg.SkipReason("nothing is due")
    if living:
        return dg.SkipReason(f"{living} workers live and work it off")
    if reason := refusal_now():
        return dg.SkipReason(str(reason))
    running = dg.RunsFilter(
        job_name="drain_queue",
        statuses=[dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED],
    )
    if context.instance.get_runs(running, limit=1):
        return dg.SkipReason("a run of drain_queue is under way")
    return dg.RunRequest(tags={"onec/due": str(due)})


def _act(onec: OnecResource, config: ActConfig, *, by: str) -> list[int]:
    runtime = onec.runtime
    with runtime.database.transaction() as connection:
        tx = driver_connection(connection)
        act: dict[str, Any] = {"system_name": runtime.system_name, "by": by, "reason": config.reason}
        if config.action == "drop":
            return queue.drop(tx, ids=config.ids, **act)
        if config.action == "edit":
            (item_id,) = _one_id(config.ids)
            queue.edit(tx, item_id=item_id, payload=_payload(config.payload), **act)
            return [item_id]
        chosen = queue.Chosen(
            ids=config.ids or None, error_class=config.error_class or None, kind=config.kind or None
        )
        return queue.retry(tx, chosen=chosen, per_second=None if config.ids else config.per_second, **act)


def _one_id(ids: list[int]) -> list[int]:
    if len(ids) != 1:
        raise ValueError("edit takes one id")
    return ids


def _payload(text: str) -> dict[str, Any]:
    found = json.loads(text or "null")
    if not isinstance(found, dict):
        raise ValueError("payload must be a JSON object")  # noqa: TRY004 - told to a person, like the others
    return found


QUEUE_JOBS = (drain_queue, queue_act)
QUEUE_SENSORS = (queue_waiting,)
