"""The stage: counts against a slow loop, the reduce against its laws, the table against a hand count."""

from itertools import groupby
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.stages.heartbeat import (
    HEARTBEATS,
    STAGE,
    HeartbeatParams,
    conclude_levels,
    map_layers,
    reduce_levels,
    summarize_chunk,
)
from mycelium.datasets import IAF
from mycelium.errors import WrongDatasetError
from mycelium.heads import select_head
from mycelium.schema import decode_chunk, encode_chunk, head_columns
from tests.builders import make_header, make_iaf


def slow_map(table: pa.Table, params: HeartbeatParams) -> list[dict[str, Any]]:
    """One loop after another, as the definition reads."""
    rows = []
    for layer in sorted(set(table["layer"].to_pylist())):
        for name in head_columns(table):
            of_layer = table.filter(pc.equal(table["layer"], layer)).to_pylist()
            for problem_id, group in groupby(of_layer, key=lambda row: row["problem_id"]):
                tokens = list(group)
                values = [row[name] for row in tokens]
                runs = [
                    (reading, len(list(run))) for reading, run in groupby(value >= params.threshold for value in values)
                ]
                systoles = [n for reading, n in runs if reading and n >= params.min_run]
                diastoles = [n for reading, n in runs if not reading and n >= params.min_run]
                rows.append(
                    {
                        "layer": layer,
                        "head": int(name[-3:]),
                        "problem_id": problem_id,
                        "level": tokens[0]["level"],
                        "n_tokens": len(values),
                        "n_systole": len(systoles),
                        "n_diastole": len(diastoles),
                        "n_low": sum(value < 0.25 for value in values),
                        "n_high": sum(value >= 0.75 for value in values),
                        "systole_widths": systoles,
                        "diastole_widths": diastoles,
                    }
                )
    return rows


@given(
    lengths=st.lists(st.integers(1, 40), min_size=1, max_size=5),
    seed=st.integers(0, 1000),
    threshold=st.floats(0.05, 1.0),
    min_run=st.integers(1, 7),
)
def test_the_vectorised_map_is_the_slow_loop(lengths: list[int], seed: int, threshold: float, min_run: int) -> None:
    table = make_iaf(lengths, seed=seed)
    params = HeartbeatParams(threshold, min_run)
    (fast,) = map_layers([table], params)
    assert fast.to_pylist() == slow_map(table, params)
    assert fast.schema.equals(HEARTBEATS.arrow_schema())


def test_chunks_of_row_groups_and_whole_tables_count_alike() -> None:
    table = make_iaf((50, 30), layers=3)
    read, _ = decode_chunk(encode_chunk(IAF, table, make_header()), IAF)
    assert map_layers([read], HeartbeatParams())[0].equals(map_layers([table], HeartbeatParams())[0])


@pytest.mark.parametrize(("layer", "head"), [(1, 2), (1, None), (None, 0)])
def test_what_is_selected_counts_as_in_the_whole(layer: int | None, head: int | None) -> None:
    table = make_iaf((50, 30), layers=3)
    params = HeartbeatParams(layer=layer, head=head)
    part, _ = decode_chunk(encode_chunk(IAF, table, make_header()), IAF, select_head(params))
    whole = slow_map(table, HeartbeatParams())
    wanted = [r for r in whole if layer in {None, r["layer"]} and head in {None, r["head"]}]
    assert map_layers([part], params)[0].to_pylist() == wanted


def test_no_rows_give_no_rows_and_an_empty_result() -> None:
    (empty,) = map_layers([make_iaf().slice(0, 0)], HeartbeatParams())
    assert empty.num_rows == 0
    part = summarize_chunk([empty])
    assert conclude_levels(reduce_levels([part]), HeartbeatParams()) == {
        "computing_head": [],
        "heads": [],
        "levels": [],
    }


def test_a_missing_value_is_refused() -> None:
    table = make_iaf(heads=1)
    gap = pa.array([None, *table["head_000"].to_pylist()[1:]], pa.float16())
    with pytest.raises(WrongDatasetError, match="head_000 of iaf has no missing values; got 1"):
        map_layers([table.set_column(4, "head_000", gap)], HeartbeatParams())


@given(seed=st.integers(0, 100), cuts=st.lists(st.integers(1, 5), max_size=5))
def test_any_grouping_of_parts_reduces_to_the_same_bytes(seed: int, cuts: list[int]) -> None:
    parts = [summarize_chunk(map_layers([make_iaf((9, 20), seed=seed + i)], HeartbeatParams())) for i in range(6)]
    whole = reduce_levels(parts)
    grouped, rest = [], list(np.random.default_rng(seed).permutation(6))
    for cut in [*cuts, 6]:
        some, rest = rest[:cut], rest[cut:]
        if some:
            grouped.append(reduce_levels([parts[i] for i in some]))
    assert reduce_levels(grouped).equals(whole)


def test_the_level_table_by_hand() -> None:
    # One head that beats 1, 3 and 2 times; the other hovers in the middle, so that the first is the computing head.
    beat = [1.0] * 5 + [0.0] * 5
    traces = [beat, beat * 3, beat * 2]
    levels = [1, 2, 2]
    table = pa.table(
        {
            "layer": pa.array([0] * 60, pa.int16()),
            "problem_id": pa.array([f"p{i}" for i, t in enumerate(traces) for _ in t]).dictionary_encode(),
            "level": pa.array([levels[i] for i, t in enumerate(traces) for _ in t], pa.int8()),
            "t": pa.array([k for t in traces for k in range(len(t))], pa.int32()),
            "head_000": pa.array([0.45] * 60, pa.float16()),
            "head_001": pa.array([value for t in traces for value in t], pa.float16()),
        }
    )
    total = reduce_levels([summarize_chunk(map_layers([table], HeartbeatParams()))])
    result = conclude_levels(total, HeartbeatParams())
    assert result["computing_head"] == [{"layer": 0, "head": 1, "bimodality": 1.0, "chosen_by": "bimodality"}]
    assert result["levels"] == [
        {"level": 1, "problems": 1, "mean": 1.0, "deviation": None, "paper": 3.8},
        {"level": 2, "problems": 2, "mean": 2.5, "deviation": pytest.approx(0.5**0.5), "paper": 5.1},
    ]
    assert [head["bimodality"] for head in result["heads"]] == [1.0, 0.0]
    given_head = conclude_levels(total, HeartbeatParams(layer=0, head=1))
    assert given_head["computing_head"][0]["chosen_by"] == "given"


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"threshold": 0.0}, "threshold is above 0"),
        ({"threshold": 1.5}, "threshold is above 0"),
        ({"threshold": float("nan")}, "threshold is above 0"),
        ({"min_run": 0}, "min_run is 1 or more"),
        ({"layer": -1}, "layer and head count from 0"),
    ],
)
def test_parameters_without_meaning_are_refused(params: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        HeartbeatParams(**params)


def test_the_stage_says_what_it_reads_and_writes() -> None:
    assert (STAGE.name, STAGE.reads, STAGE.writes) == ("heartbeat", (IAF,), (HEARTBEATS,))
