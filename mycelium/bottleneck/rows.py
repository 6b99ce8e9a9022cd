"""Posterior rows, and what a pass over them adds up: exact whole-number sums, whatever the chunks.

A row is p(y|x) of one step. Whoever needs sums over all rows puts a `Question` to every chunk of them, and adds the
answers. So that chunks of any size, in any order, on any machine give the same bits:

- a row holds multiples of 2⁻²⁴ (`quantize`), the log-probabilities of a question multiples of 2⁻²² of at most 32;
- then every product and every partial sum of ``rows @ logs`` is a multiple of 2⁻⁴⁶ below 2⁷, and exact in float64. The
  order in which BLAS adds has no say, nor has how many rows it is given;
- sums over rows are whole numbers in int64: multiples of 2⁻²⁴, 2³⁹ rows before they overflow.

Weights are whole numbers: a row of weight 3 is three rows.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from mycelium.errors import UserInputError

Rows: TypeAlias = npt.NDArray[np.float32]
Weights: TypeAlias = npt.NDArray[np.int64]
Floats: TypeAlias = npt.NDArray[np.float64]
Ids: TypeAlias = npt.NDArray[np.int32]

UNIT: Final = 1 << 24
"""A row's probabilities are whole multiples of 1 / UNIT."""

LOG_UNIT: Final = 1 << 22
LEAST_LOG: Final = -32.0
MOMENT_UNIT: Final = 1 << 14
"""Products of two probabilities are summed in multiples of 1 / MOMENT_UNIT²: 2³⁵ rows before they overflow."""

TILE: Final = 4096
"""Rows that are looked at together: what a pass needs beside the rows is some arrays of this many."""


def quantize(posterior: npt.ArrayLike) -> Rows:
    """Round probabilities to multiples of 2⁻²⁴, which float32 holds exactly.

    Args:
        posterior: shape (n, |Y|), each row sums to 1 within 0.001.

    Returns:
        Shape (n, |Y|).

    Raises:
        UserInputError: it is no table of probabilities.
    """
    values = np.asarray(posterior)
    if values.ndim != 2 or values.shape[1] < 1:
        raise UserInputError(f"posterior rows are a table of steps by labels; got the shape {values.shape}")
    out = np.empty(values.shape, np.float32)
    for start in range(0, len(values), TILE):
        tile = values[start : start + TILE].astype(np.float64)
        # Written so that NaN fails too.
        if not (np.all(tile >= 0) and np.all(np.abs(tile.sum(axis=1) - 1) <= 1e-3)):
            raise UserInputError("posterior rows are probabilities, 0 or more, each row sums to 1; got others")
        out[start : start + TILE] = np.rint(tile * UNIT) / UNIT
    return out


def round_logs(centroids: npt.ArrayLike) -> Floats:
    """Return log2 of probabilities in multiples of 2⁻²², none below −32."""
    with np.errstate(divide="ignore"):
        logs = np.log2(np.asarray(centroids, np.float64))
    return np.asarray(np.rint(np.maximum(logs, LEAST_LOG) * LOG_UNIT) / LOG_UNIT)


@dataclass(frozen=True, slots=True)
class Question:
    """What a pass asks of every chunk.

    Attributes:
        centroids: shape (k, |Y|), p(y|t); a row goes to the template with the highest Σ_y p(y|x) log2 p(y|t) + bias,
            that is the nearest by D(p(y|x)‖p(y|t)); among equals to the first.
        bias: shape (k,), log2 p(t) / β for the deterministic bottleneck at a finite β; else None.
        moments: clusters whose Σ p(y|x) p(y'|x) is asked for.
        clusters: the cluster that each direction belongs to, shape (m,).
        directions: shape (m, |Y|), what the rows of those clusters are projected on, multiples of 2⁻²² up to 32.
        edges: shape (m, bins − 1), where the projection is cut into bins, ascending.
    """

    centroids: Floats
    bias: Floats | None = None
    moments: tuple[int, ...] = ()
    clusters: tuple[int, ...] = ()
    directions: Floats | None = None
    edges: Floats | None = None


