"""The command that writes pairs out."""

import json
from pathlib import Path

import pytest

from coordinator.cli import coordinator
from mycelium.command import call_command
from mycelium.store import LocalStore
from tests.coordinator.pairs.pair_store import fill, problems_of


def test_the_command_says_what_was_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "store").mkdir()
    fill(LocalStore(tmp_path / "store"))
    (tmp_path / "test.jsonl").write_text(json.dumps({"problem": problems_of("GSM8K")[0][0][0]}) + "\n")
    command = ["export-pairs", "c3_pairs/gsm8k", "--store", str(tmp_path / "store"), "--format", "jsonl"]
    against = ["--against", str(tmp_path / "test.jsonl"), "--out", str(tmp_path / "out")]
    assert call_command(coordinator, "coordinator", [*command, *against]) == 0
    told = capsys.readouterr().out
    assert "c3_pairs of GSM8K: " in told
    assert "pairs left out of train: they share 13 words in a row with one of 1 evaluation problems" in told
    assert call_command(coordinator, "coordinator", [*command, "--out", str(tmp_path / "more"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["kind"] == "c3_pairs"
    assert call_command(coordinator, "coordinator", [*command, "--out", str(tmp_path / "more")]) == 2
    assert "is there already" in capsys.readouterr().err
