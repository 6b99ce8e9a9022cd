"""Multinomial logistic regression: softmax(x W + b), fitted by limited-memory BFGS.

No package of its own is carried for it: scipy would add 100 MB to a function whose limit is 250, for one optimiser.
Features are read in tiles and never copied as a whole; standardising them is a change of W and b.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]
Index = npt.NDArray[np.intp]

RIDGE: Final = 20.0
"""The precision of a normal prior on each weight: what the fit pays beside the sum of its cross-entropies."""
TOLERANCE: Final = 1e-4
MAX_ITERATIONS: Final = 100
_MEMORY: Final = 10
_LOGIT_UNIT: Final = 1 << 20
_TILE: Final = 4096
_SUFFICIENT: Final = 1e-4
_MAX_HALVINGS: Final = 20


@dataclass(frozen=True, slots=True)
class Logistic:
    """A fitted model.

    Attributes:
        weights: shape (d, |Y|), on the features as they are given.
        bias: shape (|Y|,).
    """

    weights: Matrix
    bias: Matrix

    def logits(self, features: Matrix) -> Matrix:
        """Return x W + b, shape (n, |Y|), in multiples of 2⁻²⁰.

        BLAS adds up in another order when it is given another number of rows. In float64, and rounded far above what
        that can change, a step has the same row in whatever chunk it stands.
        """
        exact = features.astype(np.float64) @ self.weights.astype(np.float64) + self.bias
        return np.asarray(np.rint(exact * _LOGIT_UNIT) / _LOGIT_UNIT, np.float32)


def softmax(logits: npt.ArrayLike, temperature: float = 1.0) -> Floats:
    """Return exp(z / T) / Σ exp(z / T) along the last axis, without overflow."""
    values = np.asarray(logits, np.float64) / temperature
    values = np.exp(values - values.max(axis=-1, keepdims=True))
    return np.asarray(values / values.sum(axis=-1, keepdims=True))


def fit_logistic(
    features: Matrix,
    targets: Matrix,
    rows: Index,
    *,
    ridge: float = RIDGE,
    max_iterations: int = MAX_ITERATIONS,
    tolerance: float = TOLERANCE,
) -> Logistic:
    """Fit softmax(x W + b): the least Σ cross-entropy + ridge / 2 · ‖W‖², in nats, on standardised features.

    Args:
        features: shape (n, d), finite.
        targets: shape (n, |Y|), rows sum to 1.
        rows: which of them to fit to, ascending.
        ridge: 0 or more.
        max_iterations: at most.
        tolerance: the fit ends where an iteration betters the loss by less than this share of it.

    Returns:
        The model.
    """
    mean, deviation = measure_features(features, rows)
    scale = np.divide(1, deviation, out=np.zeros_like(deviation), where=deviation > 0)
    n_feature, n_label = features.shape[1], targets.shape[1]
    frequencies = targets[rows].mean(axis=0, dtype=np.float64)
    start = np.zeros((n_feature + 1, n_label))
    # A label that does not occur here keeps a small probability.
    start[-1] = np.log(np.maximum(frequencies, 0.1 / len(rows)))

    pull = ridge / len(rows)

    def loss(flat: Floats) -> tuple[float, Floats]:
        theta = flat.reshape(start.shape)
        weights = (theta[:-1] * scale[:, None]).astype(np.float32)
        bias = theta[-1] - mean @ (theta[:-1] * scale[:, None])
        total, gradient, column = 0.0, np.zeros((n_feature, n_label)), np.zeros(n_label)
        for first in range(0, len(rows), _TILE):
            part = rows[first : first + _TILE]
            x, y = features[part], targets[part]
            z = x @ weights + bias.astype(np.float32)
            z -= z.max(axis=1, keepdims=True)
            e = np.exp(z)
            whole = e.sum(axis=1, keepdims=True)
            total += float((np.log(whole[:, 0]) - (y * z).sum(axis=1)).sum(dtype=np.float64))
            e /= whole
            e -= y
            gradient += x.T @ e
            column += e.sum(axis=0, dtype=np.float64)
        out = np.empty_like(theta)
        out[:-1] = (gradient - np.outer(mean, column)) * scale[:, None] / len(rows) + pull * theta[:-1]
        out[-1] = column / len(rows)
        return total / len(rows) + pull / 2 * float((theta[:-1] ** 2).sum()), out.ravel()

    theta = minimize(loss, start.ravel(), max_iterations, tolerance).reshape(start.shape)
    weights = theta[:-1] * scale[:, None]
    return Logistic(weights.astype(np.float32), (theta[-1] - mean @ weights).astype(np.float32))


def measure_features(features: Matrix, rows: Index) -> tuple[Floats, Floats]:
    """Return mean and standard deviation of each feature over some rows; 0 for a feature that is constant."""
    total, square = np.zeros(features.shape[1]), np.zeros(features.shape[1])
    shift = features[rows[0]].astype(np.float64)
    for first in range(0, len(rows), _TILE):
        tile = features[rows[first : first + _TILE]] - shift
        total += tile.sum(axis=0)
        square += (tile**2).sum(axis=0)
    mean = total / len(rows)
    variance = square / len(rows) - mean**2
    return mean + shift, np.sqrt(np.where(variance > 1e-12 * (square / len(rows) + 1e-300), variance, 0.0))


def minimize(
    loss: Callable[[Floats], tuple[float, Floats]], start: Floats, max_iterations: int, tolerance: float
) -> Floats:
    """Minimise a smooth convex function by limited-memory BFGS with backtracking.

    Args:
        loss: a point to its value and gradient.
        start: where to begin.
        max_iterations: at most.
        tolerance: ends where an iteration betters the value by less than this share of it.

    Returns:
        The best point found.

    Source:
        Nocedal and Wright, "Numerical Optimization", 2nd edition, algorithms 7.4 and 3.1.
    """
    point, (value, gradient) = start, loss(start)
    pairs: deque[tuple[Floats, Floats, float]] = deque(maxlen=_MEMORY)
    for _ in range(max_iterations):
        direction = _descend(gradient, pairs)
        slope = float(direction @ gradient)
        if slope >= 0:
            return point
        length = 1.0 if pairs else min(1.0, 1 / float(np.abs(gradient).sum()))
        for _ in range(_MAX_HALVINGS):
            step = length * direction
            new_value, new_gradient = loss(point + step)
            if new_value <= value + _SUFFICIENT * length * slope:
                break
            length /= 2
        else:
            return point
        change = new_gradient - gradient
        curvature = float(step @ change)
        if curvature > 1e-12 * float(change @ change):
            pairs.append((step, change, curvature))
        gained = value - new_value
        point, value, gradient = point + step, new_value, new_gradient
        if gained < tolerance * max(abs(value), 1e-12):
            return point
    return point


def _descend(gradient: Floats, pairs: deque[tuple[Floats, Floats, float]]) -> Floats:
    """Return minus the inverse Hessian, as the last steps show it, times the gradient."""
    direction = -gradient
    along: list[float] = []
    for step, change, curvature in reversed(pairs):
        along.append(float(step @ direction) / curvature)
        direction = direction - along[-1] * change
    if pairs:
        _, change, curvature = pairs[-1]
        direction = direction * (curvature / float(change @ change))
    for (step, change, curvature), share in zip(pairs, reversed(along), strict=True):
        direction = direction + (share - float(change @ direction) / curvature) * step
    return direction
