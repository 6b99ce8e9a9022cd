"""From one template to many: split the one that gains most, let all rows find their nearest again, go on.

Each step from k to k + 1 templates (*best first*):

1. the cut with the highest gain of all (`split`) breaks one template in two;
2. *refinement*: every row goes to the template with the nearest p(y|t) by Kullback-Leibler divergence, templates become
   the means of their rows, and again: information never falls;
3. *surface tension*: a template that refinement leaves with fewer than `min_size` rows dissolves, each of its rows to
   the nearest survivor. Then the split is taken back, and the next best tried;
4. *exchange*: while some template can be dissolved for less than what splitting another gains, both are done.

All of it is in sums over rows (`rows`), so it runs on rows in memory and on chunks anywhere, to the same bits.
`polish` betters one level further, row by row, where rows are in memory.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from mycelium.bottleneck.information import concentration, entropy, merge_cost
from mycelium.bottleneck.rows import UNIT, Floats, Passes, Question, Sums, Weights
from mycelium.bottleneck.split import Cut, search_cuts
from mycelium.errors import UserInputError

MIN_SIZE: Final = 50
MAX_ROUNDS: Final = 30
MAX_EXCHANGES: Final = 4
TOLERANCE: Final = 1e-5
"""Refinement ends where a round gains less than this, in bits."""

_LIKELY: Final = 0.8
"""A cut that promises so much of the highest gain is searched again if its template has changed."""


@dataclass(frozen=True, slots=True)
class Level:
    """The templates at one k.

    Attributes:
        centroids: shape (k, |Y|), p(y|t) by which rows are assigned.
        counts: shape (k,), rows of each template so assigned.
        labels: shape (k, |Y|), their Σ p(y|x) in 1 / UNIT.
        relevance: I(T;Y), bits, on the rows.
        compression: I(X;T) = H(T), bits: each row has one template.
    """

    centroids: Floats
    counts: Weights
    labels: Weights
    relevance: float
    compression: float

    @property
    def k(self) -> int:
        """How many templates there are."""
        return len(self.counts)


@dataclass(frozen=True, slots=True)
class Split:
    """One branching of the tree.

    Attributes:
        k: how many templates there are after it.
        parent: the template that was cut; its number goes on as the first part's, and k − 1 is the second's.
        size: rows of the parent.
        sizes: rows of the two parts, before refinement.
        gain: bits that the cut adds to I(T;Y), over all rows.
        local_gain: bits that the cut adds within the parent: gain · n / size.
        refined_gain: bits that I(T;Y) has grown by from k − 1 to k, refinement and exchanges included.
        critical_beta: 1 / λ_max of the parent's relevance covariance, where it becomes unstable.
        exchanges: what was exchanged afterwards: the template that stayed, the one that dissolved into it and whose
            number went to a new one, and the template that the new one was split from.
    """

    k: int
    parent: int
    size: int
    sizes: tuple[int, int]
    gain: float
    local_gain: float
    refined_gain: float
    critical_beta: float
    exchanges: tuple[tuple[int, int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """Templates for every k, and how they came about.

    Attributes:
        levels: one for each k from 1.
        splits: one for each level but the first.
        n: rows, weights counted.
        ended: why there is no further level: the number asked for was reached, or no template can be split.
    """

    levels: tuple[Level, ...]
    splits: tuple[Split, ...]
    n: int
    ended: str

    def level(self, k: int) -> Level:
        """Return the templates at one k.

        Raises:
            UserInputError: the hierarchy does not reach so far.
        """
        if not 1 <= k <= len(self.levels):
            raise UserInputError(f"templates are from 1 to {len(self.levels)} here, since {self.ended}; asked for {k}")
        return self.levels[k - 1]


def grow(
    passes: Passes,
    n_label: int,
    k_max: int,
    *,
    min_size: int = MIN_SIZE,
) -> Hierarchy:
    """Grow templates from 1 to `k_max`, or as far as they can be split.

    Args:
        passes: the rows: `rows.in_memory` or `rows.over_chunks`.
        n_label: |Y|.
        k_max: how many templates at most.
        min_size: rows that a template must have; 1 or more.

    Returns:
        The hierarchy.

    Raises:
        UserInputError: there are fewer rows than min_size, or k_max or min_size is below 1.
    """
    if k_max < 1 or min_size < 1:
        raise UserInputError(f"k_max and min_size are 1 or more; got {k_max} and {min_size}")
    first = passes(Question(np.full((1, n_label), 1 / n_label)))
    if first.counts[0] < min_size:
        raise UserInputError(f"a template has at least {min_size} rows, and there are {first.counts[0]} in all")
    growth = _Growth(passes, refine(passes, centroids_of(first), min_size), min_size)
    levels, splits = [growth.level], list[Split]()
    while growth.level.k < k_max:
        split = growth.split()
        if split is None:
            return Hierarchy(tuple(levels), tuple(splits), growth.n, "no template can be split further")
        levels.append(growth.level)
        splits.append(split)
    return Hierarchy(tuple(levels), tuple(splits), growth.n, f"{k_max} were asked for")


def centroids_of(sums: Sums) -> Floats:
    """Return p(y|t) of each template: shape (k, |Y|), rows of 1; uniform for a template without rows."""
    return _normalize(sums.labels)


def _normalize(labels: Weights) -> Floats:
    whole = labels.sum(axis=1, keepdims=True)
    return np.asarray(np.where(whole > 0, labels / np.maximum(whole, 1), 1 / labels.shape[1]))


def refine(passes: Passes, centroids: Floats, min_size: int, max_rounds: int = MAX_ROUNDS) -> Level:
    """Let rows find their nearest template and templates their mean, in turn; dissolve what is too small.

    Args:
        passes: the rows.
        centroids: shape (k, |Y|), p(y|t) to begin with.
        min_size: a template with fewer rows dissolves, the smallest first; its rows go to the nearest of the others.
        max_rounds: passes at most, dissolutions not counted.

    Returns:
        The level; k may be less than at the start.
    """
    before = -np.inf
    rounds = 0
    while True:
        sums = passes(Question(centroids))
        if len(centroids) > 1 and sums.counts.min() < min_size:
            keep = np.arange(len(centroids)) != sums.counts.argmin()
            centroids, before = _normalize(sums.labels[keep]), -np.inf
            continue
        level = describe_level(centroids, sums.counts, sums.labels)
        rounds += 1
        if level.relevance - before < TOLERANCE or rounds >= max_rounds:
            return level
        before, centroids = level.relevance, centroids_of(sums)


def describe_level(centroids: Floats, counts: Weights, labels: Weights) -> Level:
    """Make a level of templates and their sums."""
    n = int(counts.sum())
    relevance = float(concentration(labels / UNIT).sum() - concentration(labels.sum(axis=0) / UNIT)) / n
    return Level(centroids, counts, labels, max(relevance, 0.0), float(entropy(counts / n)))


class _Growth:
    """A level, and the best cut of each of its templates as far as they are known."""

    def __init__(self, passes: Passes, level: Level, min_size: int) -> None:
        self.passes, self.level, self.min_size = passes, level, min_size
        self.n = int(level.counts.sum())
        self.known: dict[int, tuple[bytes, Cut]] = {}

    def split(self) -> Split | None:
        """Go from k to k + 1; None if no template can be split."""
        barred: set[int] = set()
        while True:
            parent, cut = self.best_cut(barred)
            if cut.gain <= self.n * TOLERANCE:
                return None
            old = self.level
            new = refine(self.passes, self.divide(old, parent, cut), self.min_size)
            if new.k == old.k + 1:
                break
            barred.add(parent)
        self.level = new
        exchanges = self.exchange()
        size = int(old.counts[parent])
        sizes = cut.parts.sum(axis=1) / UNIT
        return Split(
            k=new.k,
            parent=parent,
            size=size,
            sizes=(round(sizes[0]), round(sizes[1])),
            gain=cut.gain / self.n,
            local_gain=cut.gain / size,
            refined_gain=self.level.relevance - old.relevance,
            critical_beta=cut.critical_beta,
            exchanges=exchanges,
        )

    def divide(self, level: Level, parent: int, cut: Cut) -> Floats:
        labels = np.concatenate([level.labels, cut.parts[1:]])
        labels[parent] = cut.parts[0]
        return _normalize(labels)

    def best_cut(self, barred: set[int]) -> tuple[int, Cut]:
        """Return the template with the highest gain, and its cut.

        A cut that was found before its template changed is an estimate: those that may be the highest are searched
        again, the others wait.
        """
        open_to = [t for t in range(self.level.k) if t not in barred]
        while open_to:
            estimates = np.array([self.known[t][1].gain if t in self.known else np.inf for t in open_to])
            best = float(estimates.max())
            likely = [t for t, gain in zip(open_to, estimates, strict=True) if gain >= best * _LIKELY]
            stale = [t for t in likely if t not in self.known or self.known[t][0] != self.level.labels[t].tobytes()]
            if not stale:
                parent = open_to[int(estimates.argmax())]
                return parent, self.known[parent][1]
            found = search_cuts(self.passes, self.level.centroids, stale, min_size=self.min_size)
            for t, cut in zip(stale, found, strict=True):
                self.known[t] = self.level.labels[t].tobytes(), cut
        return 0, Cut(0.0, np.inf, self.level.labels[[0, 0]])

    def exchange(self) -> tuple[tuple[int, int, int], ...]:
        """Dissolve one template and split another while that gains; return what was done."""
        done: list[tuple[int, int, int]] = []
        while len(done) < MAX_EXCHANGES and self.level.k > 2:
            sums = self.level.labels / UNIT
            costs = np.stack([merge_cost(row, sums) for row in sums])
            np.fill_diagonal(costs, np.inf)
            left, right = sorted(map(int, np.unravel_index(costs.argmin(), costs.shape)))
            parent, cut = self.best_cut({left, right})
            if cut.gain <= costs[left, right]:
                break
            labels = self.level.labels.copy()
            labels[left] += labels[right]
            # The second part takes the place that the dissolved template leaves.
            labels[parent], labels[right] = cut.parts
            new = refine(self.passes, _normalize(labels), self.min_size)
            if new.k < self.level.k or new.relevance <= self.level.relevance:
                break
            self.level = new
            done.append((left, right, parent))
        return tuple(done)
