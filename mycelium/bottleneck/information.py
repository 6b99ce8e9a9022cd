"""Entropies, divergences and mutual information: all of them in bits.

Plain sums over float64 arrays of probabilities; 0 · log 0 is 0.
"""

import math

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

NATS_A_BIT = math.log(2)
"""Information in nats is this many times the information in bits."""


def entropy(p: npt.ArrayLike, axis: int = -1) -> Floats:
    """Return H(p) = −Σ p log2 p, in bits.

    Args:
        p: probabilities, of any shape; they sum to 1 along the axis.
        axis: what is summed over.

    Returns:
        The shape of p without that axis; 0 or more.
    """
    values = np.asarray(p, np.float64)
    return np.asarray(-np.sum(values * _safe_log2(values), axis=axis))


def divergence(p: npt.ArrayLike, q: npt.ArrayLike, axis: int = -1) -> Floats:
    """Return D(p‖q) = Σ p log2(p / q), in bits: Kullback and Leibler's.

    Args:
        p: probabilities; the shapes of p and q are broadcast.
        q: probabilities.
        axis: what is summed over.

    Returns:
        The broadcast shape without that axis; 0 or more, infinite where q is 0 and p is not.
    """
    left, right = np.broadcast_arrays(np.asarray(p, np.float64), np.asarray(q, np.float64))
    terms = np.zeros(left.shape)
    there = left > 0
    with np.errstate(divide="ignore"):
        terms[there] = left[there] * (np.log2(left[there]) - np.log2(right[there]))
    return np.asarray(np.maximum(np.sum(terms, axis=axis), 0.0))


def mutual_information(joint: npt.ArrayLike) -> float:
    """Return I = Σ p(a, b) log2 p(a, b) / (p(a) p(b)), in bits.

    Args:
        joint: shape (a, b), counts or probabilities, 0 or more; it is divided by its sum.

    Returns:
        0 or more; 0 for a table of nothing.
    """
    table = np.asarray(joint, np.float64)
    total = table.sum()
    if total <= 0:
        return 0.0
    table = table / total
    value = entropy(table.sum(axis=1)) + entropy(table.sum(axis=0)) - entropy(table.ravel())
    return max(float(value), 0.0)


def merge_cost(sums: npt.ArrayLike, other: npt.ArrayLike) -> Floats:
    """Return the information that is lost where two clusters become one: the weighted Jensen-Shannon divergence.

    With n = Σ sums and p = sums / n it is n_a D(p_a‖p) + n_b D(p_b‖p), p being the pooled distribution.

    Args:
        sums: Σ p(y|x) over each cluster's rows; the last axis is Y, and shapes are broadcast.
        other: likewise.

    Returns:
        Row-bits: divide by the number of all rows for the loss of I(T;Y) in bits. 0 or more.
    """
    left, right = np.asarray(sums, np.float64), np.asarray(other, np.float64)
    return np.maximum(concentration(left) + concentration(right) - concentration(left + right), 0.0)


def concentration(sums: npt.ArrayLike) -> Floats:
    """Return Σ_y s_y log2(s_y / s), s = Σ s_y: minus the entropy of a cluster times its rows, in row-bits.

    Args:
        sums: 0 or more; the last axis is Y.

    Returns:
        The shape without the last axis; 0 or less.
    """
    values = np.asarray(sums, np.float64)
    whole = values.sum(axis=-1)
    return np.asarray(np.sum(values * _safe_log2(values), axis=-1) - whole * _safe_log2(whole))


def noise_floor(n_label: int, n: npt.ArrayLike) -> Floats:
    """Return the information that a split of n labels seems to give where there is none: (|Y| − 1) / (2 n ln 2) bits.

    Args:
        n_label: |Y|, how many labels occur.
        n: how many rows are split.

    Returns:
        Bits, the shape of n; infinite for no rows.

    Source:
        Miller, "Note on the bias of information estimates" (1955), for two groups.
    """
    with np.errstate(divide="ignore"):
        return np.divide(n_label - 1, 2 * np.asarray(n, np.float64) * NATS_A_BIT)


def _safe_log2(values: Floats) -> Floats:
    logs = np.zeros(values.shape)
    np.log2(values, out=logs, where=values > 0)
    return logs
