"""What the base publishes against what the entities read: `$metadata`, resolution with the exact missing names, and rights set by set."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO

from onec_pipelines.errors import PipelineError
from onec_pipelines.ledger import metadata_cache
from onec_pipelines.monitoring.doctor.findings import Finding, Severity, complaint, of_error, ok
from onec_pipelines.monitoring.doctor.patient import Patient
from onec_pipelines.onec import query
from onec_pipelines.onec.marks import CANDIDATES
from onec_pipelines.onec.metadata import parse_metadata
from onec_pipelines.onec.metadata_file import base_key, cached_metadata, check_ends, keep_metadata
from onec_pipelines.onec.metadata_model import Metadata
from onec_pipelines.onec.probe import Prober, Seen
from onec_pipelines.spec import Entity
from onec_pipelines.steps.drift import condition
from onec_pipelines.steps.resolve import Plan, resolve

_FRESH = timedelta(hours=24)
_NOWHERE = "00000000-0000-0000-0000-000000000000"


def metadata(patient: Patient) -> Iterator[Finding]:
    """Have `$metadata`: what is kept, as long as it names what the service document names and every entity finds its fields in it."""
    prober, folder = patient.asks(), patient.settings.home / "metadata"
    kept = _kept(patient, folder)
    if kept is not None and _agrees(kept, patient):
        patient.metadata = kept
        yield ok("metadata", "the $metadata that is kept names what is published now")
        return
    try:
        patient.metadata = _fetch(patient, prober, folder)
    except PipelineError as error:
        yield of_error("metadata", error)
        return
    yield ok("metadata", f"$metadata was fetched: {len(patient.metadata.sets)} sets")


def resolution(patient: Patient) -> Iterator[Finding]:
    """Does every entity find its set and fields? Says which alternatives are chosen and exactly what is missing."""
    found = condition(patient.entities, patient.knows())
    for name, why in found.broken.items():
        yield complaint("fields", Severity.ERROR, found.codes[name], why)
    for why in found.skipped.values():
        yield complaint("fields", Severity.NOTE, "ONEC_NOT_PUBLISHED", f"{why}; it may be absent")
    empty = [
        f"{name}: {', '.join(fields)}"
        for name, missing in found.missing.items()
        if (fields := _felt(next(one for one in patient.entities if one.name == name), missing))
    ]
    if empty:
        yield complaint(
            "fields", Severity.NOTE, "ONEC_FIELDS_MISSING", f"these stay empty: {'; '.join(empty)}"
        )
    for entity in patient.entities:
        if entity.name not in found.broken and entity.name not in found.skipped:
            patient.plans[entity.name] = resolve(entity, patient.knows())
    chosen = [
        f"{name} reads {plan.resource}"
        for name, plan in patient.plans.items()
        if len(plan.entity.source.resources) > 1
    ]
    yield ok(
        "fields",
        f"{len(patient.plans)} of {len(patient.entities)} entities find their fields; {', '.join(chosen) or 'no alternatives'}",
    )


def _felt(entity: Entity, missing: Sequence[str]) -> list[str]:
    """The missing fields without those that another one of their group stands for."""
    spared = {name for group in entity.any_of if not set(group) <= set(missing) for name in group}
    return [name for name in missing if name not in spared]


def rights(patient: Patient) -> Iterator[Finding]:
    """May the user read every set that is needed, and all its rows? One narrow request for each set."""
    asked: dict[str, PipelineError | None] = {}
    bad = 0
    for name, plan in patient.plans.items():
        if plan.resource not in asked:
            asked[plan.resource] = _refusal(patient.asks(), _narrow(plan))
        refusal = asked[plan.resource]
        if refusal is None:
            patient.readable.append(name)
            continue
        bad += 1
        yield _unreadable(patient, plan, refusal)
    if not bad:
        yield ok("rights", f"all {len(asked)} sets can be read")


def sample(patient: Patient) -> Iterator[Finding]:
    """Choose a set of plain objects to try the dialect on: the first that has two rows at least, as `/$count` or `$inlinecount` says."""
    prober = patient.asks()
    for name in patient.readable:
        plan = patient.plans[name]
        if plan.key != ("Ref_Key",) or plan.entity.source.function is not None:
            continue
        counted, inline = _counts(prober, plan.resource)
        patient.learn(count=counted is not None, inlinecount=inline is not None)
        rows = counted if counted is not None else inline
        if rows is None or rows > 1:
            patient.sample = (plan.resource, rows or 0)
            yield from _count_findings(patient, plan.resource, rows)
            return


def _count_findings(patient: Patient, resource: str, rows: int | None) -> Iterator[Finding]:
    if rows is None:
        yield complaint("dialect", Severity.WARNING, "ONEC_NO_COUNT", f"{resource}: no way of counting works")
    elif not patient.capabilities.count:
        yield complaint("dialect", Severity.NOTE, "ONEC_COUNT_REFUSED", f"{resource}/$count is refused")
    else:
        also = "" if patient.capabilities.inlinecount else ", $inlinecount does not"
        yield ok("dialect", f"/$count works{also}")


def _counts(prober: Prober, resource: str) -> tuple[int | None, int | None]:
    """What `/$count` and `$inlinecount` say."""
    by_path = _number(prober.get(query.count(resource), kind="count"))
    seen = prober.get(
        query.SetQuery(resource=resource, select=("Ref_Key",), top=1, inlinecount=True).target()
    )
    told = str(seen.document.get("odata.count", ""))
    return by_path, int(told) if told.isdigit() else None


def _number(seen: Seen) -> int | None:
    text = seen.body.decode("utf-8-sig", "replace").strip()
    return int(text) if seen.error is None and text.isdigit() else None


def _refusal(prober: Prober, target: str) -> PipelineError | None:
    """Why an address cannot be read, None when it can."""
    try:
        return prober.get(target).error
    except PipelineError as error:
        return error


def _narrow(plan: Plan) -> str:
    """The cheapest read of a plan's source: one row of objects; of registers, which 1C reads whole (PROTOCOL §10), no row at all."""
    source = plan.entity.source
    wires = dict(plan.columns)
    narrow = wires.get(source.narrow or "", "")
    nothing = f"{narrow} eq {query.guid(_NOWHERE)}" if narrow.endswith("_Key") else None
    if source.function is not None:
        return query.virtual_table(plan.resource, source.function, condition=nothing, top=1)
    if source.window is not None and not plan.resource.startswith("Document_"):
        nothing = f"{wires[source.window]} gt {query.moment(datetime(3999, 1, 1))}"  # noqa: DTZ001 - the base's clock
    first = (plan.key or tuple(wires.values()))[:1]
    return query.SetQuery(resource=plan.resource, select=first, filter=nothing, top=1).target()


