"""What a Parquet file would weigh in memory, by what its footer says, and reading no more than is allowed.

A file of some kilobytes can hold a million rows of one value, and unfold to gigabytes: a column of a dictionary and run
lengths is as short as one likes. Numbers weigh what the footer's counts say. Texts by a dictionary weigh anything from
nothing to the dictionary's size for each row; where that could be too much they are read some rows at a time, and the
bytes counted.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.types as _t

from mycelium.errors import ChunkDamagedError

_OFFSET_BYTES = 4
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
    leaves = _find_leaves(parquet, {field.name for field in fields if _t.is_nested(field.type)})
    least = most = longest = 0
    metadata = parquet.metadata
    for i in groups:
        group = metadata.row_group(i)
        n_values = [max(0, group.column(j).num_values) for j in leaves]
        weight = group.num_rows * row_bytes + sum(n * _OFFSET_BYTES for n in n_values)
        least += weight
        most += weight
        if has_texts:
            longest = max(longest, group.total_byte_size)
            most += max(group.num_rows, *n_values, 0) * group.total_byte_size
    return Weight(least, most, longest)


def _width(kind: pa.DataType) -> int:
    """Return what a row of a column weighs at the least; a number of two bytes in a list is taken for four."""
    if _t.is_dictionary(kind):
        return int(kind.index_type.bit_width) // 8
    try:
        return max(1, int(kind.bit_width) // 8)
    except ValueError:  # no fixed width
        return _OFFSET_BYTES


def _unfolds(kind: pa.DataType) -> bool:
    """Whether a column of texts is read as whole texts, one beside the other, and not as a dictionary."""
    if _t.is_nested(kind):
        return any(_unfolds(kind.field(i).type) for i in range(kind.num_fields))
    return any(is_text(kind) for is_text in (_t.is_string, _t.is_large_string, _t.is_binary, _t.is_large_binary))


def _find_leaves(parquet: pq.ParquetFile, names: set[str]) -> list[int]:
    """Return which of the file's columns hold the values of some lists."""
    if not names:
        return []
    schema = parquet.schema
    leaves = [(j, schema.column(j)) for j in range(len(schema))]
    return [j for j, leaf in leaves if leaf.max_repetition_level > 0 and leaf.path.partition(".")[0] in names]


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
    n_rows = min(_MAX_BATCH_ROWS, max(1, max_bytes // weight.longest))
    batches, size = [], 0
    for batch in parquet.iter_batches(n_rows, row_groups=list(groups), columns=columns, use_threads=False):
        size += batch.nbytes
        if size > max_bytes:
            raise ChunkDamagedError(f"its texts unfold to more than {allowed}")
        batches.append(batch)
    return pa.Table.from_batches(batches)
