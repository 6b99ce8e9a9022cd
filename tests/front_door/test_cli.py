"""The command `mycelium`: every place's commands, none of their packages before they are needed."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from coordinator.cli import coordinator
from front_door.cli import make_front_door
from gpu_workers.cli import gpu_workers
from mycelium.command import call_command, describe_commands

ROOT = Path(__file__).parents[2]

HEAVY = {"torch", "transformers", "altair", "boto3", "botocore", "rich", "ijson", "vl_convert", "numpy", "pyarrow"}
"""What takes longer to import than a person waits for `--help`."""


def imported(*words: str) -> set[str]:
    """Return what a fresh process has imported once a command line has run."""
    code = (
        "import json, sys\nfrom front_door.cli import make_front_door\nfrom mycelium.command import call_command\n"
        f"code = call_command(make_front_door(), 'mycelium', {list(words)!r})\n"
        "print(json.dumps([code, sorted(sys.modules)]))"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    code, modules = json.loads(answer.stdout.splitlines()[-1])
    assert code == 0
    return set(modules)


def say(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = call_command(make_front_door(), "mycelium", words)
    out, err = capsys.readouterr()
    return code, out, err


@pytest.mark.parametrize("words", [["--help"], ["ingest", "--help"], ["fleet", "--help"], ["run-pipeline", "--help"]])
def test_help_imports_nothing_heavy(words: list[str]) -> None:
    modules = imported(*words)
    assert modules & HEAVY == set()
    assert not any(name.startswith("gpu_workers") for name in modules)


@pytest.mark.parametrize("words", [["gpu", "--help"], ["gpu", "extract", "--help"], ["gpu", "work", "--help"]])
def test_the_gpu_s_help_imports_no_torch(words: list[str]) -> None:
    modules = imported(*words)
    assert modules & HEAVY == set()
    assert "gpu_workers.cli" in modules


def test_every_command_of_every_place_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = say(capsys, "--help")
    assert code == 0
    assert "Usage: mycelium [OPTIONS] COMMAND" in out
    for name in (*coordinator.commands, "gpu"):
        assert f"  {name} " in out
    code, out, _ = say(capsys, "gpu", "--help")
    for name in gpu_workers.commands:
        assert f"  {name} " in out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["injest"], "no command is called 'injest': did you mean ingest?"),
        (["gpu", "extrakt"], "no command is called 'extrakt': did you mean extract?"),
        (["run-stage", "hartbeat"], "no stage is called 'hartbeat': did you mean heartbeat?"),
    ],
)
def test_the_nearest_word_is_said(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = say(capsys, *words)
    assert (code, out) == (2, "")
    assert err.startswith(f"error: {said}")
    assert err.count("\n") == 1


def test_what_it_says_to_type_is_its_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = say(capsys, "status", "nothing", "--store", str(tmp_path))
    assert (code, "`mycelium runs` lists them" in err, "python -m" in err) == (2, True, False)
    code, out, _ = say(capsys, "runs", "--store", str(tmp_path))
    assert (code, out) == (0, "no runs yet; `mycelium ingest --help` begins\n")
    code, _, err = say(capsys, "run-pipeline", "--to", "labels", "--store", str(tmp_path))
    assert (code, "python -m" in err) == (2, False)


def test_every_help_names_commands_as_they_are_typed_here() -> None:
    pages = "\n".join(describe_commands(make_front_door(), "mycelium"))
    assert "python -m" not in pages
    assert "mycelium gpu extract" in pages
    # A table stays one, and the modules' own help is what it was.
    table = [line for line in pages.splitlines() if line.startswith(("    ingest   ", "    mycelium gpu extract   "))]
    assert [line.index(what) for line, what in zip(table[:2], ("files of", "problems +"), strict=True)] == [38, 38]
    assert "python -m gpu_workers extract" in "\n".join(describe_commands(coordinator, "python -m coordinator"))


def complete(line: str) -> list[str]:
    """Return what a shell is told that may follow."""
    words = {"_MYCELIUM_COMPLETE": "bash_complete", "COMP_WORDS": line, "COMP_CWORD": str(len(line.split(" ")) - 1)}
    answer = subprocess.run(
        [sys.executable, "-m", "front_door"], capture_output=True, text=True, check=True, cwd=ROOT, env=words
    )
    return [found.partition(",")[2] for found in answer.stdout.splitlines()]


def test_a_shell_completes_commands_stages_and_options() -> None:
    assert "ingest" in complete("mycelium in")
    assert complete("mycelium run-stage heart") == ["heartbeat"]
    assert complete("mycelium run-stage heartbeat --max-w") == ["--max-workers"]
    assert complete("mycelium run-pipeline --to lab") == ["labels"]
    assert complete("mycelium gpu ext") == ["extract"]
    assert complete("mycelium run-stage heartbeat --executor l") == ["local", "lambda"]
    # A mistake is told when the line is run, and not while it is typed.
    assert complete("mycelium injest --") == ["--version", "--help"]


def test_without_click_it_says_what_to_install() -> None:
    code = "import sys\nsys.modules['click'] = None\nimport front_door\nfront_door.main()"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT)
    assert answer.returncode == 2
    assert answer.stderr.count("\n") == 1
    assert "pip install 'mycelium[coordinator]'" in answer.stderr
