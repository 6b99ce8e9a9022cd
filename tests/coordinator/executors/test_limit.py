"""How many calls may be in flight: it gives way to a bound, and not to bad luck."""

from hypothesis import given
from hypothesis import strategies as st

from coordinator.executors.limit import FEW_THROTTLED, Limit


def start(limit: Limit, n: int) -> None:
    for _ in range(n):
        limit.started()


def throttle(limit: Limit, n: int, now: float = 1.0, in_flight: int = 0, started: float = 0.0) -> int:
    """Throttle some calls, and return how often the limit fell."""
    return sum(limit.throttled(started, now, in_flight) for _ in range(n))


def test_one_call_in_three_may_be_throttled_and_the_limit_stays() -> None:
    limit = Limit(100)
    for _ in range(500):
        start(limit, 3)
        assert throttle(limit, 1) == 0
    assert limit.value == 100


def test_where_more_are_throttled_it_falls_to_what_was_let_in() -> None:
    limit = Limit(90)
    start(limit, 90)
    assert throttle(limit, FEW_THROTTLED + 30, in_flight=60) == 0
    assert limit.value == 90
    assert throttle(limit, 1, in_flight=60) == 1
    assert limit.value == 60


def test_it_falls_by_half_at_most_and_once_for_calls_started_under_it() -> None:
    limit = Limit(64)
    start(limit, 64)
    assert throttle(limit, 64, now=1.0, in_flight=2) == 1
    assert limit.value == 32
    start(limit, 32)
    assert throttle(limit, 32, now=2.0, in_flight=2, started=1.5) == 1
    assert limit.value == 16


def test_of_a_few_throttled_calls_nothing_is_concluded() -> None:
    limit = Limit(64)
    assert throttle(limit, FEW_THROTTLED) == 0
    assert limit.value == 64


def test_one_call_that_is_throttled_again_and_again_has_met_a_bound() -> None:
    limit = Limit(1000)
    start(limit, 1000)
    assert not limit.throttled(0.0, 1.0, 999, times=FEW_THROTTLED)
    assert limit.throttled(0.0, 1.0, 999, times=FEW_THROTTLED + 1)
    assert limit.value == 999


def test_what_was_long_ago_does_not_outweigh_what_is_now() -> None:
    limit = Limit(20)
    start(limit, 100_000)
    fell = 0
    for _ in range(100):
        start(limit, 1)
        fell += throttle(limit, 1, in_flight=5)
    assert fell


def test_it_climbs_back_by_a_twentieth_of_the_maximum_a_round_and_no_more_than_doubles() -> None:
    limit = Limit(100)
    start(limit, 100)
    assert throttle(limit, 60) == 1
    assert limit.value == 50
    for _ in range(50):
        limit.answered()
    assert 54 <= limit.value <= 55
    for _ in range(2000):
        limit.answered()
    assert limit.value == 100
    for now in range(1, 20):
        throttle(limit, 60, now=now, started=now)
    assert limit.value == 1
    limit.answered()
    assert limit.value == 2


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 2000)), max_size=300), st.integers(1, 1000))
def test_it_stays_between_one_and_its_maximum(events: list[tuple[bool, int]], maximum: int) -> None:
    limit = Limit(maximum)
    for now, (throttled, in_flight) in enumerate(events):
        limit.started()
        if throttled:
            limit.throttled(now, now, in_flight)
        else:
            limit.answered()
        assert 1 <= limit.value <= maximum
