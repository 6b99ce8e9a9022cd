"""Peaks: by hand, against a slow loop, and against scipy."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import signal

from mycelium.signals import peaks
from mycelium.signals.peaks import find_peaks

Trace = list[float]

heights = st.integers(0, 12)
"""Few heights, so that plateaus and equal maxima are common."""

traces = st.lists(st.lists(heights, min_size=1, max_size=40), min_size=1, max_size=6)


def find_in(lists: list[Trace], **options: float) -> list[list[tuple[int, float]]]:
    """Return (place in the trace, prominence) of each peak of each trace."""
    starts = np.cumsum([0, *map(len, lists[:-1])])
    found = find_peaks(np.concatenate(lists).astype(np.float32), starts, **options)  # type: ignore[arg-type]
    out: list[list[tuple[int, float]]] = [[] for _ in lists]
    for trace, place, prominence in zip(found.trace, found.place, found.prominence, strict=True):
        out[trace].append((int(place - starts[trace]), float(prominence)))
    return out


def slow_maxima(x: Trace) -> list[int]:
    found, i = [], 1
    while i < len(x) - 1:
        j = i
        while j < len(x) - 1 and x[j + 1] == x[i]:
            j += 1
        if x[i - 1] < x[i] and j < len(x) - 1 and x[j + 1] < x[i]:
            found.append((i + j) // 2)
        i = j + 1
    return found


def slow_peaks(x: Trace, distance: int, prominence: float) -> list[tuple[int, float]]:
    left = slow_maxima(x)
    for peak in sorted(left, key=lambda i: (x[i], i), reverse=True):
        if peak in left:
            left = [i for i in left if i == peak or abs(i - peak) >= distance]
    out = []
    for peak in left:
        valleys = []
        for way in (-1, 1):
            i, low = peak, x[peak]
            while 0 <= i < len(x) and x[i] <= x[peak]:
                low = min(low, x[i])
                i += way
            valleys.append(low)
        if x[peak] - max(valleys) >= prominence:
            out.append((peak, x[peak] - max(valleys)))
    return out


def test_by_hand() -> None:
    #        0  1  2  3  4  5  6  7  8  9
    trace = [0, 3, 1, 2, 2, 0, 5, 4, 6, 1.0]
    assert find_in([trace]) == [[(1, 3), (3, 1), (6, 1), (8, 5)]]
    assert find_in([trace], prominence=2) == [[(1, 3), (8, 5)]]
    assert find_in([trace], distance=3) == [[(1, 3), (8, 5)]]
    assert find_in([trace], distance=8) == [[(8, 5)]]


def test_neighbouring_traces_do_not_see_each_other() -> None:
    rising, falling = [0.0, 1, 2], [2.0, 1, 0]
    assert find_in([rising, falling, rising]) == [[], [], []]
    hill = [0.0, 1, 0]
    assert find_in([hill, hill, hill], distance=100) == [[(1, 1.0)]] * 3


def test_a_constant_and_a_single_token_have_no_peak() -> None:
    assert find_in([[1.0] * 9, [5.0]]) == [[], []]


@given(lists=traces, distance=st.integers(1, 9), prominence=st.integers(0, 6))
def test_all_traces_at_once_is_the_slow_loop(lists: list[Trace], distance: int, prominence: int) -> None:
    expected = [slow_peaks(trace, distance, prominence) for trace in lists]
    assert find_in(lists, distance=distance, prominence=prominence) == expected


@given(
    order=st.permutations(range(60)),
    cuts=st.lists(st.integers(1, 59), max_size=4, unique=True),
    distance=st.integers(1, 20),
    prominence=st.integers(0, 30),
)
def test_it_finds_what_scipy_finds(order: list[int], cuts: list[int], distance: int, prominence: int) -> None:
    # No two values are equal: scipy leaves the order of equal maxima to an unstable sort.
    lists: list[npt.NDArray[np.float64]] = np.split(np.array(order, float), sorted(cuts))
    for trace, found in zip(
        lists, find_in([list(x) for x in lists], distance=distance, prominence=prominence), strict=True
    ):
        places, told = signal.find_peaks(trace, distance=distance, prominence=prominence)
        assert [place for place, _ in found] == places.tolist()
        assert [height for _, height in found] == pytest.approx(told["prominences"].tolist())


@given(lists=traces)
def test_plateaus_are_scipy_s(lists: list[Trace]) -> None:
    for trace, found in zip(lists, find_in(lists), strict=True):
        places, told = signal.find_peaks(np.array(trace, float), prominence=0)
        assert [place for place, _ in found] == places.tolist()
        assert [height for _, height in found] == told["prominences"].tolist()


def test_long_noise_is_scipy_s() -> None:
    rng = np.random.default_rng(7)
    lists = [rng.random(n) for n in (1000, 3, 777, 2048)]
    for trace, found in zip(lists, find_in([list(x) for x in lists], distance=12, prominence=0.3), strict=True):
        values = trace.astype(np.float32)
        assert [place for place, _ in found] == signal.find_peaks(values, distance=12, prominence=0.3)[0].tolist()


@given(lists=traces, distance=st.integers(1, 9), rounds=st.integers(0, 2))
def test_what_the_rounds_leave_is_decided_in_sequence_alike(lists: list[Trace], distance: int, rounds: int) -> None:
    expected = [slow_peaks(trace, distance, 0) for trace in lists]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(peaks, "ROUNDS", rounds)
        assert find_in(lists, distance=distance) == expected


def test_a_long_slope_of_maxima_is_thinned_out() -> None:
    slope = [float(i // 2 + 3 * (i % 2)) for i in range(60_000)]  # its 30,000 maxima go by fours: no round decides more
    found = find_in([slope], distance=8)[0]
    assert [place for place, _ in found] == list(range(59_997, 0, -8))[::-1]


def test_a_distance_beyond_every_trace_costs_no_more_than_the_traces() -> None:
    hill = [0.0, 1.0, 0.0, 2.0, 0.0]
    assert find_in([hill] * 20_000, distance=10**9) == [[(3, 2.0)]] * 20_000
