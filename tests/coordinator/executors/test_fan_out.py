"""The fan-out: how many fly, what is called again, and when it ends."""

import math
import random
import threading
import time
from collections import Counter
from collections.abc import Generator, Iterator
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.executors.backup import BACKUPS, BackupRule
from coordinator.executors.fan_out import Attempt, Call, FanOut, ThreadCrew
from coordinator.executors.retry import RETRY_TABLE, Failure, Kind
from tests.coordinator.executors.scripted import ScriptedCrew

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


def slow_tail(slow: set[int], times: float = 20.0) -> ScriptedCrew[int]:
    """Return a crew whose calls take a second; the first calls of some items take many."""
    return ScriptedCrew(lambda item, nth: (times if item in slow and nth == 1 else 1.0, None))


@pytest.mark.parametrize(("n", "slow"), [(117, {40}), (1000, set(range(5, 1000, 100)))])
def test_a_tail_of_slow_calls_is_overtaken(n: int, slow: set[int]) -> None:
    ends = {}
    for rule in (None, BACKUPS):
        crew = slow_tail(slow)
        fan_out, backups = crew.fan_out(n, rule)
        answered = [call.item for call, _ in fan_out.run(range(n))]
        assert sorted(answered) == list(range(n))
        ends[rule] = crew.now_s
        extra = len(crew.calls) - n
        assert (backups.started, backups.won, crew.dropped) == (extra,) * 3
        assert extra == (0 if rule is None else len(slow))
        assert extra <= n / 10
    assert ends[None] == 20.0
    assert ends[BACKUPS] <= 3.5


def test_a_slow_tail_of_many_waves_is_overtaken_at_its_end() -> None:
    crew = slow_tail({399})
    fan_out, _ = crew.fan_out(40, BACKUPS)
    assert len(list(fan_out.run(range(400)))) == 400
    assert crew.now_s <= 10 + 3.5


def test_nothing_has_a_backup_while_something_was_never_called() -> None:
    crew = slow_tail({0}, times=100.0)
    fan_out, backups = crew.fan_out(10, BACKUPS)
    for number, _ in enumerate(fan_out.run(range(200)), 1):
        assert backups.started == 0 or number >= 190
    assert backups.started == 1


def test_a_run_slow_throughout_has_no_backups() -> None:
    draw = random.Random(3)
    crew: ScriptedCrew[int] = ScriptedCrew(lambda _item, _nth: (10.0 + draw.random(), None))
    fan_out, backups = crew.fan_out(100, BACKUPS)
    assert len(list(fan_out.run(range(100)))) == 100
    assert backups.started == 0


def test_what_is_overtaken_is_counted_and_costed() -> None:
    crew = slow_tail({7})
    fan_out, _ = crew.fan_out(20, BACKUPS)
    calls = {call.item: call for call, _ in fan_out.run(range(20))}
    assert (calls[7].attempts, calls[7].backups, calls[7].dropped_s) == (2, 1, 3.0)
    assert {(c.attempts, c.backups, c.dropped_s) for c in calls.values() if c.item != 7} == {(1, 0, 0.0)}


@pytest.mark.parametrize("kind", [Kind.CRASH, Kind.THROTTLED, Kind.STAGE])
def test_a_backup_that_fails_leaves_the_first_to_answer(kind: Kind) -> None:
    def take(item: int, nth: int) -> tuple[float, Failure | None]:
        return (1.0 if item else 20.0, None) if nth == 1 else (0.5, Failure(kind, "no"))

    crew = ScriptedCrew(take)
    fan_out, backups = crew.fan_out(20, BACKUPS)
    answers = {call.item: (call.attempts, answer) for call, answer in fan_out.run(range(20))}
    assert answers[0] == (2, None)
    assert (backups.started, backups.won, crew.now_s) == (1, 0, 20.0)


def test_a_first_call_that_fails_late_leaves_its_backup_to_answer() -> None:
    def take(item: int, nth: int) -> tuple[float, Failure | None]:
        return (1.0, None) if item else (2.5, Failure(Kind.TIMEOUT, "slow")) if nth == 1 else (4.0, None)

    crew = ScriptedCrew(take)
    fan_out, backups = crew.fan_out(20, BACKUPS)
    ((call, answer),) = [(call, answer) for call, answer in fan_out.run(range(20)) if call.item == 0]
    assert (call.attempts, call.backups, len(call.failed), answer) == (2, 1, 1, None)
    assert (backups.won, crew.now_s) == (1, 6.0)


def test_where_both_fail_the_table_says_what_follows() -> None:
    crew: ScriptedCrew[int] = ScriptedCrew(
        lambda item, _nth: (1.0, None) if item else (5.0, Failure(Kind.TIMEOUT, "slow"))
    )
    fan_out, _ = crew.fan_out(20, BACKUPS)
    ((call, answer),) = [(call, answer) for call, answer in fan_out.run(range(20)) if call.item == 0]
    assert answer is not None
    assert call.attempts == RETRY_TABLE[Kind.TIMEOUT].tries, "the backup was the second try, and there is no third"


fates = st.sampled_from([None, Kind.CRASH, Kind.THROTTLED, Kind.TIMEOUT, Kind.STAGE])


