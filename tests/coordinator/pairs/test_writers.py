"""Files of pairs, one for each split that has some."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from coordinator.pairs import FORMATS
from coordinator.pairs.writers import SplitFiles

ROWS = pa.table({"text": ["ä", "b"], "vector": pa.array([[0, 1], []], pa.list_(pa.int8()))})


@pytest.mark.parametrize("file_format", FORMATS)
def test_a_split_without_rows_has_no_file(tmp_path: Path, file_format: str) -> None:
    with SplitFiles(tmp_path, file_format, b"{}") as files:
        files.write("train", ROWS)
        files.write("test", ROWS.slice(0, 0))
        files.write("train", ROWS)
    assert files.counts == {"train": 4, "validation": 0, "test": 0}
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [files.paths["train"]]


def test_parquet_keeps_types_and_says_what_it_is(tmp_path: Path) -> None:
    with SplitFiles(tmp_path, "parquet", b'{"a": 1}') as files:
        files.write("test", ROWS)
    found = pq.read_table(files.paths["test"])
    assert found.schema.metadata[b"mycelium"] == b'{"a": 1}'
    assert found.replace_schema_metadata(None).equals(ROWS)


def test_json_lines_are_one_row_a_line(tmp_path: Path) -> None:
    with SplitFiles(tmp_path, "jsonl", b"{}") as files:
        files.write("validation", ROWS)
    lines = files.paths["validation"].read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == ROWS.to_pylist()


def test_files_are_closed_when_something_goes_wrong(tmp_path: Path) -> None:
    files = SplitFiles(tmp_path, "parquet", b"{}")

    def fail() -> None:
        with files:
            files.write("train", ROWS)
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        fail()
    assert pq.read_table(files.paths["train"]).num_rows == 2
