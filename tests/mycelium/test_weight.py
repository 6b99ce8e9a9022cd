"""Files that unfold: small ones that would fill any memory are refused before they do."""

import io
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mycelium import schema
from mycelium.datasets import PROBLEMS
from mycelium.errors import ChunkDamagedError
from mycelium.schema import decode_chunk, encode_chunk
from mycelium.weight import read_within, weigh
from tests.builders import make_header, make_problems

MB = 1 << 20


def write(table: pa.Table, **options: Any) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd", **options)
    return sink.getvalue()


def open_file(data: bytes) -> pq.ParquetFile:
    return pq.ParquetFile(pa.BufferReader(data))


def read(data: bytes, max_bytes: int, columns: list[str] | None = None) -> pa.Table:
    file = open_file(data)
    return read_within(file, range(file.metadata.num_row_groups), columns, max_bytes)


def test_rows_of_one_number_weigh_what_they_unfold_to() -> None:
    data = write(pa.table({"a": pa.array([0]).take(pa.array([0] * 500_000))}))
    assert len(data) < 10_000
    assert weigh(open_file(data), [0], None).least == 4_000_000
    before = pa.total_allocated_bytes()
    with pytest.raises(ChunkDamagedError, match="announces more than 1048576 bytes"):
        read(data, MB)
    assert pa.total_allocated_bytes() - before < MB
    assert read(data, 8 * MB).num_rows == 500_000


def test_rows_of_one_text_are_refused_before_they_unfold() -> None:
    one = pa.DictionaryArray.from_arrays(pa.array([0] * 2000, pa.int32()), pa.array(["x" * 50_000]))
    data = write(pa.table({"text": one}), store_schema=False)
    assert len(data) < 10_000
    with pytest.raises(ChunkDamagedError, match="its texts unfold to more than 8388608 bytes"):
        read(data, 8 * MB)
    assert read(data, 128 * MB).nbytes > 100_000_000


def test_a_list_of_one_number_is_weighed_by_its_values() -> None:
    zeros = pa.array([0], pa.int32()).take(pa.array([0] * 600_000))
    data = write(pa.table({"a": pa.ListArray.from_arrays(pa.array([0, 600_000], pa.int32()), zeros)}))
    assert len(data) < 10_000
    with pytest.raises(ChunkDamagedError, match="announces more than 1048576 bytes"):
        read(data, MB)
    assert len(read(data, 8 * MB)["a"][0]) == 600_000


def test_a_dictionary_that_stays_one_unfolds_to_nothing() -> None:
    one = pa.DictionaryArray.from_arrays(pa.array([0] * 100_000, pa.int32()), pa.array(["x" * 50_000]))
    weight = weigh(open_file(write(pa.table({"text": one}))), [0], None)
    assert weight.least == weight.most == 400_000


def test_a_column_that_is_not_read_weighs_nothing() -> None:
    text = pa.DictionaryArray.from_arrays(pa.array([0] * 1000, pa.int32()), pa.array(["x" * 50_000]))
    data = write(pa.table({"n": pa.array(range(1000)), "text": text}), store_schema=False)
    assert read(data, MB, ["n"])["n"].to_pylist() == list(range(1000))


def varint(value: int) -> bytes:
    """Return a whole number as a Parquet footer has it: zigzag, seven bits to a byte."""
    rest, out = value << 1, bytearray()
    while rest > 127:
        out.append(rest & 127 | 128)
        rest >>= 7
    return bytes([*out, rest])


@pytest.mark.parametrize("claimed", [10**9, 10**12, 2**62])
def test_a_footer_that_promises_a_trillion_rows_is_refused_at_once(claimed: int) -> None:
    n_rows = 12_345
    good = encode_chunk(PROBLEMS, make_problems(), make_header(PROBLEMS))
    table = decode_chunk(good, PROBLEMS)[0].take(pa.array([0] * n_rows))
    data = encode_chunk(PROBLEMS, table, make_header(PROBLEMS))
    length = int.from_bytes(data[-8:-4], "little")
    body, footer = data[: -8 - length], data[-8 - length : -8]
    assert varint(n_rows) in footer
    footer = footer.replace(varint(n_rows), varint(claimed))
    forged = body + footer + len(footer).to_bytes(4, "little") + b"PAR1"
    before = pa.total_allocated_bytes()
    with pytest.raises(ChunkDamagedError, match="announces more than 8 GiB|no whole Parquet"):
        decode_chunk(forged, PROBLEMS)
    assert pa.total_allocated_bytes() - before < 64 * MB


