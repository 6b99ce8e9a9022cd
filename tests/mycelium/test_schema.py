"""Chunks: bytes out, the same tables in, and nothing else in."""

import contextlib
import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mycelium import schema
from mycelium.datasets import IAF, PROBLEMS, TOKENS
from mycelium.errors import ChunkDamagedError, WrongDatasetError
from mycelium.schema import (
    Provenance,
    Selection,
    check_provenance,
    decode_chunk,
    encode_chunk,
    head_column,
    trace_bounds,
)
from mycelium.store import MemoryStore, RangeReader
from tests.builders import GSM8K, make_header, make_iaf, make_problems


def test_a_chunk_comes_back_as_it_was() -> None:
    table = make_iaf()
    back, header = decode_chunk(encode_chunk(IAF, table, make_header()), IAF)
    assert back.equals(table.cast(back.schema))
    assert header == make_header()


def test_the_same_table_gives_the_same_bytes() -> None:
    assert encode_chunk(IAF, make_iaf(), make_header()) == encode_chunk(IAF, make_iaf(), make_header())


def test_a_chunk_without_rows_is_a_chunk() -> None:
    data = encode_chunk(IAF, make_iaf().slice(0, 0), make_header())
    assert decode_chunk(data, IAF)[0].num_rows == 0
    assert decode_chunk(data, IAF, Selection(row_group=0))[0].num_rows == 0


def test_signals_have_a_row_group_for_each_layer_and_float16_split_by_bytes() -> None:
    file = pq.ParquetFile(pa.BufferReader(encode_chunk(IAF, make_iaf(layers=4), make_header())))
    assert file.metadata.num_row_groups == 4
    column = file.metadata.row_group(0).column(4)
    assert column.path_in_schema == "head_000"
    assert "BYTE_STREAM_SPLIT" in column.encodings
    assert column.compression == "ZSTD"
    assert file.schema_arrow.field("head_000").type == pa.float16()


def test_rounded_signals_go_by_a_dictionary_and_others_do_not() -> None:
    table = make_iaf((2500, 2500), layers=2, heads=3)
    values = table["head_001"].to_numpy().astype(np.float32)
    few = pa.array((np.rint(values * 254) / 254).astype(np.float16))
    data = encode_chunk(IAF, table.set_column(5, "head_001", few), make_header())
    file = pq.ParquetFile(pa.BufferReader(data))
    for group in range(2):
        encodings = [set(file.metadata.row_group(group).column(4 + h).encodings) for h in range(3)]
        assert ["BYTE_STREAM_SPLIT" in some for some in encodings] == [True, False, True]
        assert ["RLE_DICTIONARY" in some for some in encodings] == [False, True, False]
    assert len(data) < len(encode_chunk(IAF, table, make_header()))
    assert decode_chunk(data, IAF)[0]["head_001"].combine_chunks().equals(few)


def test_a_signal_may_be_of_some_heads_only() -> None:
    table = make_iaf(heads=6).drop_columns(["head_000", "head_003", "head_004"])
    data = encode_chunk(IAF, table, make_header())
    assert decode_chunk(data, IAF)[0].column_names[4:] == ["head_001", "head_002", "head_005"]
    with pytest.raises(WrongDatasetError, match="it has no column head_003: its heads are 1, 2, 5"):
        decode_chunk(data, IAF, Selection(columns=("layer", head_column(3))))


def test_one_head_of_one_layer_is_read_without_the_rest() -> None:
    table = make_iaf((400,) * 20, layers=8, heads=16)
    data = encode_chunk(IAF, table, make_header())
    store = MemoryStore()
    store.put("k", data)
    wanted = Selection(columns=("layer", "problem_id", "level", head_column(5)), row_group=3)
    with RangeReader(store, "k", len(data)) as reader:
        part, _ = decode_chunk(reader, IAF, wanted)  # type: ignore[arg-type]
        assert reader.bytes_read < len(data) / 10
    expected = table.filter(np.asarray(table["layer"]) == 3)
    assert part.column_names == ["layer", "problem_id", "level", "head_005"]
    assert part["head_005"].to_pylist() == expected["head_005"].to_pylist()
    assert part["problem_id"].to_pylist() == expected["problem_id"].to_pylist()


@pytest.mark.parametrize(
    ("selection", "words"),
    [
        (Selection(row_group=9), "it has no layer 9: its layers are 0 to 1"),
        (Selection(columns=("layer", head_column(7))), "it has no column head_007: its heads are 0 to 2"),
    ],
)
def test_what_is_not_there_is_named_with_what_is(selection: Selection, words: str) -> None:
    with pytest.raises(WrongDatasetError, match=words):
        decode_chunk(encode_chunk(IAF, make_iaf(), make_header()), IAF, selection)


