"""The kernels, interpreted on the CPU where Triton is installed, against the definitions in float64.

Compiled, on a device, they are tested by test_fused.py.
"""

import pytest
import torch

from gpu_workers.attention.fused import Tiles, read_fused
from gpu_workers.attention.recorder import SIGNALS
from tests.gpu_workers.attention.layouts import expect
from tests.gpu_workers.attention.test_blocked import LAYOUTS, make_scores, record
from tests.gpu_workers.attention.test_fused import sum_scores

pytest.importorskip("triton", minversion="3.9", reason="needs a Triton whose interpreter knows today's NumPy")
pytestmark = [
    pytest.mark.skipif(torch.cuda.is_available(), reason="on a device the kernels are compiled: test_fused.py"),
    pytest.mark.filterwarnings("ignore::RuntimeWarning:triton"),  # NumPy's, of infinities that are then left out
]
TOLERANCE = {**dict.fromkeys(SIGNALS, 1e-5), "jsd": 1e-3}
"""Weights are rounded to float16 for jsd; and for what the sources receive where the sums are known."""


@pytest.mark.parametrize("knows", [False, True])
@pytest.mark.parametrize("sliding", [None, 6])
@pytest.mark.parametrize("name", LAYOUTS)
def test_every_signal_is_what_its_definition_says(name: str, sliding: int | None, *, knows: bool) -> None:
    layout = LAYOUTS[name]
    scores = make_scores(layout, 1, sliding=sliding)
    expected = expect(scores.query, scores.key, scores.scaling, layout, sliding, window=3)
    known = sum_scores(scores, layout) if knows else None
    asked = record(layout, signals=SIGNALS, window=3)
    ours = read_fused(scores, asked, known, Tiles(16, 16, 4, 1) if knows else Tiles(64, 4, 4, 1))
    for signal in SIGNALS:
        tolerance = 1e-3 if knows and signal == "received" else TOLERANCE[signal]
        assert (ours[signal] - expected[signal]).abs().max() <= tolerance, signal
