"""The command `simulate`."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from coordinator.cli import coordinator
from mycelium.command import run_command
from mycelium.datasets import IAF
from mycelium.manifest import write_manifest
from mycelium.store import LocalStore
from tests.builders import build_run, make_iaf


def simulate(*words: str) -> int:
    with pytest.raises(SystemExit) as ended:
        run_command(coordinator, "coordinator", ["simulate", *words])
    return int(ended.value.code or 0)


def test_a_run_s_times_are_taken_to_any_size(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = LocalStore(tmp_path)
    run = build_run(store, [make_iaf(seed=i) for i in range(2)]).manifest
    outcomes = tuple(replace(outcome, wall_s=0.5) for outcome in run.outcomes)
    write_manifest(store, replace(run, outcomes=outcomes), (IAF,))
    assert simulate("iaf/gsm8k", "--chunks", "50,500", "--store", str(tmp_path), "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["task_s"] == 0.5
    assert [(row["chunks"], row["executor"]) for row in told["ways"]].count((500, "lambda")) == 3
    assert set(told["advice"]) == {"50", "500"}
    assert [row["sequential_s"] for row in told["ways"] if row["made one"] == 1] == [25.0, 25.0, 250.0, 250.0]


def test_a_stated_time_needs_no_store(capsys: pytest.CaptureFixture[str]) -> None:
    assert simulate("--task-s", "0.3:0.5", "--chunks", "117", "--concurrency", "100") == 0
    said = capsys.readouterr().out
    assert "117 chunks: lambda; " in said
    assert "step-functions" in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "name a run whose times are taken, or state them by --task-s"),
        (["x", "--task-s", "1"], "one of the two"),
        (["--task-s", "1", "--chunks", "many"], "--chunks is some numbers"),
        (["--task-s", "1", "--chunks", "0"], "--chunks is some numbers"),
        (["--task-s", "soon"], "--task-s is a median in seconds"),
    ],
)
def test_what_can_not_be_simulated_is_said(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert simulate(*words) == 2
    assert said in capsys.readouterr().err
