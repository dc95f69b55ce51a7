"""Faults fire when they are due and do what their names say."""

from __future__ import annotations

import pytest

from onec_pipelines.simulator.faults import FaultError, Faults
from onec_pipelines.simulator.http import Disconnect, Request
from onec_pipelines_tests.unit.simulator.asker import GOODS, ORDER

REQUEST = Request(method="GET", path="/ut/odata/standard.odata/X", query="", headers={}, body=b"")
LIST = "$format=json&$select=Ref_Key&$orderby=Ref_Key&$top=10"


def fired(description, calls):
    faults = Faults(seed=1)
    faults.set({"type": "latency", "attributes": {"latency": 0}, **description})
    return [at for at in range(1, calls + 1) if faults.plan(REQUEST).fired]


@pytest.mark.parametrize(
    ("description", "calls"),
    [
        ({}, [1, 2, 3, 4, 5, 6]),
        ({"every": 3}, [3, 6]),
        ({"nth": [2, 5]}, [2, 5]),
        ({"times": 2}, [1, 2]),
        ({"after": 4}, [5, 6]),
        ({"match": "GET .*/X$"}, [1, 2, 3, 4, 5, 6]),
        ({"match": "POST"}, []),
    ],
)
def test_a_fault_fires_on_the_calls_it_names(description, calls):
    assert fired(description, 6) == calls


def test_chance_is_the_same_for_the_same_seed():
    first, second = fired({"toxicity": 0.5}, 100), fired({"toxicity": 0.5}, 100)
    assert first == second
    assert 20 < len(first) < 80


@pytest.mark.parametrize(
    "description",
    [
        {"type": "x"},
        {"type": "latency", "attributes": {"x": 1}},
        {"type": "latency", "x": 1},
        {"type": "status", "nth": 1},
    ],
)
def test_a_wrong_description_is_refused(description):
    with pytest.raises(FaultError):
        Faults(seed=1).set(description)


def set_fault(ask, kind, **attributes):
    ask.service.faults.set({"type": kind, "attributes": attributes})


def test_a_pattern_of_statuses_is_gone_through(fresh):
    set_fault(fresh, "status", pattern=[503, 502, 200], retry_after=2)
    answers = [fresh(GOODS, LIST) for _ in range(4)]
    assert [one.status for one in answers] == [503, 502, 200, 503]
    assert answers[0].headers["Retry-After"] == "2"
    assert "Retry-After" not in answers[2].headers


def test_an_error_of_1c_can_be_scripted(fresh):
    set_fault(fresh, "odata_error", status=500, code="-1", message="Недостаточно памяти")
    assert fresh(GOODS).error == (500, "-1", "Недостаточно памяти")


def test_a_lock_conflict_leaves_the_document_unposted(fresh):
    address = f"{ORDER}(guid'{fresh.post(ORDER, fresh.order()).json['Ref_Key']}')"
    fresh.service.faults.set({"type": "lock_conflict", "match": "/Post", "times": 1})
    assert "Конфликт блокировок" in fresh(f"{address}/Post", method="POST").error[2]
    assert fresh(address).json["Posted"] is False
    assert fresh(f"{address}/Post", method="POST").status == 200


def test_a_page_of_html_may_come_with_200(fresh):
    set_fault(fresh, "html_200")
    answer = fresh(GOODS)
    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")


def test_wrong_gzip_claims_what_is_not_so(fresh):
    set_fault(fresh, "wrong_gzip")
    answer = fresh(GOODS, LIST)
    assert answer.headers["Content-Encoding"] == "gzip"
    assert answer.rows


def test_duplicates_repeat_rows_of_a_page(fresh):
    set_fault(fresh, "duplicates", rows=2)
    keys = [row["Ref_Key"] for row in fresh(GOODS, LIST).rows]
    assert len(keys) == 12
    assert len(set(keys)) == 10


@pytest.mark.parametrize(("rows", "common"), [(3, 3), (-3, 0)])
def test_a_page_shift_repeats_or_loses_rows(fresh, rows, common):
    first = {row["Ref_Key"] for row in fresh(GOODS, LIST).rows}
    genuine = {row["Ref_Key"] for row in fresh(GOODS, f"{LIST}&$skip=10").rows}
    set_fault(fresh, "page_shift", rows=rows)
    second = {row["Ref_Key"] for row in fresh(GOODS, f"{LIST}&$skip=10").rows}
    assert len(first & second) == common
    assert len(second & genuine) == 7


def test_skip_may_be_ignored(fresh):
    first = fresh(GOODS, LIST).rows
    set_fault(fresh, "skip_ignored")
    assert fresh(GOODS, f"{LIST}&$skip=10").rows == first


def test_an_unstable_order_differs_from_call_to_call(fresh):
    set_fault(fresh, "unstable_order")
    assert fresh(GOODS, LIST).rows != fresh(GOODS, LIST).rows


def test_a_skewed_clock_shows_in_the_feed(fresh):
    genuine = fresh(GOODS, "$top=1").xml.findtext(".//{http://www.w3.org/2005/Atom}updated")
    set_fault(fresh, "clock_skew", seconds=-3 * 365 * 86400)
    assert fresh(GOODS, "$top=1").xml.findtext(".//{http://www.w3.org/2005/Atom}updated") < genuine[:4]


@pytest.mark.parametrize(("phase", "written"), [("before", 0), ("after", 1)])
def test_a_reset_comes_before_or_after_the_request_is_carried_out(fresh, phase, written):
    count = int(fresh(f"{GOODS}/$count", "").text)
    fresh.service.faults.set({"type": "reset_peer", "attributes": {"phase": phase}, "match": "^POST"})
    with pytest.raises(Disconnect):
        fresh.post(GOODS, {"Description": "Проба"})
    assert int(fresh(f"{GOODS}/$count", "").text) == count + written
