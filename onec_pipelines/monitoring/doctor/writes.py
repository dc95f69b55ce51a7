"""With `--write-probe` only: whether the base keeps the keys that we choose, and obeys If-Match (PROTOCOL §4.1, §4.8).

One scratch partner is created under a key of ours and marked for deletion in the same breath. It stays in 1C, marked, and the next probe
finds it again instead of making another one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid5

from onec_pipelines.errors import PipelineError
from onec_pipelines.ledger import push_objects
from onec_pipelines.monitoring.doctor.findings import Finding, Severity, complaint, of_error, ok
from onec_pipelines.monitoring.doctor.patient import Patient
from onec_pipelines.onec import query
from onec_pipelines.onec.query import SetQuery, string

RESOURCE = "Catalog_Партнеры"
NAME = "onec doctor: пробная запись, можно удалить"
_NAMESPACE = UUID("5f0c7d0e-9a3b-5c1d-8e46-0d0c70e5c0de")
# No fresh object has it: those begin near zero (PROTOCOL §4.1).
_STALE = "//////////8="
_CHANGED = 412


def keys(patient: Patient) -> Iterator[Finding]:
    """Create, or find again, the scratch object; then leave it marked for deletion."""
    if patient.knows().find_set(RESOURCE) is None:
        yield complaint("write probe", Severity.WARNING, "PROBE_FAILED", f"{RESOURCE} is not published")
        return
    own = str(uuid5(_NAMESPACE, patient.settings.system))
    try:
        row = _found(patient, own)
        created = row is None
        row = _create(patient, own) if row is None else row
        key = str(row.get("Ref_Key")).lower()
        yield from _keys_findings(patient, honoured=key == own)
        yield from _clean_up(patient, key)
    except PipelineError as error:
        yield of_error("write probe", error, severity=Severity.WARNING)
        return
    made = "was created" if created else "was there from an earlier probe"
    yield ok("write probe", f"the scratch partner {key} {made} and is marked for deletion")


def _found(patient: Patient, own: str) -> dict[str, Any] | None:
    """The scratch object of an earlier probe, under our key or, where keys are ignored, under its name."""
    seen = patient.asks().get(query.entity(RESOURCE, own, select=("Ref_Key",)))
    if seen.error is None and seen.document.get("Ref_Key"):
        return seen.document
    if push_objects.honours_keys(patient.stores(), patient.settings.system) is not False:
        return (
            None  # also when a person had it forgotten after an update of the platform: then it is tried anew
        )
    by_name = SetQuery(resource=RESOURCE, select=("Ref_Key",), filter=f"Description eq {string(NAME)}", top=1)
    return next(iter(patient.asks().get(by_name.target()).rows), None)


def _create(patient: Patient, own: str) -> dict[str, Any]:
    seen = patient.asks().write(
        "POST",
        f"{query.entity_set(RESOURCE)}?$format=json",
        {"Ref_Key": own, "Description": NAME, "НаименованиеПолное": NAME},
    )
    if seen.error is not None:
        raise seen.error
    return seen.document


def _keys_findings(patient: Patient, *, honoured: bool) -> Iterator[Finding]:
    patient.learn(client_keys=honoured)
    push_objects.note_keys(patient.stores(), patient.settings.system, honoured=honoured)
    if honoured:
        yield ok("write probe", "keys that we choose are kept: an order cannot come twice")
    else:
        yield complaint("write probe", Severity.NOTE, "ONEC_KEYS_IGNORED", "the object got a key of 1C's own")


def _clean_up(patient: Patient, key: str) -> Iterator[Finding]:
    """Mark it, at first with a version that it surely does not have: that shows what If-Match is worth."""
    target = query.entity(RESOURCE, key)
    marked = {"DeletionMark": True}
    seen = patient.asks().write("PATCH", target, marked, headers={"If-Match": _STALE})
    patient.learn(if_match=seen.status == _CHANGED)
    if seen.status == _CHANGED:
        seen = patient.asks().write("PATCH", target, marked)
    if seen.error is not None:
        raise seen.error
    word = "obeyed" if patient.capabilities.if_match else "ignored; versions are compared by us"
    yield ok("write probe", f"If-Match is {word}")
