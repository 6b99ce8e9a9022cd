"""Shards: the index space of problems, cut into ranges of near equal work.

The work of a problem is its tokens. A cut keeps the order of problems, so that each shard is one range of indices, and
makes the heaviest shard as light as any such cut can: that one decides when the last machine is done.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mycelium.errors import UserInputError


@dataclass(frozen=True, slots=True)
class Shard:
    """A range of problems, as `--start-idx` and `--end-idx` say it.

    Attributes:
        number: its place among the shards, from 0.
        start: its first problem, from 0.
        end: its last problem, inclusive.
        weight: its work: the tokens of its problems, or their characters.
    """

    number: int
    start: int
    end: int
    weight: int

    @property
    def n_problems(self) -> int:
        """How many problems it holds."""
        return self.end - self.start + 1


def cut_shards(weights: Sequence[int] | npt.NDArray[np.int64], n_shards: int) -> list[Shard]:
    """Cut the index space into at most so many ranges, the heaviest of which is as light as can be.

    B = min over cuts of (max over shards of Σ weights) is found by bisection over the whole numbers; then each shard
    in turn takes as many problems as B allows. With equal weights 7,842 problems over 4 machines so become 0-1,960,
    1,961-3,921, 3,922-5,882 and 5,883-7,841: the plan by which the work was once dealt out by hand, whose last number
    was one beyond the last problem.

    Args:
        weights: the work of each problem, in order of index; whole and not negative.
        n_shards: how many ranges, 1 or more. There may be fewer: never more than problems, and none that would only
            make another one smaller than it need be.

    Returns:
        The shards, in order: without gap, without overlap, each with at least one problem.

    Raises:
        UserInputError: there is nothing to cut, or a number is out of range.

    Source: the linear partition problem; Skiena, The Algorithm Design Manual, section 10.7, which solves it by dynamic
    programming (the slow oracle in the tests). Bisection over the bound takes one pass over the problems, and then for
    each of log2 Σ weights bounds a binary search for each shard.
    """
    work = np.asarray(weights, np.int64)
    if n_shards < 1:
        raise UserInputError(f"there is 1 shard or more; got {n_shards}")
    if not len(work):
        raise UserInputError("there are no problems to cut into shards")
    if work.min() < 0:
        raise UserInputError(f"the work of a problem is 0 or more; got {work.min()}")
    sums = np.concatenate([[0], np.cumsum(work)])
    low, high = max(int(work.max()), -(-int(sums[-1]) // n_shards)), int(sums[-1])
    while low < high:
        middle = (low + high) // 2
        if len(list(_fill(sums, middle, n_shards + 1))) <= n_shards:
            high = middle
        else:
            low = middle + 1
    ends = list(_fill(sums, low, n_shards))
    starts = [0, *ends[:-1]]
    return [Shard(i, a, b - 1, int(sums[b] - sums[a])) for i, (a, b) in enumerate(zip(starts, ends, strict=True))]


def _fill(sums: npt.NDArray[np.int64], bound: int, limit: int) -> Iterator[int]:
    """Yield where each shard ends, exclusive, if each takes all that the bound allows; no more than `limit` ends."""
    start, last = 0, len(sums) - 1
    for _ in range(limit):
        start = min(int(np.searchsorted(sums, sums[start] + bound, side="right")) - 1, last)
        yield start
        if start == last:
            return
