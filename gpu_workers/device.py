"""The device under a teacher: a batch goes there, and its signals come back, without anyone waiting in between.

What comes back is small beside the attention it was read from: it is cut to each problem's own tokens and rounded to
float16 on the device, and copied into page-locked memory while the next batch is computed.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch

from gpu_workers.attention import Recorder
from gpu_workers.reader import Readout
from gpu_workers.teacher import Encoded, Teacher
from gpu_workers.wanted import Wanted
from mycelium.signals.rounding import COMPACT

Half = npt.NDArray[np.float16]


class TorchDevice:
    """Computes batches on the teacher's device; see `gpu_workers.reader.Device`."""

    def __init__(self, teacher: Teacher, wanted: Wanted) -> None:
        """Take who reads and what is wanted."""
        self._teacher = teacher
        self._wanted = wanted
        self._is_cuda = teacher.device_type == "cuda"
        self._last: torch.cuda.Event | None = None
        self._last_s = 0.0
        if self._is_cuda:
            torch.set_float32_matmul_precision("high")  # TF32, for a model that is run in float32

    @torch.inference_mode()
    def launch(self, batch: Sequence[Encoded]) -> "_LaunchedOnCuda | _Computed":
        """Begin a batch; see `gpu_workers.reader.Device`."""
        if not self._is_cuda:
            before, start = self._last_s, time.perf_counter()
            readouts = _split(batch, self._wanted, self._read(batch))
            self._last_s = time.perf_counter()
            return _Computed(readouts, self._last_s - start, start - before if before else 0.0)
        begin, end = _make_event(), _make_event()
        begin.record()
        there = self._read(batch)
        here = {}
        for name, tensor in there.items():
            here[name] = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
            here[name].copy_(tensor, non_blocking=True)
        end.record()
        launched = _LaunchedOnCuda(batch, self._wanted, here, begin, end, self._last)
        self._last = end
        return launched

    def free_memory(self) -> None:
        """Give back what torch holds for later."""
        if self._is_cuda:
            torch.cuda.synchronize()
            torch.cuda.empty_cache()

    def _read(self, batch: Sequence[Encoded]) -> dict[str, torch.Tensor]:
        """Return, on the device in float16, each signal as (layers, h, Σ n), and the raw attention as (layers, …)."""
        wanted = self._wanted
        iaf = "iaf_without_sink" if wanted.without_sink else "iaf"
        asked = {iaf if word == "iaf" else word: word for word in wanted.signals}
        raw = dict.fromkeys(wanted.layers, wanted.heads)
        recorder = self._teacher.look(batch, signals=tuple(asked), window=wanted.window, raw=raw)
        read = {word: self._pack(recorder, name, word, batch) for name, word in asked.items()}
        if raw:
            read["raw"] = torch.stack([recorder.layers[layer]["raw"] for layer in wanted.layers]).half()
        return read

    def _pack(self, recorder: Recorder, name: str, word: str, batch: Sequence[Encoded]) -> torch.Tensor:
        layers = torch.stack([layer[name] for layer in recorder.layers])
        packed = torch.cat([layers[:, i, :, :n] for i, n in enumerate(_count_places(word, batch))], dim=-1)
        if self._wanted.compact and word in COMPACT:
            packed = COMPACT[word](packed)
        return packed.half()


def _make_event() -> torch.cuda.Event:
    # Blocking: who waits for it sleeps, and leaves the core to those who compress.
    return torch.cuda.Event(enable_timing=True, blocking=True)  # type: ignore[no-untyped-call]


def _count_places(word: str, batch: Sequence[Encoded]) -> list[int]:
    """Return how many values a signal has for each problem."""
    if word == "received":
        return [len(encoded) - 1 for encoded in batch]
    return [len(encoded.generated_ids) for encoded in batch]


def _split(batch: Sequence[Encoded], wanted: Wanted, read: dict[str, torch.Tensor]) -> list[Readout]:
    """Cut what was read of a batch into its problems."""
    by_signal = {}
    for word in wanted.signals:
        bounds = np.cumsum(_count_places(word, batch))[:-1]
        # A copy: the page-locked memory goes back to torch, for the next batch.
        by_signal[word] = np.split(read[word].numpy().copy(), bounds, axis=-1)
    weights: list[Half | None] = [None] * len(batch)
    if wanted.layers:
        weights = [
            read["raw"][:, i, :, : len(encoded.generated_ids), : len(encoded) - 1].numpy().copy()
            for i, encoded in enumerate(batch)
        ]
    return [Readout({word: by_signal[word][i] for word in wanted.signals}, weights[i]) for i in range(len(batch))]


@dataclass(slots=True)
class _Computed:
    """A batch that was computed at once; see `gpu_workers.reader.Launched`."""

    readouts: list[Readout]
    busy_s: float
    waited_s: float

    def finish(self) -> list[Readout]:
        return self.readouts

    def times(self) -> tuple[float, float]:
        return self.busy_s, self.waited_s


@dataclass(slots=True)
class _LaunchedOnCuda:
    """A batch that a CUDA device is at; see `gpu_workers.reader.Launched`."""

    batch: Sequence[Encoded]
    wanted: Wanted
    here: dict[str, torch.Tensor]
    begin: torch.cuda.Event
    end: torch.cuda.Event
    before: torch.cuda.Event | None = field(default=None)

    def finish(self) -> list[Readout]:
        self.end.synchronize()
        return _split(self.batch, self.wanted, self.here)

    def times(self) -> tuple[float, float]:
        waited_ms = self.before.elapsed_time(self.begin) if self.before else 0.0
        return self.begin.elapsed_time(self.end) / 1e3, max(waited_ms, 0.0) / 1e3
