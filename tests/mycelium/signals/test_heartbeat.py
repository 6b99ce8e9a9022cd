"""What one beat is: by hand, against a slow oracle, and by its laws."""

from itertools import chain, groupby, pairwise

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mycelium.errors import BadSignalError
from mycelium.signals.heartbeat import bimodality, check_fractions, count_true, find_phases, is_at_least

HALVES = hnp.arrays(np.uint16, st.integers(0, 60), elements=st.integers(0, 0x3C00)).map(lambda a: a.view(np.float16))
"""Arrays of every float16 from 0 to 1."""


def slow_phases(traces: list[list[bool]], min_run: int) -> list[tuple[int, bool, int, int]]:
    """The definition, spelled out: (trace, reading, width, start)."""
    phases, before = [], 0
    for number, trace in enumerate(traces):
        at = 0
        for reading, run in groupby(trace):
            width = len(list(run))
            if width >= min_run:
                phases.append((number, reading, width, before + at))
            at += width
        before += len(trace)
    return phases


def fast_phases(traces: list[list[bool]], min_run: int) -> list[tuple[int, bool, int, int]]:
    lengths = [len(trace) for trace in traces]
    starts = np.cumsum([0, *lengths[:-1]])
    found = find_phases(np.array(list(chain.from_iterable(traces)), np.bool_), starts[: len(traces)], min_run)
    return list(
        zip(found.trace.tolist(), found.reading.tolist(), found.width.tolist(), found.start.tolist(), strict=True)
    )


def by_hand(pattern: str, min_run: int = 5) -> tuple[list[int], list[int]]:
    """Systole and diastole widths of a trace written as, say, ``R9 . 7 R2``: R reading, D reasoning."""
    trace = [part[0] == "R" for part in pattern.split() for _ in range(int(part[1:]))]
    phases = fast_phases([trace], min_run)
    return [w for _, reading, w, _ in phases if reading], [w for _, reading, w, _ in phases if not reading]


@pytest.mark.parametrize(
    ("pattern", "systoles", "diastoles"),
    [
        ("R9 D7 R2 D6 R5 D3", [9, 5], [7, 6]),  # the docstring's example: a glance separates two computations
        ("D5", [], [5]),  # opens and ends the trace: one beat
        ("D4", [], []),
        ("R5", [5], []),
        ("R40", [40], []),  # never reasons: no beat
        ("D40", [], [40]),  # never reads again: one beat
        ("D5 R5", [5], [5]),  # a diastole at the start counts; the systole at the end adds none
        ("R5 D5", [5], [5]),  # a diastole that the end cuts off counts
        ("R5 D4", [5], []),
        ("D5 R1 D5", [], [5, 5]),  # a short run between two long ones separates them
        ("D5 R4 D4", [], [5]),
        ("D4 R4 D4 R4", [], []),  # a flicker all along: nothing is held
        ("R1 D6 R1", [], [6]),
    ],
)
def test_beats_by_hand(pattern: str, systoles: list[int], diastoles: list[int]) -> None:
    assert by_hand(pattern) == (systoles, diastoles)


def test_runs_do_not_reach_over_traces() -> None:
    trace = [False] * 4
    assert fast_phases([trace, trace], 5) == []
    assert fast_phases([trace, trace], 4) == [(0, False, 4, 0), (1, False, 4, 4)]


def test_no_traces_have_no_phases() -> None:
    assert fast_phases([], 5) == []


@given(st.lists(st.lists(st.booleans(), min_size=1, max_size=30), max_size=8), st.integers(1, 8))
def test_the_fast_way_is_the_slow_way(traces: list[list[bool]], min_run: int) -> None:
    assert fast_phases(traces, min_run) == slow_phases(traces, min_run)


@given(st.lists(st.booleans(), min_size=1, max_size=60))
def test_runs_of_one_token_or_more_cover_the_trace_and_alternate(trace: list[bool]) -> None:
    phases = fast_phases([trace], 1)
    assert sum(width for _, _, width, _ in phases) == len(trace)
    states = [reading for _, reading, _, _ in phases]
    assert all(a != b for a, b in pairwise(states))


@given(st.lists(st.booleans(), min_size=1, max_size=60), st.integers(1, 8))
def test_a_longer_minimum_finds_no_more(trace: list[bool], min_run: int) -> None:
    assert set(fast_phases([trace], min_run + 1)) <= set(fast_phases([trace], min_run))


@given(HALVES, st.floats(0.001, 1.0))
def test_bits_compare_as_numbers_do(values: npt.NDArray[np.float16], bound: float) -> None:
    assert is_at_least(values, bound).tolist() == [float(value) >= bound for value in values]


@given(HALVES)
def test_every_fraction_passes(values: npt.NDArray[np.float16]) -> None:
    check_fractions(values)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, -0.5, -0.0, 1.001, 2.0])
def test_what_is_no_fraction_is_refused_and_shown(bad: float) -> None:
    values = np.array([0.0, 0.5, 1.0, bad], np.float16)
    with pytest.raises(BadSignalError, match="between 0 and 1; got"):
        check_fractions(values)


def test_bimodality_by_hand() -> None:
    low, high, n = (np.array(row) for row in ([5, 10, 0, 3, 2], [5, 0, 10, 3, 8], [10, 10, 10, 10, 10]))
    assert bimodality(low, high, n) == pytest.approx([1.0, 0.0, 0.0, 0.36, 0.64])


@given(st.integers(0, 50), st.integers(0, 50), st.integers(0, 50))
def test_bimodality_is_between_0_and_1_and_symmetric(low: int, high: int, rest: int) -> None:
    n = np.array([low + high + rest + 1])
    score = bimodality(np.array([low]), np.array([high]), n)
    assert 0 <= score[0] <= 1
    assert score == bimodality(np.array([high]), np.array([low]), n)


@given(
    lengths=st.lists(st.integers(1, 700), min_size=1, max_size=4),
    heads=st.integers(1, 3),
    share=st.sampled_from([0.0, 0.02, 0.5, 1.0]),
    seed=st.integers(0, 1000),
)
def test_long_traces_few_edges_and_many_flags_count_as_in_a_loop(
    lengths: list[int], heads: int, share: float, seed: int
) -> None:
    flags = np.random.default_rng(seed).random((heads, sum(lengths))) < share
    starts = np.cumsum([0, *lengths[:-1]])
    slow = [[int(row[start : start + n].sum()) for start, n in zip(starts, lengths, strict=True)] for row in flags]
    assert count_true(flags, starts).tolist() == slow
    traces = [part.tolist() for part in np.split(flags[0], starts[1:])]
    assert fast_phases(traces, 1) == slow_phases(traces, 1)
