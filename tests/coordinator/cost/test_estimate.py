"""Estimates: a line through what was measured, an interval, and the time and dollars that follow for each executor."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.cost.estimate import (
    Range,
    Work,
    count_work,
    expect_cloud,
    expect_local,
    fit_line,
    predict_seconds,
)
from coordinator.cost.evidence import Evidence, RunTime, Sample
from coordinator.cost.prices import LIST_PRICES
from coordinator.cost.usage import Usage

FEW = Evidence(tuple(Sample(1.0 + size, size, "a") for size in (1.0, 2.0, 3.0, 4.0)), is_lambda=True, source="the test")
SIZES = st.lists(st.floats(0.1, 1e6), min_size=1, max_size=30)


def make_work(n_tasks: int, size: float = 2.0, memory_mb: int = 1769) -> Work:
    return Work([size] * n_tasks, n_inputs=1, n_reads=1, n_outputs=1, n_chunks=n_tasks, memory_mb=memory_mb)


def test_a_line_is_found_again() -> None:
    sizes = np.array([1.0, 2.0, 5.0, 9.0])
    assert fit_line(sizes, 0.5 + 0.25 * sizes) == pytest.approx((0.5, 0.25))


@pytest.mark.parametrize(
    ("sizes", "seconds", "line"),
    [
        ([1.0, 2.0], [3.0, 1.0], (2.0, 0.0)),  # the larger, the shorter: size says nothing
        ([1.0, 2.0], [1.0, 4.0], (0.0, 1.8)),  # no task takes less than no time
        ([5.0, 5.0, 5.0], [1.0, 2.0, 3.0], (0.0, 0.4)),  # all alike: all of it is taken to grow with the size
        ([4.0], [2.0], (0.0, 0.5)),
    ],
)
def test_neither_part_of_the_line_is_below_zero(
    sizes: list[float], seconds: list[float], line: tuple[float, float]
) -> None:
    assert fit_line(np.array(sizes), np.array(seconds)) == pytest.approx(line)


@given(SIZES, st.floats(0.001, 10), st.floats(0, 10), SIZES)
def test_what_lies_on_a_line_is_foretold_without_doubt(
    known: list[float], slope: float, base: float, wanted: list[float]
) -> None:
    if len(set(known)) < 3 or max(known) < 2 * min(known):
        known = [1.0, 10.0, 100.0]
    # Each of them often, so that no draw is of one size alone.
    samples = tuple(Sample(base + slope * size, size, "a") for size in known * 40)
    expected = sum(base + slope * size for size in wanted)
    found = predict_seconds(Evidence(samples, is_lambda=True, source=""), wanted, n_draws=20)
    assert (found.low, found.likely, found.high) == pytest.approx((expected,) * 3, rel=1e-3, abs=1e-6)


@given(st.lists(st.tuples(st.floats(0.01, 100), st.floats(1, 1e6)), min_size=2, max_size=30), SIZES, SIZES)
def test_no_total_is_below_nothing_and_the_likely_one_is_within_the_interval(
    known: list[tuple[float, float]], wanted: list[float], more: list[float]
) -> None:
    evidence = Evidence(tuple(Sample(s, size, "a") for s, size in known), is_lambda=False, source="")
    base, slope = fit_line(
        np.array([s.size for s in evidence.samples]), np.array([s.seconds for s in evidence.samples])
    )
    assert min(base, slope) >= 0
    for sizes in (wanted, wanted + more):
        found = predict_seconds(evidence, sizes, n_draws=20)
        assert 0 <= found.low <= found.likely <= found.high


def test_the_interval_holds_four_fifths_of_what_comes() -> None:
    rng = np.random.default_rng(1)

    def draw(n: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        return rng.lognormal(0.0, 0.5, n)

    inside = 0
    for trial in range(200):
        samples = tuple(Sample(float(s), 1.0, "a") for s in draw(100))
        found = predict_seconds(Evidence(samples, is_lambda=True, source=""), [1.0] * 50, 100, seed=trial)
        inside += found.low <= float(draw(50).sum()) <= found.high
    assert 140 <= inside <= 180  # 160 of 200, and three times their scatter


def test_runs_that_differ_make_the_interval_wide() -> None:
    alike = tuple(Sample(2.0, 1.0, "a") for _ in range(50))
    apart = tuple(Sample(s, 1.0, run) for run, s in (("a", 1.0), ("b", 3.0)) for _ in range(25))
    narrow, wide = (predict_seconds(Evidence(some, is_lambda=True, source=""), [1.0] * 10) for some in (alike, apart))
    assert (narrow.low, narrow.likely, narrow.high) == pytest.approx((20.0, 20.0, 20.0))
    assert wide.low < 10.0 < wide.likely < 30.0 < wide.high
    here = predict_seconds(Evidence(alike, is_lambda=False, source=""), [1.0] * 10)  # the next may be another
    assert here.low < 16.0 < here.likely < 25.0 < here.high


def test_the_same_evidence_gives_the_same_estimate_and_no_task_takes_no_time() -> None:
    assert predict_seconds(FEW, [1.0, 9.0]) == predict_seconds(FEW, [1.0, 9.0])
    assert predict_seconds(FEW, []) == Range(0.0, 0.0, 0.0)


def test_here_the_work_is_divided_among_the_workers_and_costs_nothing() -> None:
    here = replace(FEW, is_lambda=False)
    expected = expect_local(here, make_work(100), n_workers=4)
    assert expected.wall_s is not None
    assert expected.wall_s.likely == pytest.approx(75.0)
    assert expected.usd == Range(0.0, 0.0, 0.0)
    assert "4 at a time" in expected.source
    one_long = Work([0.001] * 10 + [1000.0], 1, 1, 1, 11, 1769)
    longest = expect_local(here, one_long, n_workers=11).wall_s
    assert longest is not None
    assert longest.likely > 900


def test_what_earlier_runs_took_beside_their_tasks_is_added() -> None:
    here = replace(FEW, is_lambda=False, runs=(RunTime(10.0, 16.0, 8), RunTime(5.0, 8.0, 4), RunTime(20.0, 8.0, 4)))
    expected = expect_local(here, make_work(100), n_workers=4)
    assert expected.wall_s is not None
    assert expected.wall_s.likely == pytest.approx(75.0 + 6.0)


def test_on_lambda_waves_of_mean_tasks_follow_each_other() -> None:
    expected = expect_cloud("lambda", FEW, make_work(2500), 1000, LIST_PRICES)
    assert expected.wall_s is not None
    assert expected.wall_s.likely == pytest.approx(3 * 3.0)
    assert "3 waves of up to 1,000" in expected.source
    more = expect_cloud("lambda", FEW, make_work(2500), 2500, LIST_PRICES)
    assert more.wall_s is not None
    assert more.wall_s.likely == pytest.approx(3.0 + 20.0)  # environments come a thousand at a time


def test_dollars_are_those_of_what_is_used() -> None:
    expected = expect_cloud("lambda", FEW, make_work(1000, memory_mb=2048), 1000, LIST_PRICES)
    assert expected.usd is not None
    # 1,000 tasks of 3 s at 2 GB; two listings and a manifest.
    by_hand = 6000 * 0.0000133334 + 1000 * 0.0000002 + 1000 * 0.0000004 + 1003 * 0.000005
    assert expected.usd.likely == pytest.approx(by_hand)
    assert sum(expected.likely.values()) == pytest.approx(by_hand)
    machine = expect_cloud("step-functions", FEW, make_work(1000, memory_mb=2048), 1000, LIST_PRICES)
    assert machine.usd is not None
    assert machine.usd.likely == pytest.approx(by_hand + 1001 * 0.000025 + 1001 * 0.0000004 + 2 * 0.000005)


def test_a_function_with_half_a_processor_takes_twice_as_long_as_a_core_here() -> None:
    here = replace(FEW, is_lambda=False)
    whole, half = (
        expect_cloud("lambda", here, make_work(10, memory_mb=mb), 1000, LIST_PRICES).wall_s for mb in (3538, 884)
    )
    assert whole is not None
    assert half is not None
    assert half.likely == pytest.approx(whole.likely * 1769 / 884)
    back = expect_local(FEW, make_work(10, memory_mb=884), 1).wall_s
    assert back is not None
    assert back.likely == pytest.approx(30.0 * 884 / 1769)


def test_where_nothing_tells_nothing_is_said() -> None:
    assert expect_local(None, make_work(10), 4).wall_s is None
    there = expect_cloud("lambda", None, make_work(10), 1000, LIST_PRICES)
    assert (there.wall_s, there.usd, there.likely) == (None, None, {})


@given(st.integers(0, 5000), st.integers(0, 5000), st.floats(0, 1e6))
def test_more_work_never_uses_less(n_tasks: int, more: int, task_s: float) -> None:
    for executor in ("lambda", "step-functions"):
        less, all_of_it = (count_work(executor, make_work(n), task_s) for n in (n_tasks, n_tasks + more))
        for name in Usage.__slots__:
            assert getattr(all_of_it, name) >= getattr(less, name)


@pytest.mark.parametrize(("n_runs", "spread"), [(1, 0.3), (2, 0.3), (5, 0.3), (8, 0.6), (8, 0.15)])
def test_the_interval_holds_four_fifths_of_runs_on_a_machine_with_other_work(n_runs: int, spread: float) -> None:
    rng, inside, n_trials = np.random.default_rng(2), 0, 150
    for trial in range(n_trials):
        paces = rng.lognormal(0.0, spread, n_runs + 1)
        samples = tuple(
            Sample(float(pace * seconds), 1.0, f"run {i}")
            for i, pace in enumerate(paces[1:])
            for seconds in rng.lognormal(0.0, 0.2, 20)
        )
        found = predict_seconds(Evidence(samples, is_lambda=False, source=""), [1.0] * 30, 200, seed=trial)
        inside += found.low <= float(paces[0] * rng.lognormal(0.0, 0.2, 30).sum()) <= found.high
    assert 0.68 <= inside / n_trials <= 0.97


def test_the_first_task_of_a_worker_says_nothing_of_the_others() -> None:
    # Two workers load the stage for 5 s; after that a chunk takes a second for each of its bytes.
    cold = tuple(Sample(5.0 + size, size, "a", cold=True) for size in (1.0, 2.0))
    warm = tuple(Sample(size, size, "a") for size in (1.0, 2.0, 3.0, 4.0) * 10)
    evidence = Evidence((*cold, *warm), is_lambda=False, source="")
    assert predict_seconds(evidence, [2.0] * 100, n_draws=20).likely == pytest.approx(200 + 2 * 5)
    assert predict_seconds(evidence, [2.0], n_draws=20).likely == pytest.approx(2 + 5)  # one task has one worker


def test_the_latest_run_counts_most() -> None:
    samples = tuple(Sample(pace, 1.0, name) for name, pace in (("last", 4.0), ("before", 1.0)) for _ in range(5))
    found = predict_seconds(Evidence(samples, is_lambda=False, source=""), [1.0] * 3, n_draws=20)
    assert found.likely == pytest.approx(3 * 4 ** (2 / 3))
