"""Generation from file to file: nothing twice, nothing lost, and what comes out is what ingest reads."""

import json
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from coordinator.ingest.ingest import IngestParams, ingest_files
from gpu_workers.generation.chains import Chain
from gpu_workers.generation.generate import generate_chains, know_answer, read_problems
from gpu_workers.prompts import Prompt
from mycelium.datasets import PROBLEMS
from mycelium.errors import UserInputError
from mycelium.foreign.fields import Problem
from mycelium.schema import decode_chunk
from mycelium.store import LocalStore

ROOT = Path(__file__).parents[3]


class Echo:
    """Answers each problem with its number; a problem of 0 can't be held by memory, and one of 99 never ends."""

    identity = "echo@1"
    max_tokens = 50

    def __init__(self, batch_size: int = 2) -> None:
        self.batch_size = batch_size
        self.asked: list[list[int]] = []

    def encode(self, problem: str) -> Prompt:
        number = int(problem.rsplit(maxsplit=1)[-1])
        return Prompt([number] * (1 + number % 60), "spells out a control token" if number == 13 else None)

    def generate(self, prompts: Sequence[list[int]], max_new_tokens: int) -> list[Chain | None]:
        self.asked.append([len(prompt) for prompt in prompts])
        return [
            None if not prompt[0] else Chain(rf"So \boxed{{{prompt[0]}.0}}", 5, "length" if prompt[0] == 99 else "eos")
            for prompt in prompts
        ]


