"""Halves of batches that do not fit."""

from collections.abc import Sequence

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gpu_workers.halving import run_halving


@given(st.lists(st.integers(), min_size=1, max_size=40), st.integers(1, 40))
def test_memory_that_holds_so_many_gives_every_result_in_order(items: list[int], holds: int) -> None:
    sizes = []

    def work(batch: Sequence[int]) -> list[int]:
        sizes.append(len(batch))
        if len(batch) > holds:
            raise torch.OutOfMemoryError("full")
        return [2 * item for item in batch]

    assert run_halving(items, work) == [2 * item for item in items]
    assert sizes[0] == len(items)


def test_one_item_that_does_not_fit_is_an_error() -> None:
    def work(batch: Sequence[int]) -> list[int]:
        raise torch.OutOfMemoryError("full")

    with pytest.raises(torch.OutOfMemoryError):
        run_halving([1, 2, 3], work)
