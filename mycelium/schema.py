"""What a chunk is: datasets, their columns and versions, the header each chunk carries; bytes in, tables out.

A chunk is one Parquet file: some dozens of problems of one dataset. Its header, JSON under the key ``mycelium`` of the
file's metadata, says which dataset of which version it is, who the teacher was, and where the problems come from, so
that the wrong dataset is refused by name and not noticed in a metric.

Signals (`iaf`) are laid out so that one head of one layer can be read without reading the rest: a row group per layer,
a column per head, a row per generated token. ADR 0002 has the measurements behind the encodings.

No object store here: `mycelium.task` brings the bytes.
"""

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import IO

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from mycelium.errors import ChunkDamagedError, MyceliumError, WrongDatasetError
from mycelium.weight import read_within

HEADER_KEY = b"mycelium"
HEAD_PREFIX = "head_"
MAX_CHUNK_BYTES = 8 << 30
"""A chunk whose footer announces more bytes in memory than this is refused unread."""

FEW_VALUES = 512
"""A column of so few different numbers in each row group goes by a dictionary: by measurement, see ADR 0051."""

MANY_ROWS = 4096
"""The rows of a table, at least, for that to be worth looking at."""

Scalar = None | bool | int | float | str
Row = dict[str, Scalar]
Result = dict[str, list[Row]]
"""What a run concludes: small tables by name, each a list of rows."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a dataset.

    Attributes:
        name: its name.
        type: its Arrow type.
        meaning: what it holds, with unit and range.
        nullable: whether a value may be missing.
    """

    name: str
    type: pa.DataType
    meaning: str
    nullable: bool = False


@dataclass(frozen=True, slots=True)
class Dataset:
    """A versioned family of chunks with one schema.

    Attributes:
        name: lower-case word; the first segment of its chunks' keys.
        version: raised when a reader of the old columns would misread the new ones.
        meaning: what one row is.
        columns: the columns that every chunk has, in order.
        head_type: the type of the columns ``head_000``, ``head_001``, …, one for each attention head or for some,
            that follow them; None where there are none.
        row_group_by: the column whose every value has a row group of its own; None for one row group in all.
    """

    name: str
    version: int
    meaning: str
    columns: tuple[Column, ...]
    head_type: pa.DataType | None = None
    row_group_by: str | None = None

    def arrow_schema(self, heads: int | Iterable[int] = 0) -> pa.Schema:
        """Return the Arrow schema of a chunk with so many heads, or with those."""
        fields = [pa.field(column.name, column.type, nullable=column.nullable) for column in self.columns]
        chosen = range(heads) if isinstance(heads, int) else sorted(set(heads))
        fields += [pa.field(head_column(h), self.head_type, nullable=False) for h in chosen]
        return pa.schema(fields)


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a run's chunks come from: what must not be mixed within it.

    Attributes:
        name: what the user called the problems at ingest, ``gsm8k``, say.
        origin: the collection the problems are from: ``MATH``, ``GSM8K``, ``generated``, or the name given.
        teacher: name and digest of the model whose attention was read; None before extraction.
    """

    name: str
    origin: str
    teacher: str | None = None


@dataclass(frozen=True, slots=True)
class Header:
    """What a chunk says of itself.

    Attributes:
        dataset: the dataset's name.
        version: the dataset's version.
        chunk_id: the chunk's number as five digits or more; the same in all datasets of one family.
        provenance: where the chunk comes from.
        stage: name and version of the stage that wrote it.
        params: the parameters of that stage.
        inputs: the SHA-256 of each input, by key.
        n_input: rows of input that it was made from; so whoever finds the chunk later knows the run's counts.
    """

    dataset: str
    version: int
    chunk_id: str
    provenance: Provenance
    stage: str
    params: Row = field(default_factory=dict)
    inputs: dict[str, str] = field(default_factory=dict)
    n_input: int = 0


@dataclass(frozen=True, slots=True)
class Selection:
    """The part of a chunk that a stage needs.

    Attributes:
        columns: the columns to read, in the file's order; None for all.
        row_group: the one value of the dataset's `row_group_by` column to read; None for all.
    """

    columns: tuple[str, ...] | None = None
    row_group: int | None = None

    @property
    def is_everything(self) -> bool:
        """Whether the whole chunk is wanted."""
        return self.columns is None and self.row_group is None


EVERYTHING = Selection()


def head_column(head: int) -> str:
    """Return the name of a head's column, ``head_007``."""
    return f"{HEAD_PREFIX}{head:03d}"


def head_columns(table: pa.Table) -> list[str]:
    """Return the names of a table's head columns, in order of heads."""
    return [name for name in table.column_names if name.startswith(HEAD_PREFIX)]


