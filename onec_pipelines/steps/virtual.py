"""virtual: what exactly is asked of a virtual table: which rows, for which parts, as of when (PROTOCOL §6). No request is made here."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from onec_pipelines.onec.query import all_of, any_of, cast, guid, moment, virtual_table
from onec_pipelines.spec import Split
from onec_pipelines.steps.resolve import Plan


def address(plan: Plan, *, zone: ZoneInfo, parts: Sequence[str] = (), condition: str | None = None) -> str:
    """Address of the table's rows for these parts (all, when none is named) that meet `condition`.

    `zone` is the one of the base, in whose wall clock `Source.as_of_now` is said.
    """
    source = plan.entity.source
    split = source.split
    asked = any_of(*(part_condition(plan, split, part) for part in parts)) if split else None
    return virtual_table(
        plan.resource,
        source.function or "",
        condition=all_of(condition, asked),
        dimensions=source.dimensions,
        period=moment(datetime.now(UTC), zone) if source.as_of_now else None,
        select=plan.select,
        filter=all_of(source.filter, not_zero(plan)),
    )


def part_condition(plan: Plan, split: Split, part: str) -> str:
    """Condition of one part: a dimension of several types is compared by `cast`, plain `guid'…'` would find nothing (PROTOCOL §3.1)."""
    if split.composite is not None and split.composite[0] in plan.select:
        return f"{split.composite[0]} eq {cast(part, split.composite[1])}"
    return f"{split.field} eq {guid(part)}"


def not_zero(plan: Plan) -> str | None:
    """Rows with something in one of the source's `nonzero` fields, by the names that this base has for them."""
    wires = dict(plan.columns)
    return any_of(*(f"{wires[name]} ne 0" for name in plan.entity.source.nonzero if name in wires))
