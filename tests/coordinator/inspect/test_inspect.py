"""Looking at objects, in little memory and on one screen."""

import io
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from coordinator.inspect.inspect import inspect_uri
from mycelium.datasets import PROBLEMS
from mycelium.errors import ObjectNotFoundError
from mycelium.store import LocalStore, MemoryStore, Store
from tests.builders import build_run, make_iaf, make_problems

ROOT = Path(__file__).parents[2]


def test_a_chunk_shows_what_it_is_and_its_first_rows(store: Store) -> None:
    built = build_run(store, [make_iaf()])
    look = inspect_uri(store, built.keys["00000"])
    text = "\n".join(look.lines)
    assert "140 rows, 7 columns, 2 row groups" in text
    assert "dataset iaf v1, chunk 00000, by test v1" in text
    assert "origin GSM8K, teacher teacher@0123456789ab" in text
    assert "head_002: halffloat" in text
    assert "problem_id: p0-0" in text


def test_long_text_and_control_characters_are_cut_and_made_plain() -> None:
    store = MemoryStore()
    built = build_run(store, [make_problems(5, text="\x1b[31m evil \x00" * 500)], PROBLEMS)
    look = inspect_uri(store, built.keys["00000"])
    assert all(len(line) < 500 and line.isprintable() for line in look.lines)
    assert len(look.lines) < 30


def test_a_prefix_is_counted_and_its_first_objects_shown(store: Store) -> None:
    for i in range(30):
        store.put(f"many/{i:02d}.bin", b"12345")
    look = inspect_uri(store, "many/")
    assert "30 objects, 150 bytes" in look.title
    assert len(look.lines) == 21
    assert "and 10 others" in look.lines[-1]


@pytest.mark.parametrize("data", [b"", b"PAR1", b"PAR1" + b"\0" * 50 + b"PAR1", b"no parquet at all"])
def test_what_is_no_parquet_says_so(data: bytes) -> None:
    store = MemoryStore()
    store.put("x.parquet", data)
    assert "no whole Parquet file" in inspect_uri(store, "x.parquet").lines[0]


def test_other_objects_show_their_first_lines() -> None:
    store = MemoryStore()
    store.put("x.json", b'{"a": 1}\n' * 10_000)
    look = inspect_uri(store, "x.json")
    assert len(look.lines) == 20


def test_nothing_is_an_error() -> None:
    with pytest.raises(ObjectNotFoundError, match="begins with 'x'"):
        inspect_uri(MemoryStore(), "x")


def test_a_large_file_is_looked_at_in_little_memory(tmp_path: Path) -> None:
    path = tmp_path / "large.parquet"
    noise = np.random.default_rng(0).random(1_000_000)
    with pq.ParquetWriter(path, pa.schema([("x", pa.float64()), ("y", pa.float64())]), use_dictionary=False) as writer:
        for _ in range(8):
            writer.write_table(pa.table({"x": noise, "y": noise}))
    assert path.stat().st_size > 100_000_000
    tracemalloc.start()
    look = inspect_uri(LocalStore(tmp_path), "large.parquet")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "8,000,000 rows" in look.lines[0]
    assert peak < 5_000_000
    assert grow_by_looking(tmp_path, "large.parquet") < 50 << 20


def test_a_large_text_is_looked_at_in_little_memory_and_shown_on_a_screen(tmp_path: Path) -> None:
    with (tmp_path / "large.jsonl").open("wb") as file:
        for _ in range(100):
            file.write(b'{"a": "' + b"x" * 1_000_000 + b'"}')
    look = inspect_uri(LocalStore(tmp_path), "large.jsonl")
    assert sum(len(line) + 1 for line in (look.title, *look.lines)) < 80 * 24
    assert grow_by_looking(tmp_path, "large.jsonl") < 20 << 20


def grow_by_looking(folder: Path, key: str) -> int:
    """Return by how many bytes a process grows that looks at an object a second time, all its libraries included.

    The first look, at a small object, loads them.
    """
    pq.write_table(pa.table({"x": [1.0]}), folder / "small.parquet")
    code = (
        "import resource, sys\nfrom coordinator.inspect.inspect import inspect_uri\n"
        "from mycelium.store import LocalStore\n"
        "store = LocalStore(sys.argv[1])\ninspect_uri(store, 'small.parquet')\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\ninspect_uri(store, sys.argv[2])\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    # Between this process, which is large, and the one measured stands a small one: a child begins with the peak of
    # whoever starts it.
    shell = ["sh", "-c", '"$0" -c "$1" "$2" "$3"; exit $?', sys.executable, code, str(folder), key]
    answer = subprocess.run(shell, cwd=ROOT, capture_output=True, text=True, check=True)
    return int(answer.stdout) * 1024


def test_a_file_without_rows_is_shown() -> None:
    sink = io.BytesIO()
    pq.write_table(pa.table({"x": pa.array([], pa.int64())}), sink)
    store = MemoryStore()
    store.put("x.parquet", sink.getvalue())
    assert inspect_uri(store, "x.parquet").lines[0].startswith("0 rows")


def test_a_name_that_others_gave_moves_no_cursor(tmp_path: Path) -> None:
    (tmp_path / "a\x1b]0;title\x07.txt").write_text("x")
    look = inspect_uri(LocalStore(tmp_path), "")
    assert look.lines[0].endswith("a\N{REPLACEMENT CHARACTER}]0;title\N{REPLACEMENT CHARACTER}.txt")