def head_numbers(names: Iterable[str]) -> list[int]:
    """Return which heads the columns of a table are of, in order."""
    return [int(name.removeprefix(HEAD_PREFIX)) for name in names if name.startswith(HEAD_PREFIX)]


def chunk_key(dataset: Dataset, run_id: str, chunk_id: str) -> str:
    """Return the key of a chunk, ``iaf/gsm8k-0123456789ab/00042.parquet``."""
    return f"{dataset.name}/{run_id}/{chunk_id}.parquet"


def encode_chunk(dataset: Dataset, table: pa.Table, header: Header) -> bytes:
    """Return the bytes of a chunk; the same table and header give the same bytes.

    Args:
        dataset: what the chunk is one of.
        table: rows of that dataset, sorted by its `row_group_by` column.
        header: what the chunk says of itself.

    Raises:
        WrongDatasetError: the table's columns are not the dataset's, or a value is null that must not be.
    """
    schema = dataset.arrow_schema(head_numbers(table.column_names))
    if table.schema.names != schema.names:
        raise WrongDatasetError(
            f"a chunk of {dataset.name} has the columns {schema.names[:8]}…; got {table.schema.names[:8]}…"
        )
    try:
        table = table.cast(schema)
    except (pa.ArrowInvalid, ValueError) as error:
        raise WrongDatasetError(f"rows that are not of dataset {dataset.name}: {error}") from error
    table = table.replace_schema_metadata({HEADER_KEY: msgspec.json.encode(header)})
    signals = {column.name: path for column in schema if (path := _path_of_numbers(column))}
    few = _find_few_valued(dataset, table, signals)
    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(
        sink,
        table.schema,
        compression="zstd",
        compression_level=1,
        use_dictionary=[name for name in schema.names if name not in signals or name in few],
        use_byte_stream_split=[path for name, path in signals.items() if name not in few],
        write_statistics=[dataset.row_group_by] if dataset.row_group_by else False,
        store_schema=True,
    ) as writer:
        for part in _row_groups(dataset, table):
            writer.write_table(part, row_group_size=max(1, part.num_rows))
    return bytes(sink.getvalue())


def decode_chunk(
    file: bytes | IO[bytes], dataset: Dataset, selection: Selection = EVERYTHING
) -> tuple[pa.Table, Header]:
    """Read a chunk, or the selected part of one.

    Args:
        file: the chunk's bytes, or a seekable file, of which only what is needed is read.
        dataset: what the chunk must be one of.
        selection: what to read.

    Returns:
        The rows, and what the chunk says of itself.

    Raises:
        ChunkDamagedError: the bytes are no Parquet file, or one without our header.
        WrongDatasetError: the chunk is of another dataset or version, or has not what is selected.
    """
    with reading_parquet():
        parquet = _open_parquet(file)
        header = read_header(parquet)
        _check_dataset(header, dataset)
        groups = _select_row_groups(parquet, dataset, selection)
        names = parquet.schema_arrow.names
        missing = sorted(set(selection.columns or ()) - set(names))
        if missing:
            heads = head_numbers(names)
            some = ", ".join(map(str, heads[:8])) + (", …" if len(heads) > 8 else "")
            which = f"0 to {len(heads) - 1}" if heads == list(range(len(heads))) else some
            raise WrongDatasetError(f"it has no column {missing[0]}" + (f": its heads are {which}" if heads else ""))
        columns = None if selection.columns is None else [name for name in names if name in selection.columns]
        table = read_within(parquet, groups, columns, MAX_CHUNK_BYTES)
    return table.replace_schema_metadata(None), header


def read_header(parquet: pq.ParquetFile) -> Header:
    """Return what a chunk says of itself.

    Raises:
        ChunkDamagedError: the file has no header of ours.
    """
    raw = (parquet.metadata.metadata or {}).get(HEADER_KEY)
    if raw is None:
        raise ChunkDamagedError("it is Parquet, but no chunk of Mycelium: its metadata has no header")
    try:
        return msgspec.json.decode(raw, type=Header)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ChunkDamagedError(f"its header can't be read: {error}") from error


def check_provenance(header: Header, expected: Provenance) -> None:
    """Refuse a chunk of another family, origin or teacher.

    Raises:
        WrongDatasetError: something differs; the message names it.
    """
    got = header.provenance
    for what, have, want in (
        ("name", got.name, expected.name),
        ("origin", got.origin, expected.origin),
        ("teacher", got.teacher, expected.teacher),
    ):
        if have != want:
            raise WrongDatasetError(f"this run is of {what} {want!r}, and the chunk is of {what} {have!r}")


