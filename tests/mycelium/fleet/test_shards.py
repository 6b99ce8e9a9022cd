"""Shards cover the index space exactly, and no cut of it has a lighter heaviest shard."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mycelium.errors import UserInputError
from mycelium.fleet.shards import cut_shards

weight_lists = st.lists(st.integers(0, 50), min_size=1, max_size=24)


def lightest_heaviest(weights: list[int], n_shards: int) -> int:
    """The oracle: by dynamic programming over every place of the last cut."""
    best = [0] + [sum(weights[:i]) for i in range(1, len(weights) + 1)]
    for _ in range(n_shards - 1):
        best = [0] + [min(max(best[cut], sum(weights[cut:i])) for cut in range(i)) for i in range(1, len(weights) + 1)]
    return best[-1]


def test_the_plan_that_was_made_by_hand() -> None:
    shards = cut_shards([7] * 7842, 4)
    assert [(shard.start, shard.end) for shard in shards] == [(0, 1960), (1961, 3921), (3922, 5882), (5883, 7841)]
    assert [shard.n_problems for shard in shards] == [1961, 1961, 1961, 1959]


def test_it_is_balanced_by_work_and_not_by_problems() -> None:
    shards = cut_shards([100, 1, 1, 1, 97, 3], 3)
    assert [(shard.start, shard.end, shard.weight) for shard in shards] == [(0, 0, 100), (1, 4, 100), (5, 5, 3)]


@given(weight_lists, st.integers(1, 8))
def test_no_gap_no_overlap_and_nothing_empty(weights: list[int], n_shards: int) -> None:
    shards = cut_shards(weights, n_shards)
    assert [i for shard in shards for i in range(shard.start, shard.end + 1)] == list(range(len(weights)))
    assert [shard.number for shard in shards] == list(range(len(shards)))
    assert all(shard.weight == sum(weights[shard.start : shard.end + 1]) for shard in shards)
    assert 1 <= len(shards) <= n_shards


@given(weight_lists, st.integers(1, 5))
def test_the_heaviest_shard_is_as_light_as_can_be(weights: list[int], n_shards: int) -> None:
    shards = cut_shards(weights, n_shards)
    assert max(shard.weight for shard in shards) == lightest_heaviest(weights, n_shards)


def test_a_million_problems_are_cut() -> None:
    shards = cut_shards(list(range(1_000_000)), 64)
    assert len(shards) == 64
    assert max(shard.weight for shard in shards) <= sum(range(1_000_000)) / 64 + 1_000_000


@pytest.mark.parametrize(("weights", "n"), [([], 1), ([1], 0), ([1, -1], 1)])
def test_what_cannot_be_cut_is_said(weights: list[int], n: int) -> None:
    with pytest.raises(UserInputError):
        cut_shards(weights, n)
