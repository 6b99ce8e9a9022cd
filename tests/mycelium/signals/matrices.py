"""Random attention, and everything that is said of it by loops that read as the definitions do."""

import math

import numpy as np
import numpy.typing as npt

F64 = npt.NDArray[np.float64]


def make_attention(seed: int, b: int = 2, h: int = 2, t: int = 9, s: int = 7, sharpness: float = 3.0) -> F64:
    """Make rows of softmax; some sources are out of sight, and so exactly 0."""
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(b, h, t, s)) * sharpness
    scores[rng.random(scores.shape) < 0.2] = -np.inf
    scores[..., 0] = 0.0
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    return np.asarray(weights / weights.sum(-1, keepdims=True))


def slow_entropy(row: F64) -> float:
    return -sum(float(a) * math.log(a) for a in row if a > 0)


def slow_divergence(before: F64, after: F64) -> float:
    """Divergence of two lists of rows, in bits."""
    p, q = before.mean(0), after.mean(0)
    total = 0.0
    for x, y in zip(p, q, strict=True):
        middle = (x + y) / 2
        total += sum(part / 2 * math.log2(part / middle) for part in (x, y) if part > 0)
    return total
