"""Writes word problems of levels 1 to 5 with their chains of thought, from a seed and nothing else.

A level is a number of computations, not a theme: every theme is told at every level. Each problem draws its number of
computations first (with probabilities 1/4, 1/2, 1/4), then a theme that can be told in exactly that many, so the true
mean number of steps of each level is known and not estimated:

    level    computations    mean
      1       1,  2,  3       2
      2       2,  3,  4       3
      3       4,  5,  6       5
      4       6,  7,  8       7
      5       8,  9, 10       9

How its solution is told, in few words or many, is drawn from its text, without regard to its number of computations
(`samples.voices`).

A problem belongs to the training split or to the held-out split by a hash of its text, so the two never share one,
whatever the seeds. The same arguments give the same bytes, on every supported Python.

The problems that ship with this package were written by

    python -m samples.generator --split heldout --per-level 40 --seed 2026 --output samples/problems.jsonl.gz
"""

import argparse
import gzip
import hashlib
import io
import json
import random
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from samples.families import FAMILIES
from samples.stories import Dice, Story, Teller, UnfitDrawError, tell_budget, tell_comparison, tell_stock
from samples.voices import draw_voice, write_chain

STEPS = {1: (1, 2, 2, 3), 2: (2, 3, 3, 4), 3: (4, 5, 5, 6), 4: (6, 7, 7, 8), 5: (8, 9, 9, 10)}
"""The equally likely numbers of computations of each level."""

LEVELS = tuple(STEPS)
SPLITS = ("train", "heldout")
HELDOUT_SHARE = 20
"""One problem of so many is held out."""

TELLERS: tuple[Teller, ...] = (tell_stock, tell_comparison, tell_budget, *(family.tell for family in FAMILIES))
"""Every theme, all equally likely where they fit."""


@dataclass(frozen=True, slots=True)
class Problem:
    r"""One word problem, solved.

    Attributes:
        id: Made from the text, so it is the same in every file that holds the problem.
        level: 1 to 5.
        problem: The text, in plain words.
        solution: The chain of thought: a computation in LaTeX per step, in few words or many, then `\boxed{answer}`.
        answer: The answer in decimal digits.
        n_steps: The number of computations in the solution.
        origin: Always `generated`.
    """

    id: str
    level: int
    problem: str
    solution: str
    answer: str
    n_steps: int
    origin: str = "generated"


def make_problem(dice: Dice, level: int, tellers: Sequence[Teller] = TELLERS) -> Problem:
    """Draw one problem of a level (of either split).

    Args:
        dice: Where the draws come from.
        level: 1 to 5.
        tellers: The themes; one named twice is drawn twice as often.

    Returns:
        The problem.

    Raises:
        KeyError: If level is not 1 to 5.
    """
    n_steps = dice.pick(STEPS[level])
    while True:
        try:
            story = dice.pick(tellers)(dice, n_steps)
        except UnfitDrawError:
            continue
        return _write(story, level)


def _write(story: Story, level: int) -> Problem:
    """Turn a story into a record.

    How it is told is drawn from its text: a problem has one chain of thought, whatever the seed that led to it.
    """
    answer = str(story.answer)
    dice = Dice(random.Random(f"voice/{_digest(story.problem)}"))  # noqa: S311 - as in `stream`
    sentences = write_chain(dice, story, draw_voice(dice))
    return Problem(
        id=f"gen{level}-{_digest(story.problem)[:12]}",
        level=level,
        problem=story.problem,
        solution=" ".join([*sentences, rf"The answer is $\boxed{{{answer}}}$."]),
        answer=answer,
        n_steps=len(story.steps),
    )


def _digest(text: str) -> str:
    """Return the hash from which both the split and the id are read."""
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def split_of(text: str) -> str:
    """Say to which split a problem text belongs: `train` or `heldout`."""
    return SPLITS[int(_digest(text)[-8:], 16) % HELDOUT_SHARE == 0]


