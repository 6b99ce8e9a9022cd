"""From files to chunks: counted, complete, and the same every time."""

import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from coordinator.ingest import ingest
from coordinator.ingest.ingest import IngestParams, ingest_files
from mycelium.datasets import PROBLEMS
from mycelium.errors import StoreNotAvailableError, UserInputError
from mycelium.manifest import Manifest, read_manifest
from mycelium.schema import decode_chunk
from mycelium.store import LocalStore, MemoryStore, Store

DATA = Path(__file__).parents[4] / "shared/data"


def write(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return path


def make_rows(n: int, **more: Any) -> list[dict[str, Any]]:
    return [{"id": f"r{i}", "problem": f"p{i}", "solution": f"s{i}", "level": i % 5 + 1, **more} for i in range(n)]


def run(store: Store, *files: Path, name: str = "mine", **params: Any) -> Manifest:
    return ingest_files(store, files, name, IngestParams(**params), {}, quiet=True)


def read_all(store: Store, manifest: Manifest) -> pa.Table:
    refs = manifest.chunks("problems")
    return pa.concat_tables(decode_chunk(store.get(refs[c].key), PROBLEMS)[0] for c in sorted(refs))


def read_rejects(store: Store, manifest: Manifest) -> list[dict[str, Any]]:
    infos = store.list(f"rejects/{manifest.run_id}/")
    return [json.loads(line) for info in infos for line in store.get(info.key).splitlines()]


def test_rows_become_chunks_of_64_in_order(tmp_path: Path, store: Store) -> None:
    manifest = run(store, write(tmp_path / "a.jsonl", make_rows(150)))
    assert [outcome.n_problems for outcome in manifest.outcomes] == [64, 64, 22]
    table = read_all(store, manifest)
    assert table["problem_id"].to_pylist() == [f"r{i}" for i in range(150)]
    assert table["index"].to_pylist() == list(range(150))
    assert manifest.provenance.origin == "mine"
    assert read_manifest(store, "problems", manifest.run_id) == manifest


def test_nothing_is_dropped_in_silence(tmp_path: Path) -> None:
    good = make_rows(3)
    rows = [
        *good,
        "not json",
        {"id": "x", "solution": "s"},
        {"id": "y", "problem": "p"},
        good[1],
        {**good[2], "solution": "!"},
    ]
    store = MemoryStore()
    path = write(tmp_path / "a.jsonl", rows)
    manifest = run(store, path)
    assert manifest.notes == {"rows": 8, "problems": 3, "duplicates": 1, "rejected": 4, "without_level": 0}
    rejects = read_rejects(store, manifest)
    assert [(r["file"], r["line"]) for r in rejects] == [(str(path), line) for line in (4, 5, 6, 8)]
    assert [r["reason"].split(":")[0] for r in rejects] == [
        "not JSON",
        "no problem text in any of problem, question, prompt; name it by --field problem=…",
        "no chain of thought in any of chain_of_thought, cot, solution, answer; name it by --field chain_of_thought=…",
        "duplicate id with other content",
    ]
    assert sum(int(row["rows"] or 0) for row in manifest.result["rejects"]) == 4


def test_many_rejects_are_written_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingest, "REJECTS_PER_OBJECT", 10)
    store = MemoryStore()
    manifest = run(store, write(tmp_path / "a.jsonl", ["bad"] * 35 + make_rows(2)), chunk_size=1)
    assert manifest.notes["rejected"] == 35
    assert len(read_rejects(store, manifest)) == 35
    assert len(list(store.list("rejects/"))) == 4


def test_the_same_command_writes_the_same_and_another_file_does_not(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", make_rows(10))
    store, other = MemoryStore(), MemoryStore()
    first, second = run(store, path), run(other, path)
    assert first.chunks("problems") == second.chunks("problems")
    assert run(store, path).outcomes[0].status == "found"
    assert run(store, write(tmp_path / "b.jsonl", make_rows(11))).run_id != first.run_id
    assert run(store, path, chunk_size=5).run_id != first.run_id


def test_limit_takes_the_first(tmp_path: Path) -> None:
    store = MemoryStore()
    manifest = run(store, write(tmp_path / "a.jsonl", make_rows(100)), limit=70)
    assert read_all(store, manifest)["problem_id"].to_pylist() == [f"r{i}" for i in range(70)]


def test_files_of_several_origins_are_refused_and_leave_nothing(tmp_path: Path) -> None:
    a = write(tmp_path / "a.jsonl", make_rows(70, origin="MATH"))
    b = write(tmp_path / "b.jsonl", [{**row, "id": f"b{row['id']}"} for row in make_rows(70, origin="GSM8K")])
    store = MemoryStore()
    with pytest.raises(UserInputError, match=r"would mix problems of MATH and of GSM8K \(br0\)"):
        run(store, a, b)
    assert list(store.list()) == []
    assert run(store, a, b, origin="both").provenance.origin == "both"


@pytest.mark.parametrize(
    ("rows", "words"),
    [(["bad"] * 3, "no problem in .*: not JSON \\(3\\)"), ([""], "no problem in .*: no rows")],
)
def test_a_file_without_a_problem_is_one_line(tmp_path: Path, rows: list[Any], words: str) -> None:
    with pytest.raises(UserInputError, match=words):
        run(MemoryStore(), write(tmp_path / "a.jsonl", rows))


def test_files_and_names_that_mean_nothing_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserInputError, match="can't be read: No such file"):
        run(MemoryStore(), tmp_path / "missing")
    path = write(tmp_path / "a.jsonl", make_rows(1))
    for name in ("", "a/b", "../x", "ü"):
        with pytest.raises(UserInputError, match="name"):
            run(MemoryStore(), path, name=name)


def test_a_store_that_can_not_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreNotAvailableError):
        run(LocalStore(tmp_path / "file"), write(tmp_path / "a.jsonl", make_rows(1)))


def test_gsm8k_train_gives_117_chunks() -> None:
    path = DATA / "gsm8k_train.jsonl.gz"
    if not path.exists():
        pytest.skip(f"{path} is not here")
    store = MemoryStore()
    manifest = run(store, path, name="gsm8k")
    assert manifest.n_chunks == 117
    assert manifest.notes == {"rows": 7473, "problems": 7473, "duplicates": 0, "rejected": 0, "without_level": 7473}
    assert manifest.provenance.origin == "GSM8K"
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        assert read_all(store, manifest)["problem"].to_pylist() == [json.loads(line)["question"] for line in lines]
