"""Every command that the documentation shows is a command, and those that need no network, GPU or account are run."""

import gzip
import json
import re
from pathlib import Path

import pytest

import samples
from mycelium.command import call_command
from tests.documentation import PAGES, PROGRAMS, ROOT, Shown, check_command, find_commands, is_other, read_text

SHOWN = list(dict.fromkeys(find_commands()))

ELSEWHERE = {
    "fleet start": "it wants an account",
    "fleet status": "as above",
    "fleet stop": "as above",
    "merge": "as above",
    "--deployment": "as above",
    "--queue": "as above",
    "--executor": "as above",
    "s3://": "as above",
    "Qwen/": "it wants the hub",
    "PATH": "stands for a model",
    "gsm8k": "wants files that are not ours to ship",
    "--serve": "stays until Ctrl-C",
}
"""What a command has in it that is read here, and not run; and why."""

MAKES_WHAT_OTHERS_READ = ("run-stage heartbeat", "run-pipeline", "run-stage")
"""Commands that are run before the others, whatever page they are on."""


@pytest.mark.parametrize("shown", SHOWN, ids=str)
def test_a_command_in_the_documentation_can_be_typed(shown: Shown) -> None:
    check_command(shown)


@pytest.mark.parametrize(
    "words",
    [
        "mycelum ingest x",
        "python -m coordinator run-stge heartbeat",
        "python -m coordinator run-stage heartbeat --treshold 0.4",
        "python -m coordinator status",
        "python -m benchmarks.no_such_benchmark",
        "make coffee",
        "aws sqs invent-queue",
        "pip install -e .[nobody]",
        "cdk conjure",
    ],
)
def test_what_can_not_be_typed_is_noticed(words: str) -> None:
    with pytest.raises(AssertionError):
        check_command(Shown("a page", tuple(words.split()), is_inline=False))


def test_commands_are_found_wherever_a_page_shows_them() -> None:
    assert len(SHOWN) > 100
    assert {shown.is_inline for shown in SHOWN} == {True, False}
    for page in ("README.md", "docs/tutorial.md", "docs/how-to/spot.md", "docs/notebooks/heartbeats.ipynb"):
        assert any(shown.page == page for shown in SHOWN)
    assert not is_other("python -m coordinator status heartbeats/sample")
    assert not is_other("mycelium run-stage heartbeat")


def test_the_front_door_is_two_make_targets_at_the_top() -> None:
    lines = (ROOT / "README.md").read_text().splitlines()
    assert lines[2:4] == ["    make demo", "    make test"]


def test_links_lead_somewhere() -> None:
    for page in PAGES:
        for link in re.findall(r"\]\(([^)#]+)\)", read_text(page)):
            if not link.startswith("http"):
                assert (page.parent / link).exists(), f"{page.name}: {link}"


def test_every_test_that_the_documentation_names_is_there() -> None:
    named = {match for page in PAGES for match in re.findall(r"`(tests/[\w/.]+)(?:::(\w+))?`", read_text(page))}
    for path, name in named:
        assert (ROOT / path).exists(), path
        if name:
            assert re.search(rf"^ *def {name}\(", (ROOT / path).read_text(), re.MULTILINE), f"{path}::{name}"
    assert sum(bool(name) for _, name in named) > 30


def test_the_commands_of_the_documentation_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MYCELIUM_STORE", str(tmp_path / "store"))
    (tmp_path / "samples").mkdir()
    (tmp_path / "samples" / "teacher").symlink_to(samples.TEACHER_DIR)
    with gzip.open(samples.PROBLEMS_FILE, "rt") as file, gzip.open("samples/problems.jsonl.gz", "wt") as few:
        few.writelines(sorted(file, key=letters_a_step)[:10])
    row = {"task": "Two and two?", "worked_solution": "$2 + 2 = 4$. " * 5}
    Path("mine.jsonl").write_text(json.dumps(row) + "\n")
    for words in in_order():
        assert call_command(PROGRAMS[words[0]], words[0], words[1:]) == 0, " ".join(words)


def letters_a_step(line: str) -> float:
    """Return how many letters a problem spends on a step: templates want fifty steps, a teacher reads it all."""
    row = json.loads(line)
    return float(len(row["solution"]) / row["n_steps"])


def in_order() -> list[list[str]]:
    """Return the commands that are run: first those that make what the others read."""
    first = [
        "coordinator ingest samples/problems.jsonl.gz --dataset sample",
        "gpu_workers extract --model samples/teacher --device cpu --quiet",
        "coordinator run-stage heartbeat --quiet",
    ]
    shown = dict.fromkeys(" ".join(shown.words[2:]) for shown in SHOWN if is_run(shown))
    rest = sorted(shown, key=lambda text: not any(text.startswith(f"coordinator {x}") for x in MAKES_WHAT_OTHERS_READ))
    return [text.split() for text in (*first, *rest)]


def is_run(shown: Shown) -> bool:
    """Whether a command stands in a block, is one of ours, and needs nothing that is not here."""
    text = " ".join(shown.words)
    ours = shown.words[:2] == ("python", "-m") and shown.words[2] in PROGRAMS
    return ours and not shown.is_inline and not any(word in text for word in ELSEWHERE)
