"""Which queries of a batch are read, and what each of them may look at.

A mask of s × s never exists here: a causal mask, padding on either side, several problems packed into one row of the
batch and a sliding window all leave each query an interval of source tokens, and two numbers say which.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from mycelium.errors import UserInputError


@dataclass(frozen=True, slots=True)
class Rows:
    """The queries that produced generated tokens, side by side for each row of the batch.

    Where a row of the batch has fewer than the longest, the rest is absent: position −1, first and split 0.

    Attributes:
        position: shape (b, t), int32: where in the batch's row the query is, one before the token that it produced.
        first: shape (b, t), int32: the first token of the query's problem, which is the attention sink.
        split: shape (b, t), int32: where its prompt ends; sources first ≤ s < split are input.
        counts: how many there are in each row of the batch.
        at_start: whether every problem begins where its row of the batch does.
    """

    position: torch.Tensor
    first: torch.Tensor
    split: torch.Tensor
    counts: tuple[int, ...]
    at_start: bool

    def to(self, device: torch.device) -> "Rows":
        """Return the same on a device."""
        position, first, split = (send(tensor, device) for tensor in (self.position, self.first, self.split))
        return Rows(position, first, split, self.counts, self.at_start)

    def has_windows(self, window: int) -> torch.Tensor:
        """Return, shape (b, t), whether the rows t−w … t+w−1 are all there and of one problem."""
        whole = torch.zeros_like(self.position, dtype=torch.bool)
        n = whole.shape[1]
        if n >= 2 * window:
            start, end = slice(0, n - 2 * window + 1), slice(2 * window - 1, n)
            same = (self.first[:, start] == self.first[:, end]) & (self.position[:, end] >= 0)
            whole[:, window : n - window + 1] = same
        return whole


def send(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Send a tensor to a device without waiting for what the device is at."""
    if device.type == "cuda" and tensor.device.type == "cpu":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


def find_rows(is_input: torch.Tensor, is_real: torch.Tensor, sequence: torch.Tensor | None = None) -> Rows:
    """Find the queries that produced generated tokens.

    Args:
        is_input: shape (b, s), bool, whether a token belongs to a prompt.
        is_real: shape (b, s), bool, whether it is a token at all, and no padding.
        sequence: shape (b, s), whole numbers: tokens of one problem have the same one, and neighbours of different
            problems different ones. None where a row of the batch holds one problem.

    Returns:
        The queries, on the CPU.

    Raises:
        UserInputError: the shapes differ, padding is within a problem, or a problem does not begin with its prompt.
    """
    _check_shapes(is_input, is_real, sequence)
    # NumPy's, on one thread: torch would deal work this small out to all cores, and wait long for a busy one.
    prompt, real = _look_at(is_input).astype(bool), _look_at(is_real).astype(bool)
    before, after_prompt = np.zeros_like(real), np.zeros_like(real)
    before[:, 1:], after_prompt[:, 1:] = real[:, :-1], prompt[:, :-1]
    if sequence is not None:
        number = _look_at(sequence)
        before[:, 1:] &= number[:, 1:] == number[:, :-1]
    begins = real & ~before
    _check_order(prompt, real, begins, after_prompt, packed=sequence is not None)
    places = np.broadcast_to(np.arange(real.shape[1]), real.shape)
    first = np.maximum.accumulate(np.where(begins, places, -1), axis=-1)
    split = np.maximum.accumulate(np.where(prompt, places, -1), axis=-1) + 1
    produced = real & ~prompt
    counts = produced.sum(-1)
    shape = (len(produced), int(counts.max(initial=0)))
    there = np.arange(shape[1]) < counts[:, None]
    columns = [np.full(shape, fill, dtype=np.int32) for fill in (-1, 0, 0)]
    for column, values in zip(columns, (places - 1, first, split), strict=True):
        column[there] = values[produced]
    position, firsts, splits = map(torch.from_numpy, columns)
    return Rows(position, firsts, splits, tuple(counts.tolist()), not columns[1].any())


def _look_at(tensor: torch.Tensor) -> npt.NDArray[Any]:
    return tensor.cpu().numpy()


def _check_order(
    prompt: npt.NDArray[np.bool_],
    real: npt.NDArray[np.bool_],
    begins: npt.NDArray[np.bool_],
    after_prompt: npt.NDArray[np.bool_],
    *,
    packed: bool,
) -> None:
    if (prompt & ~real).any():
        raise UserInputError("padding can't be input")
    if not packed and (begins.sum(-1) > 1).any():
        raise UserInputError("padding must be at either end of a problem; it is within one")
    if (begins & ~prompt).any() or (prompt & ~begins & ~after_prompt).any():
        raise UserInputError("a problem must begin with its prompt, of one token at least, and have one prompt")


def _check_shapes(is_input: torch.Tensor, is_real: torch.Tensor, sequence: torch.Tensor | None) -> None:
    shapes = [tuple(tensor.shape) for tensor in (is_input, is_real, sequence) if tensor is not None]
    if is_real.ndim != 2 or len(set(shapes)) != 1:
        raise UserInputError(f"which tokens are input and which are real must be of one shape (b, s); got {shapes}")
