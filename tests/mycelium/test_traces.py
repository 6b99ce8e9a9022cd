"""Signals and attention as tables, and back."""

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from mycelium.datasets import ATTENTION, IAF
from mycelium.schema import decode_chunk, encode_chunk, head_columns
from mycelium.traces import Traces, Weights, read_weights, tabulate_weights
from tests.builders import make_header

shapes = st.lists(st.tuples(st.integers(1, 6), st.integers(1, 9)), min_size=1, max_size=4)


def make_traces(lengths: list[int], seed: int, layers: list[int], heads: list[int]) -> Traces:
    rng = np.random.default_rng(seed)
    values = [rng.random((len(layers), len(heads), n)).astype(np.float16) for n in lengths]
    levels = [None if i % 3 == 2 else i + 1 for i in range(len(lengths))]
    return Traces([f"p{i}" for i in range(len(lengths))], levels, values, layers, heads)


@given(lengths=st.lists(st.integers(1, 9), max_size=4), seed=st.integers(0, 99))
def test_every_value_stands_where_its_keys_say(lengths: list[int], seed: int) -> None:
    traces = make_traces(lengths, seed, [2, 5], [0, 3, 7])
    table = traces.tabulate(IAF)
    assert table.schema.equals(IAF.arrow_schema([0, 3, 7]))
    assert head_columns(table) == ["head_000", "head_003", "head_007"]
    expected = [
        (layer, f"p{i}", traces.levels[i], t, *(float(value[place, h, t]) for h in range(3)))
        for place, layer in enumerate([2, 5])
        for i, value in enumerate(traces.values)
        for t in range(value.shape[-1])
    ]
    assert [tuple(row.values()) for row in table.to_pylist()] == expected
    read, _ = decode_chunk(encode_chunk(IAF, table, make_header()), IAF)
    assert read.equals(table)


def make_weights(shapes: list[tuple[int, int]], seed: int) -> list[Weights]:
    rng = np.random.default_rng(seed)
    blocks = []
    for layer in (1, 4):
        for head in (0, 2):
            for i, (n_first, n) in enumerate(shapes):
                full = rng.random((n, n_first + n - 1)).astype(np.float16)
                weights = np.where(np.arange(n_first + n - 1) < n_first + np.arange(n)[:, None], full, 0)
                blocks.append(Weights(layer, head, f"p{i}", i + 1, weights.astype(np.float16), n_first))
    return blocks


@given(shapes=shapes, seed=st.integers(0, 99))
def test_attention_comes_back_from_its_lists(shapes: list[tuple[int, int]], seed: int) -> None:
    blocks = make_weights(shapes, seed)
    table = tabulate_weights(ATTENTION, blocks)
    assert table.schema.equals(ATTENTION.arrow_schema())
    assert [len(weights) for weights in table["weights"].to_pylist()] == [
        block.n_first + t for block in blocks for t in range(len(block.weights))
    ]
    read, _ = decode_chunk(encode_chunk(ATTENTION, table, make_header(ATTENTION)), ATTENTION)
    for back, block in zip(read_weights(read), blocks, strict=True):
        np.testing.assert_array_equal(back.weights, block.weights)
        assert (back.layer, back.head, back.problem_id, back.level, back.n_first) == (
            block.layer,
            block.head,
            block.problem_id,
            block.level,
            block.n_first,
        )


def test_nothing_is_a_table_without_rows() -> None:
    assert tabulate_weights(ATTENTION, []).schema.equals(ATTENTION.arrow_schema())
    assert list(read_weights(ATTENTION.arrow_schema().empty_table())) == []
    assert Traces([], [], [], [0], [1]).tabulate(IAF).num_rows == 0


def test_the_bytes_are_the_same_each_time() -> None:
    table = tabulate_weights(ATTENTION, make_weights([(3, 4), (1, 9)], 0))
    chunk = encode_chunk(ATTENTION, table, make_header(ATTENTION))
    assert chunk == encode_chunk(ATTENTION, pa.concat_tables([table]), make_header(ATTENTION))
