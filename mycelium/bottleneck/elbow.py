"""How many templates there are: the gain table, the choice of k by held-out information, and how stable it is.

The paper counts the splits that gain at least 0.30, 0.20, 0.15 and 0.10, and gets 6, 16, 30 and 60 templates. Gains of
I(T;Y) over all rows can't be meant: sixty times 0.10 bits are more than H(Y). Read as gains within the cluster that is
split, they have a floor: a split of n labels at random seems to gain (|Y| − 1) / (2 n ln 2) bits (`noise_floor`). So
the table has both readings, each as it is and above the floor.

The choice of k asks the labels that p(y|x) did not see: the templates' held-out information H(Y) − cross-entropy of
each step's label under its template's p(y|t). It goes as far as each further split helps beyond doubt, and no further
than where the rest is within the error.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt

from mycelium.bottleneck.agreement import adjusted_mutual_information
from mycelium.bottleneck.hierarchy import Hierarchy, Level
from mycelium.bottleneck.information import Floats, entropy, noise_floor
from mycelium.bottleneck.rows import UNIT, Ids, Rows, Weights, assign
from mycelium.bottleneck.targets import Targets
from mycelium.errors import UserInputError

THRESHOLDS: Final = (0.30, 0.20, 0.15, 0.10)
PAPER_TEMPLATES: Final = (6, 16, 30, 60)
N_PERMUTATION: Final = 999
SIGNIFICANCE: Final = 0.01
N_RESAMPLE: Final = 5


@dataclass(frozen=True, slots=True)
class Gain:
    """One row of the gain table.

    Attributes:
        k: templates after the split.
        parent: the template that was split.
        size: its rows.
        gain: bits of I(T;Y) over all rows.
        local_gain: bits within the parent.
        floor: what a split of so many labels seems to gain by chance, bits within the parent.
        corrected_gain: local gain above the floor; 0 at least.
        critical_beta: 1 / λ_max of the parent.
    """

    k: int
    parent: int
    size: int
    gain: float
    local_gain: float
    floor: float
    corrected_gain: float
    critical_beta: float


@dataclass(frozen=True, slots=True)
class Threshold:
    """How many templates a threshold leaves.

    Attributes:
        threshold: bits.
        by_gain: 1 + splits in order up to the first whose gain over all rows is below the threshold.
        by_local_gain: 1 + splits whose gain within the parent reaches it.
        by_corrected_gain: 1 + splits whose gain above the floor reaches it.
        paper: what the paper reports; 0 for another threshold than its four.
    """

    threshold: float
    by_gain: int
    by_local_gain: int
    by_corrected_gain: int
    paper: int


@dataclass(frozen=True, slots=True)
class HeldOut:
    """What one level says about labels it did not see.

    Attributes:
        k: templates.
        relevance: H(Y) − cross-entropy, bits; below 0 if templates mislead.
        step: how much more than at k − 1.
        error: standard error of `step`, problems taken as what varies.
        p_value: share of sign permutations, by problem, whose step is as large.
    """

    k: int
    relevance: float
    step: float
    error: float
    p_value: float


@dataclass(frozen=True, slots=True)
class Choice:
    """How many templates the labels bear out.

    Attributes:
        k: the choice.
        significant_k: the last k before three splits in a row whose help is not beyond doubt.
        held_out: each level judged.
    """

    k: int
    significant_k: int
    held_out: tuple[HeldOut, ...]


def tabulate_gains(hierarchy: Hierarchy) -> list[Gain]:
    """Tabulate what each split gains.

    Args:
        hierarchy: grown templates.

    Returns:
        A row for each split, in order.
    """
    n_label = int((hierarchy.levels[0].labels[0] > 0).sum())
    rows = []
    for split in hierarchy.splits:
        floor = float(noise_floor(n_label, split.size))
        rows.append(
            Gain(
                k=split.k,
                parent=split.parent,
                size=split.size,
                gain=split.gain,
                local_gain=split.local_gain,
                floor=floor,
                corrected_gain=max(split.local_gain - floor, 0.0),
                critical_beta=split.critical_beta,
            )
        )
    return rows


def count_templates(gains: Sequence[Gain], thresholds: Sequence[float] = THRESHOLDS) -> list[Threshold]:
    """Count the templates that each threshold leaves.

    Args:
        gains: the gain table, grown until its gains fall below the thresholds: else these are lower bounds.
        thresholds: bits.

    Returns:
        A row for each threshold.
    """
    paper = dict(zip(THRESHOLDS, PAPER_TEMPLATES, strict=True))
    return [
        Threshold(
            threshold=threshold,
            by_gain=1 + next((i for i, row in enumerate(gains) if row.gain < threshold), len(gains)),
            by_local_gain=1 + sum(row.local_gain >= threshold for row in gains),
            by_corrected_gain=1 + sum(row.corrected_gain >= threshold for row in gains),
            paper=paper.get(threshold, 0),
        )
        for threshold in thresholds
    ]


def score_labels(level: Level, rows: Rows, targets: Targets, label_prior: Floats) -> Floats:
    """Return log2 p(y|t) of each step's label: what a level is worth to steps that its estimator did not see.

    p(y|t) = (Σ p(y|x) + p(y)) / (n_t + 1): one row's worth of the prior keeps a label possible everywhere.

    Args:
        level: the templates.
        rows: shape (n, |Y|), the steps' p(y|x), out of fold.
        targets: their Y.
        label_prior: shape (|Y|,), p(y); above 0 where a label occurs.

    Returns:
        Shape (n,), bits, 0 or less; 0 for a step without a label.
    """
    spread = (level.labels / UNIT + label_prior) / (level.labels.sum(axis=1, keepdims=True) / UNIT + 1)
    logs = np.log2(np.maximum(spread, 2.0**-40))
    return np.asarray((targets.weights * logs[assign(rows, level.centroids)]).sum(axis=1), np.float64)


def measure_relevance(level: Level, rows: Rows, targets: Targets, label_prior: Floats) -> float:
    """Return the held-out I(T;Y), bits: H(Y) of these steps − the cross-entropy of `score_labels`."""
    known = targets.known
    return float(entropy(targets.frequencies)) + float(score_labels(level, rows, targets, label_prior)[known].mean())


def choose_k(
    hierarchy: Hierarchy,
    rows: Rows,
    targets: Targets,
    groups: npt.ArrayLike,
    *,
    n_permutation: int = N_PERMUTATION,
    seed: int = 0,
) -> Choice:
    """Choose the number of templates by the labels.

    For each split, the difference that it makes to the held-out log-probability of the labels is summed by problem. If
    it helps nobody, these sums are as likely negative as positive, so their signs are permuted: the p-value is the
    share of permutations with as large a sum. The *significant k* is the last before three splits in a row with p
    above 0.01. The choice is the least k up to it whose information is within one standard error of the best there.

    Args:
        hierarchy: grown templates.
        rows: shape (n, |Y|), p(y|x) out of fold: the rows that it was grown on, or others.
        targets: their Y.
        groups: shape (n,), the problem of each.
        n_permutation: how many.
        seed: decides them.

    Returns:
        The choice; 1 where labels have nothing to do with steps.
    """
    known = targets.known
    prior = hierarchy.levels[0].centroids[0]
    group = np.unique(np.asarray(groups)[known], return_inverse=True)[1]
    n, label_entropy = int(known.sum()), float(entropy(targets.frequencies))
    sums = [np.bincount(group, score_labels(level, rows, targets, prior)[known]) for level in hierarchy.levels]
    held = [HeldOut(1, label_entropy + float(sums[0].sum()) / n, 0.0, 0.0, 1.0)]
    differences = np.array([after - before for before, after in pairwise(sums)]).reshape(-1, len(sums[0]))
    p_values = _permute(differences, n_permutation, seed)
    for k, (difference, p_value) in enumerate(zip(differences, p_values, strict=True), 2):
        error = float(np.sqrt((difference**2).sum())) / n
        step = float(difference.sum()) / n
        held.append(HeldOut(k, held[-1].relevance + step, step, error, float(p_value)))
    significant = _last_significant(held)
    best = max(range(significant), key=lambda i: held[i].relevance)
    for i in range(best + 1):
        # The error of the difference to the best, problems taken as what varies.
        difference = sums[best] - sums[i]
        if float(difference.sum()) <= float(np.sqrt((difference**2).sum())):
            return Choice(i + 1, significant, tuple(held))
    return Choice(best + 1, significant, tuple(held))


def _permute(differences: Floats, n_permutation: int, seed: int) -> Floats:
    """Return the p-value of each row's sum: the share of random signs of its numbers that make it as large."""
    generator = np.random.default_rng(seed)
    as_large, sums = np.zeros(len(differences), np.int64), differences.sum(axis=1)
    for start in range(0, n_permutation, 64):
        shape = (min(64, n_permutation - start), differences.shape[1])
        signs = generator.integers(0, 2, shape, dtype=np.int8) * 2.0 - 1
        as_large += (signs @ differences.T >= sums).sum(axis=0)
    return np.asarray((1 + as_large) / (1 + n_permutation))