def trace_bounds(table: pa.Table, column: str = "problem_id") -> npt.NDArray[np.int64]:
    """Return where the runs of equal neighbours in a column begin, and the table's end.

    Args:
        table: rows sorted so that equal values stand together.
        column: the column; text or whole numbers without nulls.

    Returns:
        ``[0, …, n_rows]``, ascending, one number more than there are runs; ``[0]`` for no rows.
    """
    values = table.column(column).combine_chunks()
    if pa.types.is_dictionary(values.type):
        values = values.indices
    elif pa.types.is_string(values.type):
        values = values.dictionary_encode().indices
    codes = values.to_numpy(zero_copy_only=False)
    if not len(codes):
        return np.zeros(1, np.int64)
    return np.concatenate([[0], np.flatnonzero(codes[1:] != codes[:-1]) + 1, [len(codes)]]).astype(np.int64)


def _path_of_numbers(column: pa.Field) -> str | None:
    """Return the Parquet path of a column of real numbers or of lists of them; None for any other."""
    if pa.types.is_list(column.type) and pa.types.is_floating(column.type.value_type):
        return f"{column.name}.list.element"
    return str(column.name) if pa.types.is_floating(column.type) else None


def _find_few_valued(dataset: Dataset, table: pa.Table, signals: Iterable[str]) -> set[str]:
    """Return which columns of float16 have at most `FEW_VALUES` different ones in every row group.

    Signals rounded by `mycelium.signals.rounding` are such: a dictionary then takes a tenth to a fifth less than
    splitting bytes, and for others a third more. Other columns are out after the first row group.
    """
    few = {name for name in signals if pa.types.is_float16(table.schema.field(name).type)}
    few = few if table.num_rows >= MANY_ROWS else set()
    for group in _row_groups(dataset, table) if few else ():
        few = {name for name in few if _count_different(group.column(name)) <= FEW_VALUES}
        if not few:
            break
    return few


def _count_different(column: pa.ChunkedArray) -> int:
    is_there = np.zeros(1 << 16, np.bool_)
    for chunk in column.chunks:
        is_there[chunk.to_numpy(zero_copy_only=False).view(np.uint16)] = True
    return int(np.count_nonzero(is_there))


def _row_groups(dataset: Dataset, table: pa.Table) -> Iterator[pa.Table]:
    if not table.num_rows:  # no row group at all: an empty one has no statistics
        return
    if dataset.row_group_by is None:
        yield table
        return
    bounds = trace_bounds(table, dataset.row_group_by)
    for start, end in pairwise(bounds.tolist()):
        yield table.slice(start, end - start)


def _open_parquet(file: bytes | IO[bytes]) -> pq.ParquetFile:
    source = pa.BufferReader(file) if isinstance(file, bytes) else pa.PythonFile(file, mode="r")
    return pq.ParquetFile(source, pre_buffer=not isinstance(file, bytes))


@contextlib.contextmanager
def reading_parquet() -> Iterator[None]:
    """Turn Arrow's many errors over bad bytes into one of ours; those of a store pass."""
    try:
        yield
    except (MyceliumError, MemoryError):
        raise
    except (pa.ArrowException, OSError, ValueError, LookupError, TypeError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ChunkDamagedError(f"it is no whole Parquet file: {reason}") from error


def _check_dataset(header: Header, dataset: Dataset) -> None:
    if (header.dataset, header.version) != (dataset.name, dataset.version):
        raise WrongDatasetError(
            f"dataset {dataset.name} v{dataset.version} is read here, and the chunk is {header.dataset} "
            f"v{header.version} of {header.provenance.origin} ({header.provenance.name})"
        )


def _select_row_groups(parquet: pq.ParquetFile, dataset: Dataset, selection: Selection) -> list[int]:
    every = list(range(parquet.metadata.num_row_groups))
    if selection.row_group is None or not every:
        return every
    column = parquet.schema_arrow.names.index(str(dataset.row_group_by))
    values = []
    for i in every:
        # The row group must outlive its statistics: Arrow frees them with it (a crash, met by a test).
        group = parquet.metadata.row_group(i)
        stated = group.column(column)
        # Where the types disagree Arrow ends the whole process on reading them.
        if stated.physical_type != parquet.schema.column(column).physical_type:
            raise ChunkDamagedError(f"its footer gives {dataset.row_group_by} another type than its schema does")
        statistics = stated.statistics
        if statistics is None or not statistics.has_min_max:
            raise ChunkDamagedError(f"its footer has no statistics of {dataset.row_group_by}")
        values.append(statistics.min)
    if selection.row_group not in values:
        raise WrongDatasetError(
            f"it has no {dataset.row_group_by} {selection.row_group}: "
            f"its {dataset.row_group_by}s are {values[0]} to {values[-1]}"
        )
    return [i for i in every if values[i] == selection.row_group]
