"""Look at what a store holds: schema, counts, sizes, the first rows cut short.

Never more than a screenful, and never a large object's content: of a Parquet file the footer and the first pages are
read, of anything else the first kilobytes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import IO, cast

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from mycelium.errors import ChunkDamagedError, ObjectNotFoundError
from mycelium.printable import make_printable
from mycelium.schema import HEADER_KEY, read_header, reading_parquet
from mycelium.store import ObjectInfo, RangeReader, Store

N_ROWS = 3
N_COLUMNS = 12
WIDTH = 60
HEAD_BYTES = 2048
MAX_LISTED = 20
MAX_COUNTED = 100_000
READ_BUFFER = 1 << 16


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen: a title and lines, none of them long."""

    title: str
    lines: tuple[str, ...]


def inspect_uri(store: Store, key: str) -> Look:
    """Look at an object, or at what is below a prefix.

    Raises:
        ObjectNotFoundError: nothing is there.
    """
    infos = store.list(key)
    first = next(infos, None)
    if first is None:
        raise ObjectNotFoundError(f"nothing in {store.uri} has a key that begins with {key!r}")
    if first.key != key:
        return _look_at_prefix(store, key, first, infos)
    size = f"{first.size:,} bytes"
    if not key.endswith(".parquet"):
        text = store.get_range(key, 0, HEAD_BYTES).decode("utf-8", "replace")
        return Look(f"{key}: {size}", tuple(_cut(line) for line in text.splitlines()[:MAX_LISTED]))
    try:
        with reading_parquet():
            return Look(f"{key}: {size}", tuple(_look_at_parquet(store, first)))
    except ChunkDamagedError as error:
        return Look(f"{key}: {size}", (_cut(str(error)),))


def _look_at_prefix(store: Store, prefix: str, first: ObjectInfo, rest: Iterator[ObjectInfo]) -> Look:
    lines, count, size, seen = [], 0, 0, 0
    for info in islice(_chain(first, rest), MAX_COUNTED):
        count += 1
        size += info.size
        if seen < MAX_LISTED:
            seen += 1
            lines.append(f"{info.size:>14,}  {make_printable(info.key)}")
    more = " or more" if count == MAX_COUNTED else ""
    if count > seen:
        lines.append(f"{'…':>14}  and {count - seen:,}{more} others")
    return Look(f"{store.uri}/{prefix}: {count:,}{more} objects, {size:,} bytes", tuple(lines))


def _chain(first: ObjectInfo, rest: Iterator[ObjectInfo]) -> Iterator[ObjectInfo]:
    yield first
    yield from rest


def _look_at_parquet(store: Store, info: ObjectInfo) -> Iterator[str]:
    with RangeReader(store, info.key, info.size) as reader:
        file = pq.ParquetFile(
            pa.PythonFile(cast("IO[bytes]", reader), mode="r"), buffer_size=READ_BUFFER, pre_buffer=False
        )
        meta = file.metadata
        yield f"{meta.num_rows:,} rows, {meta.num_columns} columns, {meta.num_row_groups} row groups"
        if HEADER_KEY in (meta.metadata or {}):
            header = read_header(file)
            origin = header.provenance
            yield f"dataset {header.dataset} v{header.version}, chunk {header.chunk_id}, by {header.stage}"
            yield f"name {origin.name}, origin {origin.origin}, teacher {origin.teacher or 'none yet'}"
            yield _cut(f"params {msgspec.json.encode(header.params).decode()}")
        names = file.schema_arrow.names[:N_COLUMNS]
        for name in names:
            yield f"  {name}: {file.schema_arrow.field(name).type}"
        if len(file.schema_arrow.names) > N_COLUMNS:
            yield f"  … and {len(file.schema_arrow.names) - N_COLUMNS} columns more, to {file.schema_arrow.names[-1]}"
        batches = (
            file.iter_batches(batch_size=N_ROWS, columns=names, row_groups=[0]) if meta.num_row_groups else iter(())
        )
        for batch in islice(batches, 1):
            for row in batch.to_pylist():
                yield "{" + ", ".join(f"{key}: {_cut(str(value), 24)}" for key, value in row.items()) + "}"


def _cut(text: str, width: int = WIDTH * 2) -> str:
    """Return text on one line, printable, and cut short."""
    plain = "".join(c if c.isprintable() else " " for c in text[: width + 1])
    return plain if len(plain) <= width else plain[: width - 1] + "…"
