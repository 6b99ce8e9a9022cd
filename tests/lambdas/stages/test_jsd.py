"""The stage: boundaries against a slow loop over scipy, the reduce against its laws, the table by hand."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import signal

from lambdas.stages.jsd import (
    BOUNDARIES,
    STAGE,
    JsdParams,
    conclude_levels,
    map_layers,
    reduce_levels,
    summarize_chunk,
    trim_ends,
)
from mycelium.datasets import DIVERGENCE
from mycelium.errors import BadSignalError, WrongDatasetError
from mycelium.heads import select_head
from mycelium.schema import decode_chunk, encode_chunk, head_columns
from mycelium.traces import Traces
from tests.builders import make_header

WINDOW = 3


def make_divergence(lengths: Sequence[int] = (40, 2, 23), seed: int = 0, layers: int = 2, heads: int = 3) -> pa.Table:
    """Make divergences that are 0 where a window would reach over an end; no two inside a trace are equal."""
    rng = np.random.default_rng(seed)
    values: list[npt.NDArray[np.float16]] = []
    for n in lengths:
        # Different numbers of float16 below 1: 0x1000 to 0x3BFF are some of their bit patterns.
        bits = np.stack([[rng.permutation(0x2BFF)[:n] + 0x1000 for _ in range(heads)] for _ in range(layers)])
        value = bits.astype(np.uint16).view(np.float16)
        value[..., :WINDOW] = value[..., n - WINDOW + 1 :] = 0
        values.append(value)
    ids = [f"p{seed}-{i}" for i in range(len(lengths))]
    levels = [(1, 2, None, 3, 5)[i % 5] for i in range(len(lengths))]
    return Traces(ids, levels, values, range(layers), range(heads)).tabulate(DIVERGENCE)


def slow_map(table: pa.Table, params: JsdParams) -> list[dict[str, Any]]:
    rows = []
    for layer, of_layer in groupby(table.to_pylist(), key=lambda row: row["layer"]):
        kept = list(of_layer)
        for name in head_columns(table):
            for problem_id, group in groupby(kept, key=lambda row: row["problem_id"]):
                tokens = list(group)
                values = np.array([row[name] for row in tokens], np.float32)
                inside = np.flatnonzero(values)
                first, last = (inside[0], inside[-1] + 1) if len(inside) else (0, 0)
                places, told = signal.find_peaks(
                    values[first:last], distance=params.distance, prominence=params.prominence
                )
                prominences = told["prominences"]
                rows.append(
                    {
                        "layer": layer,
                        "head": int(name[-3:]),
                        "problem_id": problem_id,
                        "level": tokens[0]["level"],
                        "n_tokens": len(tokens),
                        "n_step": len(places) + 1,
                        "contrast": pytest.approx(prominences.mean() if len(places) else 0.0, abs=1e-6),
                        "boundaries": [int(first + place) for place in places],
                    }
                )
    return rows


@given(
    lengths=st.lists(st.integers(1, 50), min_size=1, max_size=4),
    seed=st.integers(0, 1000),
    prominence=st.floats(0.01, 1.0),
    distance=st.integers(1, 12),
)
def test_the_vectorised_map_is_scipy_in_a_slow_loop(
    lengths: list[int], seed: int, prominence: float, distance: int
) -> None:
    table = make_divergence(lengths, seed)
    params = JsdParams(prominence, distance)
    (fast,) = map_layers([table], params)
    assert fast.to_pylist() == slow_map(table, params)
    assert fast.schema.equals(BOUNDARIES.arrow_schema())


def test_an_end_of_the_trace_is_no_boundary() -> None:
    # From 0 at the end, where no window is whole, up to 0.9: nothing that the model did.
    value = np.array([[[0, 0, 0.9, 0.5, 0.3, 0.6, 0.2, 0.8, 0, 0]]], np.float16)
    table = Traces(["p"], [1], [value], [0], [0]).tabulate(DIVERGENCE)
    (found,) = map_layers([table], JsdParams(distance=1))
    assert found["boundaries"].to_pylist() == [[5]]
    assert found["n_step"].to_pylist() == [2]
    assert found["contrast"].to_pylist() == [pytest.approx(0.3, abs=1e-3)]


def test_ends_are_trimmed_of_each_trace_by_itself() -> None:
    values = np.array([0, 0, 1, 0, 1, 0, 0, 0, 0, 1], np.float16)
    kept, starts = trim_ends(values, np.array([0, 6, 8, 10]))
    assert (kept.tolist(), starts.tolist()) == ([2, 3, 4, 9], [0, 3, 3])


@pytest.mark.parametrize(("layer", "head"), [(1, 2), (1, None), (None, 0)])
def test_what_is_selected_counts_as_in_the_whole(layer: int | None, head: int | None) -> None:
    table = make_divergence()
    params = JsdParams(layer=layer, head=head)
    part, _ = decode_chunk(encode_chunk(DIVERGENCE, table, make_header(DIVERGENCE)), DIVERGENCE, select_head(params))
    wanted = [r for r in slow_map(table, params) if layer in {None, r["layer"]} and head in {None, r["head"]}]
    assert map_layers([part], params)[0].to_pylist() == wanted


def test_no_rows_give_no_rows_and_an_empty_result() -> None:
    (empty,) = map_layers([make_divergence().slice(0, 0)], JsdParams())
    assert empty.num_rows == 0
    result = conclude_levels(reduce_levels([summarize_chunk([empty])]), JsdParams())
    assert result == {"boundary_head": [], "heads": [], "levels": []}


@pytest.mark.parametrize("bad", [float("nan"), -0.25, 1.5, float("inf")])
def test_what_is_no_divergence_is_refused(bad: float) -> None:
    table = make_divergence(heads=1)
    values = table["head_000"].to_numpy().copy()
    values[11] = bad
    with pytest.raises(BadSignalError, match="between 0 and 1 bit; got"):
        map_layers([table.set_column(4, "head_000", pa.array(values))], JsdParams())


def test_a_missing_value_is_refused() -> None:
    table = make_divergence(heads=1)
    gap = pa.array([None, *table["head_000"].to_pylist()[1:]], pa.float16())
    with pytest.raises(WrongDatasetError, match="head_000 of divergence has no missing values; got 1"):
        map_layers([table.set_column(4, "head_000", gap)], JsdParams())


@given(seed=st.integers(0, 100), cuts=st.lists(st.integers(1, 5), max_size=5))
def test_any_grouping_of_parts_reduces_to_the_same_bytes(seed: int, cuts: list[int]) -> None:
    parts = [summarize_chunk(map_layers([make_divergence((19, 30), seed + i)], JsdParams())) for i in range(6)]
    whole = reduce_levels(parts)
    grouped, rest = [], list(np.random.default_rng(seed).permutation(6))
    for cut in [*cuts, 6]:
        some, rest = rest[:cut], rest[cut:]
        if some:
            grouped.append(reduce_levels([parts[i] for i in some]))
    assert reduce_levels(grouped).equals(whole)


def test_the_level_table_by_hand() -> None:
    # Head 1 turns to other things once, three times and twice; head 0 wavers a little, and often.
    hill, ripple = [0.1, 0.5, 0.9, 0.5], [0.4, 0.55]
    traces = [hill, hill * 3, hill * 2]
    values = [np.array([[(ripple * 30)[: len(t) + 1], [*t, 0.1]]], np.float16) for t in traces]
    table = Traces(["a", "b", "c"], [1, 2, 2], values, [0], [0, 1]).tabulate(DIVERGENCE)
    total = reduce_levels([summarize_chunk(map_layers([table], JsdParams(distance=2)))])
    result = conclude_levels(total, JsdParams(distance=2))
    assert result["boundary_head"] == [
        {"layer": 0, "head": 1, "contrast": pytest.approx(0.8, abs=1e-3), "chosen_by": "contrast"}
    ]
    assert result["levels"] == [
        {"level": 1, "problems": 1, "mean": 2.0, "deviation": None},
        {"level": 2, "problems": 2, "mean": 3.5, "deviation": pytest.approx(0.5**0.5)},
    ]
    assert [head["head"] for head in result["heads"]] == [1, 0]
    given_head = conclude_levels(total, JsdParams(layer=0, head=1))
    assert given_head["boundary_head"][0]["chosen_by"] == "given"


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"prominence": 0.0}, "prominence is above 0"),
        ({"prominence": 1.5}, "prominence is above 0"),
        ({"prominence": float("nan")}, "prominence is above 0"),
        ({"distance": 0}, "distance is 1 or more"),
        ({"head": -1}, "layer and head count from 0"),
    ],
)
def test_parameters_without_meaning_are_refused(params: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        JsdParams(**params)


def test_the_stage_says_what_it_reads_and_writes() -> None:
    assert (STAGE.name, STAGE.reads, STAGE.writes) == ("jsd", (DIVERGENCE,), (BOUNDARIES,))
