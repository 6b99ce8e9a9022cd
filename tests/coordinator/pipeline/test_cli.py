"""`run-pipeline` as a person types it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from coordinator.cli import coordinator
from mycelium.command import call_command
from mycelium.datasets import PROBLEMS
from mycelium.store import LocalStore
from tests.builders import build_run, make_computing_problems

ROOT = Path(__file__).parents[3]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalStore:
    monkeypatch.setenv("MYCELIUM_STORE", str(tmp_path / "store"))
    opened = LocalStore(tmp_path / "store")
    build_run(opened, [make_computing_problems(4, first=4 * i) for i in range(2)], PROBLEMS)
    return opened


def call(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = call_command(coordinator, "python -m coordinator", ["run-pipeline", *words])
    out, err = capsys.readouterr()
    return code, out, err


@pytest.mark.usefixtures("store")
def test_plan_then_run_then_nothing_left(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, "--to", "labels", "--plan")
    assert code == 0
    assert "from problems/gsm8k-aaaaaaaaaaaa: 8 problems in 2 chunks" in out
    assert "never ran in this store" in out
    code, out, err = call(capsys, "--to", "labels", "--max-workers", "1")
    assert code == 0
    assert "labels: 2/2 chunks" in err
    assert out.count("yes") == 2
    code, out, _ = call(capsys, "--to", "labels", "--plan", "--json")
    told = json.loads(out)
    assert told["starts_from"] == ["problems/gsm8k-aaaaaaaaaaaa"]
    assert [(row["stage"], row["chunks"], row["there already"]) for row in told["stages"]] == [
        ("steps", 2, 2),
        ("labels", 2, 2),
    ]


def test_a_damaged_chunk_holds_up_what_reads_it(store: LocalStore, capsys: pytest.CaptureFixture[str]) -> None:
    key = "problems/gsm8k-aaaaaaaaaaaa/00001.parquet"
    store.put(key, b"x" * len(store.get(key)), mode="overwrite")
    code, out, err = call(capsys, "--to", "labels", "--max-workers", "1", "--quiet", "--json")
    assert code == 1
    told = json.loads(out)
    assert [(row["stage"], row["failed"]) for row in told["stages"]] == [("steps", 1)]
    assert told["not_run"] == [{"stage": "labels", "reason": "steps has 1 failed chunks"}]
    code, out, err = call(capsys, "--to", "labels", "--max-workers", "1", "--quiet")
    assert code == 1
    assert "not run: labels, since steps has 1 failed chunks" in err
    assert "names its failed chunks" in err


@pytest.mark.usefixtures("store")
def test_a_wrong_stage_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = call(capsys, "--to", "lables")
    assert (code, out) == (2, "")
    assert err == "error: no stage is called 'lables': did you mean labels?\n"


def test_ctrl_c_leaves_whole_chunks_and_the_same_command_carries_on(
    store: LocalStore, capsys: pytest.CaptureFixture[str]
) -> None:
    # A stage thread can't hear of Ctrl-C itself: a store that stops the process in mid run shows that it ends.
    code = (
        "import os, signal, sys\n"
        "from mycelium import run\n"
        "whole = run.PartTree.add\n"
        "def add(self, part):\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "    return whole(self, part)\n"
        "run.PartTree.add = add\n"
        "from coordinator.cli import coordinator\n"
        "from mycelium.command import run_command\n"
        "run_command(coordinator, 'python -m coordinator', ['run-pipeline', '--to', 'labels', '--max-workers', '1'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, "MYCELIUM_STORE": store.uri},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, "interrupted; the same command carries on" in done.stderr) == (130, True), done.stderr
    assert len([info for info in store.list("steps/") if info.key.endswith(".parquet")]) >= 1
    status, out, _ = call(capsys, "--to", "labels", "--max-workers", "1", "--quiet", "--json")
    assert status == 0
    assert all(row["complete"] for row in json.loads(out)["stages"])
