"""How this base speaks OData (PROTOCOL §12): pages, formats. Asked of one set of plain objects that can be read."""

from __future__ import annotations

from collections.abc import Iterator

from onec_pipelines.monitoring.doctor.findings import Finding, Severity, complaint, of_error, ok
from onec_pipelines.monitoring.doctor.patient import Patient
from onec_pipelines.onec import query
from onec_pipelines.onec.query import SetQuery


def pages(patient: Patient) -> Iterator[Finding]:
    """Whether `$skip` is honoured, in the order of the full key."""
    resource, rows = patient.sample or ("", 0)
    first, second = (
        patient.asks().get(
            SetQuery(resource=resource, select=("Ref_Key",), orderby=("Ref_Key",), top=1, skip=skip).target()
        )
        for skip in (0, 1)
    )
    if first.error is not None or second.error is not None:
        error = first.error or second.error
        assert error is not None  # noqa: S101 - one of the two
        yield of_error("dialect", error, saw=f"{resource} cannot be read in pages: {error.message}")
        return
    honoured = first.rows != second.rows
    patient.learn(skip=honoured)
    if honoured:
        yield ok("dialect", f"$orderby by the key and $skip work ({resource}, {rows} rows)")
    else:
        yield complaint(
            "dialect",
            Severity.ERROR,
            "ONEC_SKIP_IGNORED",
            f"{resource}: the second page is the first one again",
            "Find what drops $skip between us and 1C (a rewrite rule, a cache); then run `onec doctor` again. Until then only sets that"
            " fit one page are read.",
        )


def page_limit(patient: Patient) -> Iterator[Finding]:
    """Does one answer hold as many rows as we ask for? One narrow request, of the largest set that was counted."""
    resource, rows = patient.sample or ("", 0)
    asked = patient.settings.page_rows
    products = patient.plans.get("products")
    if products is not None and "products" in patient.readable:
        counted = patient.asks().get(
            SetQuery(resource=products.resource, select=("Ref_Key",), top=0, inlinecount=True).target()
        )
        told = str(counted.document.get("odata.count", ""))
        if told.isdigit() and int(told) > rows:
            resource, rows = products.resource, int(told)
    if rows < asked:
        yield ok("dialect", f"no set with {asked} rows was met: whether pages are limited is not known")
        return
    seen = patient.asks().get(SetQuery(resource=resource, select=("Ref_Key",), top=asked).target())
    got = len(seen.rows)
    if seen.error is not None:
        yield of_error("dialect", seen.error, severity=Severity.WARNING)
    elif got < asked:
        patient.learn(page_rows=max(got, 1))
        yield complaint(
            "dialect",
            Severity.NOTE,
            "ONEC_PAGE_LIMIT",
            f"of {asked} rows of {resource} that were asked for, {got} came",
        )
    else:
        yield ok("dialect", f"pages of {asked} rows come whole")


def formats(patient: Patient) -> Iterator[Finding]:
    """JSON is what everything else is read in; Atom is what packets of an exchange plan come in."""
    resource, _ = patient.sample or ("", 0)
    seen = patient.asks().get(f"{query.entity_set(resource)}?$top=1", kind="atom")
    patient.learn(atom=seen.error is None and b"<feed" in seen.body[:2000])
    if patient.capabilities.atom:
        yield ok("dialect", "JSON and Atom are both spoken")
    else:
        why = seen.error.message if seen.error else "it is no feed"
        yield complaint(
            "dialect",
            Severity.NOTE if not patient.settings.exchange_plan else Severity.WARNING,
            "ONEC_NO_ATOM",
            f"Atom is not given: {why}",
        )