def _unreadable(patient: Patient, plan: Plan, error: PipelineError) -> Finding:
    entity = f"{plan.entity.name} ({plan.resource})"
    if error.code != "ONEC_RIGHTS" or plan.entity.source.function is not None:
        return of_error("rights", error, saw=f"{entity} cannot be read: {error.message}")
    target = query.SetQuery(resource=plan.resource, select=plan.key[:1], top=1, allowed_only=True).target()
    if patient.asks().get(target).error is None:
        patient.learn(allowed_only=True)
        return complaint(
            "rights", Severity.ERROR, "ONEC_ROWS_HIDDEN", f"{entity}: rows are hidden from the 1C user"
        )
    return of_error("rights", error, saw=f"{entity}: the 1C user may not read it")


def _kept(patient: Patient, folder: Path) -> Metadata | None:
    file = cached_metadata(folder, base=patient.asks().connection.base)
    if file is None or datetime.now(UTC) - file.fetched_at > _FRESH:
        return None
    try:
        return parse_metadata(file.path)
    except PipelineError:
        return None


def _agrees(kept: Metadata, patient: Patient) -> bool:
    """Whether what is kept still holds. Not when anything is amiss in it: that may have been mended since."""
    if condition(patient.entities, kept).broken:
        return False
    wanted = {name for entity in patient.entities for name in entity.source.resources}
    wanted |= {*CANDIDATES, patient.settings.exchange_plan}
    return all((name in patient.published) == (name in kept.sets) for name in wanted)


def _fetch(patient: Patient, prober: Prober, folder: Path) -> Metadata:
    seen = prober.get("$metadata", kind="xml")
    if seen.error is not None:
        raise seen.error

    def write(sink: BinaryIO) -> None:
        sink.write(seen.body)
        check_ends(sink)

    parsed = parse_metadata(seen.body)
    file = keep_metadata(write, folder, base=prober.connection.base)
    if patient.database is not None and patient.migrated:
        metadata_cache.keep(
            patient.database,
            file,
            system_name=patient.settings.system,
            base=base_key(prober.connection.base),
        )
    return parsed
