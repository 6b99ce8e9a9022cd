"""The command line: what a person types, what comes back, and that no mistake shows a traceback."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mycelium.store import LocalStore
from tests.coordinator.command_line import Cli

ROOT = Path(__file__).parents[2]


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

    def test_runs_that_are_not_there(self, filled: Cli) -> None:
        assert "no run 'nothing'" in filled.fails("status", "nothing")
        assert "no run 'nothing'" in filled.fails("run-stage", "heartbeat", "--input", "nothing")
        assert "no run 'nothing'" in filled.fails("report", "nothing")

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
