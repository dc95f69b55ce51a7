"""What somebody may ask of an entity's step in the launchpad, and how it becomes the arguments of `inbound`."""

from datetime import datetime
from typing import Any, Literal

import dagster as dg
from pydantic import Field

from onec_pipelines.defs.partitions import window_of
from onec_pipelines.entities import BY_NAME, ENTITIES
from onec_pipelines.errors import Stop
from onec_pipelines.inbound import keys_of
from onec_pipelines.runtime import Runtime
from onec_pipelines.spec import Entity, Layer, Way
from onec_pipelines.steps.limits import check_limits
from onec_pipelines.steps.windows import local_window


class SyncConfig(dg.Config):
    """All of it may be left out: then the entity is brought up to date in its own way."""

    only: list[str] = Field(
        default=[], description="GUIDs: just these objects; of a register, the rows of these products."
    )
    sku: str = Field(default="", description="Just the product with this SKU in 1C.")
    number: str = Field(default="", description="Just the document with this number.")
    way: Literal["", "changes", "versions", "windows", "snapshot"] = Field(
        default="", description="How to read, instead of ONEC_READING and the entity's own way."
    )
    full: bool = Field(default=False, description="Read everything, whatever the way is.")
    allow_deletes: bool = Field(default=False, description="Believe 1C however many rows are gone from it.")
    dry_run: bool = Field(
        default=False,
        description="Fill raw and clean, but only show in the check `diff` what would become of the shop.",
    )
    pages_from: str = Field(
        default="",
        description="When the clean layer is materialized without raw: replay pages read since then"
        " (2026-06-01 or 2026-06-01T12:00:00, wall clock of the base).",
    )
    pages_to: str = Field(default="", description="… and before then.")


def arguments(
    context: dg.AssetExecutionContext,
    config: SyncConfig,
    entity: Entity,
    runtime: Runtime,
    layers: list[Layer],
) -> dict[str, Any]:
    """Arguments of `inbound`. Raises Stop for what cannot be meant; may ask 1C for a SKU or a number."""
    way = Way.SNAPSHOT if config.full else Way(config.way) if config.way else None
    check_limits(ENTITIES, runtime.settings.limits)
    found: dict[str, Any] = {"allow_deletes": config.allow_deletes, "dry_run": config.dry_run}
    if Layer.RAW not in layers:
        begin, end = _moment(config.pages_from), _moment(config.pages_to)
        return {**found, "window": local_window(begin, end, runtime.settings.zone)}
    if config.only or config.sku or config.number:
        keys = keys_of(
            entity,
            runtime,
            BY_NAME,
            guids=config.only,
            skus=[config.sku] if config.sku else [],
            numbers=[config.number] if config.number else [],
        )
        return {**found, "only": keys, "way": way}
    window = window_of(context, entity)
    return {**found, "window": window} if window is not None and way is None else {**found, "way": way}


def _moment(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text) if text else None
    except ValueError:
        raise Stop(
            f"{text!r} is no time",
            code="WRONG_ASK",
            remedy="Write 2026-06-01 or 2026-06-01T12:00:00.",
        ) from None
