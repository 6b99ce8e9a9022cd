"""What is wanted of a model's attention, and what has been seen of it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

import torch

from gpu_workers.attention.rows import Rows, find_rows, send
from mycelium.errors import UserInputError

Signal = Literal["iaf", "iaf_without_sink", "entropy", "connectivity", "received", "jsd"]

ROW_SIGNALS: Final = ("iaf", "iaf_without_sink", "entropy", "connectivity")
"""One number for each layer, head and generated token; one pass gives all of them."""

SIGNALS: Final = (*ROW_SIGNALS, "received", "jsd")
"""All there is, beside the attention matrices themselves."""

LayerSignals = dict[str, torch.Tensor]


@dataclass(slots=True)
class Recorder:
    """What is wanted of the attention of one forward pass, and what has been seen of it.

    It goes to the model as the keyword `recorder`; `observe` does that. After the pass `layers[i]` maps names to
    tensors, on the model's device:

    - ``iaf``, ``iaf_without_sink``, ``entropy``, ``connectivity``, ``jsd``: shape (b, h, t). Row t is the attention of
      the query that produced generated token t: the token before it. So t counts generated tokens from 0, of each row
      of the batch by itself; where that has fewer than the longest, the rest is 0. In a packed row the problems'
      tokens follow one another in the order in which they stand there.
    - ``received``: shape (b, h, s), s over all positions of the batch; 0 at padding.
    - ``raw``: shape (b, heads asked for, t, s), the attention itself, of the same rows.

    What each signal is, with its unit and its range, is defined in `mycelium.signals`.

    Attributes:
        is_input: shape (b, s), bool, whether a token belongs to a prompt. Best on the CPU, like the two below.
        is_real: shape (b, s), bool, whether it is a token at all, and no padding. Padding may be on either side.
        sequence: shape (b, s), which problem a token belongs to, where problems are packed; None for one in a row.
        signals: those wanted, of `SIGNALS`.
        window: w of ``jsd``, in generated tokens.
        raw: for which layers, and for which heads of each, the attention itself is wanted.
        dtype: in which the signals are given; they are computed and summed in float32 (in float64 for a model of
            float64) whatever this is.
        layers: what was seen, layer by layer.
        rows: which queries are read, and what each may look at; on the CPU until the first layer is read.
        whole: shape (b, t), of which of them ``jsd`` has both windows; as above.
    """

    is_input: torch.Tensor
    is_real: torch.Tensor
    sequence: torch.Tensor | None = None
    signals: Collection[str] = ("iaf",)
    window: int = 16
    raw: Mapping[int, Sequence[int]] = field(default_factory=dict)
    dtype: torch.dtype = torch.float32
    layers: list[LayerSignals] = field(default_factory=list)
    rows: Rows = field(init=False)
    whole: torch.Tensor = field(init=False)

    def __post_init__(self) -> None:
        """Check what is asked for.

        Raises:
            UserInputError: there is no such signal, the window is empty, or the tokens are not laid out as above.
        """
        unknown = sorted(set(self.signals) - set(SIGNALS))
        if unknown:
            raise UserInputError(f"there is no signal {unknown[0]}; there are {', '.join(SIGNALS)}")
        if self.window < 1:
            raise UserInputError(f"the window of jsd is 1 token or more; got {self.window}")
        self.rows = find_rows(self.is_input, self.is_real, self.sequence)
        self.whole = self.rows.has_windows(self.window)

    def move(self, device: torch.device) -> None:
        """Move what is read anew for each layer to the device of the model."""
        if self.whole.device != device:
            self.rows, self.whole = self.rows.to(device), send(self.whole, device)
