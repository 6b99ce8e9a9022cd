"""`retry` and `run-task` as a person types them."""

import os
import shlex
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
    """Problems of which the second chunk is damaged."""
    monkeypatch.setenv("MYCELIUM_STORE", str(tmp_path / "store"))
    opened = LocalStore(tmp_path / "store")
    built = build_run(opened, [make_computing_problems(4, first=4 * i) for i in range(3)], PROBLEMS)
    key = built.keys["00001"]
    (tmp_path / "good").write_bytes(opened.get(key))
    opened.put(key, b"x" * len(opened.get(key)), mode="overwrite")
    return opened


def call(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = call_command(coordinator, "python -m coordinator", words)
    out, err = capsys.readouterr()
    return code, out, err


def test_a_failure_says_how_to_see_it_and_what_to_do(
    store: LocalStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = call(capsys, "run-stage", "steps", "--max-workers", "1", "--quiet")
    assert code == 1
    assert "1 failed by ChunkDamagedError; see one: `python -m coordinator run-task steps 00001 --run gsm8k-" in err
    run_id = err.split("coordinator retry ")[1].split("`")[0]
    code, out, err = call(capsys, "run-task", "steps", "1")
    assert code == 1
    assert "Traceback" in err
    assert "it is no whole Parquet file" in err
    store.put("problems/gsm8k-aaaaaaaaaaaa/00001.parquet", (tmp_path / "good").read_bytes(), mode="overwrite")
    code, out, _ = call(capsys, "run-task", "steps", "1")
    assert (code, "steps: 8 rows" in out) == (0, True)
    code, out, _ = call(capsys, "retry", run_id, "--max-workers", "1", "--quiet")
    assert code == 0
    assert "complete, 3 of 3 chunks (2 there before), 0 failed" in out


def test_the_commands_that_a_failure_names_are_right_as_they_stand_wherever_the_run_is(
    store: LocalStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MYCELIUM_STORE", str(tmp_path / "another"))
    code, _, _ = call(capsys, "run-stage", "steps", "--max-workers", "1", "--quiet", "--store", store.uri)
    assert code == 1
    code, _, err = call(capsys, "status", "steps/gsm8k", "--store", store.uri)
    see, again = [part.removeprefix("python -m coordinator ") for part in err.split("`")[1::2]]
    code, _, err = call(capsys, *shlex.split(see.removesuffix(" --pdb")))
    assert (code, "it is no whole Parquet file" in err) == (1, True)
    store.put("problems/gsm8k-aaaaaaaaaaaa/00001.parquet", (tmp_path / "good").read_bytes(), mode="overwrite")
    code, out, _ = call(capsys, *shlex.split(again), "--max-workers", "1", "--quiet")
    assert (code, "complete, 3 of 3 chunks" in out) == (0, True)


def test_the_debugger_stops_where_it_fails(store: LocalStore, capsys: pytest.CaptureFixture[str]) -> None:
    call(capsys, "run-stage", "steps", "--max-workers", "1", "--quiet")
    done = subprocess.run(
        [sys.executable, "-m", "coordinator", "run-task", "steps", "1", "--pdb"],
        cwd=ROOT,
        env={**os.environ, "MYCELIUM_STORE": store.uri},
        input="where\nquit\n",
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert "(Pdb)" in done.stdout
    assert "task.py" in done.stdout


def test_a_bound_on_failures_is_checked_before_anything_runs(
    store: LocalStore, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = call(capsys, "run-stage", "steps", "--max-failures", "many")
    assert code == 2
    assert err.startswith("error: --max-failures is a number of chunks")
    code, _, err = call(capsys, "run-stage", "steps", "--max-failures", "0", "--max-workers", "1", "--quiet")
    assert code == 1
    assert "the run gave up: 1 chunks failed, and --max-failures bears 0" in err
    assert len(list(store.list("steps/"))) == 1


@pytest.mark.usefixtures("store", "aws")
@pytest.mark.parametrize("words", [("retry", "iaf/x"), ("run-stage", "steps"), ("run-pipeline", "--to", "steps")])
def test_without_a_store_the_cloud_s_is_the_deployment_s_bucket_for_every_command(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = call(capsys, *words, "--executor", "lambda")
    assert code == 2
    assert "no deployment 'mycelium'" in err
