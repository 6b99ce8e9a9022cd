"""The commands that keep a store in order, as a person types them."""

import json
import os
from pathlib import Path

import pytest

from coordinator.cli import coordinator
from mycelium.command import call_command
from mycelium.datasets import PROBLEMS
from mycelium.store import LocalStore
from tests.builders import build_run, make_computing_problems


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> LocalStore:
    monkeypatch.setenv("MYCELIUM_STORE", str(tmp_path / "store"))
    monkeypatch.chdir(tmp_path)
    opened = LocalStore(tmp_path / "store")
    build_run(opened, [make_computing_problems(4, first=4 * i) for i in range(3)], PROBLEMS)
    call(capsys, "run-stage", "steps", "--max-workers", "1", "--quiet")
    return opened


def call(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = call_command(coordinator, "python -m coordinator", words)
    out, err = capsys.readouterr()
    return code, out, err


def keys(store: LocalStore, dataset: str) -> list[str]:
    return [info.key for info in store.list(f"{dataset}/")]


def test_a_damaged_chunk_is_found_dropped_and_made_anew(store: LocalStore, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, "verify", "steps/gsm8k", "--quiet")
    assert (code, "6 objects read, 0 damaged" in out) == (0, True)
    key = keys(store, "steps")[1]
    data = store.get(key)
    store.put(key, b"x" * len(data), mode="overwrite")
    code, out, err = call(capsys, "verify", "steps/gsm8k", "--quiet")
    assert code == 1
    assert f"damaged: {key}: its bytes have another SHA-256" in err
    code, out, _ = call(capsys, "verify", "steps/gsm8k", "--quiet", "--drop")
    assert (code, "2 objects deleted" in out) == (1, True)
    code, _, _ = call(capsys, "retry", "steps/gsm8k", "--max-workers", "1", "--quiet")
    assert code == 0
    assert store.get(key) == data


def test_litter_is_listed_and_then_deleted(store: LocalStore, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, "gc")
    assert (code, out) == (0, "nothing to clear away\n")
    run_id = keys(store, "steps")[0].split("/")[1]
    for dataset in ("chains", "steps"):
        store.delete(f"manifests/{dataset}/{run_id}.json")
    assert call(capsys, "gc")[1] == "nothing to clear away\n"  # younger than a day
    for path in (Path(store.uri) / "steps").rglob("*.parquet"):
        os.utime(path, (0, 0))
    _, out, _ = call(capsys, "gc")
    assert f"steps/{run_id}" in out
    assert "may go: 3 objects" in out
    _, out, _ = call(capsys, "gc", "--yes", "--json")
    assert json.loads(out)["litter"][0]["objects"] == 3
    assert keys(store, "steps") == []
    assert len(keys(store, "chains")) == 3


def test_what_a_gpu_machine_left_and_nobody_finished_is_litter_too(
    store: LocalStore, capsys: pytest.CaptureFixture[str]
) -> None:
    store.put("attention/gsm8k-000000000001/00000.parquet", b"12345")
    store.put("somebody/elses-000000000001/00000.parquet", b"12345")
    _, out, _ = call(capsys, "gc", "--older-than", "0", "--json")
    assert [row["place"] for row in json.loads(out)["litter"]] == ["attention/gsm8k-000000000001"]


def test_a_run_is_exported_and_imported(store: LocalStore, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, "export", "steps/gsm8k", "--to", "out", "--quiet")
    assert (code, "6 objects copied" in out) == (0, True)
    code, out, _ = call(capsys, "import", "out", "steps/gsm8k", "--store", "other", "--quiet", "--json")
    assert (code, json.loads(out)["n_copied"]) == (0, 6)
    other = LocalStore("other")
    assert [other.get(key) for key in keys(other, "steps")] == [store.get(key) for key in keys(store, "steps")]
