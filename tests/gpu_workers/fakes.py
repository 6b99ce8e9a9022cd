"""A device that computes nothing, whose memory holds so many tokens and no more."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from gpu_workers.reader import Readout
from gpu_workers.teacher import Encoded


def make_encoded(length: int, mark: int = 0) -> Encoded:
    """Make a problem of so many tokens; `mark` is its first."""
    return Encoded([mark], [0] * (length - 1), [""] * (length - 1))


def make_readout(encoded: Encoded) -> Readout:
    """Return what the fake device reads: every IAF is the problem's mark."""
    return Readout({"iaf": np.full((1, 1, len(encoded.generated_ids)), encoded.input_ids[0], np.float16)})


@dataclass
class Computed:
    """A batch under way."""

    device: "FakeDevice"
    batch: Sequence[Encoded]
    error: Exception | None = None

    def finish(self) -> list[Readout]:
        self.device.held -= sum(map(len, self.batch))
        if self.error:
            raise self.error
        return [make_readout(encoded) for encoded in self.batch]

    def times(self) -> tuple[float, float]:
        return 3.0, 1.0


@dataclass
class FakeDevice:
    """See above.

    Attributes:
        room: tokens, with padding, that a batch may have beside what is under way.
        bad: marks of problems over which it breaks: at once if even, afterwards if odd.
        batches: the lengths in each batch that was begun.
        held: tokens under way.
    """

    room: int = 1 << 30
    bad: frozenset[int] = frozenset()
    batches: list[list[int]] = field(default_factory=list)
    held: int = 0
    freed: int = 0

    def launch(self, batch: Sequence[Encoded]) -> Computed:
        lengths = list(map(len, batch))
        if len(batch) * max(lengths) + self.held > self.room:
            raise torch.OutOfMemoryError("CUDA out of memory")
        broken = [encoded.input_ids[0] for encoded in batch if encoded.input_ids[0] in self.bad]
        if any(mark % 2 == 0 for mark in broken):
            raise RuntimeError("device-side assert")
        self.batches.append(lengths)
        self.held += sum(lengths)
        return Computed(self, batch, RuntimeError("device-side assert") if broken else None)

    def free_memory(self) -> None:
        self.freed += 1
