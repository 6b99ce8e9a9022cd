"""Counters, the link's speed, and the cap that follows from it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpu_workers.spool.meter import WINDOW_S, Counts, Meter, choose_cap


class Clock:
    """Time that the test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def send(meter: Meter, clock: Clock, seconds: int, rate: int) -> None:
    for _ in range(seconds * 10):
        clock.now += 0.1
        meter.sent(rate // 10)


def test_counters_add(clock: Clock) -> None:
    meter = Meter(clock)
    meter.add(files=1, bytes=10)
    meter.add(files=2, retries=1)
    assert meter.counts == Counts(files=3, bytes=10, retries=1)


def test_speed_is_unknown_at_first_and_then_that_of_the_link(clock: Clock) -> None:
    meter = Meter(clock)
    assert meter.rate() == 0.0
    meter.begin()
    send(meter, clock, 2, 8_000_000)
    assert meter.rate() == 0.0
    send(meter, clock, 10, 8_000_000)
    assert meter.rate() == pytest.approx(8e6, rel=0.02)


def test_time_in_which_nothing_is_sent_does_not_count(clock: Clock) -> None:
    meter = Meter(clock)
    for _ in range(10):
        meter.begin()
        send(meter, clock, 1, 5_000_000)
        meter.end()
        clock.now += 60
    assert meter.rate() == pytest.approx(5e6, rel=0.05)


def test_the_link_s_past_is_forgotten(clock: Clock) -> None:
    meter = Meter(clock)
    meter.begin()
    send(meter, clock, 60, 50_000_000)
    send(meter, clock, int(WINDOW_S) + 3, 1_000_000)
    assert meter.rate() == pytest.approx(1e6, rel=0.05)


def test_bytes_of_an_attempt_that_failed_are_taken_back(clock: Clock) -> None:
    meter = Meter(clock)
    meter.begin()
    send(meter, clock, 10, 1_000_000)
    meter.sent(-5_000_000)
    assert meter.rate() == pytest.approx(5e5, rel=0.05)
    meter.sent(-50_000_000)
    assert meter.rate() == 0.0


@given(st.integers(1, 10**12), st.floats(0, 1e12), st.floats(0, 1e4))
def test_a_full_spool_is_carried_away_in_time(budget: int, rate: float, drain_s: float) -> None:
    cap = choose_cap(budget, rate, drain_s)
    assert cap <= budget
    if rate and drain_s:
        assert cap <= rate * drain_s
    else:
        assert cap == budget


def test_a_slow_link_shrinks_the_cap() -> None:
    assert choose_cap(500_000_000, 8_400_000, 90) == 500_000_000
    assert choose_cap(500_000_000, 1_000_000, 90) == 81_000_000
