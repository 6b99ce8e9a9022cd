"""The commands of the documentation are run, on a laptop's means; of each that is not, it is said why and what runs it.

A model of the hub is the sample's teacher here, a bucket one of a server beside us, GSM8K some of our own problems.
"""

import gzip
import json
import re
from pathlib import Path

import pytest

import samples
from front_door.cli import make_front_door
from mycelium.command import call_command
from tests.documentation import PROGRAMS, Shown, find_commands

SHOWN = list(dict.fromkeys(find_commands()))

STANDS_FOR = {
    r"Qwen/\S+|\bPATH_OR_HUB_NAME\b|\bPATH\b": "samples/teacher",
    r"/var/spool/mycelium": "spool",
    r"--layers 20\b": "--layers 3",  # the sample's teacher has four
    r"\bSTAGE\b": "heartbeat",
    r"--output mine\.jsonl": "--output generated.jsonl",  # the other is somebody's own
    r"(taxonomy=templates --problems) gsm8k": r"\1 sample",  # an export has one taxonomy, and that of GSM8K another
    r"(gpu_workers upload .*)": r"\1 --drain",  # else it stays
}
"""What a person would put in place of a word, and we do here."""

PROGRAM_ELSEWHERE = {
    "make": ".ci/run types check, docs, test and demo; tests/architecture/test_habits.py release-notes",
    "cdk": "tests/integration deploys and destroys with it",
    "aws": "it is not ours; the models of its requests know each",
    "npm": "it installs for all of the machine",
    "pip": "tests/test_wheel.py installs the wheel; the rest installs for all of the environment",
    "eval": "tests/front_door/test_shells.py evaluates it in each shell",
    ".": "what make has made is active already",
    "export": "it sets a variable",
}
MODULE_ELSEWHERE = {
    "benchmarks": "make bench; minutes to hours each",
    "tests.notebooks": "it writes the notebooks, which tests/test_notebooks.py executes",
    "coordinator.reference": "it writes a page, which tests/coordinator/test_reference.py reads",
    "coordinator.simulate.page": "it writes a page, which tests/coordinator/simulate/test_page.py reads",
    "gpu_workers.reference": "it writes a page, which tests/gpu_workers/test_reference.py reads",
    "hatchling": "tests/test_wheel.py builds with it",
    "samples.train_teacher": "it trains for minutes on a GPU; tests/samples/test_train_teacher.py for a few steps",
    "mycelium.labels.operators": "tests/mycelium/labels/test_operators.py has its table",
}
ELSEWHERE = {
    "fleet start": "it wants an account; tests/coordinator/fleet/test_cli.py",
    "fleet status": "as above",
    "fleet stop": "as above",
    "merge": "it wants a job of several machines; tests/coordinator/merge",
    "--deployment": "it wants an account; tests/integration",
    "--queue": "it wants a queue and stays; tests/gpu_workers/work/test_cli.py",
    "--executor": "it wants an account; tests/integration",
    "--serve": "it stays until Ctrl-C; tests/coordinator/report/test_serve.py",
    "--min-size 100": "it wants thousands of steps",
    "--fit-of": "it wants a second set of problems; tests/coordinator/pipeline",
    "compare gsm8k-": "it names two runs that somebody had",
    "--end-idx 1960": "it wants as many problems; tests/gpu_workers/test_extract.py",
    "FILE": "stands for files",
    "RUN": "stands for a run",
}
"""What a command has in it that is read here, and not run; and why."""

FIRST = (
    "coordinator ingest samples/problems.jsonl.gz --dataset math --origin MATH",
    "coordinator ingest samples/problems.jsonl.gz --dataset gsm8k --origin GSM8K",
    "coordinator ingest samples/problems.jsonl.gz --dataset sample",
    "gpu_workers extract --model samples/teacher --device cpu --quiet --problems gsm8k",
    "gpu_workers extract --model samples/teacher --device cpu --quiet --problems sample --signals iaf,jsd",
    "coordinator run-stage heartbeat --quiet --input gsm8k",
    "coordinator run-stage heartbeat --quiet --input sample",
    "coordinator run-pipeline --to c2_pairs --quiet --problems math",
    "coordinator run-pipeline --to c2_pairs --quiet --problems gsm8k",
    "coordinator run-pipeline --to c3_pairs --quiet --problems gsm8k",
)
"""What somebody has done who comes to the middle of a page."""

