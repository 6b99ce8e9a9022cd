"""How far two ways of grouping the same rows agree."""

import numpy as np
import numpy.typing as npt

from mycelium.bottleneck.information import entropy, mutual_information
from mycelium.errors import UserInputError


def adjusted_mutual_information(left: npt.ArrayLike, right: npt.ArrayLike) -> float:
    """Return (I − E[I]) / (mean of the two entropies − E[I]).

    E[I] is the mutual information that two groupings with the same sizes have by chance, over all permutations.

    Args:
        left: shape (n,), the group of each row in the one.
        right: shape (n,), in the other.

    Returns:
        1 where they are the same but for names; about 0 for two that have nothing to do with each other, below that
        if they agree less than by chance; 1 if neither separates anything.

    Raises:
        UserInputError: lengths differ, or there are no rows.

    Source:
        Vinh, Epps and Bailey, "Information theoretic measures for clusterings comparison", 2010, with the arithmetic
        mean.
    """
    table = cross_tabulate(left, right)
    ours, theirs = table.sum(axis=1), table.sum(axis=0)
    n = int(table.sum())
    whole = (float(entropy(ours / n)) + float(entropy(theirs / n))) / 2
    if len(ours) == len(theirs) == 1:
        return 1.0
    by_chance = _expect(ours, theirs, n)
    over = whole - by_chance
    # Two groupings into single rows: nothing is left above chance, and they are the same.
    if abs(over) < 1e-12:
        return 1.0
    return (mutual_information(table) - by_chance) / over


def cross_tabulate(left: npt.ArrayLike, right: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """Count rows by both groupings: shape (groups of the left, groups of the right), in the order of their names.

    Raises:
        UserInputError: lengths differ, or there are no rows.
    """
    ours, theirs = np.asarray(left), np.asarray(right)
    if ours.shape != theirs.shape or ours.ndim != 1 or not len(ours):
        raise UserInputError(f"two groupings are of the same rows, one at least; got {ours.shape} and {theirs.shape}")
    rows, columns = (np.unique(one, return_inverse=True)[1] for one in (ours, theirs))
    k, m = int(rows.max()) + 1, int(columns.max()) + 1
    return np.bincount(rows * m + columns, minlength=k * m).reshape(k, m)


def _expect(ours: npt.NDArray[np.int64], theirs: npt.NDArray[np.int64], n: int) -> float:
    """Return E[I] in bits: over the hypergeometric distribution of each cell."""
    # log i! for all i up to n.
    log_factorial = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, n + 1)))])
    columns, how_many = np.unique(theirs, return_counts=True)
    total = 0.0
    for a, times_a in zip(*np.unique(ours, return_counts=True), strict=True):
        for b, times_b in zip(columns, how_many, strict=True):
            low, high = max(1, int(a + b - n)), int(min(a, b))
            if low > high:
                continue
            both = np.arange(low, high + 1)
            log_chance = (
                log_factorial[a]
                + log_factorial[b]
                + log_factorial[n - a]
                + log_factorial[n - b]
                - log_factorial[n]
                - log_factorial[both]
                - log_factorial[a - both]
                - log_factorial[b - both]
                - log_factorial[n - a - b + both]
            )
            terms = both / n * np.log2(n * both / (float(a) * float(b))) * np.exp(log_chance)
            total += float(terms.sum()) * int(times_a) * int(times_b)
    return total