def write_problems(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def make_rows(*numbers: int) -> list[dict[str, Any]]:
    return [{"id": f"q{n}", "problem": f"What is {n}", "level": 1 + n % 2, "final": str(n - n % 3)} for n in numbers]


def read_lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_each_problem_has_a_line_in_the_files_order(tmp_path: Path) -> None:
    given = read_problems([write_problems(tmp_path / "in.jsonl", make_rows(3, 8, 13, 99, 59, 1, 6))], {})
    engine = Echo()
    summary = generate_chains(given, engine, tmp_path / "out.jsonl", 20, quiet=True)
    lines = read_lines(tmp_path / "out.jsonl")
    assert [line["problem_id"] for line in lines] == ["q3", "q8", "q13", "q99", "q59", "q1", "q6"]
    assert [line["finish"] for line in lines] == ["eos", "eos", "skipped", "length", "skipped", "eos", "eos"]
    assert lines[2]["reason"] == "spells out a control token"
    assert lines[4]["reason"] == "the problem has 60 tokens, and the model's context is 50"
    assert [line.get("right") for line in lines] == [True, False, None, True, None, False, True]
    assert lines[0]["found"] == "3.0"
    assert engine.asked == [[40, 9], [7, 4], [2]], "longest first, two at a time"
    assert (summary.counts, summary.known.total(), summary.right.total()) == (
        {"eos": 4, "length": 1, "skipped": 2},
        5,
        3,
    )
    assert (summary.right, summary.known) == ({1: 1, 2: 2}, {1: 2, 2: 3})


def test_what_comes_out_is_what_ingest_reads(tmp_path: Path) -> None:
    given = read_problems([write_problems(tmp_path / "in.jsonl", make_rows(3, 13, 8))], {})
    generate_chains(given, Echo(), tmp_path / "out.jsonl", 20, quiet=True)
    store = LocalStore(tmp_path)
    manifest = ingest_files(store, [tmp_path / "out.jsonl"], "mine", IngestParams(), {}, quiet=True)
    assert (manifest.notes["problems"], manifest.notes["rejected"]) == (2, 1)
    table, _ = decode_chunk(store.get(manifest.chunks("problems")["00000"].key), PROBLEMS)
    first = table.to_pylist()[0]
    assert first["problem_id"] == "q3#echo@1"
    assert (first["problem"], first["chain_of_thought"]) == ("What is 3", r"So \boxed{3.0}")
    assert (first["author"], first["answer"], first["level"]) == ("echo@1", "3", 2)


def test_a_problem_that_memory_can_t_hold_is_named_and_tried_again(tmp_path: Path) -> None:
    given = read_problems([write_problems(tmp_path / "in.jsonl", make_rows(3, 0, 8))], {})
    out = tmp_path / "out.jsonl"
    summary = generate_chains(given, Echo(), out, 20, quiet=True)
    assert summary.failed == ["q0"]
    assert not out.exists()
    again = Echo()
    assert generate_chains(given, again, out, 20, quiet=True).failed == ["q0"]
    assert again.asked == [[1]], "the others are there"


def test_nothing_is_done_twice_and_more_problems_are_added(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    few = read_problems([write_problems(tmp_path / "few.jsonl", make_rows(3, 8))], {})
    more = read_problems([write_problems(tmp_path / "more.jsonl", make_rows(8, 5, 3))], {})
    generate_chains(few, Echo(), out, 20, quiet=True)
    before = out.read_bytes()
    again = Echo()
    generate_chains(few, again, out, 20, quiet=True)
    assert (again.asked, out.read_bytes()) == ([], before)
    generate_chains(more, again, out, 20, quiet=True)
    assert again.asked == [[6]]
    assert [line["problem_id"] for line in read_lines(out)] == ["q8", "q5", "q3"]


def test_other_problems_by_the_same_ids_are_refused(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    generate_chains(
        read_problems([write_problems(tmp_path / "a.jsonl", make_rows(3))], {}), Echo(), out, 20, quiet=True
    )
    other = write_problems(tmp_path / "b.jsonl", [{"id": "q3", "problem": "Another 3"}])
    with pytest.raises(UserInputError, match="has a line for q3, and its problem is another"):
        generate_chains(read_problems([other], {}), Echo(), out, 20, quiet=True)


CHILD = """
import os, signal, sys
from pathlib import Path
from gpu_workers.generation.generate import generate_chains, read_problems
from tests.gpu_workers.generation.test_generate import Echo

class Killed(Echo):
    def generate(self, prompts, max_new_tokens):
        if len(self.asked) == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().generate(prompts, max_new_tokens)

generate_chains(read_problems([Path(sys.argv[1])], {}), Killed(), Path(sys.argv[2]), 20, quiet=True)
"""


def test_after_kill_9_the_same_command_does_only_what_is_missing(tmp_path: Path) -> None:
    rows = write_problems(tmp_path / "in.jsonl", make_rows(3, 8, 13, 99, 1, 6, 22))
    out = tmp_path / "out.jsonl"
    killed = subprocess.run([sys.executable, "-c", CHILD, rows, out], cwd=ROOT, check=False)
    assert killed.returncode == -signal.SIGKILL
    part = tmp_path / "out.jsonl.part"
    assert part.read_bytes().count(b"\n") == 5, "one that was skipped, and two batches of two"
    with part.open("ab") as file:
        file.write(b'{"problem_id": "q1", "tor')  # as if the kill had come within a line
    engine = Echo()
    generate_chains(read_problems([rows], {}), engine, out, 20, quiet=True)
    assert engine.asked == [[4, 2]]
    undisturbed = tmp_path / "undisturbed.jsonl"
    generate_chains(read_problems([rows], {}), Echo(), undisturbed, 20, quiet=True)
    assert out.read_bytes() == undisturbed.read_bytes()


@pytest.mark.parametrize(
    ("row", "answer"),
    [
        ({"problem": "p", "answer": "42"}, "42"),
        ({"problem": "p", "final": "7", "solution": r"\boxed{8}"}, "7"),
        ({"problem": "p", "solution": r"so \boxed{8}"}, "8"),
        ({"question": "p", "answer": "48/2 = <<48/2=24>>24\n#### 24"}, "24"),
        ({"problem": "p", "solution": "no idea at all"}, None),
        ({"problem": "p"}, None),
    ],
)
def test_the_right_answer_is_where_collections_put_it(tmp_path: Path, row: dict[str, Any], answer: str | None) -> None:
    (problem,) = read_problems([write_problems(tmp_path / "in.jsonl", [row])], {}).problems.values()
    assert know_answer(problem) == answer


def test_rows_that_are_of_no_use_are_said(tmp_path: Path) -> None:
    path = write_problems(tmp_path / "in.jsonl", [*make_rows(1, 1), {"id": "q1", "problem": "other"}, {"answer": "3"}])
    with path.open("a") as file:
        file.write("not json\n")
    given = read_problems([path], {})
    assert (list(given.problems), given.duplicates) == (["q1"], 1)
    assert [reject.partition(", ")[2].partition(":")[0] for reject in given.rejects] == ["line 3", "line 4", "line 5"]
    with pytest.raises(UserInputError, match="no problem in"):
        read_problems([write_problems(tmp_path / "none.jsonl", [{"answer": "3"}])], {})
    assert isinstance(given.problems["q1"], Problem)
