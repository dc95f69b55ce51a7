"""What an error means for an item, and how long it waits."""

from __future__ import annotations

import statistics

import pytest

from onec_pipelines.errors import Quarantine, RetryLater, Skip, Stop
from onec_pipelines.ledger import retry_policy
from onec_pipelines.ledger.retry_policy import MAX_ATTEMPTS, Verdict, backoff_seconds, delay_seconds, judge


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        (Skip("gone", code="ONEC_NOT_FOUND"), Verdict.DONE),
        (RetryLater("500", code="ONEC_SERVER_ERROR", http_status=500), Verdict.LATER),
        (RetryLater("lock", code="ONEC_LOCK", http_status=500), Verdict.LATER),
        (RetryLater("lost", code="ONEC_CONNECTION_LOST"), Verdict.LATER),
        (RetryLater("504", code="ONEC_GATEWAY", http_status=504), Verdict.LATER),
        (RetryLater("slow", code="DB_TIMEOUT"), Verdict.LATER),
        (RetryLater("502", code="ONEC_GATEWAY", http_status=502), Verdict.PUT_OFF),
        (RetryLater("never sent", code="ONEC_UNREACHABLE", sent=False), Verdict.PUT_OFF),
        (RetryLater("429", code="ONEC_OVERLOAD", http_status=429), Verdict.PUT_OFF),
        (RetryLater("closed", code="ONEC_MAINTENANCE", http_status=403), Verdict.PUT_OFF),
        (RetryLater("down", code="DB_DOWN"), Verdict.PUT_OFF),
        (RetryLater("held", code="ALREADY_RUNNING"), Verdict.PUT_OFF),
        (Stop("401", code="ONEC_AUTH", http_status=401), Verdict.PUT_OFF),
        (Stop("full", code="DB_DISK_FULL"), Verdict.PUT_OFF),
        (Stop("rights", code="ONEC_RIGHTS", http_status=401), Verdict.DEAD),
        (Stop("wrong statement", code="DB_SCHEMA"), Verdict.DEAD),
        (Quarantine("refused", code="ONEC_HANDLER", http_status=500), Verdict.DEAD),
    ],
    ids=lambda value: getattr(value, "code", ""),
)
def test_an_error_is_judged_by_whose_fault_it_is(error, verdict):
    assert judge(error) is verdict


def test_attempts_are_used_up_after_about_three_days():
    days = [sum(backoff_seconds(attempt) for attempt in range(1, MAX_ATTEMPTS)) / 86_400 for _ in range(300)]
    assert 2.7 < statistics.mean(days) < 3.3


def test_waits_are_drawn_from_the_whole_span_so_that_items_do_not_march_in_step():
    waits = [backoff_seconds(8) for _ in range(500)]
    assert min(waits) < 0.05 * 640
    assert max(waits) > 0.95 * 640
    assert statistics.mean(waits) == pytest.approx(320, rel=0.15)


@pytest.mark.parametrize(("asked", "least"), [(None, 0), (60, 60), (-5, 0), (86_400, 900)])
def test_what_1c_asks_for_is_waited_at_least_up_to_a_quarter_of_an_hour(asked, least):
    error = RetryLater("busy", code="ONEC_OVERLOAD", retry_after=asked)
    for wait in (backoff_seconds(1, retry_after=asked), delay_seconds(0, error)):
        assert least <= wait <= least + 900


def test_a_reason_that_lasts_for_days_is_asked_for_every_quarter_of_an_hour_and_no_seldomer():
    error = RetryLater("down", code="ONEC_UNREACHABLE", sent=False)
    assert all(delay_seconds(count, error) <= 900 for count in (10, 100, 100_000))
    assert delay_seconds(0, RetryLater("held", code="ALREADY_RUNNING")) <= 0.5


def test_a_dead_letter_keeps_1cs_words_and_is_cut_to_a_bearable_length():
    error = Quarantine("x" * 9000, code="ONEC_HANDLER", onec_message="Период закрыт", http_status=500)
    found = retry_policy.document(error)
    assert (found["kind"], found["onec_message"], len(found["message"])) == ("refused", "Период закрыт", 2000)
