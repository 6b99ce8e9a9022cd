"""Agreement of groupings, beside all permutations."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mycelium.bottleneck.agreement import adjusted_mutual_information, cross_tabulate
from mycelium.bottleneck.information import entropy, mutual_information
from mycelium.errors import UserInputError

groupings = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=2, max_size=6)


@given(groupings)
def test_chance_is_the_mean_over_all_permutations(pairs: list[tuple[int, int]]) -> None:
    left, right = zip(*pairs, strict=True)
    table = cross_tabulate(left, right)
    whole = float(entropy(table.sum(axis=1) / len(pairs)) + entropy(table.sum(axis=0) / len(pairs))) / 2
    chance = np.mean([mutual_information(cross_tabulate(left, other)) for other in permutations(right)])
    if abs(whole - chance) > 1e-9:
        truth = (mutual_information(table) - chance) / (whole - chance)
        assert adjusted_mutual_information(left, right) == pytest.approx(truth, abs=1e-9)


def test_the_same_groups_by_other_names_agree_wholly() -> None:
    left = np.repeat([0, 1, 2], [5, 7, 9])
    assert adjusted_mutual_information(left, np.array(["c", "a", "b"])[left]) == pytest.approx(1)


def test_groups_at_random_agree_by_chance_alone() -> None:
    generator = np.random.default_rng(0)
    left, right = generator.integers(0, 20, (2, 40_000))
    assert abs(adjusted_mutual_information(left, right)) < 1e-3
    assert mutual_information(cross_tabulate(left, right)) > 5e-3


def test_what_separates_nothing_agrees() -> None:
    assert adjusted_mutual_information([0, 0, 0], [1, 1, 1]) == 1
    assert adjusted_mutual_information([0, 1, 2], [2, 0, 1]) == 1
    assert adjusted_mutual_information([0, 0, 0, 0], [0, 0, 1, 1]) == 0


def test_rows_are_counted_by_both() -> None:
    assert cross_tabulate(["a", "b", "a"], [3, 3, 9]).tolist() == [[1, 1], [1, 0]]


@pytest.mark.parametrize(("left", "right"), [([], []), ([1], [1, 2])])
def test_groupings_of_other_rows_are_refused(left: list[int], right: list[int]) -> None:
    with pytest.raises(UserInputError, match="of the same rows"):
        adjusted_mutual_information(left, right)
