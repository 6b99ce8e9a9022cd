"""Every command that the README shows is a command, and those that need no network are run."""

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

import samples
from coordinator.cli import coordinator
from front_door.cli import make_front_door
from gpu_workers.cli import gpu_workers
from mycelium.command import call_command

ROOT = Path(__file__).parents[1]
PROGRAMS: dict[str, click.Group] = {
    "coordinator": coordinator,
    "gpu_workers": gpu_workers,
    "mycelium": make_front_door(),
}
GENERATED = {"cli.md", "datasets.md", "labels.md"}
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "SECURITY.md",
    *sorted(page for page in (ROOT / "docs").glob("*.md") if page.name not in GENERATED),
]


def commands() -> Iterator[list[str]]:
    """Yield the words of every indented command line for one of our programs."""
    for page in PAGES:
        for line in page.read_text().splitlines():
            if line.startswith(("    python -m ", "    mycelium ")):
                words = shlex.split(line.replace("python -m ", ""), comments=True)
                if words[0] in PROGRAMS:
                    yield words


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


@pytest.mark.parametrize("words", list(commands()), ids=" ".join)
def test_a_command_in_the_documentation_can_be_typed(words: list[str]) -> None:
    command: click.Command = PROGRAMS[words[0]]
    rest, context = words[1:], None
    while isinstance(command, click.Group):
        context = click.Context(command, parent=context, **command.context_settings)
        _, found, rest = command.resolve_command(context, rest)
        assert found is not None
        command = found
    command.make_context(command.name, rest, parent=context)


def test_the_front_door_is_two_make_targets_at_the_top() -> None:
    lines = (ROOT / "README.md").read_text().splitlines()
    assert lines[2:4] == ["    make demo", "    make test"]
    for page in PAGES:
        for target in re.findall(r"^    make ([a-z]+)|`make ([a-z]+)`", page.read_text(), re.MULTILINE):
            assert (target[0] or target[1]) in make_targets() | {"integration"}


def test_links_lead_somewhere() -> None:
    for page in PAGES:
        for link in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
            if not link.startswith("http"):
                assert (page.parent / link).exists(), f"{page.name}: {link}"


def test_the_commands_of_the_readme_run_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MYCELIUM_STORE", str(tmp_path / "store"))
    row = {"task": "Two and two?", "worked_solution": "$2 + 2 = 4$. " * 5}
    (tmp_path / "mine.jsonl").write_text(json.dumps(row) + "\n")
    program = [sys.executable, "-m", "coordinator"]
    ingest = [*program, "ingest", str(samples.PROBLEMS_FILE), "--dataset", "sample", "--limit", "6"]
    subprocess.run([*ingest, "--store", str(tmp_path / "store")], check=True, cwd=ROOT, capture_output=True)
    extract = ["extract", "--model", str(samples.TEACHER_DIR), "--device", "cpu", "--quiet"]
    assert call_command(gpu_workers, "gpu_workers", extract) == 0
    assert call_command(coordinator, "coordinator", ["run-stage", "heartbeat", "--quiet"]) == 0
    for words in commands():
        text = " ".join(words)
        if any(word in text for word in ("fleet start", "fleet status", "merge", "--deployment", "--queue")):
            continue  # these want an account
        if "Qwen/" in text or "gsm8k" in text or "s3://" in text or "PATH" in text or "--executor" in text:
            continue
        assert call_command(PROGRAMS[words[0]], words[0], words[1:]) == 0, text
