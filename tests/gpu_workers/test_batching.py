"""Batches: each item once, within the limit, of similar lengths."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from gpu_workers.batching import count_padded, cut_batches

lengths = st.lists(st.integers(1, 1200), max_size=60)


@given(lengths=lengths, limit=st.integers(1, 5000))
def test_every_item_is_in_one_batch_within_the_limit(lengths: list[int], limit: int) -> None:
    batches = cut_batches(lengths, limit)
    assert sorted(i for batch in batches for i in batch) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) == 1 or count_padded([lengths[i] for i in batch]) <= limit


@given(lengths=lengths, limit=st.integers(1, 5000))
def test_the_longest_come_first_and_no_two_neighbours_would_fit_together(lengths: list[int], limit: int) -> None:
    batches = cut_batches(lengths, limit)
    order = [i for batch in batches for i in batch]
    assert order == sorted(order, key=lambda i: (-lengths[i], i))
    for batch, after in pairwise(batches):
        assert count_padded([lengths[i] for i in [*batch, after[0]]]) > limit


def test_by_hand() -> None:
    assert cut_batches([3, 10, 4, 3, 9], 20) == [[1, 4], [2, 0, 3]]
    assert cut_batches([30], 20) == [[0]]
    assert cut_batches([], 20) == []
    assert count_padded([3, 10, 4]) == 30
    assert count_padded([]) == 0
