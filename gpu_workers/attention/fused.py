"""The signals by Triton kernels, on a CUDA device: which tiles, which memory, which launches."""

import importlib.util
import math
from dataclasses import dataclass

import torch

from gpu_workers.attention.blocked import BLOCK_BYTES, Scores, read_divergence
from gpu_workers.attention.recorder import ROW_SIGNALS, LayerSignals, Recorder

WIDE, MAX_WIDTH = 128, 256
"""Heads wider than the first leave no room for long windows; wider than the second they do not fit a tile."""

DTYPES = (torch.bfloat16, torch.float16, torch.float32)
ALL_SOURCES = 1 << 29
"""A sliding window longer than any context."""


@dataclass(frozen=True, slots=True)
class Tiles:
    """How a kernel is cut: queries and sources in a tile, warps of a program, tiles in flight, registers at most."""

    rows: int
    sources: int
    warps: int
    stages: int
    registers: int | None = None


ROW_TILES = Tiles(rows=128, sources=64, warps=4, stages=3)
KNOWN_TILES = Tiles(rows=64, sources=64, warps=4, stages=3, registers=168)
NARROW_TILES = Tiles(rows=32, sources=32, warps=4, stages=2)
"""For float32, whose tiles take twice the room and no tensor cores."""

SHORT_WINDOW, MAX_WINDOW = 32, 96
"""Two windows of the first fit 128 rows beside a tile of 64, two of the second 256; longer ones go the blocked way."""


def can_fuse(scores: Scores) -> bool:
    """Return whether the kernels can read these: on a CUDA device with Triton, of a width and precision they know."""
    return (
        scores.query.is_cuda
        and scores.query.dtype in DTYPES
        and scores.query.shape[-1] <= MAX_WIDTH
        and importlib.util.find_spec("triton") is not None
    )


def read_fused(
    scores: Scores, recorder: Recorder, known: torch.Tensor | None = None, tiles: Tiles | None = None
) -> LayerSignals:
    """Compute the signals wanted of one layer.

    Args:
        scores: queries and keys of the layer.
        recorder: what is wanted.
        known: ln Σ exp(scores) of each query, shape (b, h, s), where the model's own attention has computed it.
        tiles: how to cut; None for what suits the precision.

    Returns:
        See `Recorder`.
    """
    from gpu_workers.attention import kernels  # noqa: PLC0415 - Triton is there only where it can be used

    query, key, rows = _lie_straight(scores.query), _lie_straight(scores.key), scores.rows
    b, h, s, width = query.shape
    n_rows = rows.position.shape[1]
    device = query.device
    shapes = {name: (b, h, s if name == "received" else n_rows) for name in recorder.signals}
    out = {name: torch.empty(shape, device=device, dtype=recorder.dtype) for name, shape in shapes.items()}
    if b * n_rows == 0:
        return {name: tensor.zero_() for name, tensor in out.items()}
    if tiles is None:
        tiles = ROW_TILES if known is None else KNOWN_TILES
        tiles = NARROW_TILES if query.dtype == torch.float32 else tiles
    n_tiles = -(-n_rows // tiles.rows)
    columns = torch.empty((b, h, n_tiles, s), device=device) if "received" in out else None
    lse = torch.empty((b, h, n_rows), device=device) if "jsd" in out else None
    shape = _Shape(query, key, n_rows, scores.scaling / math.log(2), scores.sliding_window or ALL_SOURCES)
    kernels.read_rows[(n_tiles, b * h)](
        query, key, rows.position, rows.first, rows.split, known,
        *(out.get(name) for name in ROW_SIGNALS), lse, columns,
        *shape.numbers, **shape.constants, M=tiles.rows, N=tiles.sources,
        KNOWN=known is not None,
        num_warps=tiles.warps, num_stages=tiles.stages, maxnreg=tiles.registers,
    )  # fmt: skip
    if columns is not None:
        out["received"].copy_(columns.sum(dim=2))
    if lse is not None and recorder.window > (MAX_WINDOW if width <= WIDE else SHORT_WINDOW):
        read_divergence(scores, recorder, max(1, BLOCK_BYTES // (b * h * s * 4)), out["jsd"])
    elif lse is not None:
        cut = cut_windows(recorder.window, query.dtype)
        kernels.read_windows[(-(-n_rows // cut.rows), b * h)](
            query, key, rows.position, rows.first, recorder.whole, lse, out["jsd"],
            *shape.numbers, recorder.window, **shape.constants, M=cut.rows, R=cut.around, N=cut.sources,
            num_warps=cut.warps, num_stages=cut.stages,
        )  # fmt: skip
    return out


@dataclass(frozen=True, slots=True)
class _Shape:
    """What both kernels are told of queries and keys."""

    query: torch.Tensor
    key: torch.Tensor
    n_rows: int
    scale: float
    sliding: int

    @property
    def numbers(self) -> tuple[float, ...]:
        _, h, s, _ = self.query.shape
        strides = (*self.query.stride()[:3], *self.key.stride()[:3])
        return (*strides, self.n_rows, s, h, self.scale, self.sliding)

    @property
    def constants(self) -> dict[str, int | str]:
        width = self.query.shape[-1]
        return {
            "GROUP": self.query.shape[1] // self.key.shape[1],
            "WIDTH": width,
            "D": max(16, 1 << (width - 1).bit_length()),
            "PRECISION": "ieee" if self.query.dtype == torch.float32 else "tf32",
        }


@dataclass(frozen=True, slots=True)
class _WindowTiles:
    rows: int
    around: int
    sources: int
    warps: int
    stages: int


def cut_windows(window: int, dtype: torch.dtype) -> _WindowTiles:
    """Return how to cut for a window: the rows around a tile must hold those of both windows."""
    wide = dtype != torch.float32
    if window <= SHORT_WINDOW:
        return _WindowTiles(64, 128, 64 if wide else 32, 8, 3 if wide else 1)
    return _WindowTiles(64, 256, 64 if wide else 32, 8, 2 if wide else 1)


def _lie_straight(tensor: torch.Tensor) -> torch.Tensor:
    """Return the tensor with its last axis side by side in memory; transformers' own already is."""
    return tensor if tensor.stride(-1) == 1 else tensor.contiguous()
