"""The blocked path against the definitions, one problem and one head at a time, in float64."""

from typing import Any

import numpy as np
import pytest
import torch

from gpu_workers.attention import blocked
from gpu_workers.attention.blocked import Scores, read_blocked
from gpu_workers.attention.recorder import SIGNALS, Recorder
from tests.gpu_workers.attention.layouts import Layout, expect, lay_out

LAYOUTS: dict[str, Layout] = {
    "one": lay_out([[(4, 19)]]),
    "right": lay_out([[(4, 19)], [(1, 3)], [(7, 1)]]),
    "left": lay_out([[(4, 19)], [(1, 3)], [(7, 0)]], left=[0, 19, 16]),
    "both": lay_out([[(2, 12)], [(3, 9)]], left=[1, 5], width=20),
    "packed": lay_out([[(3, 8), (1, 12), (2, 3)], [(5, 20)]], left=[2, 0]),
}


def make_scores(layout: Layout, seed: int, *, sliding: int | None = None, dtype: Any = torch.float32) -> Scores:
    generator = torch.Generator().manual_seed(seed)
    b, s = layout.is_real.shape
    query = torch.randn((b, 4, s, 8), generator=generator) * 2
    key = torch.randn((b, 2, s, 8), generator=generator) * 2
    rows = Recorder(layout.is_input, layout.is_real, layout.sequence).rows
    return Scores(query.to(dtype), key.to(dtype), 8**-0.5, sliding, rows)


def record(layout: Layout, **asked: Any) -> Recorder:
    return Recorder(layout.is_input, layout.is_real, layout.sequence, **asked)


@pytest.mark.parametrize("sliding", [None, 6, 1])
@pytest.mark.parametrize("name", LAYOUTS)
def test_every_signal_is_what_its_definition_says(name: str, sliding: int | None) -> None:
    layout = LAYOUTS[name]
    scores = make_scores(layout, 1, sliding=sliding)
    ours = read_blocked(scores, record(layout, signals=SIGNALS, window=3))
    expected = expect(scores.query, scores.key, scores.scaling, layout, sliding, window=3)
    for signal in SIGNALS:
        np.testing.assert_allclose(ours[signal].numpy(), expected[signal].numpy(), atol=5e-6, err_msg=signal)
    raw = scores.explicit(0, scores.rows.position.shape[1], [3, 0])
    np.testing.assert_allclose(raw.numpy(), expected["raw"][:, [3, 0]].numpy(), atol=1e-6)


@pytest.mark.parametrize("block_bytes", [1, 9_000, 40_000])
def test_the_size_of_a_block_changes_nothing(monkeypatch: pytest.MonkeyPatch, block_bytes: int) -> None:
    layout = LAYOUTS["packed"]
    scores = make_scores(layout, 2)
    whole = read_blocked(scores, record(layout, signals=SIGNALS, window=4))
    monkeypatch.setattr(blocked, "BLOCK_BYTES", block_bytes)
    cut = read_blocked(scores, record(layout, signals=SIGNALS, window=4))
    for signal in SIGNALS:
        torch.testing.assert_close(cut[signal], whole[signal], atol=2e-6, rtol=1e-6)


def test_float64_stays_float64() -> None:
    layout = LAYOUTS["right"]
    scores = make_scores(layout, 3, dtype=torch.float64)
    ours = read_blocked(scores, record(layout, signals=SIGNALS, window=2, dtype=torch.float64))
    expected = expect(scores.query, scores.key, scores.scaling, layout, None, window=2)
    for signal in SIGNALS:
        np.testing.assert_allclose(ours[signal].numpy(), expected[signal].numpy(), atol=1e-13, err_msg=signal)


def test_only_what_is_asked_for_is_given_and_in_the_precision_asked_for() -> None:
    layout = LAYOUTS["right"]
    ours = read_blocked(make_scores(layout, 4), record(layout, signals=("entropy", "received"), dtype=torch.float16))
    assert {name: tensor.dtype for name, tensor in ours.items()} == {
        "entropy": torch.float16,
        "received": torch.float16,
    }


def test_nan_reaches_the_rows_that_see_it_and_no_others() -> None:
    layout = LAYOUTS["packed"]
    scores = make_scores(layout, 5)
    scores.key[0, :, 2 + 11 + 1 + 5] = torch.nan  # the sixth generated token of the second problem
    ours = read_blocked(scores, record(layout, signals=SIGNALS, window=2))
    for signal in ("iaf", "entropy", "connectivity"):
        is_nan = ours[signal].isnan()
        assert is_nan[0, :, 8 + 6 : 8 + 12].all()
        assert not is_nan[0, :, : 8 + 6].any()
        assert not is_nan[0, :, 8 + 12 :].any()
        assert not is_nan[1].any()
