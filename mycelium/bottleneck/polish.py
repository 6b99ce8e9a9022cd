"""Better templates at one k, row by row: sequential moves and restarts, for rows in memory.

Refinement (`hierarchy.refine`) moves all rows at once, and can stop where moving a single row, its old and its new
template changing with it, would still gain: what counts for small templates. `polish` looks for such rows all at once,
and then moves them one after another, each judged by the sums as they are by then.

Source:
    Slonim, Friedman and Tishby, "Unsupervised document classification using sequential information maximization",
    2002; the screening is our own.
"""

from typing import Final

import numpy as np

from mycelium.bottleneck.hierarchy import MIN_SIZE, Level, describe_level, refine
from mycelium.bottleneck.information import concentration
from mycelium.bottleneck.rows import TILE, UNIT, Floats, Ids, Rows, Weights, assign, in_memory, round_logs, sum_by
from mycelium.errors import UserInputError

MAX_SWEEPS: Final = 10
N_CANDIDATE: Final = 4
_LEAST_GAIN: Final = 1e-9
"""Row-bits that a move must gain: above what float64 leaves of sums of a million rows."""


def polish(
    rows: Rows, level: Level, *, weights: Weights | None = None, min_size: int = MIN_SIZE, max_sweeps: int = MAX_SWEEPS
) -> tuple[Level, Ids]:
    """Move single rows to other templates while that gains information.

    Args:
        rows: shape (n, |Y|), as `rows.quantize` makes them.
        level: the templates to begin with.
        weights: shape (n,), 1 each if None.
        min_size: rows that a template must keep.
        max_sweeps: how often all rows are looked at.

    Returns:
        The level, its centroids the means of its rows; and each row's template, shape (n,).
    """
    ids = assign(rows, level.centroids)
    counts, labels = sum_by(rows, ids, level.k, weights)
    for _ in range(max_sweeps):
        if not _sweep(rows, ids, counts, labels, weights, min_size):
            break
    return describe_level(labels / labels.sum(axis=1, keepdims=True), counts, labels), ids


def cluster(
    rows: Rows,
    k: int,
    *,
    n_restart: int = 10,
    seed: int = 0,
    weights: Weights | None = None,
    min_size: int = 1,
) -> tuple[Level, Ids]:
    """Find k templates from random beginnings, and return the best: for few rows, where a hierarchy can be caught.

    Args:
        rows: shape (n, |Y|), as `rows.quantize` makes them.
        k: how many templates.
        n_restart: beginnings, 1 or more.
        seed: decides them.
        weights: shape (n,), 1 each if None.
        min_size: rows that a template must have.

    Returns:
        The level with the highest I(T;Y), and each row's template.

    Raises:
        UserInputError: there are fewer distinct rows than k, or templates of min_size can't be found.
    """
    distinct = len(np.unique(rows, axis=0))
    if not 1 <= k <= distinct:
        raise UserInputError(f"{distinct} different posteriors make from 1 to {distinct} templates; asked for {k}")
    passes = in_memory(rows, weights)
    generator = np.random.default_rng(seed)
    best: tuple[Level, Ids] | None = None
    for _ in range(n_restart):
        start = refine(passes, _scatter(rows, k, generator), min_size)
        if start.k < k:
            continue
        found = polish(rows, start, weights=weights, min_size=min_size)
        if best is None or found[0].relevance > best[0].relevance:
            best = found
    if best is None:
        raise UserInputError(f"{k} templates of at least {min_size} rows were not found in {n_restart} beginnings")
    return best


def _scatter(rows: Rows, k: int, generator: np.random.Generator) -> Floats:
    """Draw k rows as centroids, each with a chance in proportion to its divergence from those drawn before."""
    values = rows.astype(np.float64)
    own = concentration(values)
    chosen = [int(generator.integers(len(rows)))]
    nearest = np.full(len(rows), np.inf)
    while len(chosen) < k:
        # A little of everything, so that no divergence is infinite.
        centroid = 0.99 * values[chosen[-1]] + 0.01 / rows.shape[1]
        nearest = np.minimum(nearest, np.maximum(own - values @ np.log2(centroid), 0))
        nearest[(rows == rows[chosen[-1]]).all(axis=1)] = 0
        chosen.append(int(generator.choice(len(rows), p=nearest / nearest.sum())))
    return np.asarray(0.99 * values[chosen] + 0.01 / rows.shape[1])


def _sweep(rows: Rows, ids: Ids, counts: Weights, labels: Weights, weights: Weights | None, min_size: int) -> bool:
    """Look at all rows, move those that gain; change ids, counts and labels in place; say whether any moved."""
    logs = round_logs(labels / np.maximum(labels.sum(axis=1, keepdims=True), 1))
    promising = [
        start + _screen(rows[start : start + TILE], ids[start : start + TILE], labels / UNIT, logs, weights, start)
        for start in range(0, len(rows), TILE)
    ]
    moved = False
    held = concentration(labels / UNIT)
    for place in np.concatenate(promising):
        weight = 1 if weights is None else int(weights[place])
        own = ids[place]
        if counts[own] - weight < min_size:
            continue
        row = np.rint(rows[place].astype(np.float64) * UNIT).astype(np.int64) * weight
        gains = concentration((labels + row) / UNIT) - held
        gains[own] = held[own] - concentration((labels[own] - row) / UNIT)
        to = int(gains.argmax())
        if to == own or gains[to] - gains[own] <= _LEAST_GAIN:
            continue
        for template, sign in ((own, -1), (to, 1)):
            labels[template] += sign * row
            counts[template] += sign * weight
            held[template] = concentration(labels[template] / UNIT)
        ids[place], moved = to, True
    return moved


def _screen(tile: Rows, own: Ids, sums: Floats, logs: Floats, weights: Weights | None, start: int) -> Ids:
    """Return the rows of a tile that would gain by a move to one of the templates nearest to them."""
    values = tile.astype(np.float64)
    scores = values @ logs.T
    share = np.ones(len(tile)) if weights is None else weights[start : start + len(tile)].astype(np.float64)
    values *= share[:, None]
    held = concentration(sums)
    stay = held[own] - concentration(np.maximum(sums[own] - values, 0))
    scores[np.arange(len(tile)), own] = -np.inf
    best = np.full(len(tile), -np.inf)
    for _ in range(min(N_CANDIDATE, len(sums) - 1)):
        other = scores.argmax(axis=1)
        best = np.maximum(best, concentration(sums[other] + values) - held[other])
        scores[np.arange(len(tile)), other] = -np.inf
    return np.flatnonzero((best - stay > _LEAST_GAIN) & (share > 0)).astype(np.int32)
