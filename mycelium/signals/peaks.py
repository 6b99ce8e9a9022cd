"""Peaks of many traces at once: local maxima, thinned by distance and prominence.

1. A *local maximum* is a value with a lower one directly before and a lower one directly behind; of a plateau, the
   middle (the left one of two). So the first and the last token of a trace are none.
2. *Distance.* Of two maxima nearer than `distance` tokens the lower one goes; of two that are equal, the earlier one.
   The highest has the first word, then the next highest that is left.
3. *Prominence.* How far one must descend from a maximum before one can climb higher: its height less the higher one of
   the two valleys between it and the nearest strictly higher value, or the trace's end, on either side. A maximum
   whose prominence is below the least one asked for is no peak.

This is what `scipy.signal.find_peaks` finds, which a Lambda function can't carry; a test holds the two together. scipy
leaves the choice between equal maxima to an unstable sort.

All traces are worked on together, in O(n log n); a loop over maxima is left to what can't be decided many at a time,
such as the maxima of a long slope.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

ROUNDS = 64
"""Real traces are thinned out in some ten."""

Floats = npt.NDArray[np.float32]
Places = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Peaks:
    """The peaks of many traces, in order of trace and of time.

    Attributes:
        trace: shape (k,), the trace that each belongs to.
        place: shape (k,), where it is, in tokens from the beginning of the first trace.
        prominence: shape (k,), how far it stands out, in the values' unit.
    """

    trace: Places
    place: Places
    prominence: Floats


def find_peaks(values: Floats, starts: Places, *, distance: int = 1, prominence: float = 0.0) -> Peaks:
    """Find the peaks of all traces at once; see the module for what a peak is.

    Args:
        values: shape (n,), all traces one after another; finite.
        starts: shape (m,), where each trace begins, ascending, the first at 0; no trace is empty.
        distance: tokens that two peaks of a trace are apart, at least; 1 or more.
        prominence: the least prominence of a peak; 0 or more.

    Returns:
        The peaks.
    """
    walled, places = _wall_off(values, starts)
    found = _thin_out(walled, _find_maxima(walled), distance)
    stands_out = _measure_prominence(walled, found)
    kept = stands_out >= np.float32(prominence)
    place = places[found[kept]]
    return Peaks(np.searchsorted(starts, place, side="right") - 1, place, stands_out[kept])


def _wall_off(values: Floats, starts: Places) -> tuple[Floats, Places]:
    """Return the values with +∞ before each trace and at the end, and which value stands at each place."""
    n, m = len(values), len(starts)
    walled = np.full(n + m + 1, np.inf, np.float32)
    places = np.zeros(n + m + 1, np.int64)
    trace = np.repeat(np.arange(m), np.diff(starts, append=n))
    inside = np.arange(n) + trace + 1
    walled[inside] = values
    places[inside] = np.arange(n)
    return walled, places


def _find_maxima(walled: Floats) -> Places:
    # A plateau is a run of equal values; it is a maximum if the runs on both sides are lower.
    run_start = np.flatnonzero(np.concatenate([[True], walled[1:] != walled[:-1]]))
    height = walled[run_start]
    run_end = np.append(run_start[1:], len(walled)) - 1
    is_maximum = np.zeros(len(run_start), np.bool_)
    is_maximum[1:-1] = (height[1:-1] > height[:-2]) & (height[1:-1] > height[2:]) & np.isfinite(height[1:-1])
    middle: Places = (run_start[is_maximum] + run_end[is_maximum]) // 2
    return middle


def _thin_out(walled: Floats, maxima: Places, distance: int) -> Places:
    """Keep the highest of those nearer than `distance`, as if decided one after another from the highest down.

    A maximum that is the highest among the undecided within reach can be kept at once, wherever the others stand: that
    is what the sequence would decide. So each round decides many, and at least one; what is left after `ROUNDS` of them
    is decided in sequence.
    """
    if distance <= 1 or len(maxima) < 2:
        return maxima
    rank = np.empty(len(maxima), np.int64)
    rank[np.lexsort((maxima, walled[maxima]))] = np.arange(1, len(maxima) + 1)
    trace = np.cumsum(np.isinf(walled))[maxima]
    reach: list[tuple[int, npt.NDArray[np.bool_]]] = []
    # As many neighbours as can be within reach: maxima are two tokens apart, at least.
    for k in range(1, min((distance - 1) // 2, len(maxima) - 1) + 1):
        near = (maxima[k:] - maxima[:-k] < distance) & (trace[k:] == trace[:-k])
        if not near.any():
            break
        reach.append((k, near))
    standing = rank.copy()  # 0: gone
    kept = np.zeros(len(maxima), np.bool_)
    for _ in range(ROUNDS):
        undecided = np.where(kept, 0, standing)
        if not undecided.any():
            return maxima[kept]
        best = undecided.copy()
        for k, near in reach:
            np.maximum(best[:-k], np.where(near, undecided[k:], 0), out=best[:-k])
            np.maximum(best[k:], np.where(near, undecided[:-k], 0), out=best[k:])
        new = (undecided > 0) & (best == undecided)
        kept |= new
        for k, near in reach:
            standing[:-k][near & new[k:]] = 0
            standing[k:][near & new[:-k]] = 0
    return maxima[_decide_in_sequence(maxima, trace, distance, standing, kept)]


def _decide_in_sequence(
    maxima: Places, trace: Places, distance: int, standing: Places, kept: npt.NDArray[np.bool_]
) -> npt.NDArray[np.bool_]:
    """Decide what is undecided from the highest down. Each goes once, so this is one pass, and the sort before it."""
    where, of, ranks, keeps = maxima.tolist(), trace.tolist(), standing.tolist(), kept.tolist()
    for i in sorted((i for i in range(len(ranks)) if ranks[i] and not keeps[i]), key=lambda i: -ranks[i]):
        if not ranks[i]:
            continue
        keeps[i] = True
        for step, end in ((-1, -1), (1, len(where))):
            j = i + step
            while j != end and of[j] == of[i] and abs(where[j] - where[i]) < distance:
                ranks[j] = 0
                j += step
    return np.array(keeps, np.bool_)


def _measure_prominence(walled: Floats, peaks: Places) -> Floats:
    """Return each peak's height above the higher of its two valleys.

    From each peak one walks outward while no value is higher, in strides of falling powers of two: the largest and the
    smallest value of every stretch of 2ᵏ tokens are known for each k.
    """
    height = walled[peaks]
    longest = int(np.diff(np.flatnonzero(np.isinf(walled))).max(initial=1))
    highest, lowest = [walled], [np.where(np.isinf(walled), np.inf, walled).astype(np.float32)]
    for k in range(longest.bit_length()):
        half = 1 << k
        if 2 * half > len(walled):
            break
        highest.append(np.maximum(highest[-1][:-half], highest[-1][half:]))
        lowest.append(np.minimum(lowest[-1][:-half], lowest[-1][half:]))
    left, right = peaks.copy(), peaks.copy()  # what has been walked over, both ends included
    left_valley, right_valley = height.copy(), height.copy()
    for k in range(len(highest) - 1, -1, -1):
        stride, top, bottom = 1 << k, highest[k], lowest[k]
        start = left - stride
        may = (start >= 0) & (top[np.maximum(start, 0)] <= height)
        left_valley = np.where(may, np.minimum(left_valley, bottom[np.maximum(start, 0)]), left_valley)
        left = np.where(may, start, left)
        start = np.minimum(right + 1, len(top) - 1)
        may = (right + 1 < len(top)) & (top[start] <= height)
        right_valley = np.where(may, np.minimum(right_valley, bottom[start]), right_valley)
        right = np.where(may, right + stride, right)
    return height - np.maximum(left_valley, right_valley)
