"""The check `schema_drift`: an error while something cannot be read, a warning once for what is altered, else passed with notes."""

from __future__ import annotations

import dagster as dg
import pytest

from onec_pipelines.definitions import build_definitions
from onec_pipelines.defs.schema import drift_check
from onec_pipelines.entities import ENTITIES
from onec_pipelines.onec.metadata_document import restored
from onec_pipelines.steps.drift import Condition, condition, drifts
from onec_pipelines.steps.watch_schema import Report
from onec_pipelines_tests.fixtures.schemas import GOODS, WANTED, shipped_document


def report(edit):
    after = shipped_document()
    edit(after[GOODS]["type"]["properties"])
    found = drifts(ENTITIES, restored(shipped_document()), restored(after), WANTED)
    return Report(since=None, drifts=found, condition=condition(ENTITIES, restored(after)))


@pytest.mark.parametrize(
    ("edit", "passed", "severity"),
    [
        (lambda goods: goods.update({"МойРеквизит": "Edm.String"}), True, None),
        (lambda goods: goods.pop("Описание"), False, dg.AssetCheckSeverity.WARN),
        (lambda goods: goods.pop("Артикул"), False, dg.AssetCheckSeverity.ERROR),
    ],
)
def test_the_gravest_change_decides(edit, passed, severity):
    result = drift_check(report(edit))

    assert result.passed is passed
    assert severity is None or result.severity is severity
    (record,) = result.metadata["changes"].records
    assert record.data["change"]


def test_what_is_broken_stays_an_error_when_the_change_was_told_long_ago():
    result = drift_check(
        Report(since=None, drifts=(), condition=Condition(broken={"products": "products: no sku"}))
    )

    assert (result.passed, result.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert result.metadata["broken_entities"].value == "products: no sku"


def test_a_release_without_an_optional_object_passes():
    after = shipped_document()
    after["Catalog_СтавкиНДС"]["type"] = None

    result = drift_check(Report(since=None, drifts=(), condition=condition(ENTITIES, restored(after))))

    assert result.passed
    assert "Catalog_СтавкиНДС is not published" in result.metadata["not_published"].value


def test_the_job_of_its_own_asks_1c_at_once():
    job = build_definitions().resolve_job_def("read_metadata")

    assert job.run_config["ops"]["onec_metadata"]["config"] == {"max_age_hours": 0.0}
