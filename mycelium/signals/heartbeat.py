"""Heartbeats: the telegraph in a trace of input attention fractions (IAF).

**What one beat is.** Take one head's IAF over the tokens of one problem's chain of thought.

1. *Threshold.* A token is *reading* if its IAF is at least the threshold (0.5), else *reasoning*.
2. *Runs.* Neighbours of one state form a run, as long as it can be: it ends where the state changes or the trace does.
3. *Phases.* A run of at least `min_run` tokens (5) is a phase; its *width* is its tokens. A phase of reading is a
   *systole*, a phase of reasoning a *diastole*. A shorter run is no phase.
4. **A beat is a diastole**: one stretch of computation.

At the edges: a run at the start or the end of the trace is a run like any other. Before a diastole that opens the trace
the model took in the prompt; a diastole that the end cuts off was held for `min_run` tokens; a systole at the end adds
no beat. A short run between two long ones counts for nothing itself, and does separate them: after a glance of two
tokens at the problem, the next stretch of reasoning is another computation.

So reading for 9 tokens, reasoning for 7, reading for 2, reasoning for 6, reading for 5, reasoning for 3 gives systoles
of 9 and 5, diastoles of 7 and 6: two beats.

Source: the paper counts runs of at least 5 tokens at a threshold of 0.5, and says no more. That short runs separate is
its plain reading, and the better count too: ADR 0001 has the correlation with the true number of steps of both rules.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mycelium.errors import BadSignalError

THRESHOLD = 0.5
MIN_RUN = 5

LOW_POLE = 0.25
HIGH_POLE = 0.75

_WORD, _BYTE = 8, 255
"""Flags in a word of 64 bits; the most that a byte counts."""

_ONE = int(np.float16(1.0).view(np.uint16))


@dataclass(frozen=True, slots=True)
class Phases:
    """The phases of many traces, in order of trace and of time.

    Attributes:
        trace: shape (n,), the trace that each belongs to.
        reading: shape (n,), True for systole, False for diastole.
        width: shape (n,), tokens.
        start: shape (n,), where each begins, in tokens from the beginning of the first trace.
    """

    trace: npt.NDArray[np.int64]
    reading: npt.NDArray[np.bool_]
    width: npt.NDArray[np.int64]
    start: npt.NDArray[np.int64]


def check_fractions(values: npt.NDArray[np.float16]) -> None:
    """Refuse values that are no fractions.

    Raises:
        BadSignalError: a value is NaN, infinite, negative (−0 included) or above 1.
    """
    # The bit patterns of float16 from +0 to 1 are 0 to _ONE in order, and all else is above: one pass, no conversion.
    bits = values.view(np.uint16)
    if bits.size and int(bits.max()) > _ONE:
        worst = values[bits > _ONE][0]
        raise BadSignalError(f"an input attention fraction is between 0 and 1; got {worst}")


def is_at_least(values: npt.NDArray[np.float16], bound: float) -> npt.NDArray[np.bool_]:
    """Return where fractions (as `check_fractions` passes them) reach a bound in (0, 1], compared exactly."""
    least = np.float16(bound)
    if float(least) < bound:
        least = np.nextafter(least, np.float16(np.inf))
    return values.view(np.uint16) >= least.view(np.uint16)


def find_phases(reading: npt.NDArray[np.bool_], starts: npt.NDArray[np.int64], min_run: int = MIN_RUN) -> Phases:
    """Find systoles and diastoles, all traces at once, by run lengths.

    Args:
        reading: shape (n,), the states of all traces one after another; see the module's steps 1 to 3.
        starts: shape (k,), where each trace begins, ascending, the first at 0; no trace is empty.
        min_run: tokens that a run must have to be a phase; 1 or more.

    Returns:
        The phases, by trace and time.
    """
    n = len(reading)
    if not n:
        none = np.zeros(0, np.int64)
        return Phases(none, np.zeros(0, np.bool_), none, none)
    is_edge = np.empty(n, np.bool_)
    np.not_equal(reading[1:], reading[:-1], out=is_edge[1:])
    is_edge[starts] = True
    run_start = _find_true(is_edge)
    run_length = np.diff(run_start, append=n)
    held = np.flatnonzero(run_length >= min_run)
    start, width = run_start[held], run_length[held]
    # The trace of a run is the number of traces that have begun by then, less one.
    begun = np.bincount(np.searchsorted(start, starts), minlength=len(held) + 1)
    return Phases(np.cumsum(begun[: len(held)]) - 1, reading[start], width, start)


def _find_true(flags: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """Return where flags are set, as `np.flatnonzero` does; where one in ten or fewer is, in a third of its time.

    NumPy goes through few flags with a branch for each, and through many without one. So the words of eight flags are
    searched first, and then the flags of those words that have one.
    """
    n_whole = len(flags) // _WORD * _WORD
    words = flags[:n_whole].view(np.uint64)
    chosen = np.flatnonzero(words != 0)
    at = np.flatnonzero(words[chosen].view(np.bool_))
    before = (chosen - np.arange(len(chosen))) * _WORD  # flags left out before each word
    return np.concatenate([at + before[at // _WORD], n_whole + np.flatnonzero(flags[n_whole:])])


def count_true(flags: npt.NDArray[np.bool_], starts: npt.NDArray[np.int64]) -> npt.NDArray[np.int32]:
    """Count the flags that are set in each stretch of each row.

    Args:
        flags: shape (h, n).
        starts: shape (k,), where each stretch begins, ascending, the first at 0; none is empty.

    Returns:
        Shape (h, k).
    """
    # Sums of bytes are many times faster than sums of bytes as something wider: first by so many as a byte can count.
    lengths = np.diff(starts, append=flags.shape[1])
    n_pieces = -(-lengths // _BYTE)
    first = np.cumsum(n_pieces) - n_pieces
    pieces = np.repeat(starts - first * _BYTE, n_pieces) + np.arange(n_pieces.sum()) * _BYTE
    counts = np.add.reduceat(flags.view(np.uint8), pieces, axis=1, dtype=np.uint8)
    return np.add.reduceat(counts, first, axis=1, dtype=np.int32)


def bimodality(
    low: npt.NDArray[np.int64], high: npt.NDArray[np.int64], n: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    """Score how much a trace is a telegraph: 4 · (low / n) · (high / n).

    It is 1 for a trace that spends half its tokens near 0 and half near 1, and 0 for one that never leaves one pole,
    or that hovers between them. The computing head is the one with the highest mean over problems: a head that reads
    through one problem and reasons through another scores 0, not 1.

    Args:
        low: tokens with an IAF below `LOW_POLE` (0.25), in each trace.
        high: tokens with an IAF of at least `HIGH_POLE` (0.75), in each trace.
        n: tokens in each trace, at least 1.

    Returns:
        In [0, 1], one for each trace.

    Source: chosen here; the paper picks the head by eye.
    """
    return 4.0 * (low / n) * (high / n)
