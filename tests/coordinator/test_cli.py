"""The command line: what a person types, what comes back, and that no mistake shows a traceback."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from coordinator.cli import coordinator
from coordinator.options import complete_run
from mycelium.command import call_command
from mycelium.store import LocalStore
from tests.builders import build_run, make_iaf

ROOT = Path(__file__).parents[2]
Result = tuple[int, str, str]


class Cli:
    """Calls commands on one store."""

    def __init__(self, store: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.store, self.capsys = store, capsys

    def __call__(self, *words: str) -> Result:
        code = call_command(coordinator, "python -m coordinator", words)
        out, err = self.capsys.readouterr()
        assert "Traceback" not in err
        return code, out, err

    def fails(self, *words: str) -> str:
        """Call a command that must fail by the user's mistake, and return its one line."""
        code, out, err = self(*words)
        assert (code, out) == (2, "")
        assert err.startswith("error: ")
        assert err.count("\n") == 1
        return err


@pytest.fixture
def cli(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cli:
    monkeypatch.setenv("MYCELIUM_STORE", str(tmp_path / "store"))
    monkeypatch.chdir(tmp_path)
    return Cli(tmp_path / "store", capsys)


@pytest.fixture
def filled(cli: Cli) -> Cli:
    build_run(LocalStore(cli.store), [make_iaf(seed=i) for i in range(3)])
    return cli


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


def test_stages_and_runs_are_listed(filled: Cli) -> None:
    assert "heartbeat" in filled("stages")[1]
    written = {row["stage"]: row["writes"] for row in json.loads(filled("stages", "--json")[1])}
    assert written["heartbeat"] == "heartbeats"
    assert "iaf/gsm8k-aaaaaaaaaaaa" in filled("runs")[1]
    assert json.loads(filled("runs", "--json", "--dataset", "iaf")[1])[0]["chunks"] == 3
    LocalStore(filled.store).delete("manifests/iaf/gsm8k-aaaaaaaaaaaa.json")
    assert "no runs yet" in filled("runs")[1]


def test_status_of_a_run_that_was_killed_says_so(filled: Cli) -> None:
    filled("run-stage", "heartbeat", "--quiet")
    store = LocalStore(filled.store)
    (info,) = store.list("manifests/heartbeats/")
    store.delete(info.key)
    run = next(iter(store.list("heartbeats/"))).key.rpartition("/")[0]
    code, out, _ = filled("status", run)
    assert code == 1
    assert "cut off, 3 chunks written and no manifest; the same command carries on" in out
    assert json.loads(filled("status", run, "--json")[1])["chunks"] == 3


def test_ingest_tells_what_became_of_the_rows(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"id": 1, "problem": "p", "cot": "c"}\nbad\n')
    code, out, err = cli("ingest", "a.jsonl", "--dataset", "mine", "--quiet")
    assert code == 0
    assert "1 problems of mine in 1 chunks" in out
    assert "2 rows: 0 duplicates, 1 rejected, 1 problems without a level" in out
    assert "rejected 1: not JSON" in err
    assert json.loads(cli("ingest", "a.jsonl", "--dataset", "mine", "--json", "--quiet")[1])["notes"]["rejected"] == 1


class TestMistakes:
    """Each gets one line, exit code 2, and what to type instead."""

    def test_a_store_that_is_not_there(self, cli: Cli) -> None:
        assert "there is no store at" in cli.fails("run-stage", "heartbeat")
        assert "there is no store at" in cli.fails("runs", "--store", "/no/such/place")
        assert "a store is a path" in cli.fails("runs", "--store", "gs://bucket")

    def test_a_store_that_is_empty(self, cli: Cli) -> None:
        cli.store.mkdir()
        assert "no complete run of dataset iaf" in cli.fails("run-stage", "heartbeat")

    def test_a_store_to_write_that_is_not_there(self, filled: Cli, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        below = str(tmp_path / "file/below")
        assert "there is no store at" in filled.fails("run-stage", "heartbeat", "--quiet", "--output", below)

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
    def test_a_store_that_is_read_only(self, filled: Cli) -> None:
        filled.store.chmod(0o500)
        assert "can't be written" in filled.fails("run-stage", "heartbeat", "--quiet")

    def test_a_full_disk(self, filled: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(_: int) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(os, "fsync", refuse)
        words = ("run-stage", "heartbeat", "--quiet", "--max-workers", "1")
        assert "can't be written: No space left on device" in filled.fails(*words)
        assert list(LocalStore(filled.store).list("heartbeats/")) == []

    def test_words_that_are_nearly_right(self, cli: Cli) -> None:
        assert "did you mean heartbeat?" in cli.fails("run-stage", "hartbeat")
        assert "did you mean ingest?" in cli.fails("injest")
        assert "--max-workers" in cli.fails("run-stage", "heartbeat", "--max-worker", "2")
        assert "did you mean lambda?" in cli.fails("run-stage", "heartbeat", "--executor", "lamda")
        assert "did you mean labels?" in cli.fails("run-pipeline", "--to", "lables")

    def test_names_of_runs_and_datasets_that_are_nearly_right(self, filled: Cli) -> None:
        assert "no dataset is called 'heartbeat': did you mean heartbeats?" in filled.fails(
            "runs", "--dataset", "heartbeat"
        )
        assert filled("runs", "--dataset", "heartbeats")[0] == 0  # there may be none of a dataset that there is
        assert "did you mean gsm8k?" in filled.fails("status", "gms8k")
        assert "did you mean iaf/gsm8k?" in filled.fails("status", "ifa/gsm8k")
        assert "did you mean gsm8k-aaaaaaaaaaaa?" in filled.fails("status", "gsm8k-aaaaaaaabaaa")

    def test_parameters_without_meaning(self, filled: Cli) -> None:
        assert "threshold is above 0" in filled.fails("run-stage", "heartbeat", "--threshold", "7")
        assert "not a valid integer" in filled.fails("run-stage", "heartbeat", "--layer", "x")

    def test_runs_that_are_not_there(self, filled: Cli) -> None:
        assert "no run 'nothing'" in filled.fails("status", "nothing")
        assert "no run 'nothing'" in filled.fails("run-stage", "heartbeat", "--input", "nothing")
        assert "no run 'nothing'" in filled.fails("report", "nothing")

    def test_inspecting_nothing(self, filled: Cli) -> None:
        assert "has a key that begins with 'no/such'" in filled.fails("inspect", "no/such")

    def test_ingest_without_a_file_or_name(self, cli: Cli, tmp_path: Path) -> None:
        assert "Missing" in cli.fails("ingest", "--dataset", "x")
        (tmp_path / "a.jsonl").write_text("{}")
        assert "Missing option '--dataset'" in cli.fails("ingest", "a.jsonl")
        assert "can't be read" in cli.fails("ingest", "missing.jsonl", "--dataset", "x")
        assert "--field takes OURS=THEIRS" in cli.fails("ingest", "a.jsonl", "--dataset", "x", "--field", "zzz")

    def test_a_layer_that_the_teacher_has_not_fails_every_chunk_by_name(self, filled: Cli) -> None:
        code, _, err = filled("run-stage", "heartbeat", "--quiet", "--layer", "40", "--max-workers", "1")
        assert code == 1
        assert "it has no layer 40: its layers are 0 to 1" in err

    def test_a_damaged_manifest(self, filled: Cli) -> None:
        (filled.store / "manifests/iaf/gsm8k-aaaaaaaaaaaa.json").write_text("{")
        assert "can't be read" in filled.fails("run-stage", "heartbeat")


@pytest.mark.parametrize(
    "words", [[], ["ingest"], ["run-stage"], ["run-stage", "heartbeat"], ["status"], ["inspect"], ["report"]]
)
def test_help_teaches(cli: Cli, words: list[str]) -> None:
    code, out, _ = cli(*words, "--help")
    assert code == 0
    assert "Usage:" in out
    assert len(out.splitlines()) > 8


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\nfrom coordinator.cli import coordinator\nfrom mycelium.command import call_command\n"
        "call_command(coordinator, 'x', ['--help'])\n"
        "heavy = {'torch', 'transformers', 'altair', 'boto3', 'rich', 'ijson', 'vl_convert', 'numpy', 'pyarrow'}\n"
        "print(heavy & set(sys.modules))"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert answer.stdout.splitlines()[-1] == "set()"


def test_a_reader_that_has_seen_enough_is_no_error(filled: Cli) -> None:
    command = f"{sys.executable} -m coordinator runs --store {filled.store} | head -c 1; exit ${{PIPESTATUS[0]}}"
    answer = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False, cwd=ROOT)
    assert (answer.returncode, answer.stderr) == (0, "")


def test_a_shell_completes_runs_of_a_folder_and_asks_no_bucket(filled: Cli) -> None:
    context = click.Context(click.Command("status"))
    argument = click.Argument(["run"])
    assert complete_run(context, argument, "ia") == ["iaf/gsm8k-aaaaaaaaaaaa"]
    assert complete_run(context, argument, "x") == []
    context.params["store"] = str(filled.store / "iaf")
    assert complete_run(context, argument, "") == []
    for uri in ("s3://bucket", "gs://bucket", "/no/such/folder"):
        context.params["store"] = uri
        assert complete_run(context, argument, "") == []