def test_a_chunk_that_is_read_in_parts_is_the_same_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    data = encode_chunk(PROBLEMS, make_problems(), make_header(PROBLEMS))
    whole = decode_chunk(data, PROBLEMS)[0]
    file = open_file(data)
    weight = weigh(file, range(file.metadata.num_row_groups), None)
    assert weight.most > weight.least
    monkeypatch.setattr(schema, "MAX_CHUNK_BYTES", weight.most - 1)
    assert decode_chunk(data, PROBLEMS)[0].equals(whole)


@settings(max_examples=60)
@given(
    texts=st.lists(st.text(max_size=6), min_size=1, max_size=30),
    numbers=st.lists(st.lists(st.integers(0, 9), max_size=3), min_size=1, max_size=30),
)
def test_what_is_read_weighs_no_more_than_was_said(texts: list[str], numbers: list[list[int]]) -> None:
    n = min(len(texts), len(numbers))
    table = pa.table({"text": texts[:n], "numbers": numbers[:n], "flag": [True] * n})
    file = open_file(write(table, store_schema=False))
    weight = weigh(file, [0], None)
    read_back = file.read_row_groups([0])
    offsets = 8 * (n + 1) * 3  # of texts and lists, and bits for what may be missing
    assert read_back.nbytes <= weight.most + offsets


HIDDEN = {
    "a view": lambda texts: texts.cast(pa.string_view()),
    "JSON": lambda texts: pa.ExtensionArray.from_storage(pa.json_(pa.large_string()), texts),
    "opaque": lambda texts: pa.ExtensionArray.from_storage(pa.opaque(pa.large_string(), "type", "vendor"), texts),
    "bytes": lambda texts: texts.cast(pa.large_binary()).cast(pa.binary_view()),
    "in a struct": lambda texts: pa.StructArray.from_arrays([texts], ["text"]),
}


@pytest.mark.parametrize("kind", HIDDEN)
def test_one_text_in_many_rows_is_refused_whatever_it_is_called(kind: str) -> None:
    texts = HIDDEN[kind](pa.array(["x" * 50_000] * 2000, pa.large_string()))
    data = write(pa.table({"text": texts}))
    assert len(data) < 10_000
    with pytest.raises(ChunkDamagedError, match="its texts unfold to more than 8388608 bytes"):
        read(data, 8 * MB)


NUMBERS = pa.array([0]).take(pa.array([0] * 20_000))
FIELDS = [f"f{i}" for i in range(100)]


@pytest.mark.parametrize("is_listed", [False, True])
def test_a_row_of_many_numbers_weighs_what_they_all_do(is_listed: bool) -> None:
    rows = pa.StructArray.from_arrays([NUMBERS] * len(FIELDS), FIELDS)
    if is_listed:
        rows = pa.ListArray.from_arrays(pa.array([0, len(rows)], pa.int32()), rows)
    data = write(pa.table({"row": rows}))
    assert weigh(open_file(data), [0], None).least >= 20_000 * 100 * 8
    with pytest.raises(ChunkDamagedError, match="announces more than"):
        read(data, 8 * MB)


@pytest.mark.parametrize("name", ["a", "a.b", ".", ""])
def test_a_list_is_weighed_whatever_its_name(name: str) -> None:
    table = pa.table([pa.ListArray.from_arrays(pa.array([0, len(NUMBERS)], pa.int32()), NUMBERS)], [name])
    for columns in (None, [name]):
        assert weigh(open_file(write(table)), [0], columns).least == 8 * len(NUMBERS) + 4
    assert weigh(open_file(write(table)), [0], []).least == 0


def test_a_column_of_nothing_is_read() -> None:
    table = pa.table({"nothing": pa.nulls(3), "text": ["a", "b", None]})
    assert read(write(table), MB) == table


def test_a_list_of_half_numbers_weighs_two_bytes_for_each() -> None:
    halves = pa.array([0.5], pa.float16()).take(pa.array([0] * 600_000))
    data = write(pa.table({"a": pa.ListArray.from_arrays(pa.array([0, 600_000], pa.int32()), halves)}))
    assert weigh(open_file(data), [0], None).least == 1_200_000 + 4
