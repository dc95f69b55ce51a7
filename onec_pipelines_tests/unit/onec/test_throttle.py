from __future__ import annotations

import threading

import pytest

from onec_pipelines.errors import RetryLater
from onec_pipelines.onec.throttle import LocalThrottle, shared_throttle
from onec_pipelines_tests.fixtures.patience import PATIENCE_SECONDS


class Clock:
    """A clock that only moves when somebody sleeps or a test moves it."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


def throttle(clock, *, rate=10.0, calls=4):
    return LocalThrottle(rate_per_second=rate, max_calls=calls, clock=clock, sleep=clock.sleep)


def test_the_rate_is_held_after_a_burst_of_one_second():
    clock = Clock()
    tested = throttle(clock)

    for _ in range(30):
        with tested.slot(60):
            pass

    assert clock.now == pytest.approx(102.0)


def test_a_wait_beyond_the_deadline_is_refused_and_costs_no_token():
    clock = Clock()
    tested = throttle(clock, rate=1.0)
    with tested.slot(0):
        pass

    with pytest.raises(RetryLater) as caught, tested.slot(0.5):
        pytest.fail("there is no token yet")

    assert (caught.value.code, caught.value.sent) == ("ONEC_BUSY", False)
    with tested.slot(1.0):
        assert clock.now == pytest.approx(101.0)


def test_no_more_calls_at_once_than_allowed():
    tested = LocalThrottle(rate_per_second=10_000, max_calls=3)
    lock, running, most = threading.Lock(), 0, 0

    def work():
        nonlocal running, most
        for _ in range(20):
            with tested.slot(PATIENCE_SECONDS):
                with lock:
                    running += 1
                    most = max(most, running)
                with lock:
                    running -= 1

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert 1 <= most <= 3
    assert running == 0


def test_a_slot_is_given_back_when_the_call_fails():
    tested = throttle(Clock(), calls=1)

    with pytest.raises(ZeroDivisionError), tested.slot(1):
        raise ZeroDivisionError

    with tested.slot(1):
        assert tested.limit == 1


def test_overload_halves_the_calls_once_for_all_that_saw_it():
    clock = Clock()
    tested = throttle(clock, calls=8)

    for _ in range(5):
        tested.overloaded()
    assert tested.limit == 4

    clock.now += 2
    tested.overloaded()
    clock.now += 2
    tested.overloaded()
    clock.now += 2
    tested.overloaded()
    assert tested.limit == 1


def test_good_calls_give_the_limit_back_slowly():
    tested = throttle(Clock(), calls=4)
    tested.overloaded()

    for _ in range(19):
        tested.succeeded()
    assert tested.limit == 2
    tested.succeeded()
    assert tested.limit == 3
    for _ in range(1000):
        tested.succeeded()
    assert tested.limit == 4


def test_a_base_and_user_have_one_throttle_in_the_process():
    one = shared_throttle("http://a", "u", rate_per_second=5, max_calls=2)

    assert shared_throttle("http://a", "u", rate_per_second=9, max_calls=9) is one
    assert shared_throttle("http://a", "v", rate_per_second=5, max_calls=2) is not one


def test_one_write_at_a_time_and_readers_go_on_beside_it():
    tested = LocalThrottle(rate_per_second=1000, max_calls=3)
    with tested.slot(1, "write"), tested.slot(1), pytest.raises(RetryLater), tested.slot(0, "write"):
        pass
    with tested.slot(1, "write"):
        pass
