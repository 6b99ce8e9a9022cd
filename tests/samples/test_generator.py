"""Problems whose steps and answers are what they say, from a seed and nothing else."""

import gzip
import json
import random
import re
import statistics
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from samples import PROBLEMS_FILE, generator
from samples.generator import LEVELS, STEPS, Problem, compress, generate, main, split_of, to_jsonl
from samples.stories import Dice, tell_stock

FRACTION = re.compile(r"\\frac\{(\d+)\}\{(\d+)\} = (\d+)")
INFIX = re.compile(r"(\d+) (\+|-|\\times|\\cdot|\\div) (\d+) = (\d+)")

seeds = st.integers(-(2**40), 2**40)


def recompute(solution: str) -> list[tuple[bool, int]]:
    """Carry out each computation of a solution again: whether it is right, and its value."""
    found: list[tuple[int, bool, int]] = []
    for match in FRACTION.finditer(solution):
        a, b, c = map(int, match.groups())
        found.append((match.start(), b * c == a, c))
    for match in INFIX.finditer(solution):
        a, b, c = int(match[1]), int(match[3]), int(match[4])
        right = {"+": a + b == c, "-": a - b == c, r"\times": a * b == c, r"\cdot": a * b == c, r"\div": b * c == a}
        found.append((match.start(), right[match[2]], c))
    return [(right, value) for _, right, value in sorted(found)]


def shipped() -> list[Problem]:
    """The problems that ship with the package."""
    return [Problem(**json.loads(line)) for line in gzip.decompress(PROBLEMS_FILE.read_bytes()).splitlines()]


def assert_right(problem: Problem) -> None:
    """Check a problem against an independent computation."""
    steps = recompute(problem.solution)
    assert all(right for right, _ in steps), problem
    assert len(steps) == problem.n_steps == problem.solution.count(" = ")
    assert problem.n_steps in STEPS[problem.level]
    assert problem.answer == str(steps[-1][1])
    assert problem.solution.endswith(rf"The answer is $\boxed{{{problem.answer}}}$.")
    assert problem.origin == "generated"


@given(seeds, st.sampled_from(["train", "heldout"]))
@settings(deadline=None, max_examples=30)
def test_every_step_and_every_answer_is_right(seed: int, split: str) -> None:
    problems = list(generate(seed, split, per_level=8))
    assert len(problems) == 8 * len(LEVELS)
    for problem in problems:
        assert_right(problem)
        assert split_of(problem.problem) == split


@given(seeds)
@settings(deadline=None, max_examples=10)
def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(seed: int) -> None:
    first, again, other = (compress(to_jsonl(generate(s, "heldout", 3))) for s in (seed, seed, seed + 1))
    assert first == again != other


@given(seeds, seeds)
@settings(deadline=None, max_examples=10)
def test_training_and_heldout_never_share_a_problem(seed: int, other: int) -> None:
    train = {problem.problem for problem in generate(seed, "train", 40)}
    heldout = {problem.problem for problem in generate(other, "heldout", 10)}
    assert not train & heldout


@given(seeds)
@settings(deadline=None, max_examples=10)
def test_any_five_neighbours_hold_all_levels_and_no_text_comes_twice(seed: int) -> None:
    problems = list(generate(seed, "heldout", 12))
    levels = [problem.level for problem in problems]
    assert all(sorted(levels[i : i + 5]) == list(LEVELS) for i in range(len(levels) - 4))
    assert len({problem.problem for problem in problems}) == len({problem.id for problem in problems}) == 60


def test_harder_levels_take_more_steps_by_the_stated_means() -> None:
    problems = list(generate(7, "train", 400))
    for level, mean in zip(LEVELS, (2, 3, 5, 7, 9), strict=True):
        assert statistics.fmean(STEPS[level]) == mean
        assert statistics.fmean(p.n_steps for p in problems if p.level == level) == pytest.approx(mean, abs=0.15)


def test_the_first_step_and_others_compute_with_the_quantities_of_the_problem() -> None:
    for problem in shipped():
        known = set(re.findall(r"\d+", problem.problem))
        steps = [set(re.findall(r"\d+", latex.rpartition("=")[0])) for latex in problem.solution.split("$")[1:-2:2]]
        assert len(steps) == problem.n_steps
        assert steps[0] & known
        # Adding up and percentages use results alone; everything else goes back to the problem.
        assert sum(bool(step & known) for step in steps) >= problem.n_steps / 3


def test_the_length_of_a_solution_says_little_of_its_number_of_steps() -> None:
    problems = list(generate(11, "train", 300))
    lengths, steps = [len(p.solution) for p in problems], [p.n_steps for p in problems]
    assert 0.3 < statistics.correlation(lengths, steps) < 0.6
    assert min(len(p.solution) for p in problems if p.n_steps == 10) < 600
    assert max(len(p.solution) for p in problems if p.n_steps == 1) > 900


def test_a_problem_has_one_solution_whatever_the_seed_that_led_to_it() -> None:
    story = tell_stock(Dice(random.Random(3)), 1)
    assert generator._write(story, 1) == generator._write(story, 1)
    assert generator._write(story, 1).solution != generator._write(replace(story, question="How many?"), 1).solution


def test_the_shipped_problems_are_what_the_generator_writes() -> None:
    """`python -m samples.generator --split heldout --per-level 40 --seed 2026 --output samples/problems.jsonl.gz`.

    The lines are compared bit for bit; their compression only by its header, as builds of zlib differ.
    """
    packed = PROBLEMS_FILE.read_bytes()
    assert gzip.decompress(packed) == to_jsonl(generate(2026, "heldout", 40))
    assert packed[3:8] == bytes(5), "no name and no time in the header"


def test_the_shipped_problems_are_right() -> None:
    problems = shipped()
    assert len(problems) == 200
    for problem in problems:
        assert_right(problem)
        assert split_of(problem.problem) == "heldout"


def test_the_command_line_writes_lines_or_a_compressed_file(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert main(["--per-level", "2", "--seed", "5"]) == 0
    lines = capfdbinary.readouterr().out
    assert lines == to_jsonl(generate(5, "heldout", 2))
    assert main(["--per-level", "2", "--seed", "5", "--output", str(tmp_path / "p.jsonl.gz")]) == 0
    assert gzip.decompress((tmp_path / "p.jsonl.gz").read_bytes()) == lines
    assert list(json.loads(lines.splitlines()[0])) == list(asdict(next(generate(5, "heldout", 1))))


@pytest.mark.parametrize("arguments", [["--per-level", "0"], ["--per-level", "x"], ["--split", "test"]])
def test_a_wrong_argument_ends_with_code_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2


def test_an_output_that_cannot_be_written_is_one_line_and_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--per-level", "1", "--output", str(tmp_path / "none" / "p.jsonl")]) == 2
    assert capsys.readouterr().err.count("\n") == 1
