"""Advice rests on numbers: each rule on measurements that ask for it, that do not, and that are too few."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest

from onec_pipelines.ledger.measurements import (
    Cadence,
    Durations,
    Load,
    Measurements,
    Pages,
    Refused,
    SlowCall,
)
from onec_pipelines.monitoring.advice import advise, best_rows, nice, throughput
from onec_pipelines.monitoring.advice_words import catalogue
from onec_pipelines.monitoring.slowness import why

AT = datetime(2026, 5, 4, tzinfo=UTC)


def measured(**changes) -> Measurements:
    given = {"pages": [], "loads": [], "cadences": [], "durations": [], "slow": [], "refused": [], "calls": 0}
    return Measurements(**(given | changes))


def pages(**changes) -> Pages:
    given = {
        "entity_type": "products",
        "pages": 40,
        "least_rows": 100,
        "most_rows": 2000,
        "base_ms": 50.0,
        "ms_per_row": 1.0,
        "fit": 0.95,
        "bytes_per_row": 600.0,
        "near_ms": 1.0,
        "far_ms": 1.1,
        "far_skip": 30_000.0,
    }
    return Pages(**(given | changes))


def found(topic, measurements, **settings):
    given = {"page_rows": 1000, "max_sessions": 4} | settings
    return [one for one in advise(measurements, **given) if one.topic == topic]


def slow_call(request, **changes) -> SlowCall:
    given = {
        "resource": request.split("?")[0],
        "request": f"GET {request}",
        "seconds": 20.0,
        "wire_bytes": 1000,
        "error_code": "",
        "requested_at": AT,
        "times": 2,
    }
    return SlowCall(**(given | changes))


def test_an_empty_database_gets_no_advice_but_the_truth_that_there_is_not_enough_data():
    advices = advise(measured(), page_rows=1000, max_sessions=4)
    assert {one.topic for one in advices} == {"page_size", "concurrency", "cadence", "slow", "trend"}
    assert {one.verdict for one in advices} == {"no_data"}
    assert all("not enough data" in one.text("en") and "мало данных" in one.text("ru") for one in advices)


@pytest.mark.parametrize(
    ("changes", "rows"),
    [
        ({"base_ms": 200.0, "ms_per_row": 1.0}, 1800),  # fixed cost is a tenth at nine times 200 ms
        ({"ms_per_row": 50.0, "base_ms": 5000.0}, 100),  # ten seconds
        ({"bytes_per_row": 20_000.0, "base_ms": 5000.0}, 105),  # two megabytes
        ({"fit": 0.05}, 1000),  # rows do not explain the time
        ({"ms_per_row": 5000.0, "base_ms": 20_000.0}, 10),  # never below ten
    ],
)
def test_the_best_page_is_small_enough_in_bytes_and_time_and_large_enough_for_its_fixed_cost(changes, rows):
    assert round(best_rows(pages(**changes))) == pytest.approx(rows, rel=0.01)


def test_the_page_size_is_advised_only_when_it_is_far_off():
    one = pages(base_ms=200.0)
    assert next(iter(found("page_size", measured(pages=[one]), page_rows=1000))).verdict == "fine"
    (advice, _) = found("page_size", measured(pages=[one]), page_rows=100)
    assert advice.verdict == "change"
    assert advice.numbers["wanted"] == 1800
    assert "ONEC_PAGE_ROWS=1800" in advice.text("en")


def test_pages_of_one_size_say_nothing_about_other_sizes():
    same = pages(least_rows=1000, most_rows=1000, base_ms=None, ms_per_row=None, fit=None)
    assert [one.verdict for one in found("page_size", measured(pages=[same]))] == ["no_data"]


def test_deep_skip_is_told_with_what_a_row_costs_there():
    (advice,) = found("skip", measured(pages=[pages(near_ms=1.0, far_ms=3.2)]))
    assert advice.verdict == "change"
    assert advice.numbers["times"] == 3.2
    assert "ONEC_READING" in advice.text("en")
    assert found("skip", measured(pages=[pages(far_ms=1.5)])) == []


def loads(latency, calls=100, resource="Catalog_X"):
    return [
        Load(resource=resource, in_flight=level, calls=calls, seconds=calls * seconds)
        for level, seconds in latency.items()
    ]


def test_throughput_compares_each_resource_with_itself():
    both = loads({1: 1.0, 2: 1.0}) + loads({1: 10.0, 2: 20.0}, resource="Slow")
    assert throughput(both) == {1: 1.0, 2: 1.5}


@pytest.mark.parametrize(
    ("latency", "words", "wanted"),
    [
        ({1: 1.0, 2: 1.0, 4: 1.1}, "concurrency_all_used", 4),
        ({1: 1.0, 2: 1.0, 4: 2.1}, "concurrency_less", 2),
        ({1: 1.0, 2: 1.0}, "concurrency_fine", 2),
    ],
)
def test_calls_at_once_are_worth_as_much_as_they_bring(latency, words, wanted):
    (advice,) = found("concurrency", measured(loads=loads(latency), calls=300))
    assert (advice.words, advice.numbers["wanted"]) == (words, wanted)


def test_refusals_for_want_of_sessions_outweigh_any_throughput():
    given = measured(
        loads=loads({1: 1.0, 4: 1.0}), calls=300, refused=[Refused(code="ONEC_POOL_FULL", calls=30)]
    )
    (advice,) = found("concurrency", given)
    assert advice.verdict == "change"
    assert advice.numbers["wanted"] == 2
    assert "30 of 300" in advice.text("en")


def test_few_calls_give_no_advice_on_concurrency():
    (advice,) = found("concurrency", measured(loads=loads({1: 1.0, 2: 1.0}, calls=5), calls=10))
    assert advice.verdict == "no_data"


def cadence(**changes) -> Cadence:
    given = {
        "entity_type": "brands",
        "runs": 100,
        "with_changes": 30,
        "median_seconds": 5.0,
        "median_interval": 600.0,
        "requests": 3.0,
    }
    return Cadence(**(given | changes))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"with_changes": 1}, "cadence_less"),
        ({"with_changes": 99}, "cadence_more"),
        ({"median_seconds": 500.0}, "cadence_too_long"),
    ],
)
def test_cadence_follows_what_changes_and_what_a_run_takes(changes, words):
    (advice,) = found("cadence", measured(cadences=[cadence(**changes)]))
    assert advice.words == words
    assert "brands" in advice.text("ru")


def test_a_cadence_that_fits_is_left_alone_and_too_few_runs_say_so():
    assert found("cadence", measured(cadences=[cadence()])) == []
    assert [a.verdict for a in found("cadence", measured(cadences=[cadence(runs=5)]))] == ["no_data"]


@pytest.mark.parametrize(
    ("request_text", "cause"),
    [
        ("Document_X?$top=1000&$skip=48000", "deep_skip"),
        ("AccumulationRegister_X/Balance?$format=json", "unselective_virtual"),
        (
            "AccumulationRegister_X/Balance(Period=datetime'2026-01-01T00:00:00')?$format=json",
            "unselective_virtual",
        ),
        ("InformationRegister_X?$top=1000", "register_whole"),
        ("Catalog_X?$expand=Владелец", "expand"),
        ("Catalog_X?$filter=substringof('*', Description)", "text_search"),
        ("Catalog_X/$count", "count"),
    ],
)
def test_the_text_of_a_request_tells_why_it_is_slow(request_text, cause):
    assert cause in list(why(slow_call(request_text)))


def test_a_request_that_nothing_is_wrong_with_is_not_blamed():
    selective = "AccumulationRegister_X/Balance(Condition='Склад_Key eq guid''…''')?$format=json"
    assert list(why(slow_call(selective))) == ["unknown"]
    assert list(why(slow_call("Catalog_X?$top=100&$skip=200"))) == ["unknown"]


def test_a_slow_call_is_told_with_its_request_and_causes():
    call = slow_call("Document_X?$top=1000&$skip=48000")
    (advice,) = found("slow", measured(slow=[call], calls=100))
    assert "$skip=48000" in advice.text("en")
    assert "20.0 s" in advice.text("en")
    assert "Глубокий $skip" in advice.text("ru")


def durations(before, now, rows_now=100) -> Durations:
    return Durations(
        entity_type="prices",
        way="snapshot",
        whole=True,
        seconds=[before] * 20 + [now] * 7,
        rows=[100] * 20 + [rows_now] * 7,
    )


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (durations(10.0, 25.0), "trend_slower"),
        (durations(10.0, 25.0, rows_now=260), "trend_rows"),
        (durations(10.0, 12.0), "trend_none"),
        (durations(0.1, 0.9), "trend_none"),  # nobody minds
        (Durations(entity_type="x", way="", whole=True, seconds=[1.0] * 9, rows=[1] * 9), "trend_no_data"),
    ],
)
def test_growing_durations_are_told_with_the_rows_that_explain_them_or_do_not(given, words):
    assert [one.words for one in found("trend", measured(durations=[given]))] == [words]


def test_one_slow_run_is_no_trend():
    steady = Durations(
        entity_type="x", way="", whole=True, seconds=[10.0] * 24 + [90.0] + [10.0] * 2, rows=[1] * 27
    )
    assert [one.words for one in found("trend", measured(durations=[steady]))] == ["trend_none"]


def test_what_asks_for_something_comes_first():
    given = measured(pages=[pages(near_ms=1.0, far_ms=9.0)], slow=[slow_call("Catalog_X?$top=1")], calls=100)
    verdicts = [one.verdict for one in advise(given, page_rows=1000, max_sessions=4)]
    assert verdicts == sorted(verdicts, key=["change", "watch", "fine", "no_data"].index)


def test_every_sentence_is_there_in_both_languages_with_the_same_numbers():

    for name, texts in catalogue().items():
        if name == "cause":
            assert all(set(cause) == {"en", "ru"} for cause in texts.values())
            continue
        assert set(re.findall(r"\{(\w+)\}", texts["en"])) == set(re.findall(r"\{(\w+)\}", texts["ru"])), name


@pytest.mark.parametrize(
    ("value", "rounded"), [(0, 1), (7.4, 7), (104, 100), (867, 870), (1234, 1200), (9999, 10_000)]
)
def test_nice_numbers_have_two_digits(value, rounded):
    assert nice(value) == rounded
