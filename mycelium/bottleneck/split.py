"""Where a cluster breaks in two: along its relevance eigenvector, at the best cut that leaves both parts large enough.

The relevance covariance of cluster t is C = Σ_x p(x|t) (p(·|x) − p(·|t)) (p(·|x) − p(·|t))ᵀ diag(1 / p(·|t)). As β
grows, t becomes unstable at β = 1 / λ_max(C), and what grows is the component along the eigenvector: rows are ordered
by z_x = Σ_y p(y|x) u_y / √p(y|t), u being the eigenvector of the symmetric form of C. The cut is the one along that
order that gains the most information. More eigenvectors than the first are tried, since beyond the transition another
may gain more.

All of it needs two passes: one for Σ p(y|x) p(y'|x), one for a histogram along each direction.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from mycelium.bottleneck.information import concentration
from mycelium.bottleneck.rows import LOG_UNIT, MOMENT_UNIT, UNIT, Floats, Passes, Question, Weights

N_DIRECTION: Final = 3
N_BIN: Final = 64
_REACH: Final = 8.0
"""The bins reach so many standard deviations to each side of the mean; what lies beyond is in the outermost."""


@dataclass(frozen=True, slots=True)
class Cut:
    """The best way to break one cluster in two.

    Attributes:
        gain: row-bits of information gained; 0 where no cut leaves both parts large enough.
        critical_beta: 1 / λ_max; infinite where all rows are alike.
        parts: shape (2, |Y|), Σ p(y|x) of the two parts in 1 / UNIT.
    """

    gain: float
    critical_beta: float
    parts: Weights


def search_cuts(passes: Passes, centroids: Floats, clusters: Sequence[int], *, min_size: int) -> list[Cut]:
    """Find the best cut of each of some clusters.

    Args:
        passes: the rows.
        centroids: shape (k, |Y|), which decide what belongs to which cluster.
        clusters: which are to be cut.
        min_size: rows that both parts must have.

    Returns:
        A cut for each cluster asked for, in that order.
    """
    sums = passes(Question(centroids, moments=tuple(clusters)))
    betas: list[float] = []
    owners: list[int] = []
    directions: list[Floats] = []
    edges: list[Floats] = []
    for place, cluster in enumerate(clusters):
        count = int(sums.counts[cluster])
        mean = sums.labels[cluster] / max(count, 1) / UNIT
        values, vectors = relevance_axes(sums.moments[place] / max(count, 1) / MOMENT_UNIT**2, mean)
        betas.append(float(1 / values[0]) if values[0] > 1e-9 else math.inf)
        for value, vector in zip(values[:N_DIRECTION], vectors[:N_DIRECTION], strict=True):
            if value > 1e-9:
                direction, edge = _lay_bins(vector, mean, float(value))
                owners.append(cluster)
                directions.append(direction)
                edges.append(edge)
    best = {}
    for cluster, beta in zip(clusters, betas, strict=True):
        best[cluster] = Cut(0.0, beta, sums.labels[[cluster, cluster]])
    if not owners:
        return [best[cluster] for cluster in clusters]
    bins = passes(Question(centroids, clusters=tuple(owners), directions=np.stack(directions), edges=np.stack(edges)))
    for place, cluster in enumerate(owners):
        cut = _best_cut(bins.bin_counts[place], bins.bin_labels[place], min_size)
        if cut is not None and cut[0] > best[cluster].gain:
            best[cluster] = Cut(cut[0], best[cluster].critical_beta, cut[1])
    return [best[cluster] for cluster in clusters]


def relevance_axes(second: Floats, mean: Floats) -> tuple[Floats, Floats]:
    """Return the relevance eigenvalues of a cluster, the largest first, and what each orders the rows by.

    Args:
        second: shape (|Y|, |Y|), the mean of p(y|x) p(y'|x) over the cluster's rows.
        mean: shape (|Y|,), p(y|t).

    Returns:
        The eigenvalues, shape (|Y|,), in 0 to 1 but for rounding; and the directions, shape (|Y|, |Y|), a row for each
        eigenvalue: u_y / √p(y|t), 0 for a label that the cluster does not have.
    """
    root = np.sqrt(mean)
    scale = np.divide(1, root, out=np.zeros_like(root), where=mean > 1e-12)
    covariance = (second - np.outer(mean, mean)) * np.outer(scale, scale)
    values, vectors = np.linalg.eigh((covariance + covariance.T) / 2)
    order = np.argsort(-values, kind="stable")
    axes = vectors[:, order].T
    # An eigenvector has no sign of its own: the largest component is made positive.
    largest = np.abs(axes).argmax(axis=1)
    axes *= np.where(axes[np.arange(len(axes)), largest] < 0, -1.0, 1.0)[:, None]
    return values[order], axes * scale


def _lay_bins(direction: Floats, mean: Floats, variance: float) -> tuple[Floats, Floats]:
    """Scale a direction to at most 32 and round it; lay bins that are narrow at the mean and wide far from it."""
    size = 16 / np.abs(direction).max()
    rounded = np.rint(direction * size * LOG_UNIT) / LOG_UNIT
    steps = np.sinh(np.linspace(-1, 1, N_BIN - 1) * np.arcsinh(_REACH * 4)) / 4
    return rounded, float(rounded @ mean) + np.sqrt(variance) * size * steps


def _best_cut(counts: Weights, labels: Weights, min_size: int) -> tuple[float, Weights] | None:
    left_count, left = np.cumsum(counts)[:-1], np.cumsum(labels, axis=0)[:-1]
    whole = labels.sum(axis=0)
    fits = (left_count >= min_size) & (counts.sum() - left_count >= min_size)
    if not fits.any():
        return None
    left = left[fits]
    gains = concentration(left / UNIT) + concentration((whole - left) / UNIT) - concentration(whole / UNIT)
    place = int(gains.argmax())
    return float(gains[place]), np.stack([left[place], whole - left[place]])
