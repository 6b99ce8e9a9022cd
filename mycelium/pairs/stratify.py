"""Train, validation and test: each with its share of the problems, and of every class, as far as that can be.

Iterative stratification: the rarest class that is left is dealt out first, each of its groups to the split that still
wants most of that class; the groups that bear no class come last.

    wanted of split j:           n · r_j
    wanted of class k in it:     n_k · r_j          both less what it has been given

A group of twins is dealt whole, with as many problems and as much of each class as it holds. There is no chance in it:
groups come in the order given, ties go to the split that wants more problems, then to the first. All is reckoned in
whole numbers, so that the result is the same on any machine.

Source: K. Sechidis, G. Tsoumakas, I. Vlahavas, On the stratification of multi-label data, 2011, algorithm 1, which
deals single examples and breaks ties by lot.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

SPLITS: Final = ("train", "validation", "test")
SHARE_UNIT: Final = 1_000_000
"""Shares are reckoned in millionths."""


def check_shares(validation: float, test: float) -> tuple[int, int, int]:
    """Return the shares of train, validation and test, in millionths.

    Raises:
        ValueError: one is below 0, or nothing is left to train on.
    """
    if min(validation, test) < 0 or validation + test >= 1:
        raise ValueError(f"validation and test are shares of 0 or more, below 1 together; got {validation} and {test}")
    shares = round(validation * SHARE_UNIT), round(test * SHARE_UNIT)
    return SHARE_UNIT - sum(shares), *shares


def deal(
    sizes: Sequence[int], classes: Sequence[Sequence[tuple[int, int]]], n_class: int, shares: Sequence[int]
) -> list[int]:
    """Deal groups out to splits.

    Args:
        sizes: problems in each group, 1 or more.
        classes: for each group, which classes its problems bear, from 0, and how many of its problems bear each.
        n_class: how many classes there are.
        shares: what each split should have, in millionths.

    Returns:
        For each group, the place of its split among the shares.
    """
    members: list[list[int]] = [[] for _ in range(n_class)]
    left = [0] * n_class
    for group, borne in enumerate(classes):
        for k, count in borne:
            members[k].append(group)
            left[k] += count
    wanted = [sum(sizes) * share for share in shares]
    wanted_of = [[count * share for share in shares] for count in left]
    dealt = [-1] * len(sizes)
    splits = range(len(shares))
    open_classes = {k for k in range(n_class) if left[k]}
    while open_classes:
        rarest = min(open_classes, key=lambda k: (left[k], k))
        of_class = wanted_of[rarest]
        for group in members[rarest]:
            if dealt[group] >= 0:
                continue
            chosen = max(splits, key=lambda j: (of_class[j], wanted[j], -j))
            dealt[group] = chosen
            wanted[chosen] -= sizes[group] * SHARE_UNIT
            for k, count in classes[group]:
                wanted_of[k][chosen] -= count * SHARE_UNIT
                left[k] -= count
        open_classes.discard(rarest)
    for group, size in enumerate(sizes):
        if dealt[group] < 0:
            dealt[group] = max(splits, key=lambda j: (wanted[j], -j))
            wanted[dealt[group]] -= size * SHARE_UNIT
    return dealt
