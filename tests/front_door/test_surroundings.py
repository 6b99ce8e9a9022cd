"""The command line in a foreign shell: no home, another alphabet, a reader that leaves, a disk that is full."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import samples

ROOT = Path(__file__).parents[2]
PLAIN = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
ASCII = {"LC_ALL": "C", "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
"""As old as a shell can be: Python itself would turn such a locale into UTF-8."""


def ask(
    folder: Path, *words: str, environment: dict[str, str] | None = None, stdout: int = subprocess.PIPE
) -> subprocess.CompletedProcess[str]:
    """Run `mycelium` in a folder, with nothing in the environment but what is given."""
    command = [sys.executable, "-m", "front_door", *words]
    env = PLAIN | (environment or {})
    return subprocess.run(
        command, cwd=folder, env=env, stdout=stdout, stderr=subprocess.PIPE, encoding="utf-8", check=False
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with blanks and letters of other alphabets in its name, and a store of its kind in it."""
    folder = tmp_path_factory.mktemp("surroundings") / "meine Läufe β"
    folder.mkdir()
    file = str(samples.PROBLEMS_FILE)
    done = ask(folder, "ingest", file, "--dataset", "few", "--limit", "4", "--store", "der Speicher ß", "--quiet")
    assert done.returncode == 0, done.stderr
    return folder


STORE = ("--store", "der Speicher ß")


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"HOME": "/nonexistent", "XDG_CACHE_HOME": "/dev/null"},
        {"HOME": "/dev/null", **ASCII},
        {"HOME": "/dev/null", "COLUMNS": "1"},
    ],
    ids=str,
)
def test_a_run_needs_neither_a_home_nor_an_alphabet(folder: Path, environment: dict[str, str]) -> None:
    for words in (
        ("run-stage", "steps", "--quiet", "--max-workers", "1"),
        ("inspect", "steps/"),
        ("report", "steps/few", "--out", "der Bericht ø.html"),
    ):
        answer = ask(folder, *words, *STORE, environment=environment)
        assert (answer.returncode, answer.stderr) == (0, ""), words
        assert answer.stdout
    assert "</html>" in (folder / "der Bericht ø.html").read_text("utf-8")


def test_without_an_alphabet_a_document_is_the_same(folder: Path) -> None:
    told = [ask(folder, "runs", "--json", *STORE, environment=env) for env in ({}, ASCII)]
    assert told[0].stdout == told[1].stdout
    assert json.loads(told[0].stdout)


def test_without_an_alphabet_a_mistake_is_one_line(folder: Path) -> None:
    answer = ask(folder, "ingest", "nö\u200f.jsonl", "--dataset", "é", *STORE, environment=ASCII)
    assert answer.returncode == 2
    assert answer.stderr.startswith("error: ")
    assert answer.stderr.count("\n") == 1


@pytest.fixture
def closed() -> Iterator[int]:
    """The end of a pipe whose reader has left."""
    reader, writer = os.pipe()
    os.close(reader)
    yield writer
    os.close(writer)


@pytest.mark.parametrize("words", [("inspect", "problems/"), ("status", "problems/few")], ids=str)
def test_a_reader_that_has_seen_enough_is_no_failure(folder: Path, words: tuple[str, ...], closed: int) -> None:
    answer = ask(folder, *words, *STORE, stdout=closed)
    assert (answer.returncode, answer.stderr) == (0, "")


def test_help_may_be_cut_off_too(folder: Path, closed: int) -> None:
    answer = ask(folder, "--help", stdout=closed)
    assert (answer.returncode, answer.stderr) == (0, "")


@pytest.mark.parametrize("room", ["front_door", "coordinator", "gpu_workers"])
def test_an_interrupt_before_there_is_a_command_is_quiet(folder: Path, room: str) -> None:
    code = (
        "import runpy, sys\n"
        "class Interrupted:\n"
        "    def find_spec(self, name, *rest):\n"
        f"        if name == '{room}.cli': raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Interrupted())\n"
        f"runpy.run_module('{room}', run_name='__main__')"
    )
    command = [sys.executable, "-c", code]
    answer = subprocess.run(command, cwd=folder, env=PLAIN, capture_output=True, text=True, check=False)
    assert (answer.returncode, answer.stdout, answer.stderr) == (130, "", "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("words", [("stages", "--json"), ("--help",)], ids=str)
def test_an_answer_that_nobody_can_keep_is_one_line(folder: Path, words: tuple[str, ...]) -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    try:
        answer = ask(folder, *words, stdout=full)
    finally:
        os.close(full)
    assert answer.returncode == 2
    assert answer.stderr == "error: nothing more can be written: No space left on device\n"


@pytest.mark.parametrize(
    "words",
    [
        ("doctor", "--store", "~no-such-user-/s"),
        ("inspect", "~no-such-user-/s"),
        ("run-stage", "steps", "--store", "~no-such-user-/s"),
        ("run-stage", "steps", *STORE, "--events", "~no-such-user-/e"),
    ],
    ids=" ".join,
)
def test_a_home_that_is_not_here_is_one_line(folder: Path, words: tuple[str, ...]) -> None:
    done = ask(folder, *words)
    assert done.returncode == 2
    assert "nobody here has a home of that name" in done.stderr
    assert "Traceback" not in done.stderr