def test_another_dataset_is_refused_by_name() -> None:
    data = encode_chunk(PROBLEMS, make_problems(), make_header(PROBLEMS, provenance=Provenance("math", "MATH")))
    with pytest.raises(WrongDatasetError, match=r"dataset iaf v1 is read here, and the chunk is problems v1 of MATH"):
        decode_chunk(data, IAF)


def test_another_version_is_refused() -> None:
    data = encode_chunk(IAF, make_iaf(), schema.Header("iaf", 2, "00000", GSM8K, "test v1"))
    with pytest.raises(WrongDatasetError, match="the chunk is iaf v2"):
        decode_chunk(data, IAF)


@pytest.mark.parametrize(
    ("expected", "words"),
    [
        (Provenance("gsm8k", "MATH", GSM8K.teacher), "of origin 'MATH', and the chunk is of origin 'GSM8K'"),
        (Provenance("gsm8k", "GSM8K", "other"), "of teacher 'other'"),
        (Provenance("math", "GSM8K", GSM8K.teacher), "of name 'math'"),
    ],
)
def test_the_wrong_origin_is_refused_by_name(expected: Provenance, words: str) -> None:
    with pytest.raises(WrongDatasetError, match=words):
        check_provenance(make_header(), expected)


def test_wrong_columns_and_missing_values_are_refused_on_writing() -> None:
    with pytest.raises(WrongDatasetError, match="a chunk of tokens has the columns"):
        encode_chunk(TOKENS, make_problems(), make_header(TOKENS))
    table = make_problems().set_column(2, "problem", pa.array(["a", None, "b"]))
    with pytest.raises(WrongDatasetError, match="not of dataset problems"):
        encode_chunk(PROBLEMS, table, make_header(PROBLEMS))


@given(cut=st.floats(0, 0.999))
def test_a_truncated_chunk_is_damaged_wherever_it_is_cut(cut: float) -> None:
    data = encode_chunk(IAF, make_iaf((9,)), make_header())
    with pytest.raises(ChunkDamagedError):
        decode_chunk(data[: int(len(data) * cut)], IAF)


@given(st.binary(max_size=200))
def test_noise_is_damaged(noise: bytes) -> None:
    with pytest.raises(ChunkDamagedError):
        decode_chunk(noise, IAF)


@settings(max_examples=300)
@given(place=st.integers(0, 10**6), value=st.integers(1, 255), selected=st.booleans())
def test_a_changed_byte_is_refused_or_read_and_never_a_crash(place: int, value: int, selected: bool) -> None:
    data = bytearray(encode_chunk(IAF, make_iaf((9, 4)), make_header()))
    data[place % len(data)] ^= value
    with contextlib.suppress(ChunkDamagedError, WrongDatasetError, MemoryError):
        decode_chunk(bytes(data), IAF, Selection(row_group=1) if selected else Selection())


def test_a_footer_whose_types_disagree_is_refused_before_arrow_ends_the_process() -> None:
    data = encode_chunk(IAF, make_iaf((9, 4), heads=1), make_header())
    footer = int.from_bytes(data[-8:-4], "little") + 8
    reasons = set()
    for place in range(len(data) - footer, len(data) - 8):
        changed = bytearray(data)
        changed[place] ^= 6  # in the footer's encoding, INT32 becomes INT64
        with contextlib.suppress(WrongDatasetError, MemoryError):
            try:
                decode_chunk(bytes(changed), IAF, Selection(row_group=1))
            except ChunkDamagedError as error:
                reasons.add(str(error))
    assert "its footer gives layer another type than its schema does" in reasons


@pytest.mark.parametrize(
    ("metadata", "words"),
    [
        ({}, "its metadata has no header"),
        ({b"mycelium": b"{"}, "its header can't be read"),
        ({b"mycelium": b'{"dataset": 3}'}, "its header can't be read"),
        ({b"mycelium": b"\xff"}, "its header can't be read"),
    ],
)
def test_parquet_of_others_is_refused(metadata: dict[bytes, bytes], words: str) -> None:
    sink = io.BytesIO()
    pq.write_table(pa.table({"x": [1]}).replace_schema_metadata(metadata), sink)
    with pytest.raises(ChunkDamagedError, match=words):
        decode_chunk(sink.getvalue(), IAF)


def test_a_footer_that_announces_too_much_is_refused_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema, "MAX_CHUNK_BYTES", 100)
    with pytest.raises(ChunkDamagedError, match="announces more than"):
        decode_chunk(encode_chunk(IAF, make_iaf(), make_header()), IAF)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 4)), max_size=8), st.booleans())
def test_trace_bounds_are_where_neighbours_differ(runs: list[tuple[str, int]], encoded: bool) -> None:
    values = [name for name, length in runs for _ in range(length)]
    column = pa.array(values, pa.string())
    bounds = trace_bounds(pa.table({"problem_id": column.dictionary_encode() if encoded else column})).tolist()
    expected = [i for i in range(len(values)) if i == 0 or values[i] != values[i - 1]] + [len(values)]
    assert bounds == expected