@dataclass(frozen=True, slots=True)
class Sums:
    """What one or more chunks answer; answers add, exactly.

    Attributes:
        counts: shape (k,), rows of each template.
        labels: shape (k, |Y|), Σ p(y|x) of each template, in 1 / UNIT.
        moments: shape (asked, |Y|, |Y|), Σ p(y|x) p(y'|x), in 1 / MOMENT_UNIT².
        bin_counts: shape (m, bins), rows of each direction's cluster by bin.
        bin_labels: shape (m, bins, |Y|), their Σ p(y|x), in 1 / UNIT.
    """

    counts: Weights
    labels: Weights
    moments: Weights
    bin_counts: Weights
    bin_labels: Weights

    def __add__(self, other: "Sums") -> "Sums":
        """Add two answers to one question."""
        return Sums(
            self.counts + other.counts,
            self.labels + other.labels,
            self.moments + other.moments,
            self.bin_counts + other.bin_counts,
            self.bin_labels + other.bin_labels,
        )


Passes: TypeAlias = Callable[[Question], Sums]
"""Put a question to all rows there are."""


def assign(rows: Rows, centroids: Floats, bias: Floats | None = None, *, logs: Floats | None = None) -> Ids:
    """Give each row its template: the nearest by D(p(y|x)‖p(y|t)), among equals the first.

    Args:
        rows: shape (n, |Y|), as `quantize` makes them.
        centroids: shape (k, |Y|), p(y|t).
        bias: shape (k,), added to each template's score, in bits; see `Question`.
        logs: `round_logs` of the centroids, if it is at hand.

    Returns:
        Shape (n,), 0 to k − 1.
    """
    table = np.ascontiguousarray((round_logs(centroids) if logs is None else logs).T)
    offset = None if bias is None else np.rint(np.maximum(bias, LEAST_LOG) * LOG_UNIT) / LOG_UNIT
    out = np.empty(len(rows), np.int32)
    for start in range(0, len(rows), TILE):
        scores = rows[start : start + TILE].astype(np.float64) @ table
        if offset is not None:
            scores += offset
        out[start : start + TILE] = scores.argmax(axis=1)
    return out


def accumulate(
    rows: Rows,
    question: Question,
    weights: Weights | None = None,
    ids: Ids | None = None,
    sums: tuple[Weights, Weights] | None = None,
) -> Sums:
    """Answer a question for one chunk.

    Args:
        rows: shape (n, |Y|), as `quantize` makes them.
        question: what is asked.
        weights: shape (n,), 0 or more; 1 each if None.
        ids: the rows' templates, if they are known already.
        sums: what `sum_by` gives for them, likewise.

    Returns:
        The chunk's sums.
    """
    if ids is None:
        ids = assign(rows, question.centroids, question.bias)
    counts, labels = sums or sum_by(rows, ids, len(question.centroids), weights)
    n_label = rows.shape[1]
    moments = np.zeros((len(question.moments), n_label, n_label), np.int64)
    for place, cluster in enumerate(question.moments):
        moments[place] = _sum_products(rows, np.flatnonzero(ids == cluster), weights)
    if question.directions is None or question.edges is None:
        return Sums(counts, labels, moments, np.zeros((0, 0), np.int64), np.zeros((0, 0, n_label), np.int64))
    bins = question.edges.shape[1] + 1
    bin_counts = np.zeros((len(question.clusters), bins), np.int64)
    bin_labels = np.zeros((len(question.clusters), bins, n_label), np.int64)
    for place, cluster in enumerate(question.clusters):
        members = np.flatnonzero(ids == cluster)
        inside = np.zeros(len(members), np.int32)
        for start in range(0, len(members), TILE):
            part = rows[members[start : start + TILE]].astype(np.float64) @ question.directions[place]
            inside[start : start + TILE] = np.searchsorted(question.edges[place], part, side="right")
        bin_counts[place], bin_labels[place] = sum_by(rows, inside, bins, weights, members)
    return Sums(counts, labels, moments, bin_counts, bin_labels)


