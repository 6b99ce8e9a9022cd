"""The simulation against what can be worked out by hand."""

import heapq
import math
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.simulate.events import Gate, simulate, simulate_again
from coordinator.simulate.limits import Limits
from coordinator.simulate.work import Work

BOUNDLESS = 1e15
FREE = Limits(
    concurrency=10**9,
    burst=10**9,
    starts_per_s=BOUNDLESS,
    puts_per_s=BOUNDLESS,
    gets_per_s=BOUNDLESS,
    timeout_s=BOUNDLESS,
    dispatch_s=0.0,
    open_s=0.0,
    land_s=0.0,
    round_trip_s=0.0,
)
"""Nothing is bounded; a test bounds one thing."""

TIMES = st.lists(st.floats(0.001, 100), min_size=1, max_size=40)


def work(*task_s: float, init_s: float = 0.0, gets: float = 0.0, puts: float = 0.0) -> Work:
    return Work(task_s, (init_s,), gets, puts)


@given(st.integers(1, 400), st.integers(1, 50), st.floats(0.01, 100))
def test_equal_tasks_on_some_servers_go_in_rounds(n: int, servers: int, each_s: float) -> None:
    """M/D/c with all arrivals at once: ceil(n / c) rounds of d."""
    found = simulate(work(each_s), n, replace(FREE, concurrency=servers))
    assert found.wall_s == pytest.approx(math.ceil(n / servers) * each_s)
    assert found.task_s == pytest.approx(n * each_s)
    assert (found.most_at_once, found.cold_starts) == (min(n, servers), min(n, servers))


@given(TIMES, st.integers(1, 8), st.floats(0, 5))
def test_any_tasks_go_to_the_server_that_is_free_first(times: list[float], servers: int, init_s: float) -> None:
    found = simulate_again(times, work(1.0, init_s=init_s), replace(FREE, concurrency=servers))
    assert found.wall_s == pytest.approx(_list_schedule(times, servers, init_s))


def _list_schedule(times: Sequence[float], servers: int, init_s: float) -> float:
    free = [0.0] * servers
    ends = []
    for number, each_s in enumerate(times):
        at_s = heapq.heappop(free)
        end_s = at_s + each_s + (init_s if number < servers else 0.0)
        heapq.heappush(free, end_s)
        ends.append(end_s)
    return max(ends)


@given(st.integers(1, 200), st.floats(0.0001, 0.01), st.floats(0.001, 3))
def test_one_coordinator_sends_one_after_the_other(n: int, dispatch_s: float, each_s: float) -> None:
    found = simulate(work(each_s), n, replace(FREE, dispatch_s=dispatch_s))
    assert found.wall_s == pytest.approx(n * dispatch_s + each_s)


@given(st.integers(1, 200), st.floats(0.0001, 0.01), st.floats(0.0001, 0.01), st.floats(0.0001, 0.01))
def test_one_coordinator_does_one_thing_at_a_time(n: int, dispatch_s: float, open_s: float, land_s: float) -> None:
    limits = replace(FREE, dispatch_s=dispatch_s, open_s=open_s, land_s=land_s)
    busy_s = n * (dispatch_s + open_s + land_s)
    # Tasks that take longer than all that comes before them: all are sent, then they land one after the other.
    long = simulate(work(100.0), n, limits)
    assert long.wall_s >= 100.0 + dispatch_s + open_s + land_s - 1e-9
    assert long.wall_s <= 100.0 + busy_s + 1e-9
    # Tasks of no time, in the room for one: nothing goes on beside anything else, and one connection does.
    alone = simulate(work(0.0), n, replace(limits, concurrency=1))
    assert alone.wall_s == pytest.approx(n * (dispatch_s + land_s) + open_s)
    assert alone.bounds["dispatch"] == pytest.approx(alone.wall_s)


@given(st.integers(1, 200), st.floats(0.0001, 0.01), st.floats(0.0001, 0.01))
def test_the_other_side_s_one_processor_does_one_thing_at_a_time(n: int, accept_s: float, answer_s: float) -> None:
    found = simulate(work(1e-6), n, replace(FREE, accept_s=accept_s, answer_s=answer_s))
    assert found.wall_s == pytest.approx(n * (accept_s + answer_s), rel=0.01)
    free = simulate(work(1e-6), n, FREE)
    assert free.wall_s == pytest.approx(1e-6)


