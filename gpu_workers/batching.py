"""Batches of problems of similar lengths, bounded by the tokens that they have with padding."""

from collections.abc import Sequence


def cut_batches(lengths: Sequence[int], limit: int) -> list[list[int]]:
    """Cut items into batches, longest first, so that what memory can't hold shows at once.

    The tokens of a batch with padding are its items times the longest of them.

    Args:
        lengths: tokens of each item; 1 or more.
        limit: tokens of a batch with padding, at most; one item alone may be longer.

    Returns:
        Places in `lengths`, every one once; equal lengths stay in order.
    """
    batches: list[list[int]] = []
    for place in sorted(range(len(lengths)), key=lambda i: (-lengths[i], i)):
        if batches and (len(batches[-1]) + 1) * lengths[batches[-1][0]] <= limit:
            batches[-1].append(place)
        else:
            batches.append([place])
    return batches


def count_padded(lengths: Sequence[int]) -> int:
    """Return the tokens of a batch with padding."""
    return len(lengths) * max(lengths, default=0)
