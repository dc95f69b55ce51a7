"""Pictures of the shop: rows of `clean.images` → bytes of 1C → image store → `shop.images`. Reads like this line.

The rows themselves are an entity (`entities/images.py`) and come by `inbound`; here are their bytes, which take longer and may fail one
by one.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from onec_pipelines.errors import PipelineError
from onec_pipelines.ledger import image_rows, jobs, queue
from onec_pipelines.ledger.image_rows import ENTITY, Settled
from onec_pipelines.onec.file_bytes import FileBytes
from onec_pipelines.runtime import Runtime
from onec_pipelines.steps import picture_store
from onec_pipelines.steps.picture_bytes import Taker
from onec_pipelines.steps.picture_store import Collected, Verified
from onec_pipelines.steps.pictures import KIND, Pictures, Tally
from onec_pipelines.store import ImageStore

CATALOG = "Catalog_НоменклатураПрисоединенныеФайлы"


@dataclass(kw_only=True)
class Fetched:
    """What a run did (`tally`), how all live pictures stand after it (`counts`), and what it cost."""

    job_id: int
    tally: Tally = field(default_factory=Tally)
    counts: dict[str, Any] = field(default_factory=dict)
    requests: int = 0
    wire_bytes: int = 0
    seconds: float = 0.0


def fetch_pictures(
    runtime: Runtime, *, run_id: str | None = None, on_progress: Callable[[Tally], None] = lambda _tally: None
) -> Fetched:
    """Fetch the bytes of all pictures that are new or changed.

    A picture that fails for itself is handed to the queue; what would fail all of them ends the run and is raised. Raises
    RetryLater ALREADY_RUNNING when another run is at it.
    """
    database, system = runtime.database, runtime.system_name
    with jobs.entity_lock(database, system, ENTITY), image_rows.store_lock(database):
        job_id = jobs.start(database, system_name=system, entity=ENTITY, job_type="files", run_id=run_id)
        found = Fetched(job_id=job_id)
        begun, spent_before = time.monotonic(), runtime.spent
        status, error = "failed", None
        pictures = _pictures(runtime)
        try:
            pictures.fetch_all(on_progress=on_progress)
            status = "succeeded"
        except PipelineError as failure:
            error = str(failure)
            raise
        except BaseException as failure:
            error = type(failure).__name__
            raise
        finally:
            spent = runtime.spent - spent_before
            found.tally, found.requests, found.wire_bytes = pictures.tally, spent.calls, spent.wire_bytes
            found.seconds = round(time.monotonic() - begun, 3)
            jobs.finish(database, job_id, status=status, error=error, metadata=asdict(found))
        found.counts = image_rows.counts(database, system_name=system)
        return found


def fetch_picture(runtime: Runtime, ref: str) -> Settled | None:
    """Fetch the bytes of one picture now, changed or not; None when 1C no longer has it."""
    with image_rows.store_lock(runtime.database):
        return _pictures(runtime).fetch_one(ref)


def fetch_image(runtime: Runtime, item: queue.Item) -> None:
    """Work off an item of the queue: a picture whose bytes could not be had. Raises what keeps it in the queue."""
    with image_rows.store_lock(runtime.database):
        _pictures(runtime).fetch_one(
            item.payload["ref"], only_waiting=True, fence=lambda tx: queue.fence(tx, item)
        )


def verify_pictures(runtime: Runtime, *, deep: bool = True, repair: bool = False) -> Verified:
    """Compare the image store with what is noted of it (see `steps/picture_store.py`)."""
    return picture_store.verify(runtime.database, image_store(runtime), deep=deep, repair=repair)


def collect_pictures(runtime: Runtime, *, orphans: bool = False) -> Collected:
    """Remove bytes that no picture has needed for ONEC_IMAGE_KEEP_DAYS."""
    keep_days = runtime.settings.image_keep_days
    return picture_store.collect(runtime.database, image_store(runtime), keep_days=keep_days, orphans=orphans)


def image_store(runtime: Runtime) -> ImageStore:
    """The store of the settings."""
    return ImageStore.opened(runtime.settings.image_store, home=runtime.settings.home)


def _pictures(runtime: Runtime) -> Pictures:
    settings = runtime.settings
    return Pictures(
        database=runtime.database,
        system_name=runtime.system_name,
        files=lambda: FileBytes(runtime.client, runtime.metadata, catalog=CATALOG),
        taker=lambda files: Taker(
            files=files, store=image_store(runtime), max_bytes=settings.image_max_bytes
        ),
        max_bytes=settings.image_max_bytes,
        parallel=settings.image_parallel,
    )


__all__ = [
    "CATALOG",
    "KIND",
    "Fetched",
    "collect_pictures",
    "fetch_image",
    "fetch_picture",
    "fetch_pictures",
    "image_store",
    "verify_pictures",
]