@given(st.integers(1, 60), st.integers(1, 8), st.floats(0.01, 1), st.floats(0.001, 0.1))
def test_a_connection_is_opened_once_for_each_place_in_flight(
    n: int, at_once: int, task_s: float, open_s: float
) -> None:
    found = simulate(work(task_s), n, replace(FREE, concurrency=at_once, open_s=open_s))
    assert found.bounds["dispatch"] == pytest.approx(found.cold_starts * open_s)
    assert found.cold_starts == found.most_at_once <= at_once


@given(st.integers(1, 500), st.integers(1, 100), st.floats(1, 500))
def test_environments_start_at_their_rate_after_the_burst(n: int, burst: int, per_s: float) -> None:
    found = simulate(work(1e6), n, replace(FREE, burst=burst, starts_per_s=per_s))
    assert found.wall_s == pytest.approx(1e6 + max(0, n - burst) / per_s)
    assert found.cold_starts == n


@pytest.mark.parametrize(("n_prefixes", "puts"), [(1, 1.0), (1, 2.0), (4, 2.0)])
def test_puts_go_at_the_rate_of_their_prefixes(n_prefixes: int, puts: float) -> None:
    n = 7_000
    limits = replace(FREE, puts_per_s=3500, n_prefixes=n_prefixes)
    found = simulate(work(0.3, puts=puts), n, limits)
    assert found.wall_s == pytest.approx(0.3 + n * puts / 3500 / n_prefixes)
    assert found.bound_by == "PUTs"


def test_gets_go_at_their_rate_before_the_task() -> None:
    found = simulate(work(0.3, gets=1.0), 5_500, replace(FREE, gets_per_s=5500))
    assert found.wall_s == pytest.approx(1.3)
    assert found.bound_by == "GETs"


def test_a_task_over_the_longest_time_is_cut_off_and_counted() -> None:
    found = simulate_again([1.0, 901.0, 900.0], work(1.0), replace(FREE, timeout_s=900))
    assert (found.timeouts, found.wall_s, found.task_s) == (1, 900.0, 1801.0)


def test_every_task_pays_its_round_trip() -> None:
    found = simulate(work(1.0), 6, replace(FREE, concurrency=2, round_trip_s=0.5))
    assert found.wall_s == pytest.approx(4.5)


@given(TIMES, st.integers(1, 40), st.integers(0, 99))
def test_more_at_once_is_never_slower_where_nothing_else_differs(times: list[float], servers: int, seed: int) -> None:
    # Equal tasks: with different ones a greedy order may lose by a server more (Graham 1966).
    equal = [times[0]] * len(times)
    few, more = (simulate_again(equal, work(1.0), replace(FREE, concurrency=c), seed) for c in (servers, servers + 1))
    assert more.wall_s <= few.wall_s * (1 + 1e-9)


@given(
    TIMES,
    st.integers(1, 10),
    st.floats(0, 0.1),
    st.floats(0, 2),
    st.floats(0.5, 50),
    st.integers(1, 5),
    st.integers(0, 99),
)
def test_no_run_is_faster_than_any_of_its_bounds(
    times: list[float], servers: int, dispatch_s: float, init_s: float, puts_per_s: float, burst: int, seed: int
) -> None:
    limits = replace(
        FREE,
        concurrency=servers,
        dispatch_s=dispatch_s,
        puts_per_s=puts_per_s,
        burst=burst,
        starts_per_s=1.0,
        round_trip_s=0.01,
    )
    found = simulate(work(*times, init_s=init_s, puts=1.0), len(times), limits, seed)
    assert found.wall_s >= max(found.bounds.values()) * (1 - 1e-9)
    # Nor slower than all of them one after the other (Graham: the sum of the bounds bounds any greedy order).
    slowest = sum(found.bounds.values()) + servers / limits.starts_per_s + init_s + 0.01 + len(times) * dispatch_s
    assert found.wall_s <= slowest + found.bounds["concurrency"]
    assert found == simulate(work(*times, init_s=init_s, puts=1.0), len(times), limits, seed)


@given(st.lists(st.floats(0, 10), min_size=1, max_size=30).map(sorted), st.floats(0.5, 20), st.integers(0, 5))
def test_a_gate_is_a_queue_with_one_server(arrivals: list[float], per_s: float, burst: int) -> None:
    gate, passed = Gate(per_s, burst), list[float]()
    for at_s in arrivals:
        passed.append(gate.pass_at(at_s))
    assert passed == sorted(passed)
    assert all(through >= at_s for through, at_s in zip(passed, arrivals, strict=True))
    for i, first in enumerate(passed):
        within = [through for through in passed[i:] if through <= first + 1.0]
        assert len(within) <= per_s * 1.0 + burst + 1 + 1e-6
