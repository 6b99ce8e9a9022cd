"""Waits: drawn at random, bounded, growing."""

from hypothesis import given
from hypothesis import strategies as st

from gpu_workers.spool.backoff import BASE_S, CAP_S, draw_wait


@given(st.integers(0, 10_000), st.floats(0, 1, exclude_max=True))
def test_a_wait_is_below_its_bound(attempt: int, drawn: float) -> None:
    assert 0 <= draw_wait(attempt, lambda: drawn) < CAP_S


def test_the_bound_doubles_up_to_its_cap() -> None:
    bounds = [draw_wait(attempt, lambda: 1.0) for attempt in range(10)]
    assert bounds[:4] == [BASE_S, 2 * BASE_S, 4 * BASE_S, 8 * BASE_S]
    assert bounds[-1] == CAP_S
