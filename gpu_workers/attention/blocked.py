"""The signals by plain torch, on any device: some rows of attention at a time, each as `mycelium.signals` defines it.

This is what CPUs and Apple's GPUs use, and what the Triton kernels are held to.
"""

from dataclasses import dataclass

import torch

from gpu_workers.attention.recorder import ROW_SIGNALS, LayerSignals, Recorder
from gpu_workers.attention.rows import Rows
from mycelium.signals.connectivity import effective_sources
from mycelium.signals.divergence import window_divergence
from mycelium.signals.entropy import attention_entropy
from mycelium.signals.iaf import attended_fraction
from mycelium.signals.received import received_attention

BLOCK_BYTES = 32 << 20
"""One block of attention is kept below this; some temporaries of the same size come beside it."""


@dataclass(frozen=True, slots=True)
class Scores:
    """One layer's queries and keys, and how attention is made of them.

    Attributes:
        query: shape (b, h, s, d).
        key: shape (b, g, s, d), where g divides h: grouped-query attention.
        scaling: what the scores are multiplied by.
        sliding_window: how many tokens back a query sees, itself included; None for all.
        rows: the queries that are read, on the same device.
    """

    query: torch.Tensor
    key: torch.Tensor
    scaling: float
    sliding_window: int | None
    rows: Rows

    def explicit(self, start: int, end: int, heads: list[int] | None = None) -> torch.Tensor:
        """Compute attention itself, of the rows start ≤ t < end.

        A = softmax(scaling · Q Kᵀ) over the interval that each query may look at, in float32 at least.

        Args:
            start: the first row.
            end: the row after the last.
            heads: which heads; None for all.

        Returns:
            Shape (b, heads, end − start, s); rows that are absent are 0.
        """
        position = self.rows.position[:, start:end]
        wide = torch.float64 if self.query.dtype == torch.float64 else torch.float32
        query, key = self.query, self.key
        if heads is not None:
            group = query.shape[1] // key.shape[1]
            query, key = query[:, heads], key[:, [head // group for head in heads]]
        b, h, _, d = query.shape
        index = position.clamp(min=0).long()[:, None, :, None].expand(b, h, -1, d)
        picked = query.gather(2, index).to(wide)
        # Heads of one group side by side, as rows, so that their key is not repeated.
        grouped = picked.reshape(b, key.shape[1], -1, d)
        scores = (grouped @ key.to(wide).transpose(2, 3)).reshape(b, h, end - start, -1) * self.scaling
        hidden = ~self._is_attended(start, end)[:, None]
        weights = torch.softmax(scores.masked_fill_(hidden, -torch.inf), dim=-1)
        return weights.masked_fill_(hidden, 0.0)

    def _is_attended(self, start: int, end: int) -> torch.Tensor:
        """Return, shape (b, end − start, s), what each query may look at."""
        position, low = self.rows.position[:, start:end, None], self.rows.first[:, start:end, None]
        if self.sliding_window is not None:
            low = torch.maximum(low, position - self.sliding_window + 1)
        source = torch.arange(self.key.shape[2], device=self.key.device)
        return (source >= low) & (source <= position)


def read_blocked(scores: Scores, recorder: Recorder) -> LayerSignals:
    """Compute the signals wanted of one layer.

    Returns:
        See `Recorder`.
    """
    b, h, s, _ = scores.query.shape
    n_rows = scores.rows.position.shape[1]
    step = max(1, BLOCK_BYTES // max(1, b * h * s * 4))
    device = scores.query.device
    shapes = {name: (b, h, s) if name == "received" else (b, h, n_rows) for name in recorder.signals}
    sums = torch.zeros((b, h, s), dtype=torch.promote_types(scores.query.dtype, torch.float32), device=device)
    out = {name: torch.zeros(shape, dtype=recorder.dtype, device=device) for name, shape in shapes.items()}
    wanted = {"received", *ROW_SIGNALS} & set(recorder.signals)
    for start in range(0, n_rows if wanted else 0, step):
        end = min(start + step, n_rows)
        attention = scores.explicit(start, end)
        for name in wanted & set(ROW_SIGNALS):
            out[name][:, :, start:end] = _reduce(name, attention, scores.rows, start, end)
        sums += received_attention(attention)
    if "received" in out:
        out["received"].copy_(sums)
    if "jsd" in out:
        read_divergence(scores, recorder, step, out["jsd"])
    return out


def _reduce(name: str, attention: torch.Tensor, rows: Rows, start: int, end: int) -> torch.Tensor:
    """Return one signal of a block, shape (b, h, end − start)."""
    if name == "entropy":
        value: torch.Tensor = attention_entropy(attention)
    elif name == "connectivity":
        value = effective_sources(attention)
    else:
        # Prompts of packed problems differ from row to row: each row becomes a batch of its own.
        first, split = rows.first[:, start:end, None], rows.split[:, start:end, None]
        source = torch.arange(attention.shape[-1], device=attention.device)
        low = first + 1 if name == "iaf_without_sink" else first
        part, whole = (source >= low) & (source < split), (source >= low).expand(*first.shape[:2], len(source))
        by_row = attention.transpose(1, 2).flatten(0, 1)[:, :, None]
        fractions = attended_fraction(by_row, part.flatten(0, 1), whole.flatten(0, 1))
        value = fractions.reshape(*first.shape[:2], -1).transpose(1, 2)
    return value


def read_divergence(scores: Scores, recorder: Recorder, step: int, out: torch.Tensor) -> None:
    """Compute the divergence between adjacent windows, some rows and both windows around them at a time.

    Args:
        scores: see there.
        recorder: which windows, and where they are whole.
        step: how many rows at a time.
        out: shape (b, h, t), written.
    """
    n_rows = scores.rows.position.shape[1]
    window, whole = recorder.window, recorder.whole[:, None]
    step = max(step, window)
    for start in range(0, n_rows, step):
        end = min(start + step, n_rows)
        low, high = max(0, start - window), min(n_rows, end + window)
        divergence = window_divergence(scores.explicit(low, high), window)[:, :, start - low : end - low]
        out[:, :, start:end] = torch.where(whole[:, :, start:end], divergence, 0.0)
