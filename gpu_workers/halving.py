"""Work in batches on a device whose memory may not do: halves, where it runs out."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import torch

T = TypeVar("T")
R = TypeVar("R")


def run_halving(batch: Sequence[T], work: Callable[[Sequence[T]], Sequence[R]]) -> list[R]:
    """Do a batch; where the device's memory runs out, do its halves one after the other.

    Args:
        batch: one item or more.
        work: a batch to one result for each item.

    Returns:
        One result for each item, in order.

    Raises:
        torch.OutOfMemoryError: one item alone is too much.
    """
    try:
        return list(work(batch))
    except torch.OutOfMemoryError:
        if len(batch) == 1:
            raise
    # Out here nothing holds on to the error's frames, and so to the tensors in them.
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    middle = (len(batch) + 1) // 2
    return run_halving(batch[:middle], work) + run_halving(batch[middle:], work)
