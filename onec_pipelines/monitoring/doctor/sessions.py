"""Sessions of 1C: how they are reused, how long one takes to start, and whether the pool bears as many calls as we make at once."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from onec_pipelines.errors import PipelineError
from onec_pipelines.monitoring.doctor.findings import Finding, Severity, complaint, of_error, ok
from onec_pipelines.monitoring.doctor.patient import Patient
from onec_pipelines.onec.probe import Seen
from onec_pipelines.onec.query import SetQuery

_SHORTAGE = frozenset({"ONEC_POOL_FULL", "ONEC_NO_LICENCE", "ONEC_OVERLOAD"})
_MOST = 8


def mode(patient: Patient) -> Iterator[Finding]:
    """`autouse` or `use`, as the first answer showed, and what the first call cost."""
    prober = patient.asks()
    if prober.session_mode != "auto":
        patient.learn(session_mode=prober.session_mode)
    took = patient.first.seconds if patient.first is not None else 0.0
    if took > patient.slow_seconds:
        yield complaint(
            "sessions", Severity.NOTE, "ONEC_SLOW_START", f"the first call took {took:.1f} s (cold start)"
        )
    words = {
        "use": "1C gives a session when asked (reuseSessions=use); we carry its cookie and end it",
        "autouse": "1C gives no session of its own: autouse, or dontuse where each call starts one",
    }
    yield ok("sessions", words.get(prober.session_mode, "not known"))


def pool(patient: Patient) -> Iterator[Finding]:
    """As many tiny calls at once as the pipeline makes at most: does each get a session? A handful, once."""
    wanted = min(patient.settings.max_sessions, _MOST)
    resource, _ = patient.sample or ("", 0)
    if wanted < 2 or not resource:  # noqa: PLR2004 - one call is never too many
        yield ok("sessions", "one call at a time")
        return
    with ThreadPoolExecutor(wanted, thread_name_prefix="onec-doctor") as executor:
        answers = list(executor.map(lambda _: _tiny(patient, resource), range(wanted)))
    refused = [error for error in answers if error is not None and error.code in _SHORTAGE]
    if not refused:
        patient.learn(sessions=None)
        yield ok(
            "sessions",
            f"{wanted} calls at once are borne (ONEC_MAX_SESSIONS={patient.settings.max_sessions})",
        )
        return
    borne = max(wanted - len(refused), 1)
    patient.learn(sessions=borne)
    yield of_error(
        "sessions",
        refused[0],
        severity=Severity.WARNING,
        saw=f"of {wanted} calls at once {len(refused)} were refused; from now on at most {borne} are made",
    )


def _tiny(patient: Patient, resource: str) -> PipelineError | None:
    try:
        seen: Seen = patient.asks().get(SetQuery(resource=resource, select=("Ref_Key",), top=1).target())
    except PipelineError as error:
        return error
    return seen.error