def sum_by(
    rows: Rows, ids: Ids, k: int, weights: Weights | None = None, members: npt.NDArray[np.intp] | None = None
) -> tuple[Weights, Weights]:
    """Sum rows by group, exactly.

    Args:
        rows: shape (n, |Y|), as `quantize` makes them.
        ids: each row's group, 0 to k − 1; of the members alone, where there are some.
        k: how many groups there are.
        weights: shape (n,); 1 each if None.
        members: which rows are summed; all if None.

    Returns:
        The groups' rows, shape (k,); and their Σ p(y|x) in 1 / UNIT, shape (k, |Y|).
    """
    counts, labels = np.zeros(k, np.int64), np.zeros((k, rows.shape[1]), np.int64)
    for start in range(0, len(ids), TILE):
        group = ids[start : start + TILE]
        # Sorting and adding neighbours costs what the rows cost, however many groups there are.
        order = np.argsort(group, kind="stable")
        part = start + order if members is None else members[start + order]
        tile = rows[part].astype(np.float64)
        share = np.ones(len(group)) if weights is None else weights[part].astype(np.float64)
        if weights is not None:
            tile *= share[:, None]
        first = np.flatnonzero(np.diff(group[order], prepend=-1))
        there = group[order[first]]
        # Sums of multiples of 1 / UNIT below 2²⁹: exact in float64 in any order.
        counts[there] += np.add.reduceat(share, first).astype(np.int64)
        labels[there] += (np.add.reduceat(tile, first, axis=0) * UNIT).astype(np.int64)
    return counts, labels


def _sum_products(rows: Rows, members: npt.NDArray[np.intp], weights: Weights | None) -> Weights:
    total = np.zeros((rows.shape[1], rows.shape[1]), np.int64)
    for start in range(0, len(members), TILE):
        part = members[start : start + TILE]
        tile = np.rint(rows[part].astype(np.float64) * MOMENT_UNIT)
        other = tile if weights is None else tile * weights[part][:, None]
        total += (tile.T @ other).astype(np.int64)
    return total


def in_memory(rows: Rows, weights: Weights | None = None) -> Passes:
    """Return passes over rows that lie in memory; from one question to the next only rows that move are added again."""
    return _Held(rows, weights)


class _Held:
    """Rows in memory, the templates of the last question's centroids, and their sums."""

    def __init__(self, rows: Rows, weights: Weights | None) -> None:
        self.rows, self.weights = rows, weights
        self.key = b""
        self.ids = np.zeros(0, np.int32)
        self.counts, self.labels = np.zeros(0, np.int64), np.zeros((0, 0), np.int64)

    def __call__(self, question: Question) -> Sums:
        logs = round_logs(question.centroids)
        key = logs.tobytes() + (b"" if question.bias is None else question.bias.tobytes())
        if key != self.key:
            ids = assign(self.rows, question.centroids, question.bias, logs=logs)
            self.move(ids, len(logs))
            self.key = key
        return accumulate(self.rows, question, self.weights, self.ids, (self.counts, self.labels))

    def move(self, ids: Ids, k: int) -> None:
        """Take new templates; sums are whole numbers, so taking away and adding is as exact as adding afresh."""
        added = k - len(self.counts)
        moved = np.flatnonzero(ids != self.ids) if len(ids) == len(self.ids) else np.arange(len(ids))
        if added < 0 or 2 * len(moved) > len(ids):
            self.counts, self.labels = sum_by(self.rows, ids, k, self.weights)
        else:
            self.counts = np.append(self.counts, np.zeros(added, np.int64))
            self.labels = np.append(self.labels, np.zeros((added, self.labels.shape[1]), np.int64), axis=0)
            for sign, group in ((-1, self.ids), (1, ids)):
                counts, labels = sum_by(self.rows, group[moved], k, self.weights, moved)
                self.counts, self.labels = self.counts + sign * counts, self.labels + sign * labels
        self.ids = ids


def over_chunks(ask: Callable[[Question], Iterable[Sums]]) -> Passes:
    """Return passes over chunks that lie elsewhere.

    Args:
        ask: puts a question to every chunk, and gives `accumulate`'s answers in any order.
    """

    def add(question: Question) -> Sums:
        answers = iter(ask(question))
        total = next(answers, None)
        if total is None:
            raise UserInputError("templates need at least one chunk of rows; got none")
        for answer in answers:
            total = total + answer
        return total

    return add