def _last_significant(held: Sequence[HeldOut]) -> int:
    last, misses = 1, 0
    for one in held[1:]:
        if one.p_value <= SIGNIFICANCE:
            last, misses = one.k, 0
        else:
            misses += 1
        if misses == 3:
            break
    return last


def measure_stability(
    grow_again: Callable[[Weights], Level],
    rows: Rows,
    groups: npt.ArrayLike,
    *,
    n_resample: int = N_RESAMPLE,
    seed: int = 0,
) -> tuple[float, ...]:
    """Measure how far templates stay the same when other problems are drawn: bootstrap.

    Args:
        grow_again: weights of the rows to templates.
        rows: shape (n, |Y|).
        groups: shape (n,), the problem of each; problems are drawn, with replacement, and all their steps with them.
        n_resample: how often; 2 or more.
        seed: decides the draws.

    Returns:
        The adjusted mutual information of the templates of all rows by each resample with those by the first, and so
        on: one for each pair of resamples; 1 for the same, 0 for chance.

    Raises:
        UserInputError: fewer than two resamples.
    """
    if n_resample < 2:
        raise UserInputError(f"stability compares at least two resamples; got {n_resample}")
    group = np.unique(np.asarray(groups), return_inverse=True)[1]
    n_group = int(group.max()) + 1
    generator = np.random.default_rng(seed)
    drawn: list[Ids] = []
    for _ in range(n_resample):
        times = np.bincount(generator.integers(0, n_group, n_group), minlength=n_group)
        drawn.append(assign(rows, grow_again(times[group].astype(np.int64)).centroids))
    return tuple(
        adjusted_mutual_information(drawn[i], drawn[j]) for i in range(n_resample) for j in range(i + 1, n_resample)
    )
