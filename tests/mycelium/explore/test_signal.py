"""Signals read: the values that were written, by no more bytes than they need, or a line that says why not."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mycelium.datasets import ENTROPY, IAF, PROBLEMS
from mycelium.errors import ChunkDamagedError, UnknownRunError, UserInputError, WrongDatasetError
from mycelium.explore.signal import read_signal
from mycelium.manifest import write_manifest
from mycelium.store import MemoryStore
from tests.builders import GSM8K, build_run, make_iaf, make_problems


class CountingStore(MemoryStore):
    """A store that adds up what is read by ranges, which is how chunks are read."""

    bytes_read = 0

    def get_range(self, key: str, start: int, length: int) -> bytes:
        data = super().get_range(key, start, length)
        self.bytes_read += len(data)
        return data


def values_of(table: pa.Table, problem_id: str, layer: int, head: int) -> list[float]:
    """Return a trace by looking at every row: the oracle."""
    rows = table.to_pylist()
    return [row[f"head_{head:03d}"] for row in rows if (row["problem_id"], row["layer"]) == (problem_id, layer)]


@given(
    st.lists(st.lists(st.integers(1, 12), min_size=1, max_size=3), min_size=1, max_size=3),
    st.one_of(st.none(), st.integers(0, 1)),
    st.one_of(st.none(), st.integers(0, 2)),
)
def test_what_is_read_is_what_was_written(lengths: list[list[int]], layer: int | None, head: int | None) -> None:
    store = MemoryStore()
    tables = [make_iaf(some, seed=i) for i, some in enumerate(lengths)]
    build_run(store, tables)
    signal = read_signal(store, "iaf/gsm8k", layer=layer, head=head)
    arrays = signal.numpy()
    assert list(arrays) == [f"p{i}-{j}" for i, some in enumerate(lengths) for j in range(len(some))]
    layers = range(2) if layer is None else [layer]
    heads = range(3) if head is None else [head]
    for problem_id, array in arrays.items():
        table = tables[int(problem_id[1])]
        wanted = np.array([[values_of(table, problem_id, a, h) for h in heads] for a in layers], np.float16)
        is_one = layer is not None and head is not None
        np.testing.assert_array_equal(array, wanted[0, 0] if is_one else wanted)
        assert array.dtype == np.float16
    assert len(signal) == len(layers) * sum(map(sum, lengths))
    assert signal.table.column_names[:4] == ["layer", "problem_id", "level", "t"]


def test_one_head_of_784_is_read_without_the_rest() -> None:
    store = CountingStore()
    rng = np.random.default_rng(0)
    table = make_iaf((1500, 1500), layers=28, heads=1)
    noise = {f"head_{h:03d}": rng.random(table.num_rows).astype(np.float16) for h in range(28)}
    table = pa.table({**{name: table[name] for name in table.column_names[:4]}, **noise})
    size = build_run(store, [table]).manifest.chunks("iaf")["00000"].size
    read = read_signal(store, "iaf/gsm8k", layer=20, head=7).numpy()
    np.testing.assert_array_equal(
        np.concatenate(list(read.values())), noise["head_007"][np.asarray(table["layer"]) == 20]
    )
    assert store.bytes_read < size / 20  # mostly the footer, which says where 896 pieces lie


def test_other_signals_and_names_of_runs() -> None:
    store = MemoryStore()
    run_id = "gsm8k-bbbbbbbbbbbb"
    build_run(store, [make_iaf()], ENTROPY, run_id=run_id)
    for name in ("entropy/gsm8k", f"entropy/{run_id}", "entropy/gsm8k-bb"):
        signal = read_signal(store, name, layer=0)
        assert (signal.dataset, signal.run_id, signal.layer, signal.head) == ("entropy", run_id, 0, None)


def test_a_run_with_chunks_missing_is_refused_unless_a_part_is_asked_for() -> None:
    store = MemoryStore()
    built = build_run(store, [make_iaf(), make_iaf(seed=1)])
    write_manifest(store, replace(built.manifest, n_chunks=3, complete=False), (IAF,))
    with pytest.raises(UserInputError, match="has 2 of 3 chunks; partial=True reads those"):
        read_signal(store, "iaf/gsm8k")
    assert len(read_signal(store, "iaf/gsm8k", partial=True).numpy()) == 6


@pytest.mark.parametrize(
    ("run", "error", "message"),
    [
        ("gsm8k", UserInputError, "named like iaf/sample; got 'gsm8k': the signals are iaf, entropy"),
        ("entrpy/gsm8k", UserInputError, "did you mean entropy/gsm8k?"),
        ("problems/gsm8k", UserInputError, "the signals are"),
        ("iaf/math", UnknownRunError, "no run 'iaf/math'"),
        ("../iaf/gsm8k", UserInputError, "named like iaf/sample"),
    ],
)
def test_what_is_no_signal_or_run_is_one_line(run: str, error: type[Exception], message: str) -> None:
    store = MemoryStore()
    build_run(store, [make_iaf()])
    build_run(store, [make_problems()], PROBLEMS)
    with pytest.raises(error, match=message):
        read_signal(store, run)


@pytest.mark.parametrize(
    ("layer", "head", "error", "message"),
    [
        (2, None, WrongDatasetError, "chunk 00000 of iaf/gsm8k-a.*no layer 2"),
        (0, 3, WrongDatasetError, "no column head_003: its heads are 0 to 2"),
        (None, -1, UserInputError, "count from 0; got None, -1"),
    ],
)
def test_a_layer_or_head_that_is_not_there_is_one_line(
    layer: int | None, head: int | None, error: type[Exception], message: str
) -> None:
    store = MemoryStore()
    build_run(store, [make_iaf()])
    with pytest.raises(error, match=message):
        read_signal(store, "iaf/gsm8k", layer=layer, head=head)


def test_a_damaged_chunk_and_one_of_another_teacher_are_named() -> None:
    store = MemoryStore()
    built = build_run(store, [make_iaf(), make_iaf(seed=1)])
    store.put(built.keys["00001"], b"x" * built.manifest.chunks("iaf")["00001"].size, mode="overwrite")
    with pytest.raises(ChunkDamagedError, match="chunk 00001 of iaf/gsm8k-aaaaaaaaaaaa"):
        read_signal(store, "iaf/gsm8k")
    other = MemoryStore()
    build_run(other, [make_iaf()], chunk_provenance=lambda _: replace(GSM8K, teacher="another@000000000000"))
    with pytest.raises(WrongDatasetError, match="another@000000000000"):
        read_signal(other, "iaf/gsm8k")


def test_a_chunk_without_problems_adds_none() -> None:
    store = MemoryStore()
    build_run(store, [IAF.arrow_schema(3).empty_table()])
    assert read_signal(store, "iaf/gsm8k").numpy() == {}
    assert len(read_signal(store, "iaf/gsm8k", layer=1, head=1)) == 0
