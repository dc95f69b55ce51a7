"""One token for all threads: how often it is fetched, by an injected clock."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from onec_pipelines.errors import PipelineError, RetryLater, Stop
from onec_pipelines.onec.token_cache import REFUSED_SECONDS, Token, TokenCache
from onec_pipelines_tests.fixtures.patience import PATIENCE_SECONDS, until

CANARY = "canary-token"


class Source:
    """Gives tokens T1, T2, … of some seconds, after what `meanwhile` waits for; what `failures` holds is raised first."""

    def __init__(self, seconds=300.0):
        self.seconds = seconds
        self.meanwhile = lambda: None
        self.calls = 0
        self.failures: list[BaseException] = []
        self.now = 1000.0
        self._lock = threading.Lock()

    def fetch(self, ends_at):
        with self._lock:
            self.calls += 1
            number = self.calls
        self.meanwhile()
        if self.failures:
            raise self.failures.pop(0)
        return Token(text=f"T{number}", seconds=self.seconds)

    def cache(self):
        return TokenCache(self.fetch, clock=lambda: self.now)


def soon():
    return time.monotonic() + PATIENCE_SECONDS


def later(message="x"):
    return RetryLater(message, code="ONEC_TOKEN_ENDPOINT", retry_after=3.0, sent=False)


def refusal():
    return Stop("refused", code="ONEC_AUTH", remedy="Check", http_status=401)


def ask_together(source, cache, threads=10):
    """What threads get of which one fetches until each of the others waits for it, or has gone on, or fetches as well."""
    waiting, over, fetched = [], [], source.calls
    wait = cache._wait

    def noted(flight, ends_at):
        waiting.append(flight)
        return wait(flight, ends_at)

    def ask():
        try:
            return cache.header(soon())
        except PipelineError as error:
            return error
        finally:
            over.append(1)

    cache._wait = noted
    source.meanwhile = lambda: until(
        lambda: len(waiting) + len(over) + source.calls - fetched >= threads, pause=0.005
    )
    with ThreadPoolExecutor(threads) as pool:
        return [asked.result() for asked in [pool.submit(ask) for _ in range(threads)]]


def test_ten_threads_cost_one_call_and_share_its_token():
    source = Source()

    assert ask_together(source, source.cache()) == ["Bearer T1"] * 10
    assert source.calls == 1


def test_ten_threads_share_one_failure_each_with_an_error_of_its_own():
    source = Source()
    source.failures = [later("the endpoint is down")]

    errors = ask_together(source, source.cache())

    assert source.calls == 1
    assert {(type(error), str(error), error.retry_after, error.sent) for error in errors} == {
        (RetryLater, str(later("the endpoint is down")), 3.0, False)
    }
    assert len({id(error) for error in errors}) == 10


def test_a_token_that_ends_at_once_still_serves_all_who_waited_for_it():
    source = Source(seconds=0.0)

    assert ask_together(source, source.cache()) == ["Bearer T1"] * 10
    assert source.calls == 1


@pytest.mark.parametrize(
    ("life", "passed", "calls"),
    [
        (300.0, 239.0, 1),
        (300.0, 241.0, 2),  # a fifth of the life is left
        (36_000.0, 35_939.0, 1),
        (36_000.0, 35_941.0, 2),  # a minute is left
        (None, 1_000_000.0, 1),  # nobody said when it ends: 1C will
    ],
)
def test_a_token_is_renewed_before_it_ends(life, passed, calls):
    source = Source(seconds=life)
    cache = source.cache()
    cache.header(soon())

    source.now += passed
    cache.header(soon())

    assert source.calls == calls


def test_while_one_thread_renews_the_others_go_on_with_the_old_token():
    source = Source()
    cache = source.cache()
    cache.header(soon())
    source.now += 250

    given = ask_together(source, cache)

    assert source.calls == 2
    assert sorted(given) == ["Bearer T1"] * 9 + ["Bearer T2"]


def test_a_failed_renewal_leaves_the_old_token_until_it_ends_and_is_not_tried_all_the_time(caplog):
    source = Source()
    cache = source.cache()
    cache.header(soon())
    source.failures = [later(), later()]
    source.now += 250

    assert [cache.header(soon()) for _ in range(5)] == ["Bearer T1"] * 5
    assert source.calls == 2
    assert "could not be renewed" in caplog.text

    source.now += 60
    with pytest.raises(RetryLater):
        cache.header(soon())


def test_a_refused_token_is_fetched_again_once_however_many_threads_saw_the_refusal():
    source = Source()
    cache = source.cache()
    old = cache.header(soon())

    assert [cache.refused(old) for _ in range(10)] == [True] * 10
    assert ask_together(source, cache) == ["Bearer T2"] * 10
    assert cache.refused(old)  # a late answer to the old token does not cost the new one
    assert cache.header(soon()) == "Bearer T2"
    assert source.calls == 2


def test_a_refusal_of_the_client_is_remembered_because_repeats_lock_accounts():
    source = Source()
    source.failures = [refusal()]
    cache = source.cache()

    for _ in range(3):
        with pytest.raises(Stop) as caught:
            cache.header(soon())
        assert (caught.value.code, caught.value.http_status) == ("ONEC_AUTH", 401)
    assert source.calls == 1

    source.now += REFUSED_SECONDS + 1
    assert cache.header(soon()) == "Bearer T2"


def test_waiting_for_another_threads_token_ends_at_the_deadline():
    source = Source()
    cache = source.cache()
    given_up = threading.Event()
    source.meanwhile = lambda: given_up.wait(PATIENCE_SECONDS)
    with ThreadPoolExecutor(1) as pool:
        leader = pool.submit(cache.header, soon())
        until(lambda: source.calls, pause=0.005)
        with pytest.raises(RetryLater) as caught:
            cache.header(time.monotonic() + 0.1)
        given_up.set()
        assert leader.result() == "Bearer T1"

    assert (caught.value.code, caught.value.sent) == ("ONEC_TOKEN_ENDPOINT", False)


def test_a_thread_that_dies_while_fetching_leaves_the_place_to_the_next():
    source = Source()
    source.failures = [KeyboardInterrupt()]
    cache = source.cache()

    with pytest.raises(KeyboardInterrupt):
        cache.header(soon())

    assert cache.header(soon()) == "Bearer T2"


def test_a_token_is_not_in_its_repr():
    assert CANARY not in repr(Token(text=CANARY, seconds=1.0))
