"""`stages` and `run-stage` as a person types them."""

import json
from pathlib import Path

from mycelium.store import LocalStore
from tests.coordinator.command_line import Cli


def test_a_bare_run_stage_reads_the_latest_run(filled: Cli) -> None:
    code, out, err = filled("run-stage", "heartbeat", "--max-workers", "1")
    assert code == 0
    assert "complete, 3 of 3 chunks (0 there before), 0 failed" in out
    assert "computing head" in out
    assert "level" in out
    assert "heartbeat: 3/3 chunks" in err
    again = filled("run-stage", "heartbeat", "--max-workers", "1", "--json")
    assert json.loads(again[1])["complete"] is True


def test_json_is_json_and_the_progress_is_elsewhere(filled: Cli) -> None:
    code, out, _ = filled("run-stage", "heartbeat", "--max-workers", "1", "--json", "--layer", "1", "--head", "2")
    summary = json.loads(out)
    assert code == 0
    assert summary["result"]["computing_head"][0] == {
        **summary["result"]["computing_head"][0],
        "layer": 1,
        "head": 2,
        "chosen_by": "given",
    }
    assert summary["failed"] == []


def test_dry_run_says_what_would_be_done_and_does_nothing(filled: Cli) -> None:
    code, out, _ = filled("run-stage", "heartbeat", "--dry-run")
    assert code == 0
    assert "to do:          3" in out
    assert list(LocalStore(filled.store).list("heartbeats/")) == []
    assert json.loads(filled("run-stage", "heartbeat", "--dry-run", "--json")[1])["chunks"] == 3


def test_input_and_output_may_be_other_stores(filled: Cli, tmp_path: Path) -> None:
    source = f"{filled.store}/iaf/gsm8k-aaaaaaaaaaaa"
    (tmp_path / "other").mkdir()
    code, out, _ = filled("run-stage", "heartbeat", "--input", source, "--output", str(tmp_path / "other"), "--quiet")
    assert code == 0
    assert "3 of 3 chunks" in out
    assert list(LocalStore(filled.store).list("heartbeats/")) == []
    assert len(list(LocalStore(tmp_path / "other").list("heartbeats/"))) == 3
    code, out, _ = filled("status", "heartbeats/gsm8k", "--store", str(tmp_path / "other"))
    assert code == 0


def test_a_failing_chunk_is_named_the_others_go_on_and_a_rerun_does_it(filled: Cli) -> None:
    key = filled.store / "iaf/gsm8k-aaaaaaaaaaaa/00001.parquet"
    whole = key.read_bytes()
    key.write_bytes(b"")
    code, out, err = filled("run-stage", "heartbeat", "--quiet")
    assert code == 1
    assert "not complete, 2 of 3 chunks" in out
    assert "failed: chunk 00001: iaf/gsm8k-aaaaaaaaaaaa/00001.parquet is empty" in err
    code, out, err = filled("status", "heartbeats/gsm8k")
    assert code == 1
    assert "1 failed by ChunkDamagedError" in err
    key.write_bytes(whole)
    code, out, err = filled("run-stage", "heartbeat", "--quiet")
    assert (code, err) == (0, "")
    assert "complete, 3 of 3 chunks (2 there before)" in out


def test_stages_are_listed(cli: Cli) -> None:
    assert "heartbeat" in cli("stages")[1]
    written = {row["stage"]: row["writes"] for row in json.loads(cli("stages", "--json")[1])}
    assert written["heartbeat"] == "heartbeats"


def test_parameters_without_meaning(filled: Cli) -> None:
    assert "threshold is above 0" in filled.fails("run-stage", "heartbeat", "--threshold", "7")
    assert "not a valid integer" in filled.fails("run-stage", "heartbeat", "--layer", "x")


def test_a_layer_that_the_teacher_has_not_fails_every_chunk_by_name(filled: Cli) -> None:
    code, _, err = filled("run-stage", "heartbeat", "--quiet", "--layer", "40", "--max-workers", "1")
    assert code == 1
    assert "it has no layer 40: its layers are 0 to 1" in err
