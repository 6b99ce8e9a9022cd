"""How many tasks go together, and when workers pay: decisions over scripted seconds."""

import heapq
from itertools import cycle, islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.executors.pace import (
    BATCH_S,
    MAX_BATCH,
    SHARES,
    START_S,
    TINY_S,
    Pace,
    choose_batch,
    consumer_pays,
    workers_pay,
)

SECONDS = st.floats(0, 1e4)


def pace_of(*seconds: float) -> Pace:
    pace = Pace()
    for wall_s in seconds:
        pace.add(wall_s)
    return pace


@given(st.none() | SECONDS, st.integers(1, 10**6), st.integers(1, 128))
def test_a_batch_is_never_empty_nor_more_than_is_left_nor_than_a_worker_s_share(
    task_s: float | None, n_left: int, n_workers: int
) -> None:
    n = choose_batch(task_s, n_left, n_workers)
    assert 1 <= n <= min(n_left, MAX_BATCH)
    assert (n - 1) * n_workers * SHARES < n_left
    if task_s is None:
        assert n == 1
    elif n > 1:
        assert n * task_s <= BATCH_S * (1 + 1e-9)


@given(SECONDS, SECONDS, st.integers(1, 10**6), st.integers(1, 128))
def test_longer_tasks_never_make_larger_batches(one_s: float, other_s: float, n_left: int, n_workers: int) -> None:
    short_s, long_s = sorted((one_s, other_s))
    assert choose_batch(long_s, n_left, n_workers) <= choose_batch(short_s, n_left, n_workers)


def test_a_task_of_a_batch_s_length_goes_alone_and_tiny_ones_by_the_hundred() -> None:
    assert choose_batch(BATCH_S, 1000, 2) == 1
    assert choose_batch(BATCH_S / 4, 1000, 2) == 4
    assert choose_batch(1e-5, 10**6, 2) == choose_batch(0.0, 10**6, 2) == MAX_BATCH


def test_the_last_batches_shrink_so_that_workers_end_together() -> None:
    left, sizes = 1000, []
    while left:
        sizes.append(choose_batch(1e-5, left, 4))
        left -= sizes[-1]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] == 1
    assert len(sizes) < 50


@given(st.floats(1e-5, 1.0), st.integers(1, 500), st.integers(1, 8))
def test_workers_end_within_one_batch_of_the_ideal_when_the_pace_is_right(
    task_s: float, n_tasks: int, n_workers: int
) -> None:
    left, free = n_tasks, [0.0] * n_workers  # a simulation of workers that take batches as they come free
    while left:
        n = choose_batch(task_s, left, n_workers)
        left -= n
        heapq.heappush(free, heapq.heappop(free) + n * task_s)
    assert max(free) <= n_tasks * task_s / n_workers + max(task_s, BATCH_S)


def test_the_first_task_gives_way_to_the_second() -> None:
    assert pace_of(0.3).task_s == 0.3
    assert pace_of(0.3, 0.001).task_s == 0.001
    assert pace_of(0.3, 0.002, 0.004).task_s == pytest.approx(0.003)


@given(st.lists(SECONDS, min_size=2, max_size=50))
def test_the_pace_lies_between_the_fastest_and_the_slowest(seconds: list[float]) -> None:
    task_s = pace_of(*seconds).task_s
    assert task_s is not None
    assert min(seconds[1:]) * (1 - 1e-9) <= task_s <= max(seconds[1:]) * (1 + 1e-9)


def test_the_pace_follows_a_run_whose_chunks_change() -> None:
    pace = pace_of(*islice(cycle([0.001]), 500), *islice(cycle([1.0]), 60))
    assert pace.task_s is not None
    assert pace.task_s > 0.9


def test_two_workers_pay_from_twice_their_start_on() -> None:
    assert not workers_pay(Pace(), 10**6, 2)
    assert not workers_pay(pace_of(60.0), 10**6, 2)  # one is not enough to tell; patience is for that
    assert not workers_pay(pace_of(1.0, 0.01), 0, 2)
    assert not workers_pay(pace_of(1.0, 0.01), 10**6, 1)
    assert not workers_pay(pace_of(1.0, 0.01), int(2 * START_S / 0.01) - 1, 2)
    assert workers_pay(pace_of(1.0, 0.01), int(2 * START_S / 0.01) + 1, 2)


def test_rounds_that_each_pay_too_little_pay_together() -> None:
    pace = pace_of(0.01, 0.01)
    assert not workers_pay(pace, 10, 2)
    assert workers_pay(pace, 10, 2, spent_s=2 * START_S)


def test_who_takes_the_results_computes_what_is_tiny() -> None:
    assert not consumer_pays(Pace())
    assert not consumer_pays(pace_of(TINY_S / 2))  # one is not enough to tell
    assert not consumer_pays(pace_of(TINY_S / 2, TINY_S))
    assert consumer_pays(pace_of(1.0, TINY_S / 2))


@given(SECONDS, st.integers(1, 10**6), st.integers(2, 64))
def test_more_work_never_pays_less(task_s: float, n_left: int, n_workers: int) -> None:
    pace = pace_of(task_s, task_s)
    if workers_pay(pace, n_left, n_workers):
        assert workers_pay(pace, n_left + 1, n_workers)
