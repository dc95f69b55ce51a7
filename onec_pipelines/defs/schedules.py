"""Schedules. They are off until somebody switches them on in the UI: a fresh deployment must not start pulling at 1C by itself.

One run for all entities of a cadence. When two cadences meet, an entity that the other run holds is skipped with words; the first to
have it brings it up to date.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dagster as dg

from onec_pipelines.defs.clean_up import clean_up
from onec_pipelines.defs.doctor import examine_base
from onec_pipelines.defs.jobs import (
    FULL,
    read_metadata,
    sync_all,
    sync_catalog,
    sync_documents,
    sync_images,
    sync_loyalty_and_history,
    sync_prices_and_stock,
)
from onec_pipelines.defs.partitions import DAILY, today_key
from onec_pipelines.defs.reconciliation import reconcile_job

if TYPE_CHECKING:
    from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition


def _plain(name: str, job: Any, cron: str, words: str) -> dg.ScheduleDefinition:
    return dg.ScheduleDefinition(
        name=name, job=job, cron_schedule=cron, description=words, execution_timezone=DAILY.timezone
    )


def _open_day(
    name: str,
    job: UnresolvedAssetJobDefinition,
    cron: str,
    words: str,
    *,
    config: dict[str, Any] | None = None,
) -> dg.ScheduleDefinition:
    """A schedule of a job with documents: what is partitioned is asked for as today, which is the incremental run."""

    def request(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        del context
        return dg.RunRequest(partition_key=today_key(), run_config=config or {})

    return dg.ScheduleDefinition(
        name=name,
        job=job,
        cron_schedule=cron,
        execution_fn=request,
        description=words,
        execution_timezone=DAILY.timezone,
    )


# Night is when the shop of the base sleeps: all times are those of ONEC_TIMEZONE.
SCHEDULES = (
    _plain(
        "prices_and_stock_every_10_minutes",
        sync_prices_and_stock,
        "*/10 * * * *",
        "Цены и остатки. Prices and stock, as fresh as a shop needs them; webhooks are faster still.",
    ),
    _open_day(
        "documents_every_10_minutes",
        sync_documents,
        "5-59/10 * * * *",
        "Клиенты и документы продаж. What changed in customers, orders, shipments, payments and returns.",
    ),
    _plain(
        "catalog_every_hour",
        sync_catalog,
        "2 * * * *",
        "Справочники и номенклатура. Dictionaries, categories, products, variants, barcodes.",
    ),
    _open_day(
        "loyalty_and_history_every_hour",
        sync_loyalty_and_history,
        "22 * * * *",
        "Лояльность, скидки, история цен. Cards, balances, discounts, price history.",
    ),
    _plain(
        "pictures_every_hour",
        sync_images,
        "35 * * * *",
        "Картинки номенклатуры. Rows of pictures, then the bytes of new and changed ones.",
    ),
    _plain(
        "metadata_every_night",
        read_metadata,
        "10 2 * * *",
        "Состав публикации. What 1C publishes, read anew, and what its changes break.",
    ),
    _plain(
        "doctor_every_week",
        examine_base,
        "20 4 * * 1",
        "Диагностика базы. Rights, publication, dialect and pace of the base; the client obeys the report.",
    ),
    _plain(
        "clean_up_every_night",
        clean_up,
        "40 1 * * *",
        "Удаление устаревшего. Raw pages, packets, events and pictures that the retention settings let go.",
    ),
    _plain(
        "reconcile_every_night",
        reconcile_job,
        "30 4 * * *",
        "Сверка с 1С. Every entity is compared with 1C; what differs fails its check.",
    ),
    _open_day(
        "everything_every_night",
        sync_all,
        "30 2 * * *",
        "Полная загрузка. All of 1C is read, whatever the way of each entity is: deletions and late edits are found.",
        config=FULL,
    ),
)
