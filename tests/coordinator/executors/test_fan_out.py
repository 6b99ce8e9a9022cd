"""The fan-out: how many fly, what is called again, and when it ends."""

import threading
import time
from collections import Counter
from collections.abc import Generator, Iterator
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.executors.fan_out import FanOut, Limit, ThreadCrew
from coordinator.executors.retry import RETRY_TABLE, Failure, Kind

BAD = Failure(Kind.CRASH, "died")


def test_every_item_is_answered_once_and_no_more_fly_than_may() -> None:
    flying, most, lock = 0, 0, threading.Lock()

    def call(item: int) -> int:
        nonlocal flying, most
        with lock:
            flying += 1
            most = max(most, flying)
        time.sleep(0.002)
        with lock:
            flying -= 1
        return item * item

    fan_out: FanOut[int, int] = FanOut(ThreadCrew(call), lambda _: None, 7)
    assert sorted(answer for _, answer in fan_out.run(range(100))) == [n * n for n in range(100)]
    assert most == 7


def test_items_are_taken_only_when_they_can_fly() -> None:
    taken = []

    def count() -> Iterator[int]:
        for n in range(100):
            taken.append(n)
            yield n

    run = FanOut[int, int](ThreadCrew(lambda n: n), lambda _: None, 3).run(count())
    next(run)
    assert len(taken) <= 6, "a million tasks are never all in memory"
    assert len(list(run)) == 99


def test_what_heals_is_called_again_and_what_does_not_is_the_last_answer() -> None:
    calls: Counter[str] = Counter()

    def call(item: str) -> Failure | None:
        calls[item] += 1
        if item == "never":
            return BAD
        return BAD if item == "once" and calls[item] == 1 else None

    fan_out: FanOut[str, Failure | None] = FanOut(ThreadCrew(call), lambda answer: answer, 2, draw=lambda: 0.0)
    answers = {c.item: (c.attempts, len(c.failed), answer) for c, answer in fan_out.run(["fine", "once", "never"])}
    tries = RETRY_TABLE[Kind.CRASH].tries
    assert answers == {"fine": (1, 0, None), "once": (2, 1, None), "never": (tries, tries - 1, BAD)}


def test_waiting_is_by_the_clock_and_the_draw_given() -> None:
    now = [0.0]
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        now[0] += seconds

    fan_out: FanOut[int, Failure] = FanOut(
        ThreadCrew(lambda _: BAD), lambda answer: answer, 1, clock=lambda: now[0], sleep=sleep, draw=lambda: 1.0
    )
    ((call, _),) = fan_out.run([1])
    assert call.attempts == RETRY_TABLE[Kind.CRASH].tries
    assert waits == [0.5, 1.0]


def test_an_error_that_nobody_foresaw_ends_the_fan_out() -> None:
    def call(item: int) -> int:
        raise ZeroDivisionError(item)

    with pytest.raises(ZeroDivisionError):
        list(FanOut(ThreadCrew(call), lambda _: None, 2).run([1, 2, 3]))


def test_a_fan_out_that_is_left_early_waits_for_nobody() -> None:
    release = threading.Event()

    def call(item: int) -> int:
        if item:
            release.wait(60)
        return item

    start = time.monotonic()
    run = FanOut(ThreadCrew(call), lambda _: None, 4).run([0, 1, 2, 3])
    next(run)
    cast("Generator[object]", run).close()
    assert time.monotonic() - start < 30, "it waited for calls under way"
    release.set()


def test_no_items_are_no_answers() -> None:
    assert list(FanOut[int, int](ThreadCrew(lambda n: n), lambda _: None, 4).run([])) == []


def test_the_limit_halves_once_for_calls_started_under_it() -> None:
    limit = Limit(64)
    for _ in range(64):
        limit.throttled(started_s=0.0, now_s=1.0)
    assert limit.value == 32
    limit.throttled(started_s=1.5, now_s=2.0)
    assert limit.value == 16


def test_the_limit_climbs_back_by_a_twentieth_of_the_maximum_a_round() -> None:
    limit = Limit(100)
    limit.throttled(0.0, 1.0)
    for _ in range(50):
        limit.answered()
    assert 54 <= limit.value <= 55
    for _ in range(2000):
        limit.answered()
    assert limit.value == 100


@given(st.lists(st.booleans(), max_size=300), st.integers(1, 1000))
def test_the_limit_stays_between_one_and_its_maximum(throttled: list[bool], maximum: int) -> None:
    limit = Limit(maximum)
    for now, was in enumerate(throttled):
        if was:
            limit.throttled(now, now)
        else:
            limit.answered()
        assert 1 <= limit.value <= maximum


def test_who_watches_is_told_of_each_retry_and_of_what_is_in_flight() -> None:
    failed = iter([True, True])
    fan_out: FanOut[str, Failure | None] = FanOut(
        ThreadCrew(lambda _: BAD if next(failed, False) else None), lambda answer: answer, 2, draw=lambda: 0.0
    )
    told: list[tuple[str, int, Kind, float]] = []
    fan_out.retried = lambda call, failure, wait_s: told.append((call.item, call.attempts, failure.kind, wait_s))
    in_flight = [fan_out.traffic.in_flight for _ in fan_out.run(["only"])]
    assert told == [("only", 1, Kind.CRASH, 0.0), ("only", 2, Kind.CRASH, 0.0)]
    assert in_flight == [1]
    assert fan_out.traffic.in_flight is None  # nothing is any longer