def stream(seed: str, split: str, tellers: Sequence[Teller] = TELLERS) -> Iterator[Problem]:
    """Yield problems of one split without end, the levels taking turns: 1, 2, 3, 4, 5, 1, ...

    Args:
        seed: Any text; the same text gives the same problems.
        split: `train` or `heldout`.
        tellers: The themes; one named twice is drawn twice as often.

    Yields:
        Problems; a text may come again after many thousands.
    """
    dice = Dice(random.Random(seed))  # noqa: S311 - problems need repeatable randomness, not secret randomness
    while True:
        for level in LEVELS:
            problem = make_problem(dice, level, tellers)
            while split_of(problem.problem) != split:
                problem = make_problem(dice, level, tellers)
            yield problem


def generate(seed: int, split: str, per_level: int) -> Iterator[Problem]:
    """Yield `per_level` different problems of each level, mixed so that any five neighbours hold all five levels.

    Args:
        seed: Any integer.
        split: `train` or `heldout`.
        per_level: How many of each level.

    Yields:
        5 * per_level problems, no two of one text.
    """
    queues: dict[int, list[Problem]] = {level: [] for level in LEVELS}
    seen: set[str] = set()
    for problem in stream(f"{seed}/{split}", split):
        if all(len(queue) == per_level for queue in queues.values()):
            break
        if len(queues[problem.level]) < per_level and problem.id not in seen:
            seen.add(problem.id)
            queues[problem.level].append(problem)
    for problems in zip(*queues.values(), strict=True):
        yield from problems


def to_jsonl(problems: Iterator[Problem]) -> bytes:
    """Write problems as JSON lines: keys in the order of `Problem`, UTF-8, one line each."""
    return "".join(json.dumps(asdict(problem), ensure_ascii=False) + "\n" for problem in problems).encode()


def compress(content: bytes) -> bytes:
    """Compress with gzip, without a time or a name in the header, so that the same content gives the same bytes."""
    buffer = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", fileobj=buffer, compresslevel=9, mtime=0) as stream_out:
        stream_out.write(content)
    return buffer.getvalue()


def _positive(text: str) -> int:
    """Read a positive integer from the command line."""
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 1, got {text!r}")
    return number


def _parser() -> argparse.ArgumentParser:
    """Return the command line."""
    rows = "\n".join(f"  {level}      {min(s)} to {max(s):<2}        {sum(s) // len(s)}" for level, s in STEPS.items())
    parser = argparse.ArgumentParser(
        prog="python -m samples.generator",
        description="Write word problems whose true number of computation steps is known, with chains of thought.",
        epilog=(
            f"level    steps     mean\n{rows}\n\n"
            "The same arguments give the same bytes. train and heldout never share a problem, whatever the seeds.\n\n"
            "examples:\n"
            "  look at five problems, one of each level:\n"
            "    python -m samples.generator --per-level 1\n"
            "  write the problems that ship with this package again:\n"
            "    python -m samples.generator --split heldout --per-level 40 --seed 2026 --output problems.jsonl.gz\n"
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--split", choices=SPLITS, default="heldout", help="which side of the split (%(default)s)")
    parser.add_argument("--per-level", type=_positive, default=40, help="problems of each level (%(default)s)")
    parser.add_argument("--seed", type=int, default=2026, help="any integer (%(default)s)")
    parser.add_argument(
        "--output",
        type=Path,
        help="file to write, compressed if it ends in .gz; without it, lines go to the standard output",
    )
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code: 0, or 2 for a mistake of the user's."""
    options = _parser().parse_args(arguments)
    content = to_jsonl(generate(options.seed, options.split, options.per_level))
    if options.output is None:
        sys.stdout.buffer.write(content)
        return 0
    try:
        options.output.write_bytes(compress(content) if options.output.suffix == ".gz" else content)
    except OSError as error:
        sys.stderr.write(f"error: cannot write {options.output}: {error.strerror}\n")
        return 2
    n_problems = content.count(b"\n")
    sys.stderr.write(f"{options.output}: {n_problems} problems, {options.per_level} of each level\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
