"""The stage: signals from matrices, by hand and against a loop; and what is no attention is refused."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest

from lambdas.stages.heartbeat import HeartbeatParams
from lambdas.stages.heartbeat import map_layers as count_beats
from lambdas.stages.iaf import STAGE, WRITES, IafParams, conclude_counts, map_matrices, summarize_chunk
from mycelium.datasets import ATTENTION, TOKENS
from mycelium.errors import BadSignalError, WrongDatasetError
from mycelium.schema import decode_chunk, encode_chunk, head_columns
from mycelium.traces import Weights, tabulate_weights
from tests.builders import make_header

Half = npt.NDArray[np.float16]


def make_matrix(n_input: int, n: int, seed: int) -> Half:
    rng = np.random.default_rng(seed)
    seen = np.arange(n_input + n - 1) < n_input + np.arange(n)[:, None]
    scores = np.where(seen, rng.normal(0, 3, seen.shape), -np.inf)
    weights = np.exp(scores - scores.max(axis=1, keepdims=True))
    shares: Half = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float16)
    return shares


SHAPES = ((4, 40), (7, 3), (1, 61))


def make_tables(layers: tuple[int, ...] = (1, 3), heads: tuple[int, ...] = (0, 5)) -> list[pa.Table]:
    blocks = [
        Weights(layer, head, f"p{i}", i + 1, make_matrix(*shape, seed=100 * layer + 10 * head + i), shape[0])
        for layer in layers
        for head in heads
        for i, shape in enumerate(SHAPES)
    ]
    columns: dict[str, list[Any]] = {
        "problem_id": ["p0", "gone", "p1", "p2"],
        "level": [1, 1, 2, 3],
        "n_input": [4, 9, 7, 1],
        "n_generated": [40, 9, 3, 61],
        "tokens": [["x"]] * 4,
        "skipped": [None, "too long", None, None],
    }
    return [pa.table(columns, schema=TOKENS.arrow_schema()), tabulate_weights(ATTENTION, blocks)]


def slow_signals(weights: Half, n_input: int, window: int, first: int) -> dict[str, list[float]]:
    a = weights.astype(np.float64)
    n = len(a)
    out: dict[str, list[float]] = {name: [] for name in ("entropy", "connectivity", "received", "divergence", "iaf")}
    for t in range(n):
        positive = a[t][a[t] > 0]
        out["entropy"].append(-sum(p * np.log(p) for p in positive))
        out["connectivity"].append(1 / sum(p * p for p in positive))
        whole = a[t, first:].sum()
        out["iaf"].append(a[t, first:n_input].sum() / whole if whole > 0 else 0.0)
        divergence = 0.0
        if window <= t <= n - window:
            before, after = a[t - window : t].mean(axis=0), a[t : t + window].mean(axis=0)
            for p, q in zip(before, after, strict=True):
                divergence += sum(x / 2 * np.log2(2 * x / (p + q)) for x in (p, q) if x > 0)
        out["divergence"].append(divergence)
    out["received"] = list(a.sum(axis=0))
    return out


@pytest.mark.parametrize(("sink", "window"), [("keep", 4), ("exclude", 9)])
def test_the_signals_are_those_of_a_slow_loop(sink: str, window: int) -> None:
    written = map_matrices(make_tables(), IafParams(sink, window))
    for dataset, table in zip(WRITES, written, strict=True):
        assert table.schema.equals(dataset.arrow_schema([0, 5]))
        bound = 2e-3 if dataset.name in {"iaf", "divergence"} else 2e-2
        at = 0
        for layer in (1, 3):
            for i, (n_input, n) in enumerate(SHAPES):
                length = n_input + n - 1 if dataset.name == "received" else n
                part = table.slice(at, length)
                at += length
                assert set(part["layer"].to_pylist()) == {layer}
                assert set(part["problem_id"].to_pylist()) == {f"p{i}"}
                for name, head in zip(head_columns(part), (0, 5), strict=True):
                    weights = make_matrix(n_input, n, seed=100 * layer + 10 * head + i)
                    slow = slow_signals(weights, n_input, window, int(sink == "exclude"))[dataset.name]
                    np.testing.assert_allclose(part[name].to_numpy().astype(float), slow, rtol=2e-3, atol=bound)
        assert at == table.num_rows


def test_by_hand() -> None:
    # Two tokens of prompt; the third generated token looks at the prompt's second and at itself alone.
    rows = np.array([[0.5, 0.5, 0, 0], [0.25, 0.25, 0.5, 0], [0, 0.5, 0, 0.5]], np.float16)
    tokens = make_tables()[0].slice(0, 1).set_column(2, "n_input", pa.array([2], pa.int32()))
    tokens = tokens.set_column(3, "n_generated", pa.array([3], pa.int32()))
    attention = tabulate_weights(ATTENTION, [Weights(0, 0, "p0", 1, rows, 2)])
    by_name = {
        dataset.name: table["head_000"].to_pylist()
        for dataset, table in zip(WRITES, map_matrices([tokens, attention], IafParams(window=1)), strict=True)
    }
    assert by_name["iaf"] == [1.0, 0.5, 0.5]
    assert by_name["received"] == [0.75, 1.25, 0.5, 0.5]
    assert by_name["connectivity"] == pytest.approx([2, 1 / 0.375, 2], rel=1e-3)
    assert by_name["entropy"] == pytest.approx([np.log(2), 1.5 * np.log(2), np.log(2)], abs=1e-3)
    assert by_name["divergence"][0] == 0.0
    assert by_name["divergence"][1] == pytest.approx(0.3113, abs=1e-3)
    excluded = map_matrices([tokens, attention], IafParams(sink="exclude", window=1))[-1]
    assert excluded["head_000"].to_pylist() == pytest.approx([1, 1 / 3, 0.5], abs=1e-3)


def test_what_it_writes_is_what_heartbeat_reads() -> None:
    iaf = map_matrices(make_tables(), IafParams())[-1]
    read, _ = decode_chunk(encode_chunk(WRITES[-1], iaf, make_header()), WRITES[-1])
    (beats,) = count_beats([read], HeartbeatParams())
    assert set(zip(beats["layer"].to_pylist(), beats["head"].to_pylist(), strict=True)) == {
        (1, 0),
        (1, 5),
        (3, 0),
        (3, 5),
    }


def test_no_attention_gives_no_rows() -> None:
    tokens, attention = make_tables()
    written = map_matrices([tokens, attention.slice(0, 0)], IafParams())
    assert [table.num_rows for table in written] == [0] * 5
    result = conclude_counts(summarize_chunk(written), IafParams())
    assert result == {"read": [{"problems": 0, "tokens": 0, "traces": 0}]}


def test_the_counts_are_of_problems_tokens_and_traces() -> None:
    result = conclude_counts(summarize_chunk(map_matrices(make_tables(), IafParams())), IafParams())
    assert result == {"read": [{"problems": 3, "tokens": 104, "traces": 12}]}


def test_tokens_of_another_run_are_refused() -> None:
    tokens, attention = make_tables()
    other = tokens.set_column(2, "n_input", pa.array([4, 9, 8, 1], pa.int32()))
    with pytest.raises(
        WrongDatasetError, match="problem p1 has 7 source tokens at first and 3 generated ones.*8 and 3"
    ):
        map_matrices([other, attention], IafParams())
    with pytest.raises(WrongDatasetError, match="problem p0 has .* in tokens is not there"):
        map_matrices([tokens.slice(1, 3), attention], IafParams())


def test_a_layer_with_fewer_problems_is_refused() -> None:
    tokens, attention = make_tables()
    with pytest.raises(WrongDatasetError, match="the same heads and problems"):
        map_matrices([tokens, attention.slice(0, attention.num_rows - 61)], IafParams())


@pytest.mark.parametrize("bad", [np.nan, -0.5, 0.9, np.inf])
def test_weights_that_are_no_attention_are_refused(bad: float) -> None:
    tokens, _ = make_tables()
    weights = make_matrix(4, 40, 0)
    weights[7, 2] = bad
    attention = tabulate_weights(ATTENTION, [Weights(2, 3, "p0", 1, weights, 4)])
    with pytest.raises(BadSignalError, match="layer 2, head 3 of problem p0"):
        map_matrices([tokens, attention], IafParams())


@pytest.mark.parametrize(("params", "words"), [({"sink": "maybe"}, "keep or exclude"), ({"window": 0}, "1 or more")])
def test_parameters_without_meaning_are_refused(params: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        IafParams(**params)


def test_the_stage_says_what_it_reads_and_writes() -> None:
    assert (STAGE.name, STAGE.reads, STAGE.writes[-1].name) == ("iaf", (TOKENS, ATTENTION), "iaf")
