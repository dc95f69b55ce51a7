"""The exchange plan that is ours: published, readable, with a node of ours (PROTOCOL §7.1)."""

from __future__ import annotations

from collections.abc import Iterator

from onec_pipelines.errors import PipelineError
from onec_pipelines.monitoring.doctor.findings import Finding, Severity, complaint, of_error, ok
from onec_pipelines.monitoring.doctor.patient import Patient
from onec_pipelines.onec.query import SetQuery


def node(patient: Patient) -> Iterator[Finding]:
    """Whether the plan is published and has one node with the code or GUID of the settings."""
    settings = patient.settings
    plan = settings.exchange_plan
    if not plan:
        yield ok("exchange plan", "none is set: changes are found by versions and windows")
        return
    if plan not in patient.published:
        near = ", ".join(sorted(name for name in patient.published if name.startswith("ExchangePlan_")))
        yield complaint(
            "exchange plan",
            Severity.ERROR,
            "ONEC_NOT_PUBLISHED",
            f"{plan} is not published; published plans: {near or 'none'}",
        )
        return
    try:
        seen = patient.asks().get(
            SetQuery(resource=plan, select=("Ref_Key", "Code", "Description", "DeletionMark")).target()
        )
    except PipelineError as error:
        yield of_error("exchange plan", error)
        return
    if seen.error is not None:
        yield of_error("exchange plan", seen.error)
        return
    rows = [row for row in seen.rows if row.get("DeletionMark") is not True]
    wanted = settings.exchange_node.strip()
    found = [
        row
        for row in rows
        if wanted
        and wanted.lower() in {str(row.get("Ref_Key")).lower(), str(row.get("Code")).strip().lower()}
    ]
    if len(found) == 1:
        yield ok("exchange plan", f"{plan} has the node {wanted}")
        return
    codes = ", ".join(sorted(f"{str(row.get('Code')).strip()} ({row.get('Description')})" for row in rows))
    yield complaint(
        "exchange plan",
        Severity.ERROR,
        "ONEC_NODE_UNKNOWN",
        f"{plan} has {len(found)} nodes {wanted!r}; there are: {codes or 'none'}",
        "Set ONEC_EXCHANGE_NODE to the code or GUID of the node that is ours.",
    )
