"""The run of the suites: Great Expectations inside PostgreSQL, no table in memory. The only place that imports it, and not before it runs.

Importing takes seconds and hundreds of megabytes (DAGSTER.md §1.8), which no sync may pay.
"""

from __future__ import annotations

import contextlib
import io
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from sqlalchemy import text

from onec_pipelines.db.engine import Database
from onec_pipelines.db.urls import data_url
from onec_pipelines.monitoring.expectations.data_docs import tidy
from onec_pipelines.monitoring.expectations.model import Expectation, Finding, Form, Severity, Suite

_SAMPLE = 10
_SITE = "audit"
_ID = "onec"
# Counts only: neither values nor rows leave PostgreSQL.
_FORMAT = {"result_format": "SUMMARY", "exclude_unexpected_values": True, "partial_unexpected_count": 0}
_CLASSES = {
    Form.NOT_NULL: "ExpectColumnValuesToNotBeNull",
    Form.BETWEEN: "ExpectColumnValuesToBeBetween",
    Form.LENGTH: "ExpectColumnValueLengthsToBeBetween",
    Form.IN_SET: "ExpectColumnValuesToBeInSet",
    Form.ROW_COUNT: "ExpectTableRowCountToBeBetween",
    Form.FILLED: "ExpectColumnProportionOfNonNullValuesToBeBetween",
    Form.MEAN: "ExpectColumnMeanToBeBetween",
}
_BOUNDED = frozenset({Form.BETWEEN, Form.LENGTH, Form.ROW_COUNT, Form.FILLED, Form.MEAN})


def audit(database: Database, suites: Sequence[Suite], *, docs: Path | None = None) -> list[Finding]:
    """Run the suites and say what became of each expectation, in their order.

    With `docs` the Data Docs are built in that folder. An expectation that cannot be evaluated is a failed finding with the
    reason, not an error: the others go on.
    """
    results = _run(database.url, suites, docs)
    found = []
    for suite in suites:
        for number, expectation in enumerate(suite.expectations):
            result = results.get(f"{suite.name}/{number}", {})
            finding = _finding(suite, expectation, result)
            found.append(finding if finding.passed else _with_sample(database, suite, finding))
    return found


def _run(url: str, suites: Sequence[Suite], docs: Path | None) -> dict[str, Mapping[str, Any]]:
    """Results by `suite/number of the expectation`."""
    found: dict[str, Mapping[str, Any]] = {}
    with _quiet():
        # Set before the first import: nothing is told to anybody.
        os.environ["GX_ANALYTICS_ENABLED"] = "false"
        import great_expectations as gx  # noqa: PLC0415 - see above

        # Its stubs know less than it does.
        context: Any = gx.get_context(mode="ephemeral")
        context.variables.progress_bars = {"globally": False, "metric_calculations": False}
        source = context.data_sources.add_sql(
            "shop",
            connection_string=data_url(url),
            kwargs={"connect_args": {"application_name": "onec_quality"}},
        )
        validations = [_validation(gx, context, source, suite) for suite in suites]
        checkpoint = context.checkpoints.add(
            gx.Checkpoint(name=_SITE, validation_definitions=validations, result_format=_FORMAT)
        )
        outcome = checkpoint.run()
        if docs is not None:
            _build_docs(context, docs)
        # It keeps its engines for the life of the process; their connections need not stay.
        for engine in {id(one): one for one in _engines(source, validations)}.values():
            engine.dispose()
    for result in outcome.run_results.values():
        for one in result.results:
            found[one.expectation_config.meta[_ID]] = _plain(one)
    return found


def _engines(source: Any, validations: Sequence[Any]) -> Iterator[Any]:
    for one in [source, *(validation.data.data_asset.datasource for validation in validations)]:
        yield one.get_engine()
        yield one.get_execution_engine().engine


