"""Pairs as files: Parquet, JSON Lines, or a folder that `datasets.load_dataset` opens."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from mycelium.pairs.stratify import SPLITS

RECORD_KEY = b"mycelium"
"""Under this key of a Parquet file's metadata stands what the export is of."""


class _File(Protocol):
    def write(self, table: pa.Table) -> None: ...

    def close(self) -> None: ...


class _Parquet:
    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._writer = pq.ParquetWriter(path, schema, compression="zstd")

    def write(self, table: pa.Table) -> None:
        self._writer.write_table(table)

    def close(self) -> None:
        self._writer.close()


class _JsonLines:
    def __init__(self, path: Path, schema: pa.Schema) -> None:
        del schema
        self._file = path.open("wb")

    def write(self, table: pa.Table) -> None:
        for row in table.to_pylist():
            self._file.write(msgspec.json.encode(row) + b"\n")

    def close(self) -> None:
        self._file.close()


_OPENERS: dict[str, tuple[str, Callable[[Path, pa.Schema], _File]]] = {
    "parquet": ("{split}.parquet", _Parquet),
    "jsonl": ("{split}.jsonl", _JsonLines),
    "huggingface": ("data/{split}-00000-of-00001.parquet", _Parquet),
}


class SplitFiles:
    """One file for each split that has a pair; a context manager that closes them."""

    def __init__(self, folder: Path, file_format: str, record: bytes) -> None:
        """Take the folder to write into, one of `FORMATS`, and what Parquet files say of themselves."""
        self._folder = folder
        self._name, self._open = _OPENERS[file_format]
        self._record = record
        self._files: dict[str, _File] = {}
        self._stack = ExitStack()
        self.paths: dict[str, Path] = {}
        self.counts = dict.fromkeys(SPLITS, 0)

    def __enter__(self) -> Self:
        """Return the files."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close every file."""
        self._stack.close()

    def write(self, split: str, table: pa.Table) -> None:
        """Write rows of one split."""
        if not table.num_rows:
            return
        table = table.replace_schema_metadata({RECORD_KEY: self._record})
        if split not in self._files:
            path = self._folder / self._name.format(split=split)
            path.parent.mkdir(parents=True, exist_ok=True)
            self.paths[split] = path
            self._files[split] = self._open(path, table.schema)
            self._stack.callback(self._files[split].close)
        self._files[split].write(table)
        self.counts[split] += table.num_rows
