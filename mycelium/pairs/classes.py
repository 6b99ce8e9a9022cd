"""The classes of C2 pairs over a whole run: vocabulary, counts, weights, what occurs together, and the splits.

A run's problems come as rows of group, set of classes, and how many: one row for nearly every problem, held as arrays
and a list of the sets that occur, so that 10⁶ problems are tabulated in one process.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mycelium.labels import operators
from mycelium.pairs.stratify import SHARE_UNIT, SPLITS, deal
from mycelium.pairs.taxonomy import OPERATORS, list_vocabulary
from mycelium.schema import Result, Row

_SEPARATOR = "\x1f"
_GROUP_BYTES = 8


def class_key(group: int, names: Sequence[str]) -> bytes:
    """Return a group of twins and the classes of one of its problems as bytes, by which groups sort."""
    return group.to_bytes(_GROUP_BYTES, "big") + _SEPARATOR.join(names).encode()


@dataclass(frozen=True, slots=True)
class ClassTable:
    """How many problems of each group bear exactly which classes.

    Attributes:
        groups: the group of each row, ascending; shape (rows,).
        kinds: which set of classes it is, a place in `borne`; shape (rows,).
        counts: how many problems; shape (rows,).
        borne: the sets of classes that occur, each in alphabetical order.
    """

    groups: npt.NDArray[np.int64]
    kinds: npt.NDArray[np.int64]
    counts: npt.NDArray[np.int64]
    borne: tuple[tuple[str, ...], ...]

    @classmethod
    def of_keys(cls, keys: pa.ChunkedArray, counts: pa.ChunkedArray) -> Self:
        """Read rows whose keys `class_key` wrote, in the order of the keys."""
        # Not by pyarrow's binary_slice: of many rows without an end it asks for a buffer of negative size (26.0).
        raw = keys.to_pylist()
        numbers = np.frombuffer(b"".join(key[:_GROUP_BYTES] for key in raw), ">i8").astype(np.int64)
        place: dict[bytes, int] = {}
        kinds = np.fromiter((place.setdefault(key[_GROUP_BYTES:], len(place)) for key in raw), np.int64, len(raw))
        borne = tuple(tuple(names.decode().split(_SEPARATOR)) for names in place)
        return cls(numbers, kinds, counts.to_numpy().astype(np.int64), borne)

    @property
    def n_problem(self) -> int:
        """How many problems there are."""
        return int(self.counts.sum())

    def starts(self) -> npt.NDArray[np.int64]:
        """Return the first row of each group."""
        new = np.ones(len(self.groups), np.bool_)
        new[1:] = self.groups[1:] != self.groups[:-1]
        return np.flatnonzero(new)

    def names(self) -> set[str]:
        """Return the classes that occur."""
        return {name for names in self.borne for name in names}


@dataclass(frozen=True, slots=True)
class Dealt:
    """Groups of twins in their splits.

    Attributes:
        groups: each group once, ascending; shape (groups,).
        splits: the place of its split in `mycelium.pairs.stratify.SPLITS`; shape (groups,).
        sizes: problems in it; shape (groups,).
    """

    groups: npt.NDArray[np.int64]
    splits: npt.NDArray[np.int64]
    sizes: npt.NDArray[np.int64]


def deal_groups(problems: ClassTable, taxonomy: str, shares: Sequence[int]) -> Dealt:
    """Deal every group of twins to a split, by iterative stratification.

    Args:
        problems: which classes they bear.
        taxonomy: what the classes are of.
        shares: of train, validation and test, in millionths.
    """
    vocabulary = list_vocabulary(taxonomy, problems.names())
    place = {name: k for k, name in enumerate(vocabulary)}
    places = [tuple(place[name] for name in names) for names in problems.borne]
    once = [tuple((k, 1) for k in borne) for borne in places]  # shared by all groups of one problem: nearly all
    starts = problems.starts()
    ends = np.append(starts, len(problems.groups))[1:]
    sizes = np.add.reduceat(problems.counts, starts) if len(starts) else problems.counts
    kinds, counts = problems.kinds.tolist(), problems.counts.tolist()
    classes: list[tuple[tuple[int, int], ...]] = []
    for start, end, size in zip(starts.tolist(), ends.tolist(), sizes.tolist(), strict=True):
        if size == 1:
            classes.append(once[kinds[start]])
            continue
        added: Counter[int] = Counter()
        for row in range(start, end):
            added.update(dict.fromkeys(places[kinds[row]], counts[row]))
        classes.append(tuple(sorted(added.items())))
    dealt = deal(sizes.tolist(), classes, len(vocabulary), shares)
    return Dealt(problems.groups[starts], np.asarray(dealt, np.int64), sizes)


def conclude_classes(problems: ClassTable, taxonomy: str, shares: Sequence[int]) -> Result:
    """Tabulate classes and splits.

    Args:
        problems: which classes they bear.
        taxonomy: what the classes are of.
        shares: of train, validation and test, in millionths.

    Returns:
        ``classes``: the vocabulary, in the order of a pair's vector: name, family, problems, share, those in each
        split, and weight, the problems of train without it for each one with it (null for a class that train has not).
        ``together``: two classes and the problems that bear both, the most frequent first. ``splits``: groups and
        problems of each, its share, and how many of the classes that occur it lacks.
    """
    dealt = deal_groups(problems, taxonomy, shares)
    n_problem = np.bincount(dealt.splits, dealt.sizes, len(SPLITS)).astype(np.int64).tolist()
    n_group = np.bincount(dealt.splits, minlength=len(SPLITS)).tolist()
    by_class = _count_by_split(problems, dealt)
    classes = [
        _describe_class(name, by_class.get(name, [0] * len(SPLITS)), n_problem, taxonomy)
        for name in list_vocabulary(taxonomy, problems.names())
    ]
    return {
        "classes": classes,
        "together": _count_together(problems),
        "splits": [
            {
                "split": name,
                "groups": n_group[j],
                "problems": n_problem[j],
                "share": n_problem[j] / problems.n_problem if problems.n_problem else 0.0,
                "wanted": shares[j] / SHARE_UNIT,
                "classes_lacking": sum(not counts[j] for counts in by_class.values()),
            }
            for j, name in enumerate(SPLITS)
        ],
    }


def _describe_class(name: str, counts: Sequence[int], n_problem: Sequence[int], taxonomy: str) -> Row:
    label = operators.LABELS.get(name) if taxonomy == OPERATORS else None
    return {
        "class": name,
        "family": label.family if label else None,
        "problems": sum(counts),
        "share": sum(counts) / sum(n_problem) if sum(n_problem) else 0.0,
        **dict(zip(SPLITS, counts, strict=True)),
        "weight": (n_problem[0] - counts[0]) / counts[0] if counts[0] else None,
    }


def _count_by_split(problems: ClassTable, dealt: Dealt) -> dict[str, list[int]]:
    """Return how many problems of each split bear each class that occurs."""
    n_row = np.diff(np.append(problems.starts(), len(problems.groups)))
    cells = problems.kinds * len(SPLITS) + np.repeat(dealt.splits, n_row)
    table = np.zeros(len(problems.borne) * len(SPLITS), np.int64)
    np.add.at(table, cells, problems.counts)
    by_class: dict[str, list[int]] = {}
    for names, counts in zip(problems.borne, table.reshape(-1, len(SPLITS)).tolist(), strict=True):
        for name in names:
            by_class[name] = [a + b for a, b in zip(by_class.get(name, [0] * len(SPLITS)), counts, strict=True)]
    return by_class


def _count_together(problems: ClassTable) -> list[Row]:
    """Count the problems that bear two classes, for every two that meet."""
    by_kind = np.zeros(len(problems.borne), np.int64)
    np.add.at(by_kind, problems.kinds, problems.counts)
    together: Counter[tuple[str, str]] = Counter()
    for names, count in zip(problems.borne, by_kind.tolist(), strict=True):
        for pair in combinations(names, 2):
            together[pair] += count
    ranked = sorted(together.items(), key=lambda item: (-item[1], item[0]))
    return [{"class": one, "with": other, "problems": count} for (one, other), count in ranked]
