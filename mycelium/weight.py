"""What a Parquet file would weigh in memory, by what its footer says, and reading no more than is allowed.

A file of some kilobytes can hold a million rows of one value, and unfold to gigabytes: a column of a dictionary and run
lengths is as short as one likes. Numbers weigh what the footer's counts say. Texts by a dictionary weigh anything from
nothing to the dictionary's size for each row; where that could be too much they are read some rows at a time, and the
bytes counted.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.types as _t

from mycelium.errors import ChunkDamagedError

_OFFSET_BYTES = 4
_BYTES = {"BOOLEAN": 1, "INT32": 4, "INT64": 8, "INT96": 8, "FLOAT": 4, "DOUBLE": 8, "BYTE_ARRAY": _OFFSET_BYTES}
_MAX_BATCH_ROWS = 1 << 16


@dataclass(frozen=True, slots=True)
class Weight:
    """What some columns of some row groups weigh, in bytes.

    Attributes:
        least: what they weigh whatever their texts are.
        most: what they may weigh.
        longest: what one text may weigh.
    """

    least: int
    most: int
    longest: int


def weigh(parquet: pq.ParquetFile, groups: Sequence[int], columns: Sequence[str] | None) -> Weight:
    """Return what row groups weigh once they are read, by the file's footer.

    Of a column's own footer only the number of values is asked, and only of lists: Arrow ends the whole process over
    some damaged ones.

    Args:
        parquet: the file.
        groups: which row groups.
        columns: the columns to read; None for all.
    """
    fields = [field for field in parquet.schema_arrow if columns is None or field.name in columns]
    row_bytes = sum(_width(field.type) for field in fields)
    has_texts = any(_unfolds(field.type) for field in fields)
    leaves = _find_listed(parquet, {field.name for field in fields})
    least = most = longest = 0
    metadata = parquet.metadata
    for i in groups:
        group = metadata.row_group(i)
        n_values = [max(0, group.column(j).num_values) for j, _ in leaves]
        listed = sum(n * value_bytes for n, (_, value_bytes) in zip(n_values, leaves, strict=True))
        weight = group.num_rows * row_bytes + listed
        least += weight
        most += weight
        if has_texts:
            longest = max(longest, group.total_byte_size)
            most += max(group.num_rows, *n_values, 0) * group.total_byte_size
    return Weight(least, most, longest)


def _storage(kind: pa.DataType) -> pa.DataType:
    """Return how a type is laid out in memory: JSON, say, as the text that it is."""
    return _storage(kind.storage_type) if isinstance(kind, pa.BaseExtensionType) else kind


def _children(kind: pa.DataType) -> list[pa.DataType]:
    return [kind.field(i).type for i in range(kind.num_fields)]


def _width(kind: pa.DataType) -> int:
    """Return what a row of a column weighs at the least, without what its lists hold and its texts say."""
    kind = _storage(kind)
    if _t.is_dictionary(kind):
        return int(kind.index_type.bit_width) // 8
    if _t.is_struct(kind):
        return sum(map(_width, _children(kind)))
    if _t.is_nested(kind) or _unfolds(kind):
        return _OFFSET_BYTES
    return 1 if _t.is_null(kind) else max(1, int(kind.bit_width) // 8)


def _unfolds(kind: pa.DataType) -> bool:
    """Whether values of a column have no width of their own, and stand one beside the other: texts, by any name."""
    kind = _storage(kind)
    if _t.is_nested(kind):
        return any(map(_unfolds, _children(kind)))
    if _t.is_dictionary(kind) or _t.is_null(kind):
        return False
    try:
        return not kind.bit_width
    except ValueError:  # no fixed width
        return True


def _find_listed(parquet: pq.ParquetFile, names: set[str]) -> list[tuple[int, int]]:
    """Return which of the file's columns hold values of lists, and what one of those weighs, with its offsets."""
    schema = parquet.schema
    leaves = [(j, schema.column(j)) for j in range(len(schema))]
    return [
        (j, _weigh_value(leaf) + (leaf.max_repetition_level - 1) * _OFFSET_BYTES)
        for j, leaf in leaves
        if leaf.max_repetition_level > 0 and not names.isdisjoint(accumulate(leaf.path.split("."), "{}.{}".format))
    ]


def _weigh_value(leaf: pq.ColumnSchema) -> int:
    return max(1, int(leaf.length)) if leaf.physical_type == "FIXED_LEN_BYTE_ARRAY" else _BYTES[leaf.physical_type]


def read_within(
    parquet: pq.ParquetFile, groups: Sequence[int], columns: Sequence[str] | None, max_bytes: int
) -> pa.Table:
    """Read row groups, if they weigh no more than is allowed.

    Args:
        parquet: the file.
        groups: which row groups.
        columns: the columns to read; None for all.
        max_bytes: what they may weigh.

    Raises:
        ChunkDamagedError: they weigh more.
    """
    allowed = f"{max_bytes >> 30} GiB" if max_bytes >> 30 else f"{max_bytes} bytes"
    stated = sum(parquet.metadata.row_group(i).total_byte_size for i in groups)
    weight = weigh(parquet, groups, columns)
    if max(stated, weight.least) > max_bytes:
        raise ChunkDamagedError(f"its footer announces more than {allowed}")
    if weight.most <= max_bytes:
        return parquet.read_row_groups(list(groups), columns=columns, use_threads=False)
    n_rows = min(_MAX_BATCH_ROWS, max(1, max_bytes // max(1, weight.longest)))
    batches, size = [], 0
    for batch in parquet.iter_batches(n_rows, row_groups=list(groups), columns=columns, use_threads=False):
        size += batch.nbytes
        if size > max_bytes:
            raise ChunkDamagedError(f"its texts unfold to more than {allowed}")
        batches.append(batch)
    return pa.Table.from_batches(batches)
