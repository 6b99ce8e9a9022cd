"""Summaries that add: exactly, in any order and any grouping.

Sums are whole numbers, so that a tree of merges gives the same bits whatever its shape. A real number enters as a
multiple of `UNIT`.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from mycelium.schema import Row

UNIT = 1 << 30
"""Fixed point: a real number x in [0, 1] is summed as round(x · UNIT); 2³³ of them fit into 63 bits."""


@dataclass(frozen=True, slots=True)
class Moments:
    """Count, sum and sum of squares of whole numbers.

    Attributes:
        count: n.
        total: Σ x.
        total_square: Σ x².
    """

    count: int
    total: int
    total_square: int

    @property
    def mean(self) -> float:
        """Σx / n; NaN for no numbers."""
        return self.total / self.count if self.count else math.nan

    @property
    def deviation(self) -> float:
        """The sample standard deviation, √((n·Σx² − (Σx)²) / (n·(n−1))); NaN for fewer than two numbers."""
        if self.count < 2:
            return math.nan
        # Whole numbers up to the root: no cancellation.
        return math.sqrt((self.count * self.total_square - self.total**2) / (self.count * (self.count - 1)))


@dataclass(frozen=True, slots=True)
class Tally:
    """Counts by name and key, as a table that adds.

    Attributes:
        counts: how often each (name, key) was met.
        first: the smallest place at which it was met.
    """

    counts: dict[tuple[str, bytes], int] = field(default_factory=dict)
    first: dict[tuple[str, bytes], int] = field(default_factory=dict)

    def add(self, name: str, key: bytes = b"", count: int = 1, place: int = 0) -> None:
        """Count something once more, or `count` times."""
        at = (name, key)
        self.counts[at] = self.counts.get(at, 0) + count
        self.first[at] = min(place, self.first.get(at, place))

    def table(self) -> pa.Table:
        """Return columns name, key, count, first: one row for each (name, key), in that order."""
        keys = sorted(self.counts)
        return pa.table(
            {
                "name": pa.array([name for name, _ in keys], pa.string()),
                "key": pa.array([key for _, key in keys], pa.binary()),
                "count": pa.array([self.counts[at] for at in keys], pa.int64()),
                "first": pa.array([self.first[at] for at in keys], pa.int64()),
            }
        )


def add_tallies(parts: Sequence[pa.Table]) -> pa.Table:
    """Add tables of tallies: counts are summed, places take the smallest; so exact and associative."""
    total = pa.concat_tables(parts).group_by(["name", "key"], use_threads=False)
    total = total.aggregate([("count", "sum"), ("first", "min")]).rename_columns(["name", "key", "count", "first"])
    return total.sort_by([("name", "ascending"), ("key", "ascending")]).combine_chunks()


def read_tally(total: pa.Table) -> dict[str, dict[str, int]]:
    """Return how often each key, as text, was met under each name."""
    counts: dict[str, dict[str, int]] = {}
    for name, key, count in zip(*(total[column].to_pylist() for column in ("name", "key", "count")), strict=True):
        counts.setdefault(name, {})[key.decode()] = count
    return counts


def rank(counts: Mapping[str, int], name: str) -> list[Row]:
    """Return counts as rows of what was counted, by that name, and its ``count``; the largest first, then by text."""
    return [{name: key, "count": count} for key, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))]
