"""The bytes of the pictures as an asset of their own, behind their rows: they take longer, and one that fails stops nothing."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import dagster as dg

from onec_pipelines.defs.assets import POOL, RETRY, as_failure
from onec_pipelines.defs.interrupts import cancellable
from onec_pipelines.defs.keys import asset_key
from onec_pipelines.defs.lineage import as_metadata
from onec_pipelines.defs.remedies import advised
from onec_pipelines.defs.resources import OnecResource
from onec_pipelines.entities.images import IMAGES
from onec_pipelines.errors import PipelineError
from onec_pipelines.ledger.image_rows import STATES, counts
from onec_pipelines.pictures import Fetched, collect_pictures, fetch_pictures
from onec_pipelines.spec import Layer

IMAGE_FILES_KEY = dg.AssetKey(["images", "image_files"])
"""Key of the bytes of the pictures."""

PICTURES = "pictures"
# What is no picture is told by the counts; nobody has to do anything about it.
_EXPECTED = frozenset({"rejected IMAGE_OTHER_FILE"})


@dg.multi_asset(
    name="image_files_sync",
    specs=[
        dg.AssetSpec(
            IMAGE_FILES_KEY,
            deps=[asset_key(IMAGES, Layer.SHOP)],
            group_name=Layer.SHOP.value,
            kinds={"odata", "file"},
            owners=list(IMAGES.owners),
            description=(
                "Bytes of the pictures in the image store, by their sha256; only new and changed ones are fetched."
                " shop.images says of each what became of it."
            ),
            metadata={"dagster/table_name": "integ.image_files"},
            tags={"onec/entity": IMAGES.name, "onec/area": IMAGES.group},
        )
    ],
    pool=POOL,
    retry_policy=RETRY,
    # Last of a run: the first fetch of a large shop takes hours, and prices must not wait for pictures.
    op_tags={"dagster/priority": "-10"},
    check_specs=[
        dg.AssetCheckSpec(
            PICTURES,
            asset=IMAGE_FILES_KEY,
            description="Every picture of 1C can be shown: none waits, is out of reach or was rejected.",
        )
    ],
)
def image_files(
    context: dg.AssetExecutionContext, onec: OnecResource
) -> Iterator[dg.MaterializeResult[None]]:
    """Fetch what is new or changed, report all."""
    try:
        with cancellable():
            found = fetch_pictures(onec.runtime, run_id=context.run.run_id)
    except PipelineError as error:
        if error.code != "ALREADY_RUNNING" or "dagster/schedule_name" not in context.run.tags:
            raise as_failure(error) from error
        # Two schedules met: the other run does this one's work.
        context.log.warning(str(error))
        runtime = onec.runtime
        found = Fetched(job_id=0, counts=counts(runtime.database, system_name=runtime.system_name))
    yield dg.MaterializeResult(metadata=_figures(found), check_results=[pictures_check(found.counts)])


@dg.op(description="Remove bytes of pictures that no picture has needed for ONEC_IMAGE_KEEP_DAYS.")
def remove_unneeded_pictures(context: dg.OpExecutionContext, onec: OnecResource) -> None:
    """Left for the next day while pictures are being stored."""
    try:
        found = collect_pictures(onec.runtime)
    except PipelineError as error:
        if error.code != "ALREADY_RUNNING":
            raise as_failure(error) from error
        context.log.info(str(error))
        return
    context.add_output_metadata(as_metadata(asdict(found)))


@advised("PICTURES_MISSING")
def pictures_check(standing: dict[str, Any]) -> dg.AssetCheckResult:
    """A warning that counts, by reason, the pictures that cannot be shown; files that are no pictures do not count."""
    reasons = {name: number for name, number in standing["reasons"].items() if name not in _EXPECTED}
    return dg.AssetCheckResult(
        check_name=PICTURES,
        asset_key=IMAGE_FILES_KEY,
        passed=not reasons and not standing["waiting"],
        severity=dg.AssetCheckSeverity.WARN,
        metadata=as_metadata(
            {
                **{state: standing[state] for state in STATES},
                **reasons,
                "remedy": "`onec images status --state unreachable` (or rejected, waiting) names each picture and its reason.",
            }
        ),
    )


def _figures(found: Fetched) -> dict[str, Any]:
    return as_metadata(
        {
            "dagster/row_count": found.counts["files_stored"],
            **{state: found.counts[state] for state in STATES},
            "bytes_stored": found.counts["bytes_stored"],
            "pictures_fetched": found.tally.fetched,
            "pictures_same": found.tally.same,
            "bytes_fetched": found.tally.bytes_fetched,
            "requests": found.requests,
            "wire_bytes": found.wire_bytes,
            "seconds": found.seconds,
            "job_id": found.job_id,
        }
    )
