"""ways: what a run is asked to do, whether that can be done, and which way of reading is taken. Nothing is read here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from onec_pipelines.errors import Stop
from onec_pipelines.spec import Entity, Layer, Reading, Way
from onec_pipelines.steps.demand import asked_field
from onec_pipelines.steps.windows import Window


@dataclass(frozen=True, kw_only=True)
class Ask:
    """What a run is asked to do; see `inbound`."""

    layers: frozenset[Layer]
    only: tuple[str, ...] | None = None
    window: Window | None = None
    way: Way | None = None
    brake: bool = True
    dry_run: bool = False

    @property
    def job_type(self) -> str:
        """The word for `sync_jobs`."""
        if self.dry_run:
            return "dry_run"
        if Layer.RAW in self.layers:
            return "inbound"
        return "replay" if Layer.CLEAN in self.layers else "merge"


def check_ask(entity: Entity, ask: Ask) -> None:
    """Raise Stop WRONG_ASK, NOT_ON_DEMAND or WAY_NOT_POSSIBLE for what cannot be done."""
    given = [ask.only is not None, ask.window is not None, ask.way is not None]
    if sum(given) > 1:
        raise _wrong("only, window and way exclude each other")
    if ask.only is not None:
        if not {Layer.RAW, Layer.CLEAN} <= ask.layers:
            raise _wrong("reading single keys fills raw and clean: both layers are needed")
        asked_field(entity)
    if ask.window is not None and Layer.RAW in ask.layers and entity.source.window is None:
        raise _wrong(f"{entity.name} has no date by which it is read in windows")
    if ask.dry_run and Layer.SHOP not in ask.layers:
        raise _wrong("a dry run says what would become of the shop: that layer is needed")
    if ask.way is not None:
        check_way(entity, ask.way)


def choose(entity: Entity, reading: Mapping[str, str], way: Way | None) -> Way:
    """The way that is taken: the one asked for, else that of the settings, else the entity's own. Raises Stop WAY_NOT_POSSIBLE."""
    chosen = way or (Way(reading[entity.name]) if entity.name in reading else default_way(entity))
    check_way(entity, chosen)
    return chosen


def default_way(entity: Entity) -> Way:
    """How the entity is read when nobody says otherwise."""
    if entity.way is not None:
        return entity.way
    return Way.WINDOWS if entity.source.window or entity.source.follow else Way.SNAPSHOT


def possible_ways(entity: Entity) -> tuple[Way, ...]:
    """What the declaration allows; what the base can do shows in the run."""
    found = [Way.SNAPSHOT]
    if has_versions(entity):
        found.append(Way.VERSIONS)
    if has_versions(entity) or names_what_it_is_about(entity):
        found.append(Way.CHANGES)
    if entity.source.window or entity.source.follow:
        found.append(Way.WINDOWS)
    return tuple(found)


def has_versions(entity: Entity) -> bool:
    """Whether its objects carry a `DataVersion` and are read from a set: registers have none (PROTOCOL §7.2)."""
    names = {field.name for field in entity.fields}
    return entity.key == ("ref",) and "data_version" in names and entity.source.reading is Reading.PAGED


def names_what_it_is_about(entity: Entity) -> bool:
    """Whether it is a register of which a packet can say which rows to read anew (`steps/record_sets.py`)."""
    source = entity.source
    registers = ("AccumulationRegister_", "InformationRegister_")
    return source.narrow is not None and all(name.startswith(registers) for name in source.resources)


def check_way(entity: Entity, way: Way) -> None:
    """Raise Stop WAY_NOT_POSSIBLE when the entity cannot be read so."""
    if way not in possible_ways(entity):
        raise Stop(
            f"{entity.name} cannot be read by {way.value}",
            code="WAY_NOT_POSSIBLE",
            remedy=f"Possible: {', '.join(one.value for one in possible_ways(entity))}.",
        )


def check_reading(entities: Iterable[Entity], reading: Mapping[str, str]) -> None:
    """Raise Stop SETTINGS when ONEC_READING names an entity that there is not or a way that it cannot be read in."""
    by_name = {entity.name: entity for entity in entities}
    for name, way in reading.items():
        if name not in by_name:
            raise Stop(
                f"ONEC_READING names {name}, which is no entity",
                code="SETTINGS",
                remedy=f"known: {', '.join(by_name)}",
            )
        check_way(by_name[name], Way(way))


def _wrong(message: str) -> Stop:
    return Stop(message, code="WRONG_ASK", remedy="`onec sync --help` says what goes together.")
