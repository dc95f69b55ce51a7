"""Stored meanings of `$metadata`: one row per meaning, cheap when nothing is new, right whatever the order in which files arrive."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from onec_pipelines.entities import BY_NAME, ENTITIES
from onec_pipelines.ledger import schema_versions
from onec_pipelines.onec.metadata_document import restored
from onec_pipelines.onec.metadata_file import MetadataFile
from onec_pipelines.steps.drift import Severity
from onec_pipelines.steps.watch_schema import last_change, report, watch_schema
from onec_pipelines_tests.fixtures.schemas import GOODS, shipped_document
from onec_pipelines_tests.fixtures.tables import SYSTEM

START = datetime(2026, 1, 1, tzinfo=UTC)


def fetched(sha, *, hours=0):
    return MetadataFile(path=Path("nowhere"), sha256=sha, size=1, fetched_at=START + timedelta(hours=hours))


def without_sku():
    document = shipped_document()
    del document[GOODS]["type"]["properties"]["Артикул"]
    return document


@pytest.fixture
def watch(database):
    """Watch a fetched file that means `document`; without one it must not be parsed."""

    def run(file, document=None, entities=ENTITIES):
        def read():
            assert document is not None, "the file is parsed"
            return restored(document)

        return watch_schema(database, entities, system_name=SYSTEM, file=file, read=read)

    return run


def versions(tx):
    return tx.execute(
        "SELECT file_sha256, confirmed_at FROM integ.schema_versions WHERE system_name = %s ORDER BY id",
        (SYSTEM,),
    ).fetchall()


def test_the_first_meaning_is_stored_and_read_back(watch, tx):
    watched = watch(fetched("a"), shipped_document())

    assert (watched.is_new, watched.shown) == (True, None)
    assert watched.version.document == shipped_document()
    assert watched.version.fetched_at == START
    assert versions(tx) == [("a", START)]


def test_the_same_file_is_not_parsed_again_and_confirms_the_version(watch, tx):
    watch(fetched("a"), shipped_document())

    assert not watch(fetched("a", hours=5)).is_new
    assert versions(tx) == [("a", START + timedelta(hours=5))]


def test_another_file_of_the_same_meaning_is_no_new_version(watch, tx):
    watch(fetched("a"), shipped_document())

    assert not watch(fetched("b", hours=1), shipped_document()).is_new
    assert versions(tx) == [("b", START + timedelta(hours=1))]


def test_a_meaning_that_comes_back_is_a_version_again(watch, tx):
    watch(fetched("a"), shipped_document())
    watch(fetched("b", hours=1), without_sku())
    watch(fetched("a", hours=2), shipped_document())

    assert [row[0] for row in versions(tx)] == ["a", "b", "a"]


def test_the_older_copy_of_another_machine_changes_nothing(watch, tx):
    watch(fetched("a", hours=1), shipped_document())

    assert not watch(fetched("old")).is_new
    assert [row[0] for row in versions(tx)] == ["a"]


def test_bases_do_not_see_each_other(watch, tx, database):
    watch(fetched("a"), shipped_document())

    assert schema_versions.newest(tx, "another") is None


def test_two_processes_store_one_version(watch, tx):
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: watch(fetched("a"), shipped_document()).is_new, range(4)))

    assert sorted(found) == [False, False, False, True]
    assert len(versions(tx)) == 1


def test_a_report_compares_with_what_was_shown_last(watch, database):
    first = watch(fetched("a"), shipped_document())
    schema_versions.reported(database, first.version.id)
    watched = watch(fetched("b", hours=1), without_sku())

    found = report(ENTITIES, watched.version.document, watched.shown)

    assert found.since == watched.shown
    assert found.drifts[0].severity is Severity.BROKEN
    assert set(found.condition.broken) == {"products"}
    schema_versions.reported(database, watched.version.id)
    again = watch(fetched("b", hours=2))
    assert report(ENTITIES, again.version.document, again.shown).drifts == ()


def test_a_newly_declared_entity_is_no_drift_of_the_base(watch):
    few = [BY_NAME["brands"], BY_NAME["products"]]
    document = {name: shipped_document()[name] for name in ("Catalog_Марки", GOODS)}
    first = watch(fetched("a"), document, few)

    watched = watch(fetched("a", hours=1), shipped_document())

    assert watched.is_new
    assert watched.version.document.keys() > first.version.document.keys()
    assert report(ENTITIES, watched.version.document, first.version).drifts == ()


def test_the_last_change_is_against_the_stored_version_or_the_one_before_it(watch, database):
    def change(document):
        return last_change(database, ENTITIES, system_name=SYSTEM, metadata=restored(document))

    assert change(shipped_document()).since is None
    watch(fetched("a"), shipped_document())
    assert change(shipped_document()).since is None
    (gone,) = change(without_sku()).drifts
    assert gone.change.name == "Артикул"
    watch(fetched("b", hours=1), without_sku())
    assert change(without_sku()).drifts == (gone,)
