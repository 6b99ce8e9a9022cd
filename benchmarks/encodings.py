"""How signals are best stored: bytes and decoding time of each encoding, on real signals of the sample teacher.

    python -m benchmarks.encodings [--rounds 15]

The signals are the IAF of the sample teacher over its own problems: 8 layers, 8 heads. ADR 0002 quotes the table.
"""

import argparse
import io
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import samples
from benchmarks.measure import time_in_turn
from benchmarks.record import add_out, begin
from benchmarks.result import Column, Figure, Table
from gpu_workers.extract import ExtractParams, extract_chunk
from gpu_workers.teacher import load_teacher
from mycelium.datasets import IAF, PROBLEMS
from mycelium.foreign.fields import Problem, understand_row
from mycelium.foreign.rows import RawRow, read_rows
from mycelium.schema import Header, Provenance, encode_chunk, head_columns, trace_bounds

N_PROBLEMS = 64

Options = str | int | bool | list[str]


def read_problems() -> pa.Table:
    """Return one chunk of the sample's problems."""
    rows = []
    for number, row in enumerate(read_rows(samples.PROBLEMS_FILE)):
        if isinstance(row, RawRow) and number < N_PROBLEMS:
            problem = understand_row(row.values, {}, str(number))
            assert isinstance(problem, Problem)
            rows.append({name: getattr(problem, name, number) for name in PROBLEMS.arrow_schema().names})
    return pa.Table.from_pylist(rows, schema=PROBLEMS.arrow_schema())


def read_signals() -> pa.Table:
    """Read the sample teacher's attention over one chunk of its problems."""
    teacher = load_teacher(str(samples.TEACHER_DIR), device="cpu")
    return extract_chunk(read_problems(), teacher, ExtractParams())[1]


def write_wide(table: pa.Table, **options: Options) -> bytes:
    """Write as we do, a column for each head and a row group for each layer, but for the options."""
    sink = io.BytesIO()
    with pq.ParquetWriter(sink, table.schema, **options) as writer:
        bounds = trace_bounds(table, "layer").tolist()
        for start, end in pairwise(bounds):
            writer.write_table(table.slice(start, end - start))
    return sink.getvalue()


def write_lists(table: pa.Table, **options: Options) -> bytes:
    """Write one row for each layer, head and problem, with a list of values."""
    parts = []
    layers = trace_bounds(table, "layer").tolist()
    for start, end in pairwise(layers):
        layer = table.slice(start, end - start)
        bounds = trace_bounds(layer).astype(np.int32)
        ids = layer["problem_id"].take(pa.array(bounds[:-1])).combine_chunks()
        parts += [
            pa.table(
                {
                    "layer": pa.repeat(layer["layer"][0], len(ids)),
                    "head": np.full(len(ids), h, np.int16),
                    "problem_id": ids,
                    "iaf": pa.ListArray.from_arrays(pa.array(bounds), layer[name].combine_chunks()),
                }
            )
            for h, name in enumerate(head_columns(layer))
        ]
    sink = io.BytesIO()
    pq.write_table(pa.concat_tables(parts).unify_dictionaries(), sink, row_group_size=len(parts) // 8 * 64, **options)
    return sink.getvalue()


def main() -> None:
    """Measure and record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    add_out(parser)
    options = parser.parse_args()
    recording = begin("encodings", options.out)
    table = read_signals().combine_chunks()
    heads = head_columns(table)
    keys = [name for name in table.column_names if name not in heads]
    wide = table.set_column(0, "layer", table["layer"])
    single = pa.table(
        {name: table[name].cast(pa.float32()) if name in heads else table[name] for name in table.column_names}
    )
    split = {"use_dictionary": keys, "use_byte_stream_split": heads}
    made = {
        "ours": encode_chunk(IAF, table, Header("iaf", 1, "00000", Provenance("x", "generated"), "bench")),
        "float16, plain, uncompressed": write_wide(wide, use_dictionary=keys, compression="none"),
        "float16, plain, zstd 1": write_wide(wide, use_dictionary=keys, compression="zstd", compression_level=1),
        "float16, dictionary, zstd 1": write_wide(wide, use_dictionary=True, compression="zstd", compression_level=1),
        "float16, split, lz4": write_wide(wide, compression="lz4", **split),
        "float16, split, zstd 1": write_wide(wide, compression="zstd", compression_level=1, **split),
        "float16, split, zstd 3": write_wide(wide, compression="zstd", compression_level=3, **split),
        "float16, split, zstd 9": write_wide(wide, compression="zstd", compression_level=9, **split),
        "float32, split, zstd 1": write_wide(single, compression="zstd", compression_level=1, **split),
        "float16, lists, split, zstd 1": write_lists(
            wide,
            compression="zstd",
            compression_level=1,
            use_dictionary=["problem_id"],
            use_byte_stream_split=["iaf.list.element"],
        ),
    }
    ways: dict[str, Callable[[], object]] = {
        name: lambda data=data: pq.ParquetFile(pa.BufferReader(data)).read(use_threads=False)  # type: ignore[misc]
        for name, data in made.items()
    }
    seconds = time_in_turn(ways, options.rounds)
    n_values = table.num_rows * len(heads)
    rows = tuple(
        (name, len(data) / n_values, tuple(value / n_values * 1e9 for value in seconds[name]), count_one_head(data))
        for name, data in made.items()
    )
    columns = (
        Column("a value", "bytes", ".3f"),
        Column("to decode a value", "ns"),
        Column("one head of one layer", "bytes"),
    )
    caption = f"{n_values:,} values of {N_PROBLEMS} problems, 8 layers, 8 heads."
    table_of = Table(caption, columns, rows, label="encoding", base="ours", by="to decode a value")
    plain = len(made["float16, plain, uncompressed"]) / n_values
    peer = "float16, uncompressed"
    figures = [Figure("bytes", "a stored signal value", len(made["ours"]) / n_values, "bytes", peer, plain, form=".3f")]
    recording.save("How signals are best stored", [table_of], figures)


def count_one_head(data: bytes) -> int:
    """Return the bytes that hold one head of one layer: its column, or with lists the whole row group."""
    group = pq.ParquetFile(pa.BufferReader(data)).metadata.row_group(0)
    columns = [group.column(i) for i in range(group.num_columns)]
    wanted = [c for c in columns if c.path_in_schema in {"head_000", "iaf.list.element"}]
    return sum(column.total_compressed_size for column in wanted)


if __name__ == "__main__":
    main()
