"""A chain of thought as ordered steps: span, expression, operands, and where each operand came from.

A step is a piece of mathematics that bears at least one operator or relation. A bare ``$x$`` or ``$5$`` mentions
something and computes nothing; mentions are counted and can be kept. What can't be read is a step with a refusal,
never dropped.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from mycelium.labels.extract import extract_all_ops, sides
from mycelium.labels.parser import parse
from mycelium.labels.segments import Segment, find_segments
from mycelium.labels.tree import Node, Reason, Refusal, words

Reader: TypeAlias = Callable[[str, bool], "Node | Refusal"]

PLACE_STEPS: Final = 1 << 20
"""A step's place in a run is its problem's index · 2²⁰ + step: no chain has so many characters."""

PROBLEM: Final = "problem"
STEP: Final = "step"
NEW: Final = "new"

_NUMBER: Final = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+")
_WORD: Final = re.compile(r"[a-z]+")
_COUNTED: Final = "zero one two three four five six seven eight nine ten eleven twelve"
_NUMBER_WORDS: Final = {
    **{word: str(value) for value, word in enumerate(words(_COUNTED))},
    "dozen": "12",
    "fifteen": "15",
    "twenty": "20",
    "thirty": "30",
    "fifty": "50",
    "half": "2",
    "twice": "2",
    "double": "2",
    "third": "3",
    "thrice": "3",
    "triple": "3",
    "quarter": "4",
    "week": "7",
    "hour": "60",
    "hundred": "100",
    "percent": "100",
    "thousand": "1000",
    "million": "1000000",
}


@dataclass(frozen=True, slots=True)
class Operand:
    """One number or name that a step computes with.

    Args:
        text: As written, thousands separators and trailing zeros left out.
        origin: ``problem`` (its text has it), ``step`` (an earlier step gave or used it) or ``new``.
        step: The index of that earlier step, the latest one; -1 otherwise.
    """

    text: str
    origin: str
    step: int


@dataclass(frozen=True, slots=True)
class Step:
    """One computation of a chain of thought.

    Args:
        index: Its place in the chain, from 0.
        start: First character of its expression in the chain.
        end: One past the last.
        kind: How it is written (`mycelium.labels.segments.Segment`).
        expression: The text between the two.
        operands: What it computes with, in reading order, each once.
        results: The bare numbers and names that it says are equal to something.
        refusal: Why it could not be read; empty where it was.
    """

    index: int
    start: int
    end: int
    kind: str
    expression: str
    operands: tuple[Operand, ...]
    results: tuple[str, ...]
    refusal: str


@dataclass(frozen=True, slots=True)
class Chain:
    """What one chain of thought holds.

    Args:
        steps: In order.
        n_segment: Pieces of mathematics, mentions included.
        n_mention: Those that compute nothing.
        refusals: How many pieces were refused, by reason; a chain that is refused whole counts once.
    """

    steps: tuple[Step, ...]
    n_segment: int
    n_mention: int
    refusals: dict[str, int] = field(default_factory=dict)


def read(expression: str, is_plain: bool) -> Node | Refusal:  # noqa: FBT001 a Reader's shape: what a cache is keyed by
    """Read one expression, without a cache."""
    return parse(expression, plain=is_plain)


class CachedReader:
    """Reads each distinct expression once.

    Attributes:
        n_asked: how many expressions it was asked for.
    """

    def __init__(self) -> None:
        """Begin with nothing read."""
        self.n_asked = 0
        self._read: dict[tuple[str, bool], Node | Refusal] = {}

    @property
    def n_parsed(self) -> int:
        """How many distinct expressions it has read."""
        return len(self._read)

    def __call__(self, expression: str, is_plain: bool) -> Node | Refusal:  # noqa: FBT001 - as `read`
        """Read an expression, or remember how it was read."""
        self.n_asked += 1
        key = (expression, is_plain)
        tree = self._read.get(key)
        if tree is None:
            tree = self._read[key] = read(expression, is_plain)
        return tree


def find_steps(problem: str, chain: str, *, reader: Reader = read, mentions: bool = False) -> Chain:
    """Find the steps of a chain of thought.

    Args:
        problem: The problem's text: what it names is no discovery of a step.
        chain: The chain of thought, at most 24,576 characters.
        reader: Reads an expression; a cached one parses each distinct expression once.
        mentions: Keep pieces that compute nothing as steps too.

    Returns:
        The steps and the counts. A chain that is too long has no steps and one refusal.
    """
    segments = find_segments(chain)
    if isinstance(segments, Refusal):
        return Chain((), 0, 0, {segments.reason.value: 1})
    steps: list[Step] = []
    refusals: Counter[str] = Counter()
    n_mention = 0
    origins = Origins(problem, reader)
    for segment in segments:
        expression = chain[segment.start : segment.end]
        tree = reader(expression, segment.is_plain)
        if isinstance(tree, Refusal) and tree.reason is Reason.EMPTY:  # only "and", only a full stop
            n_mention += 1
            continue
        if isinstance(tree, Refusal):
            refusals[tree.reason.value] += 1
            steps.append(_step(len(steps), segment, expression, refusal=tree.reason.value))
            continue
        if not extract_all_ops(tree):
            n_mention += 1
            if not mentions:
                origins.remember(leaves(tree), -1)
                continue
        operands, results = operands_and_results(tree)
        named = tuple(origins.of(text) for text in operands)
        step = _step(len(steps), segment, expression, operands=named, results=results)
        origins.remember([*operands, *results], step.index)
        steps.append(step)
    return Chain(tuple(steps), len(segments), n_mention, dict(refusals))


def _step(
    index: int,
    segment: Segment,
    expression: str,
    *,
    operands: tuple[Operand, ...] = (),
    results: tuple[str, ...] = (),
    refusal: str = "",
) -> Step:
    return Step(index, segment.start, segment.end, segment.kind, expression, operands, results, refusal)


class Origins:
    """Remembers what the problem and the steps so far have named.

    The problem comes first: a number that it states is given, even if a step also arrives at it.
    """

    def __init__(self, problem: str, reader: Reader = read) -> None:
        """Collect the numbers of the problem, written in digits or words, and the names in its mathematics."""
        first, *rest = problem.split("[asy]")
        told = " ".join((first, *(part.partition("[/asy]")[2] for part in rest)))  # a drawing's numbers are not told
        self._given = {canonical(number.replace(",", "")) for number in _NUMBER.findall(told)}
        self._given.update(_NUMBER_WORDS[word] for word in _WORD.findall(told.lower()) if word in _NUMBER_WORDS)
        self._seen: dict[str, int] = {}
        segments = find_segments(problem)
        for segment in segments if not isinstance(segments, Refusal) else ():
            tree = reader(problem[segment.start : segment.end], segment.is_plain)
            if not isinstance(tree, Refusal):
                self._given.update(leaves(tree))

    def of(self, text: str) -> Operand:
        """Say where an operand came from."""
        if text in self._given:
            return Operand(text, PROBLEM, -1)
        step = self._seen.get(text)
        return Operand(text, NEW, -1) if step is None else Operand(text, STEP, step)

    def remember(self, texts: list[str] | tuple[str, ...], step: int) -> None:
        """Note what a step named; a mention, with no step of its own, makes nothing known."""
        if step >= 0:
            for text in texts:
                self._seen[text] = step
                self._seen[text.removeprefix("-")] = step


def canonical(number: str) -> str:
    """Write a numeral without leading or trailing zeros: ``4.00`` is ``4`` and ``.5`` is ``0.5``."""
    if "." in number and "/" not in number:
        number = number.rstrip("0").rstrip(".")
    if number.startswith("."):
        number = "0" + number
    return number.lstrip("0") or "0" if number.isdecimal() else number or "0"


def leaves(tree: Node) -> tuple[str, ...]:
    """Return the numbers and names of a tree in reading order, each once."""
    found: dict[str, None] = {}
    stack = [tree]
    while stack:
        operator, arguments, text = stack.pop()
        if operator == "num":
            found[canonical(text)] = None
        elif operator == "sym":
            found[text] = None
        stack.extend(reversed(arguments))
    return tuple(found)


def operands_and_results(tree: Node) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Tell what an expression computes with from what it says comes out.

    A bare side of a chain of relations is a result: the 98 of ``196 / 2 = 98``, the x of ``x = 3 + 4``. Where no side
    computes, as in ``x = 5``, the first name is the result and the rest are operands.
    """
    every = sides(tree)
    bare = [_bare(side) for side in every]
    if len(every) == 1:
        return leaves(tree), ()
    if all(bare):
        results = (bare[0],) if not bare[0].lstrip("-")[:1].isdigit() else ()
        operands = [text for side in every[len(results) :] for text in leaves(side)]
        return tuple(dict.fromkeys(operands)), results
    operands = [text for side, text_of in zip(every, bare, strict=True) if not text_of for text in leaves(side)]
    return tuple(dict.fromkeys(operands)), tuple(dict.fromkeys(text for text in bare if text))


def _bare(side: Node) -> str:
    """Return the text of a side that is one number or name, with its sign; nothing otherwise."""
    sign = ""
    if side[0] == "neg":
        sign, side = "-", side[1][0]
    if side[0] == "num":
        return sign + canonical(side[2])
    return sign + side[2] if side[0] == "sym" else ""