def _validation(gx: Any, context: Any, source: Any, suite: Suite) -> Any:
    batch = source.add_query_asset(suite.name, query=suite.batch).add_batch_definition_whole_table(
        "live rows"
    )
    made = context.suites.add(
        gx.ExpectationSuite(
            suite.name,
            expectations=[
                _expectation(gx.expectations, one, f"{suite.name}/{number}")
                for number, one in enumerate(suite.expectations)
            ],
        )
    )
    return context.validation_definitions.add(
        gx.ValidationDefinition(name=suite.name, data=batch, suite=made)
    )


def _expectation(gxe: Any, one: Expectation, identity: str) -> Any:
    common = {
        "meta": {_ID: identity, "check": one.check},
        "notes": f"{one.check}: {one.words} {one.remedy}",
        "severity": "critical" if one.severity is Severity.ERROR else "warning",
    }
    column = one.columns[0] if one.columns else None
    bounds: dict[str, Any] = {"min_value": one.minimum, "max_value": one.maximum}
    if one.form is Form.ROWS:
        # It fills in `{batch}` by format(): braces of ours are doubled.
        query = one.rows.replace("{", "{{").replace("}", "}}")
        return gxe.UnexpectedRowsExpectation(unexpected_rows_query=query, description=one.words, **common)
    arguments: dict[str, Any] = bounds if one.form in _BOUNDED else {}
    if one.form is Form.IN_SET:
        arguments = {"value_set": list(one.choices)}
    if column is not None:
        arguments["column"] = column
    return getattr(gxe, _CLASSES[one.form])(**arguments, **common)


def _plain(result: Any) -> dict[str, Any]:
    errors = _messages(result.exception_info)
    return {"success": bool(result.success), "result": dict(result.result or {}), "error": next(errors, "")}


def _messages(info: Any) -> Iterator[str]:
    """What was raised, in one line each: the document has one level or one for each metric."""
    for one in [info, *info.values()] if isinstance(info, Mapping) else []:
        if isinstance(one, Mapping) and one.get("raised_exception") and one.get("exception_message"):
            # The lines after the first quote the statement and its values.
            yield str(one["exception_message"]).splitlines()[0][:300]


def _finding(suite: Suite, expectation: Expectation, result: Mapping[str, Any]) -> Finding:
    made = Finding(entity=suite.entity, table=suite.table, expectation=expectation, passed=False)
    if not result or result["error"]:
        return replace(made, error=result.get("error") or "it was not evaluated")
    figures = result["result"]
    observed = figures.get("observed_value")
    if expectation.rows:
        counted = observed if expectation.form is Form.ROWS else figures.get("unexpected_count", 0)
        return replace(made, passed=result["success"], rows=int(counted or 0))
    if observed is None:
        # No rows, no mean.
        return replace(made, passed=True)
    return replace(made, passed=result["success"], observed=float(observed))


def _with_sample(database: Database, suite: Suite, finding: Finding) -> Finding:
    if not finding.rows:
        return finding
    rows = finding.expectation.rows
    with database.transaction() as connection:
        ids = connection.execute(text(f"SELECT DISTINCT x.id FROM ({rows}) x ORDER BY 1 LIMIT {_SAMPLE}"))
        sample = tuple(str(row[0]) for row in ids)
        days = {}
        if suite.day is not None and all(one.partition(":")[0].isdecimal() for one in sample):
            counted = connection.execute(text(suite.day.replace("{rows}", rows)))
            days = {str(day): int(count) for day, count in counted}
    return replace(finding, sample=sample, days=days)


def _build_docs(context: Any, folder: Path) -> None:
    context.add_data_docs_site(
        site_name=_SITE,
        site_config={
            "class_name": "SiteBuilder",
            "show_how_to_buttons": False,
            "store_backend": {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(folder)},
            "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
        },
    )
    context.build_data_docs(site_names=[_SITE])
    tidy(folder)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """It warns of its own dependencies and prints hints that are none of the reader's."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield
