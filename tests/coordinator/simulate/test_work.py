"""Work: times that were measured or stated, and none that can't be drawn from."""

import math
import statistics
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.simulate.work import TYPICAL_INIT_S, Work, measured_work, stated_work
from mycelium.errors import UserInputError
from mycelium.store import MemoryStore
from tests.builders import build_run, make_iaf


def test_a_run_s_own_times_are_its_work() -> None:
    manifest = build_run(MemoryStore(), [make_iaf(seed=i) for i in range(3)]).manifest
    times = [
        replace(manifest.outcomes[0], wall_s=0.5, init_ms=250.0, cold=True),
        replace(manifest.outcomes[1], wall_s=0.25),
        replace(manifest.outcomes[2], status="failed", wall_s=9.0),
    ]
    work = measured_work(replace(manifest, outcomes=tuple(times)))
    assert (work.task_s, work.init_s, work.gets, work.puts) == ((0.5, 0.25), (0.25,), 1, 1)
    assert work.mean_s == 0.375
    assert measured_work(replace(manifest, outcomes=tuple(times[1:]))).init_s == (TYPICAL_INIT_S,)


def test_a_run_in_which_nothing_was_done_has_no_times() -> None:
    manifest = build_run(MemoryStore(), [make_iaf()]).manifest
    found = replace(manifest.outcomes[0], status="found", wall_s=1.0)
    with pytest.raises(UserInputError, match="has no task that was done in it"):
        measured_work(replace(manifest, outcomes=(found,)))


@given(st.floats(0.001, 1000), st.floats(0.01, 1.5))
def test_a_stated_work_has_its_median_and_its_mean(median_s: float, sigma: float) -> None:
    work = stated_work(f"{median_s!r}:{sigma!r}")
    assert statistics.median(work.task_s) == pytest.approx(median_s)
    assert work.mean_s == pytest.approx(median_s * math.exp(sigma**2 / 2), rel=0.02)


def test_without_a_sigma_each_task_takes_the_same() -> None:
    assert stated_work("0.3") == Work((0.3,), (TYPICAL_INIT_S,))


@pytest.mark.parametrize("text", ["", "fast", "-1", "nan", "inf", "1:x", "1:-1", "1:4", "1:nan", "1:1:1"])
def test_what_states_no_time_is_refused(text: str) -> None:
    with pytest.raises(UserInputError, match="--task-s is a median in seconds"):
        stated_work(text)


@pytest.mark.parametrize("times", [(), (math.nan,), (-1.0,), (math.inf,)])
def test_times_that_can_not_be_drawn_are_refused(times: tuple[float, ...]) -> None:
    with pytest.raises(UserInputError, match="task_s is one finite time"):
        Work(times)


def test_larger_chunks_take_as_long_as_those_they_are_made_of() -> None:
    work = Work((1.0, 2.0), gets=2.0)
    assert work.enlarged(1, 0) is work
    large = work.enlarged(10, seed=3)
    assert all(10 <= value <= 20 for value in large.task_s)
    assert large.mean_s == pytest.approx(15, rel=0.03)
    assert large.gets == 2.0
    assert large == work.enlarged(10, seed=3)
