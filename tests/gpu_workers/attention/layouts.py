"""Batches of problems, padded and packed, and what the definitions say of them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from gpu_workers.attention.recorder import ROW_SIGNALS
from mycelium.signals.connectivity import effective_sources
from mycelium.signals.divergence import window_divergence
from mycelium.signals.entropy import attention_entropy
from mycelium.signals.iaf import attended_fraction
from mycelium.signals.received import received_attention


@dataclass(frozen=True)
class Layout:
    """Where the tokens of a batch are; `sequence` where a row holds several problems."""

    is_input: torch.Tensor
    is_real: torch.Tensor
    sequence: torch.Tensor | None


def lay_out(rows: list[list[tuple[int, int]]], left: list[int] | None = None, width: int = 0) -> Layout:
    """Lay problems out, each of some prompt and some generated tokens, with padding on the left and the rest right."""
    left = left or [0] * len(rows)
    lengths = [pad + sum(map(sum, row)) for row, pad in zip(rows, left, strict=True)]
    shape = (len(rows), max([width, *lengths]))
    is_input, is_real = torch.zeros(shape, dtype=torch.bool), torch.zeros(shape, dtype=torch.bool)
    sequence = torch.full(shape, -1)
    for b, (problems, pad) in enumerate(zip(rows, left, strict=True)):
        start = pad
        for number, (n_input, n_generated) in enumerate(problems):
            end = start + n_input + n_generated
            is_input[b, start : start + n_input] = True
            is_real[b, start:end] = True
            sequence[b, start:end] = number
            start = end
    return Layout(is_input, is_real, sequence if any(len(row) > 1 for row in rows) else None)


def problems_of(layout: Layout) -> list[list[tuple[int, int, int]]]:
    """Return the start, the end of the prompt and the end of each problem, by row, by a loop over tokens."""
    found = []
    for b in range(layout.is_real.shape[0]):
        row: list[tuple[int, int, int]] = []
        sequence = layout.is_real[b].int() - 1 if layout.sequence is None else layout.sequence[b]
        for number in sorted(set(sequence.tolist()) - {-1}):
            places = (sequence == number).nonzero().ravel().tolist()
            n_input = int(layout.is_input[b, places].sum())
            row.append((places[0], places[0] + n_input, places[-1] + 1))
        found.append(row)
    return found


def expect(
    query: torch.Tensor, key: torch.Tensor, scaling: float, layout: Layout, sliding: int | None, window: int
) -> dict[str, torch.Tensor]:
    """Return every signal in float64, one problem and one head at a time, of matrices written out whole."""
    b, h, s, _ = query.shape
    found = problems_of(layout)
    longest = max(sum(end - split for _, split, end in row) for row in found)
    shapes: dict[str, tuple[int, ...]] = dict.fromkeys((*ROW_SIGNALS, "jsd"), (b, h, longest))
    shapes |= {"received": (b, h, s), "raw": (b, h, longest, s)}
    on: dict[str, Any] = {"dtype": torch.float64, "device": query.device}
    out = {name: torch.zeros(shape, **on) for name, shape in shapes.items()}
    for i, j in np.ndindex(b, h):
        at = 0
        for start, split, end in found[i]:
            q = query[i, j, split - 1 : end - 1].double()
            k = key[i, j * key.shape[1] // h, start:end].double()
            where = torch.arange(split - 1, end - 1, device=query.device)[:, None]
            source = torch.arange(start, end, device=query.device)
            seen = (source <= where) & (source > where - (sliding or s))
            weights = torch.softmax((q @ k.T * scaling).masked_fill(~seen, -torch.inf), -1)[None, None]
            part, whole = (source < split)[None].double(), torch.ones((1, end - start), **on)
            no_sink = (source > start)[None].double()
            now = slice(at, at + end - split)
            out["iaf"][i, j, now] = attended_fraction(weights, part, whole)[0, 0]
            out["iaf_without_sink"][i, j, now] = attended_fraction(weights, part * no_sink, whole * no_sink)[0, 0]
            out["entropy"][i, j, now] = attention_entropy(weights)[0, 0]
            out["connectivity"][i, j, now] = effective_sources(weights)[0, 0]
            out["jsd"][i, j, now] = window_divergence(weights, window)[0, 0]
            out["received"][i, j, start:end] = received_attention(weights)[0, 0]
            out["raw"][i, j, now, start:end] = weights[0, 0]
            at += end - split
    return out
