"""Which base this is, and in which zone its clock is: the mistakes that fill a shop with somebody else's data (RELIABILITY 42)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from onec_pipelines.errors import PipelineError
from onec_pipelines.ledger import bases
from onec_pipelines.ledger.bases import Verdict
from onec_pipelines.monitoring.doctor.findings import Finding, Severity, complaint, of_error, ok
from onec_pipelines.monitoring.doctor.patient import Patient
from onec_pipelines.onec.marks import Marks, marked_set, marks_in, marks_query, place_of
from onec_pipelines.onec.query import SetQuery, all_of, moment

_SOON, _LATE = timedelta(minutes=10), timedelta(hours=14)
# Documents are often dated to the end of a day or a round hour by hand; a clock gives seconds.
_BY_HAND = frozenset({"00", "59"})


def base(patient: Patient) -> Iterator[Finding]:
    """Whether this is the base that has filled this database until now."""
    name, place = patient.settings.system, place_of(patient.settings.url)
    seen = marks_of(patient)
    known = bases.find(patient.stores(), name)
    if patient.forget_base:
        yield _forgotten(patient)
    if patient.accept_base:
        bases.accept(patient.stores(), system_name=name, place=place, seen=seen, by=patient.by)
        yield ok("base", f"{place} is {name} from now on, as {patient.by} says")
    elif known is None:
        bases.meet(patient.stores(), system_name=name, place=place, seen=seen, by=patient.by)
        yield ok("base", f"{place} is {name} from now on")
    else:
        verdict = known.judge(place, seen)
        if verdict in {Verdict.OTHER, Verdict.MOVED}:
            patient.write_probe = False  # nothing is written to a base that is not ours
            yield of_error("base", bases.refusal(known, verdict, place))
            return
        bases.meet(patient.stores(), system_name=name, place=place, seen=seen, by=patient.by)
        yield ok("base", f"{place} is {name}, as since {known.accepted_at:%Y-%m-%d}")
    twins = bases.twins(patient.stores(), name, seen) if seen is not None else []
    if twins:
        saw = ", ".join(f"{twin.system_name} ({twin.place})" for twin in twins)
        yield complaint("base", Severity.WARNING, "BASE_TWICE", f"the same objects are in {saw}")


def _forgotten(patient: Patient) -> Finding:
    name = patient.forget_base
    if name == patient.settings.system:
        return ok("base", f"{name} is the system of these settings and was not forgotten")
    if bases.forget(patient.stores(), system_name=patient.settings.system, name=name, by=patient.by):
        return ok("base", f"{name} is forgotten, as {patient.by} says; what was loaded under it stays")
    return ok("base", f"there was no {name} to forget")


def marks_of(patient: Patient) -> Marks | None:
    """The keys by which the base is known; None when it shows none."""
    known = bases.find(patient.stores(), patient.settings.system)
    resource = marked_set(patient.knows(), known.marks_of if known else None)
    if resource is None:
        return None
    answer = patient.asks().get(marks_query(resource))
    return marks_in(resource, answer.body) if answer.error is None else None


def zone(patient: Patient) -> Iterator[Finding]:
    """Has a document just been written whose time is still to come by ONEC_TIMEZONE? Then the zone lies too far west."""
    orders = patient.plans.get("orders")
    if orders is None or "orders" not in patient.readable:
        yield ok("time zone", f"{patient.settings.timezone}; no documents can be read to compare with")
        return
    local = patient.settings.zone
    now = datetime.now(UTC)
    soon = all_of(
        f"Date gt {moment(now + _SOON, local)}",
        f"Date lt {moment(now + _LATE, local)}",
        "DeletionMark eq false",
    )
    target = SetQuery(
        resource=orders.resource, select=("Date",), filter=soon, orderby=("Date",), top=20
    ).target()
    try:
        seen = patient.asks().get(target)
    except PipelineError as error:
        yield of_error("time zone", error, severity=Severity.WARNING)
        return
    future = [str(row.get("Date")) for row in seen.rows if str(row.get("Date"))[-2:] not in _BY_HAND]
    if future:
        yield complaint(
            "time zone",
            Severity.WARNING,
            "ONEC_TIMEZONE_DOUBTFUL",
            f"an order is dated {future[0]}, and by {patient.settings.timezone} it is {now.astimezone(local):%Y-%m-%dT%H:%M:%S}",
        )
    else:
        yield ok("time zone", f"{patient.settings.timezone}; no order is dated in the coming hours")
