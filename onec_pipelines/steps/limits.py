"""limits: which limits hold for a load, by the entity's declaration and the setting ONEC_LIMITS. What they count is `steps/diff.py`'s."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from onec_pipelines.errors import Stop
from onec_pipelines.spec import Entity, Limit, Measure

# The deletion brake's own number: a small table would trip over any share.
_FREE_ROWS = 10
_OFF = "off"
# An upgrade that fills a new column changes every row, so that nobody is asked unless he wants to be.
_CHANGED = Limit(name="changed_share", measure=Measure.CHANGED, rows=_FREE_ROWS, on=False)


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One item of ONEC_LIMITS: `[entity.]name=off|N|X%|X%:N`."""

    name: str
    entity: str | None
    value: str


def parse(text: str) -> list[Setting]:
    """The items of ONEC_LIMITS, whose form the settings have checked."""
    found = []
    for item in filter(None, (part.strip() for part in text.split(","))):
        left, _, value = item.partition("=")
        entity, _, name = left.strip().rpartition(".")
        found.append(Setting(name=name, entity=entity or None, value=value.strip()))
    return found


def declared(entity: Entity) -> tuple[Limit, ...]:
    """The entity's limits before any setting, those that are off included."""
    deletes = Limit(
        name="deleted_share",
        measure=Measure.DELETED,
        rows=_FREE_ROWS,
        share=Decimal(str(entity.max_absent_share)),
    )
    own = {limit.measure for limit in entity.limits}
    has_deleted = any(column.name == "is_deleted" for column in entity.target.columns)
    general = [_CHANGED, deletes] if has_deleted else [_CHANGED]
    return (*entity.limits, *(limit for limit in general if limit.measure not in own))


def limits_of(entity: Entity, text: str, *, deletes_allowed: bool = False) -> tuple[Limit, ...]:
    """The limits that hold for a load of the entity.

    An item that names the entity wins over one that does not. `deletes_allowed` lets any number of rows be deleted and any category lose
    all of them. Raises Stop SETTINGS for a value that the limit cannot have.
    """
    settings = parse(text)
    found = []
    for limit in declared(entity):
        for wanted in (None, entity.name):
            for one in settings:
                if one.name == limit.name and one.entity == wanted:
                    limit = _with(limit, one.value)  # noqa: PLW2901 - the later setting stands on the earlier
        waived = deletes_allowed and limit.measure in {Measure.DELETED, Measure.EMPTIED}
        if limit.on and not waived:
            found.append(limit)
    return tuple(found)


def check_limits(entities: Iterable[Entity], text: str) -> None:
    """Raise Stop SETTINGS when ONEC_LIMITS names what there is not, or gives a limit a value that it cannot have."""
    by_name = {entity.name: entity for entity in entities}
    for one in parse(text):
        if one.entity is not None and one.entity not in by_name:
            raise _wrong(f"names {one.entity}, which is no entity", list(by_name))
        candidates = [by_name[one.entity]] if one.entity else list(by_name.values())
        names = {limit.name for entity in candidates for limit in declared(entity)}
        if one.name not in names:
            raise _wrong(f"names {one.name}, which is no limit{_of(one.entity)}", sorted(names))
    for entity in by_name.values():
        limits_of(entity, text)


def _with(limit: Limit, value: str) -> Limit:
    if value == _OFF:
        return replace(limit, on=False)
    share, _, rows = value.rpartition(":") if ":" in value else (value, "", "")
    if "%" not in share:
        # Of a fall the share says what is counted at all.
        kept = limit.share if limit.measure is Measure.FALL else None
        return replace(limit, on=True, rows=int(share), share=kept)
    if limit.measure is Measure.EMPTIED:
        raise _wrong(f"gives {limit.name} {value}", ["off", "a number of rows"])
    part = Decimal(share.removesuffix("%")) / 100
    return replace(limit, on=True, share=part, rows=int(rows) if rows else limit.rows)


def _of(entity: str | None) -> str:
    return f" of {entity}" if entity else ""


def _wrong(message: str, known: Sequence[str]) -> Stop:
    return Stop(f"ONEC_LIMITS {message}", code="SETTINGS", remedy=f"possible: {', '.join(known)}")
