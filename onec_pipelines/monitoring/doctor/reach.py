"""The first question to 1C: is there anybody, may we in, and is anything published? One answer decides whether more is asked."""

from __future__ import annotations

from collections.abc import Iterator

from onec_pipelines.errors import PipelineError
from onec_pipelines.ledger.controls import quiet_hours, standing
from onec_pipelines.monitoring.doctor.findings import Finding, Severity, complaint, of_error, ok
from onec_pipelines.monitoring.doctor.patient import Patient
from onec_pipelines.onec.probe import why_unreachable

_MOST_SKEW_SECONDS = 60.0
_NO_WAY = frozenset({"ONEC_UNREACHABLE", "ONEC_CONNECTION_LOST"})


def allowed(patient: Patient) -> Iterator[Finding]:
    """Does a person want 1C left alone? An open breaker does not stop the doctor: he is called because of it."""
    settings = patient.settings
    found = standing(patient.stores(), settings.system, quiet_hours(settings.quiet_hours, settings.zone))
    if found.refusal is None:
        yield ok("throttle", f"calls are allowed, the breaker is {found.breaker}")
        return
    if found.pause is not None or found.quiet_until is not None:
        patient.prober = None
    yield of_error("throttle", found.refusal, severity=Severity.WARNING)


def first_call(patient: Patient) -> Iterator[Finding]:
    """The service document: names, connection, encryption, login, publication and composition show in this one answer."""
    prober = patient.asks()
    try:
        seen = prober.get("?$format=json")
    except PipelineError as error:
        patient.prober = None
        saw = f"{error.message}: {why_unreachable(prober.connection)}" if error.code in _NO_WAY else ""
        yield of_error("reach", error, saw=saw)
        return
    patient.first = seen
    if seen.error is not None:
        patient.prober = None
        yield _refused(seen.error, has_challenge="www-authenticate" in seen.headers)
        return
    yield ok("reach", f"1C answers in {seen.seconds:.2f} s and accepts the login")
    patient.published = frozenset(str(row.get("name")) for row in seen.rows)
    if not patient.published:
        patient.prober = None
        yield complaint(
            "publication", Severity.ERROR, "ONEC_COMPOSITION_EMPTY", "the service document lists no object"
        )
        return
    yield ok("publication", f"{len(patient.published)} sets are published")


def clock(patient: Patient) -> Iterator[Finding]:
    """Whether 1C's web server has our time."""
    skew = patient.first.skew_seconds if patient.first is not None else None
    if skew is None:
        yield ok("clock", "the web server does not tell its time")
    elif abs(skew) > _MOST_SKEW_SECONDS:
        way = "ahead of" if skew > 0 else "behind"
        yield complaint(
            "clock", Severity.WARNING, "CLOCK_SKEW", f"1C's clock is {abs(skew):.0f} s {way} ours"
        )
    else:
        yield ok("clock", "1C's clock agrees with ours")


def _refused(error: PipelineError, *, has_challenge: bool) -> Finding:
    """A refusal with the words that fit it best."""
    if error.code == "ONEC_AUTH":
        why = " (it wants a login)" if has_challenge else ""
        return of_error("login", error, saw=f"the login is not accepted{why}")
    if error.code == "ONEC_RIGHTS":
        return of_error(
            "login",
            error,
            saw="the login is right, but this 1C user may not use OData: the role УдаленныйДоступOData is missing",
        )
    return of_error("reach", error)