MAKES_WHAT_OTHERS_READ = ("ingest", "generate", "extract", "embed", "run-stage heartbeat", "run-pipeline", "run-stage")
"""Commands that are run before the others, whatever page they are on."""


def say_why_not(shown: Shown) -> str | None:
    """Return why a command is not run here; None if it is."""
    first, *rest = shown.words
    text = " ".join(shown.words)
    if re.fullmatch(r"[A-Z_]+=\S+", first):
        return "a line of a file of settings"
    if first in PROGRAM_ELSEWHERE:
        return PROGRAM_ELSEWHERE[first]
    if rest[0] == "-c":
        return "it deletes a bucket with all its versions"
    if first == "python" and rest[1] not in PROGRAMS:
        return next(why for module, why in MODULE_ELSEWHERE.items() if f"{rest[1]}.".startswith(f"{module}."))
    if (shown.is_inline and len(rest) < (3 if first == "python" else 1)) or text.endswith("mycelium gpu"):
        return "the name of a program"
    is_bare = shown.is_inline and rest[-1] in {"generate", "embed", "status"}
    return "the name of a command" if is_bare else next((why for word, why in ELSEWHERE.items() if word in text), None)


def as_run(shown: Shown) -> str:
    """Return a command's words after `python -m`, with what stands for its words here."""
    text = " ".join(shown.words).removeprefix("python -m ")
    for pattern, word in STANDS_FOR.items():
        text = re.sub(pattern, word, text)
    return text


def in_order() -> list[str]:
    """Return the commands that are run: first those that make what the others read."""
    shown = dict.fromkeys(as_run(shown) for shown in SHOWN if say_why_not(shown) is None)
    rest = sorted(shown, key=lambda text: not any(f" {word}" in text for word in MAKES_WHAT_OTHERS_READ))
    in_bucket = [text for text in rest if "s3://BUCKET" in text]
    in_folder = [text for text in rest if "s3://BUCKET" not in text]
    return [*FIRST, *in_folder, *in_bucket]


def test_of_every_command_that_is_not_run_it_is_said_why() -> None:
    assert all(say_why_not(shown) != "" for shown in SHOWN)
    assert len(in_order()) > 60
    typed = [" ".join(shown.words) for shown in SHOWN]
    assert [word for word in ELSEWHERE if not any(word in text for text in typed)] == []
    modules = [shown.words[2] for shown in SHOWN if shown.words[:2] == ("python", "-m")]
    assert [name for name in MODULE_ELSEWHERE if not any(f"{x}.".startswith(f"{name}.") for x in modules)] == []
    programs = {shown.words[0] for shown in SHOWN}
    assert set(PROGRAM_ELSEWHERE) - programs <= {"eval", "export"}


@pytest.mark.slow
def test_the_commands_of_the_documentation_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bucket: str) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MYCELIUM_STORE", str(tmp_path / "store"))
    write_files()
    groups = {**PROGRAMS, "mycelium": make_front_door()}
    failed = []
    for text in in_order():
        program, *words = text.replace("s3://BUCKET", f"s3://{bucket}").split()
        if call_command(groups[program], program, words) != 0:
            failed.append(text)
    assert failed == []


def write_files() -> None:
    """Write what the commands are given."""
    Path("samples").mkdir()
    Path("samples/teacher").symlink_to(samples.TEACHER_DIR)
    with gzip.open(samples.PROBLEMS_FILE, "rt") as file:
        lines = sorted(file, key=letters_a_step)[:10]
    with gzip.open("samples/problems.jsonl.gz", "wt") as few:
        few.writelines(lines)
    rows = [json.loads(line) for line in lines]
    mine = [{"task": row["problem"], "worked_solution": row["solution"]} for row in rows]
    Path("mine.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in mine))
    for name in ("problems.jsonl", "test.jsonl"):
        Path(name).write_text("".join(lines[:2]))


def letters_a_step(line: str) -> float:
    """Return how many letters a problem spends on a step: templates want fifty steps, a teacher reads it all."""
    row = json.loads(line)
    return float(len(row["solution"]) / row["n_steps"])
