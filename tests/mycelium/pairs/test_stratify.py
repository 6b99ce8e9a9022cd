"""Splits: shares, classes, and nothing left to chance."""

import random
from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mycelium.pairs.stratify import SHARE_UNIT, check_shares, deal

SHARES = check_shares(0.1, 0.1)
GROUPS = st.lists(st.tuples(st.integers(1, 4), st.sets(st.integers(0, 4))), max_size=60)


def deal_slowly(groups: Sequence[tuple[int, set[int]]], shares: Sequence[int]) -> list[int]:
    """The same rule, word for word: the rarest class is looked for anew after every class."""
    wanted = [sum(size for size, _ in groups) * share for share in shares]
    n_of = Counter(k for size, borne in groups for k in borne for _ in range(size))
    wanted_of = {k: [n * share for share in shares] for k, n in n_of.items()}
    dealt: dict[int, int] = {}
    while len(dealt) < len(groups):
        left = Counter(
            k for i, (size, borne) in enumerate(groups) if i not in dealt for k in borne for _ in range(size)
        )
        rarest = min(left, key=lambda k: (left[k], k), default=None)
        for i, (size, borne) in enumerate(groups):
            if i in dealt or (rarest is not None and rarest not in borne):
                continue
            of_class = wanted_of[rarest] if rarest is not None else [0] * len(shares)
            j = max(range(len(shares)), key=lambda j: (of_class[j], wanted[j], -j))
            dealt[i] = j
            wanted[j] -= size * SHARE_UNIT
            for k in borne:
                wanted_of[k][j] -= size * SHARE_UNIT
    return [dealt[i] for i in range(len(groups))]


def quickly(groups: Sequence[tuple[int, set[int]]], shares: Sequence[int] = SHARES) -> list[int]:
    classes = [[(k, size) for k in sorted(borne)] for size, borne in groups]
    return deal([size for size, _ in groups], classes, 5, shares)


@given(GROUPS, st.sampled_from([(0.1, 0.1), (0.3, 0.2), (0.0, 0.5), (0.0, 0.0)]))
def test_it_is_the_rule_word_for_word(groups: list[tuple[int, set[int]]], held_out: tuple[float, float]) -> None:
    shares = check_shares(*held_out)
    assert quickly(groups, shares) == deal_slowly(groups, shares)


def test_every_class_is_shared_out() -> None:
    random.seed(0)
    weights = [1, 0.5, 0.2, 0.05, 0.01]
    groups = [(1, {k for k in range(5) if random.random() < weights[k]}) for _ in range(20_000)]
    dealt = quickly(groups)
    for k in range(5):
        counts = Counter(j for j, (_, borne) in zip(dealt, groups, strict=True) if k in borne)
        for j in range(3):
            assert abs(counts[j] - counts.total() * SHARES[j] / SHARE_UNIT) <= 2
    assert abs(Counter(dealt)[0] - 16_000) <= 160


@pytest.mark.parametrize("n", [1, 2, 3])
def test_what_is_too_small_to_divide_is_trained_on(n: int) -> None:
    assert set(quickly([(1, {0})] * n)) == {0}


def test_without_classes_the_shares_are_kept() -> None:
    assert Counter(quickly([(1, set())] * 100)) == {0: 80, 1: 10, 2: 10}
    assert quickly([]) == []


def test_a_large_group_is_not_divided_and_the_others_make_up_for_it() -> None:
    dealt = quickly([(80, {0}), *[(1, {0})] * 20])
    assert dealt[0] == 0
    assert Counter(dealt[1:]) == {1: 10, 2: 10}


@pytest.mark.parametrize("held_out", [(-0.1, 0.1), (0.5, 0.5), (0.1, 2.0)])
def test_shares_that_leave_nothing_to_train_on_are_refused(held_out: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="below 1 together"):
        check_shares(*held_out)
