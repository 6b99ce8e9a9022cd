"""Reading problems on a device, batch after batch, so that the device never waits.

One thread drives the device. It hands over a batch before it fetches what came of the one before it, so that the device
always has work; what comes back is copied while the next batch is computed. Whatever else there is to do (tokenizing,
laying out, compressing, writing) is other threads' work: see `gpu_workers.pipeline`.

Where memory runs out, the batch is cut into halves, and so is every batch after it. A problem that is too much by
itself is refused, and the others go on.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch

from gpu_workers.batching import count_padded, cut_batches
from gpu_workers.teacher import Encoded
from mycelium.schema import Row

UNDER_WAY = 2
"""Batches handed to the device at a time: one that it computes, and one so that it need not wait for the next."""


@dataclass(frozen=True, slots=True)
class Readout:
    """What was read of the attention over one problem.

    Attributes:
        signals: by the signal's name; shape (layers, h, n), float16, n the generated tokens, or for `received` all
            tokens but the last, which nothing attends to.
        weights: the raw attention of the layers and heads asked for, shape (layers, h, t, s), float16; None if not
            asked for.
    """

    signals: dict[str, npt.NDArray[np.float16]]
    weights: npt.NDArray[np.float16] | None = None


class Launched(Protocol):
    """A batch that the device is at."""

    def finish(self) -> Sequence[Readout]:
        """Wait for it, and return what was read, one for each problem."""
        ...

    def times(self) -> tuple[float, float]:
        """Return how long the device computed, and how long it had waited before, seconds; after `finish`."""
        ...


class Device(Protocol):
    """Computes batches one after another."""

    def launch(self, batch: Sequence[Encoded]) -> Launched:
        """Begin a batch.

        Raises:
            torch.OutOfMemoryError: it does not fit.
        """
        ...

    def free_memory(self) -> None:
        """Give back what is held for later batches."""
        ...


Answer = Readout | str | Exception
"""What was read of a problem; or why this one could not be; or an error of the device or the model."""


@dataclass(frozen=True, slots=True)
class Job:
    """One problem to read.

    Attributes:
        encoded: its tokens.
        deliver: takes the answer.
    """

    encoded: Encoded
    deliver: Callable[[Answer], None]


@dataclass(slots=True)
class Meter:
    """What the device did with its time.

    Attributes:
        busy_s: seconds in which it computed.
        waited_s: seconds in which it had nothing to do, between the first batch and the last.
        batches: batches computed.
        tokens: tokens computed, without padding.
        padded_tokens: tokens computed, with padding.
        halved: how often memory ran out.
    """

    busy_s: float = 0.0
    waited_s: float = 0.0
    batches: int = 0
    tokens: int = 0
    padded_tokens: int = 0
    halved: int = 0

    @property
    def share_waited(self) -> float:
        """The share of time waited, of waited and busy; 0 before anything was computed."""
        total = self.busy_s + self.waited_s
        return self.waited_s / total if total else 0.0

    def notes(self) -> Row:
        """Return the counts, for a manifest."""
        return {
            "device_busy_s": round(self.busy_s, 3),
            "device_waited_s": round(self.waited_s, 3),
            "device_waited_share": round(self.share_waited, 4),
            "batches": self.batches,
            "batches_halved": self.halved,
            "tokens": self.tokens,
            "padded_tokens": self.padded_tokens,
        }

    def describe(self) -> str:
        """Return the share of time that the device waited, in words; nothing before anything was computed."""
        if not self.batches:
            return ""
        halved = f", memory ran out {self.halved} times" if self.halved else ""
        return f"device waited {self.share_waited:.1%}{halved}"


Feed = Callable[[bool], Sequence[Job] | None]
"""More problems to read; none if there are none yet, unless told to wait for them; None when no more will come."""


@dataclass(slots=True)
class Reader:
    """Drives a device.

    Attributes:
        device: the device.
        batch_tokens: tokens of a batch with padding, at most; lowered where memory runs out.
        meter: counts.
    """

    device: Device
    batch_tokens: int
    meter: Meter = field(default_factory=Meter)
    _waiting: deque[list[Job]] = field(default_factory=deque)
    _under_way: deque[tuple[list[Job], Launched]] = field(default_factory=deque)

    def read(self, feed: Feed) -> Iterator[None]:
        """Read all that is fed; each problem's answer is delivered as soon as it is known.

        Yields:
            After every batch, so that whoever drives this can do something else while the device computes.
        """
        fed = True
        while True:
            while len(self._under_way) < UNDER_WAY:
                if not self._waiting and fed:
                    jobs = feed(not self._under_way)
                    fed = jobs is not None
                    self._waiting.extend(self._cut(jobs or ()))
                if not self._waiting:
                    break
                self._launch(self._waiting.popleft())
            if self._under_way:
                self._finish(*self._under_way.popleft())
                yield
            elif not fed and not self._waiting:
                return

    def read_all(self, encoded: Sequence[Encoded]) -> list[Answer]:
        """Read some problems, and return their answers in order."""
        answers: list[Answer] = [""] * len(encoded)
        jobs = [Job(item, lambda answer, i=i: answers.__setitem__(i, answer)) for i, item in enumerate(encoded)]  # type: ignore[misc]
        left: list[Sequence[Job] | None] = [None, jobs]
        for _ in self.read(lambda wait: left.pop()):  # noqa: ARG005 - nothing to wait for
            pass
        return answers

    def _cut(self, jobs: Sequence[Job]) -> list[list[Job]]:
        batches = cut_batches([len(job.encoded) for job in jobs], self.batch_tokens)
        return [[jobs[i] for i in batch] for batch in batches]

    def _launch(self, jobs: list[Job]) -> None:
        lengths = [len(job.encoded) for job in jobs]
        if len(jobs) > 1 and count_padded(lengths) > self.batch_tokens:  # lowered since it was cut
            self._waiting.extendleft(reversed(self._cut(jobs)))
            return
        try:
            self._under_way.append((jobs, self.device.launch([job.encoded for job in jobs])))
        except torch.OutOfMemoryError:
            pass
        except (RuntimeError, ValueError) as error:
            _deliver_error(jobs, error)
            return
        else:
            return
        # Out here nothing holds on to the error's frames, and so to the tensors in them.
        self._run_short(jobs, count_padded(lengths))

    def _run_short(self, jobs: list[Job], padded: int) -> None:
        """Go on with less after memory ran out."""
        self.meter.halved += 1
        alone = not self._under_way
        while self._under_way:
            self._finish(*self._under_way.popleft())
        self.device.free_memory()
        if len(jobs) > 1:
            self.batch_tokens = min(self.batch_tokens, max(padded // 2, 1))
            self._waiting.extendleft(reversed(self._cut(jobs)))
        elif alone:
            jobs[0].deliver(f"its {len(jobs[0].encoded)} tokens do not fit into the device's memory, even alone")
        else:  # what the batches before it held is free now
            self._waiting.appendleft(jobs)

    def _finish(self, jobs: list[Job], launched: Launched) -> None:
        try:
            readouts = launched.finish()
        except (RuntimeError, ValueError) as error:
            _deliver_error(jobs, error)
            return
        busy_s, waited_s = launched.times()
        self.meter.busy_s += busy_s
        self.meter.waited_s += waited_s
        self.meter.batches += 1
        lengths = [len(job.encoded) for job in jobs]
        self.meter.tokens += sum(lengths)
        self.meter.padded_tokens += count_padded(lengths)
        for job, readout in zip(jobs, readouts, strict=True):
            job.deliver(readout)


def _deliver_error(jobs: list[Job], error: Exception) -> None:
    for job in jobs:
        job.deliver(error)