@given(
    st.lists(st.lists(st.tuples(st.floats(0.0, 30.0), fates), min_size=1, max_size=4), min_size=1, max_size=40),
    st.integers(1, 40),
    st.sampled_from([BACKUPS, BackupRule(1.0, 0.0, 0.5, 1.0)]),
)
def test_whatever_happens_each_item_is_answered_once_and_no_more_fly_than_may_with_backups(
    scripts: list[list[tuple[float, Kind | None]]], at_once: int, rule: BackupRule
) -> None:
    def take(item: int, nth: int) -> tuple[float, Failure | None]:
        takes_s, kind = scripts[item][min(nth, len(scripts[item])) - 1]
        return takes_s, Failure(kind, "") if kind else None

    crew = ScriptedCrew(take)
    fan_out, backups = crew.fan_out(at_once, rule)
    calls = [call for call, _ in fan_out.run(range(len(scripts)))]
    assert sorted(call.item for call in calls) == list(range(len(scripts)))
    assert crew.most <= at_once
    assert sum(call.attempts for call in calls) == len(crew.calls)
    assert sum(call.backups for call in calls) == backups.started <= rule.max_share * len(scripts)
    assert max(call.backups for call in calls) <= 1
    assert backups.won <= backups.started


def run_throttled(n: int, at_once: int, share: float, seed: int) -> tuple[float, ScriptedCrew[int], int]:
    """Return how long a run takes whose calls are throttled at random, and how many failed."""
    draw = random.Random(seed)
    crew: ScriptedCrew[int] = ScriptedCrew(
        lambda _item, _nth: (0.01, Failure(Kind.THROTTLED, "")) if draw.random() < share else (1.0, None)
    )
    fan_out, _ = crew.fan_out(at_once, BACKUPS, draw.random)
    answers = [answer for _, answer in fan_out.run(range(n))]
    assert len(answers) == n
    return crew.now_s, crew, sum(answer is not None for answer in answers)


@pytest.mark.parametrize(("n", "at_once"), [(117, 117), (117, 16), (1000, 1000), (1000, 100)])
@pytest.mark.parametrize("seed", range(5))
def test_one_call_in_five_throttled_costs_less_than_three_tenths_of_the_time(n: int, at_once: int, seed: int) -> None:
    undisturbed, _, _ = run_throttled(n, at_once, 0.0, seed)
    disturbed, _, failed = run_throttled(n, at_once, 0.2, seed)
    assert failed == 0
    assert disturbed <= 1.3 * undisturbed


@pytest.mark.parametrize(
    ("n", "at_once", "bound"), [(1000, 1000, 100), (1000, 1000, 900), (60, 16, 4), (300, 100, 10), (300, 100, 1)]
)
def test_a_bound_of_the_account_is_found_and_filled(n: int, at_once: int, bound: int) -> None:
    running: list[float] = []

    def take(_item: int, _nth: int) -> tuple[float, Failure | None]:
        running[:] = [end for end in running if end > crew.now_s]
        if len(running) >= bound:
            return 0.01, Failure(Kind.THROTTLED, "")
        running.append(crew.now_s + 1.0)
        return 1.0, None

    crew = ScriptedCrew(take)
    draw = random.Random(1)
    fan_out, _ = crew.fan_out(at_once, BACKUPS, draw.random)
    assert [answer for _, answer in fan_out.run(range(n))] == [None] * n
    assert crew.now_s <= 1.1 * math.ceil(n / bound)
    assert len(crew.calls) <= (4 if bound > 1 else 12) * n


def test_one_too_many_waits_for_room_however_long_that_takes() -> None:
    running: list[float] = []

    def take(_item: int, _nth: int) -> tuple[float, Failure | None]:
        running[:] = [end for end in running if end > crew.now_s]
        if len(running) >= 99:
            return 0.01, Failure(Kind.THROTTLED, "")
        running.append(crew.now_s + 900.0)
        return 900.0, None

    crew = ScriptedCrew(take)
    fan_out, _ = crew.fan_out(100, BACKUPS)
    assert [answer for _, answer in fan_out.run(range(100))] == [None] * 100
    assert crew.now_s == 1800.0
    assert len(crew.calls) <= 100 + 20


def test_where_all_is_throttled_no_more_is_taken_on_than_may_fly() -> None:
    taken: list[int] = []

    def count() -> Iterator[int]:
        for n in range(10_000):
            taken.append(n)
            yield n

    crew: ScriptedCrew[int] = ScriptedCrew(lambda _item, nth: (0.01, Failure(Kind.THROTTLED, "") if nth < 9 else None))
    fan_out, _ = crew.fan_out(50, BACKUPS)
    next(iter(fan_out.run(count())))
    assert len(taken) <= 101


def test_a_thread_busy_with_what_was_dropped_holds_nobody_up() -> None:
    release = threading.Event()
    crew: ThreadCrew[str, str] = ThreadCrew(lambda item: item if item != "slow" or release.wait(60) else "")
    slow: Attempt[str, str] = Attempt(Call("slow"), 0.0)
    quick: Attempt[str, str] = Attempt(Call("quick"), 0.0)
    crew.start(slow, 1)
    crew.drop(slow)
    crew.start(quick, 1)
    assert crew.wait(60) == (quick, "quick")
    release.set()
    assert crew.wait(60) is None, "its answer is thrown away"
    crew.dismiss()


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
