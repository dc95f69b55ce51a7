"""How calls are shared out, tokens counted, and the breaker opened: the rules alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from onec_pipelines.ledger import throttle_rules as rules
from onec_pipelines.ledger.throttle_rules import Base, Limits, Member, Patience
from onec_pipelines.onec.signs import Sign

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
ME, OTHER = UUID(int=1), UUID(int=2)
LIMITS = Limits(rate_per_second=20, max_calls=4)
PATIENCE = Patience()
CAUSE = {"code": "ONEC_AUTH", "message": "no"}


def base(**values):
    return Base(counted_at=NOW, **values)


def after(seconds):
    return NOW + timedelta(seconds=seconds)


def asked_again(members, number, limit, moment):
    """One member asks; gives the members after it."""
    me = members[number]
    others = members[:number] + members[number + 1 :]
    grant = rules.share(me, others, limit)
    since = None
    if me.wants > grant:
        since = after(moment) if me.held and not grant else me.waiting_since or after(moment)
    return [
        *members[:number],
        Member(held=max(grant, me.in_use), wants=me.wants, in_use=me.in_use, waiting_since=since),
        *members[number + 1 :],
    ]


@given(
    wants=st.lists(st.integers(0, 6), min_size=1, max_size=6),
    limit=st.integers(1, 8),
    turns=st.lists(st.integers(0, 5), min_size=60, max_size=60),
)
def test_calls_held_never_exceed_the_limit_and_everybody_who_asks_has_a_turn(wants, limit, turns):
    members = [Member(wants=count) for count in wants]
    served = set()
    for moment, turn in enumerate([*turns, *list(range(len(wants))) * 8]):
        members = asked_again(members, turn % len(members), limit, moment)
        assert sum(member.held for member in members) <= limit
        served |= {number for number, member in enumerate(members) if member.held}
    assert served == {number for number, count in enumerate(wants) if count}


@given(wants=st.lists(st.integers(1, 9), min_size=1, max_size=4))
def test_no_call_stays_unused_while_somebody_wants_one(wants):
    members = [Member(wants=count) for count in wants]
    for moment in range(20):
        members = asked_again(members, moment % len(members), 4, moment)
    assert sum(member.held for member in members) == min(4, sum(wants))


@given(
    lanes=st.lists(st.sampled_from(["read", "write"]), min_size=1, max_size=5),
    limit=st.integers(1, 6),
    max_writers=st.integers(1, 4),
)
@example(lanes=["write", "read", "write"], limit=3, max_writers=2)  # the first writer hid the second
def test_writers_never_exceed_theirs_and_readers_get_what_writers_cannot_use(lanes, limit, max_writers):
    members = [Member(wants=4) for _ in lanes]
    served = set()
    for moment in range(len(lanes) * 14):
        number = moment % len(lanes)
        others = [
            (lane, one) for at, (lane, one) in enumerate(zip(lanes, members, strict=True)) if at != number
        ]
        before = members[number]
        count = rules.grant(before, lanes[number], others, limit=limit, max_writers=max_writers)
        since = after(moment) if before.held and not count else before.waiting_since or after(moment)
        members[number] = Member(held=count, wants=4, waiting_since=None if count >= 4 else since)
        held = [(lane, one.held) for lane, one in zip(lanes, members, strict=True)]
        assert sum(count for _, count in held) <= limit
        assert sum(count for lane, count in held if lane == "write") <= max_writers
        served |= {at for at, one in enumerate(members) if one.held}
    assert served == set(range(len(lanes)))
    if limit > len(lanes) and "read" in lanes:
        reading = sum(one.held for lane, one in zip(lanes, members, strict=True) if lane == "read")
        # One may be on its way from a writer to the next.
        assert reading >= min(4 * lanes.count("read"), limit - max_writers - 1)


def test_a_call_under_way_is_not_taken_away_but_no_new_one_begins():
    me = Member(held=4, wants=8, in_use=4)
    assert rules.share(me, [Member(wants=3)], 4) == 2


def test_tokens_come_at_the_rate_and_no_faster():
    taken, moment, current = 0, 0.0, base(tokens=1)
    while moment < 10:
        current, count, wait = rules.take_tokens(
            current, now=after(moment), rate=20, wanted=20, returned=0, patience_seconds=60
        )
        taken += count
        moment += max(wait, 0.001)
    assert 195 <= taken <= 203


def test_a_wait_that_is_too_long_takes_nothing():
    current, count, wait = rules.take_tokens(
        base(tokens=-100), now=NOW, rate=20, wanted=1, returned=0, patience_seconds=1
    )
    assert (count, wait, current.tokens) == (0, 0.0, -100)


def test_a_refused_login_opens_the_breaker_at_once_for_half_an_hour():
    opened = rules.after_failure(base(), Sign.REFUSED, CAUSE, now=NOW, process=ME, patience=PATIENCE)
    assert (opened.breaker, opened.retry_at, opened.cause) == ("open", after(1800), CAUSE)
    assert not rules.may_call(rules.probe(opened, now=after(1799), process=ME, patience=PATIENCE), ME)


def test_five_failures_open_it_only_after_five_seconds_without_any_success():
    current = base()
    for moment in (0, 1, 2, 3, 4):
        current = rules.after_failure(
            current, Sign.DOWN, CAUSE, now=after(moment), process=ME, patience=PATIENCE
        )
    assert current.breaker == "closed"
    revived = rules.after_good(current, calls=1, process=OTHER, limits=LIMITS)
    assert revived.failures == 0
    current = rules.after_failure(current, Sign.DOWN, CAUSE, now=after(5), process=ME, patience=PATIENCE)
    assert current.breaker == "open"


def test_one_process_probes_and_its_success_closes_the_breaker_with_one_call_at_a_time():
    opened = rules.after_failure(base(), Sign.CLOSED, CAUSE, now=NOW, process=ME, patience=PATIENCE)
    probing = rules.probe(opened, now=after(61), process=ME, patience=PATIENCE)
    assert rules.may_call(probing, ME)
    assert not rules.may_call(rules.probe(probing, now=after(62), process=OTHER, patience=PATIENCE), OTHER)
    late = rules.after_good(probing, calls=3, process=OTHER, limits=LIMITS)
    assert late.breaker == "half_open"
    closed = rules.after_good(probing, calls=1, process=ME, limits=LIMITS)
    assert (closed.breaker, closed.allowed, closed.cause) == ("closed", 1, None)


def test_a_failed_probe_doubles_the_time_up_to_its_limit():
    current = base()
    waits = []
    for _ in range(6):
        now = current.retry_at or NOW
        current = rules.probe(current, now=now, process=ME, patience=PATIENCE)
        current = rules.after_failure(current, Sign.REFUSED, CAUSE, now=now, process=ME, patience=PATIENCE)
        waits.append((current.retry_at - now).total_seconds())
    assert waits == [1800, 3600, 7200, 14400, 14400, 14400]


def test_a_probe_whose_process_died_is_followed_by_another():
    opened = rules.after_failure(base(), Sign.CLOSED, CAUSE, now=NOW, process=ME, patience=PATIENCE)
    probing = rules.probe(opened, now=after(61), process=ME, patience=PATIENCE)
    taken_over = rules.probe(probing, now=after(262), process=OTHER, patience=PATIENCE)
    assert rules.may_call(taken_over, OTHER)


def test_overload_halves_the_calls_once_a_second_and_good_calls_bring_them_back():
    current = rules.after_overload(base(), now=NOW, limits=LIMITS)
    assert rules.allowed_calls(current, LIMITS) == 2
    assert rules.allowed_calls(rules.after_overload(current, now=after(0.5), limits=LIMITS), LIMITS) == 2
    current = rules.after_overload(current, now=after(2), limits=LIMITS)
    assert rules.allowed_calls(current, LIMITS) == 1
    for calls in (10, 20, 30):
        current = rules.after_good(current, calls=calls, process=ME, limits=LIMITS)
    assert rules.allowed_calls(current, LIMITS) == 4
    assert current.allowed is None


@pytest.mark.parametrize("sign", [Sign.NONE])
def test_our_own_mistakes_say_nothing_of_1c(sign):
    assert rules.after_failure(base(), sign, CAUSE, now=NOW, process=ME, patience=PATIENCE) == base()
