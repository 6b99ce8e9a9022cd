"""Problems whose answers are known, and slow ways to find the answers to others."""

import math
from collections.abc import Iterator

import numpy as np

from mycelium.bottleneck.information import Floats, mutual_information


def binary_symmetric(p: float) -> Floats:
    """Return p(y|x) of the channel that flips a bit with probability p."""
    return np.array([[1 - p, p], [p, 1 - p]])


def binary_erasure(e: float) -> Floats:
    """Return p(y|x) of the channel that loses a bit with probability e."""
    return np.array([[1 - e, e, 0], [0, e, 1 - e]])


def symmetric(n: int, noise: float) -> Floats:
    """Return p(y|x) of the channel that gives any of n letters with the probability of noise."""
    return (1 - noise) * np.eye(n) + noise / n


def gaussian(rho: float, n: int = 81, reach: float = 5.0) -> tuple[Floats, Floats]:
    """Return p(x) and p(y|x) of two normal variables with correlation rho, on a grid."""
    x = np.linspace(-reach, reach, n)
    posterior = np.exp(-((x[None] - rho * x[:, None]) ** 2) / 2 / (1 - rho**2))
    prior = np.exp(-(x**2) / 2)
    return prior / prior.sum(), posterior / posterior.sum(axis=1, keepdims=True)


def binary_entropy(p: float) -> float:
    """Return h(p), bits."""
    return 0.0 if p in {0, 1} else -p * math.log2(p) - (1 - p) * math.log2(1 - p)


def invert_entropy(h: float) -> float:
    """Return the p in [0, 1/2] with h(p) = h, by bisection."""
    low, high = 0.0, 0.5
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if binary_entropy(middle) < h else (low, middle)
    return (low + high) / 2


def information(rows: Floats, ids: np.ndarray[tuple[int], np.dtype[np.int64]], k: int) -> float:
    """Return I(T;Y) of a grouping of rows of equal weight, bits."""
    return mutual_information(np.eye(k)[ids].T @ rows)


def partitions(n: int, k: int) -> Iterator[list[int]]:
    """Give every way to put n rows into exactly k groups, once."""

    def extend(done: list[int], used: int) -> Iterator[list[int]]:
        if k - used > n - len(done):
            return
        if len(done) == n:
            yield done
            return
        for group in range(min(used + 1, k)):
            yield from extend([*done, group], max(used, group + 1))

    return extend([], 0)


def best_by_brute_force(rows: Floats, k: int) -> float:
    """Return the highest I(T;Y) of all groupings into k."""
    grouped = np.array(list(partitions(len(rows), k)))
    sums = np.stack([(grouped == t).astype(float) @ rows for t in range(k)], axis=1)
    whole = sums.sum(axis=2, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(sums > 0, sums * np.log2(sums / whole), 0).sum(axis=(1, 2)) / len(rows)
    prior = rows.mean(axis=0)
    return float(terms.max() - (prior * np.log2(prior)).sum())


def best_for_two_labels(rows: Floats, k_max: int) -> list[float]:
    """Return the highest I(T;Y) for each k from 1, for two labels: groups are stretches of the sorted rows.

    Source: Kurkoski and Yagi, "Quantization of binary-input discrete memoryless channels", 2014.
    """
    p = np.sort(rows[:, 1])
    n = len(p)
    before = np.concatenate([[0.0], np.cumsum(p)])
    start, end = np.meshgrid(np.arange(n + 1), np.arange(n + 1), indexing="ij")
    ones, size = before[end] - before[start], (end - start).astype(float)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.clip(ones / size, 0, 1)
        value = sum(np.where(part > 0, size * part * np.log2(part), 0) for part in (share, 1 - share))
    value = np.where(end > start, value, -np.inf)
    best, answers = value[0], []
    for _ in range(k_max):
        answers.append(float(best[n]) / n + binary_entropy(float(p.mean())))
        best = (best[:, None] + value).max(axis=0)
    return answers
