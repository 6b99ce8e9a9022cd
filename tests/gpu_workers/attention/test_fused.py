"""The Triton kernels against the definitions, one problem and one head at a time, in float64."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch

from gpu_workers.attention.blocked import Scores
from gpu_workers.attention.fused import MAX_WINDOW, SHORT_WINDOW, Tiles, can_fuse, cut_windows, read_fused
from gpu_workers.attention.recorder import SIGNALS, Recorder
from tests.gpu_workers.attention.layouts import Layout, expect, lay_out

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")

LAYOUTS: dict[str, Layout] = {
    "one": lay_out([[(150, 450)]]),
    "short": lay_out([[(1, 1)]]),
    "odd": lay_out([[(77, 256)], [(13, 320)]]),
    "right": lay_out([[(64, 269)], [(1, 3)], [(200, 1)], [(30, 0)]]),
    "left": lay_out([[(64, 269)], [(1, 3)], [(200, 7)]], left=[0, 329, 126]),
    "both": lay_out([[(128, 128)], [(63, 65)]], left=[1, 100], width=300),
    "packed": lay_out([[(30, 80), (1, 120), (64, 3), (5, 60)], [(5, 200), (128, 20)]], left=[2, 0]),
}
TOLERANCE = {**dict.fromkeys(SIGNALS, 1e-3), "iaf": 1e-4, "iaf_without_sink": 1e-4}
"""Of float32 sums; connectivity relative. Queries and keys are the same, so that no rounding of theirs is in it."""


def make_scores(layout: Layout, seed: int, **changes: Any) -> Scores:
    """Make random queries and keys as transformers gives them: heads within tokens, and then turned."""
    chosen = {"h": 4, "g": 2, "d": 64, "sliding": None, "dtype": torch.bfloat16, **changes}
    generator = torch.Generator().manual_seed(seed)
    b, s = layout.is_real.shape
    query = (torch.randn((b, s, chosen["h"], chosen["d"]), generator=generator) * 2).to(chosen["dtype"])
    key = torch.randn((b, s, chosen["g"], chosen["d"]), generator=generator).to(chosen["dtype"])
    rows = Recorder(layout.is_input, layout.is_real, layout.sequence).rows.to(torch.device("cuda"))
    query, key = query.cuda().transpose(1, 2), key.cuda().transpose(1, 2)
    return Scores(query, key, chosen["d"] ** -0.5, chosen["sliding"], rows)


def sum_scores(scores: Scores, layout: Layout) -> torch.Tensor:
    """Return ln Σ exp(scores) of each query, in float64 rounded to float32; NaN where no row is read."""
    b, h, s, _ = scores.query.shape
    group = h // scores.key.shape[1]
    matrix = scores.query.double() @ scores.key.double().repeat_interleave(group, 1).transpose(2, 3) * scores.scaling
    known = torch.full((b, h, s), torch.nan, dtype=torch.float32, device=matrix.device)
    for i in range(b):
        for position, first in zip(scores.rows.position[i].tolist(), scores.rows.first[i].tolist(), strict=True):
            low = max(first, position - (scores.sliding_window or s) + 1)
            if position >= 0:
                known[i, :, position] = torch.logsumexp(matrix[i, :, position, low : position + 1], -1).float()
    return known


def compare(layout: Layout, scores: Scores, *, window: int = 16, knows: bool = False, tiles: Any = None) -> None:
    known = sum_scores(scores, layout) if knows else None
    asked = Recorder(layout.is_input, layout.is_real, layout.sequence, signals=SIGNALS, window=window)
    asked.move(scores.query.device)
    poison()
    ours = read_fused(scores, asked, known, tiles)
    expected = expect(scores.query, scores.key, scores.scaling, layout, scores.sliding_window, window)
    for name in SIGNALS:
        error = (ours[name] - expected[name]).abs()
        if name in {"connectivity", "received"}:
            error = error / expected[name].clamp(min=1)
        assert not error.isnan().any(), name
        assert error.max() <= TOLERANCE[name], f"{name} is off by {float(error.max()):.1e}"


def poison() -> None:
    """Leave NaN in the memory that outputs will be made in."""
    torch.cuda.empty_cache()
    spoiled = [torch.full((n,), torch.nan, device="cuda") for n in (1 << 24, 1 << 18, 1 << 17, 1 << 16, 1 << 12, 128)]
    del spoiled


@pytest.fixture(autouse=True)
def let_go() -> Iterator[None]:
    yield
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


@pytest.mark.gpu
@needs_gpu
@pytest.mark.parametrize("knows", [False, True])
@pytest.mark.parametrize("sliding", [None, 100, 1])
@pytest.mark.parametrize("name", LAYOUTS)
def test_every_signal_is_what_its_definition_says(name: str, sliding: int | None, *, knows: bool) -> None:
    compare(LAYOUTS[name], make_scores(LAYOUTS[name], 1, sliding=sliding), knows=knows)


@pytest.mark.gpu
@needs_gpu
@pytest.mark.parametrize(
    "changes",
    [
        {"d": 128, "h": 7, "g": 1},
        {"d": 128, "h": 3, "g": 3},
        {"d": 80},
        {"d": 96, "dtype": torch.float16},
        {"d": 16},
        {"d": 256},
        {"d": 64, "dtype": torch.float32},
    ],
    ids=str,
)
@pytest.mark.parametrize("name", ["odd", "packed"])
def test_heads_of_every_width_grouping_and_precision(name: str, changes: dict[str, Any]) -> None:
    compare(LAYOUTS[name], make_scores(LAYOUTS[name], 2, **changes))


@pytest.mark.gpu
@needs_gpu
@pytest.mark.parametrize("tiles", [Tiles(64, 64, 4, 2), Tiles(64, 128, 4, 2), Tiles(128, 32, 4, 2)])
@pytest.mark.parametrize("knows", [False, True])
def test_tiles_of_every_shape_give_the_same(tiles: Tiles, *, knows: bool) -> None:
    for name in ("odd", "packed"):
        compare(LAYOUTS[name], make_scores(LAYOUTS[name], 3), tiles=tiles, knows=knows)


@pytest.mark.gpu
@needs_gpu
@pytest.mark.parametrize("window", [1, 7, SHORT_WINDOW, SHORT_WINDOW + 1, MAX_WINDOW, MAX_WINDOW + 1])
def test_windows_of_every_length(window: int) -> None:
    for name in ("one", "packed"):
        compare(LAYOUTS[name], make_scores(LAYOUTS[name], 4), window=window)


@pytest.mark.gpu
@needs_gpu
def test_scores_far_apart_are_no_trouble() -> None:
    layout = LAYOUTS["odd"]
    scores = make_scores(layout, 5)
    scores.query.mul_(10)
    scores.key[:, :, 40].mul_(4)
    compare(layout, scores)


@pytest.mark.gpu
@needs_gpu
def test_where_the_sink_takes_all_there_is_nothing_without_it() -> None:
    layout = LAYOUTS["odd"]
    scores = make_scores(layout, 5)
    scores.query.fill_(10)
    scores.key[:, :, 0] = 100  # its score is far above what float32 tells from the others' by
    recorder = Recorder(layout.is_input, layout.is_real, layout.sequence, signals=SIGNALS)
    recorder.move(scores.query.device)
    ours = read_fused(scores, recorder)
    for name in SIGNALS:
        assert ours[name].isfinite().all(), name
    assert not ours["iaf_without_sink"].any()
    present = (scores.rows.position >= 0)[:, None].expand_as(ours["iaf"])
    assert (ours["iaf"][present] == 1).all()


@pytest.mark.gpu
@needs_gpu
def test_nan_reaches_the_rows_that_see_it_and_no_others() -> None:
    layout = LAYOUTS["packed"]
    scores = make_scores(layout, 6)
    at = 2 + 110 + 1 + 50  # the 51st generated token of the second problem
    scores.key[0, :, at] = torch.nan
    recorder = Recorder(layout.is_input, layout.is_real, layout.sequence, signals=SIGNALS)
    recorder.move(scores.query.device)
    ours = read_fused(scores, recorder)
    for name in ("iaf", "iaf_without_sink", "entropy", "connectivity"):
        is_nan = ours[name].isnan().cpu()
        assert is_nan[0, :, 80 + 51 : 80 + 120].all(), name
        assert not is_nan[0, :, : 80 + 51].any(), name
        assert not is_nan[0, :, 80 + 120 :].any(), name
        assert not is_nan[1].any(), name


@pytest.mark.gpu
@needs_gpu
def test_the_same_input_gives_the_same_bits() -> None:
    layout = LAYOUTS["odd"]
    scores = make_scores(layout, 7)
    recorder = Recorder(layout.is_input, layout.is_real, signals=SIGNALS)
    recorder.move(scores.query.device)
    first, again = read_fused(scores, recorder), read_fused(scores, recorder)
    assert all(torch.equal(first[name], again[name]) for name in SIGNALS)


@pytest.mark.parametrize("window", [1, SHORT_WINDOW, SHORT_WINDOW + 1, MAX_WINDOW])
def test_the_rows_around_a_tile_hold_both_windows(window: int) -> None:
    for dtype in (torch.bfloat16, torch.float32):
        cut = cut_windows(window, dtype)
        assert cut.around >= cut.rows + 2 * window - 1


def test_the_kernels_are_for_cuda() -> None:
    layout = lay_out([[(2, 3)]])
    tensor = torch.zeros((1, 1, 5, 8))
    assert not can_fuse(Scores(tensor, tensor, 1.0, None, Recorder(layout.is_input, layout.is_real).rows))
