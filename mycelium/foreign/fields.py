"""Which field of a foreign row is the problem, the chain of thought, the level; where its problems come from.

Recognised without being told: GSM8K, MATH, files of sampled chains of thought, and our own generator. Anything else is
mapped by ``--field chain_of_thought=solution``.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from mycelium.errors import UserInputError

CANDIDATES: dict[str, tuple[str, ...]] = {
    "id": ("problem_id", "id", "pid", "unique_id"),
    "problem": ("problem", "question", "prompt"),
    # GSM8K calls the whole solution `answer`; elsewhere that is the final result, and stands beside a solution.
    "chain_of_thought": ("chain_of_thought", "cot", "solution", "answer"),
    "level": ("level",),
    "subject": ("subject", "type"),
    "answer": ("final", "final_answer", "gold", "answer"),
    "author": ("author", "model"),
}
"""Our fields, and what other people call them, the likeliest first."""

ALIASES = {"cot": "chain_of_thought", "problem_id": "id"}

_LEVEL = re.compile(r"(?:level\s*)?([1-5])", re.IGNORECASE)
_GSM8K_ANSWER = re.compile(r"####\s*\S+\s*$")


@dataclass(frozen=True, slots=True)
class Problem:
    """A row understood.

    Attributes:
        problem_id: as the file says, with author and sample where one problem has several chains of thought.
        problem: the problem's text.
        chain_of_thought: the solution, step by step.
        level: 1 to 5, or None.
        subject: field of mathematics, or None.
        answer: final answer, or None.
        author: who wrote the chain of thought, or None.
        origin: ``MATH``, ``GSM8K``, what the row itself says, or None where nothing tells.
    """

    problem_id: str
    problem: str
    chain_of_thought: str
    level: int | None
    subject: str | None
    answer: str | None
    author: str | None
    origin: str | None


def parse_field_options(options: tuple[str, ...]) -> dict[str, str]:
    """Return the mapping that ``--field ours=theirs`` options give.

    Raises:
        UserInputError: one is not of that form, or names no field of ours.
    """
    mapping = {}
    for option in options:
        ours, equals, theirs = option.partition("=")
        ours = ALIASES.get(ours, ours)
        if not equals or not theirs or ours not in CANDIDATES:
            raise UserInputError(
                f"--field takes OURS=THEIRS, where OURS is one of {', '.join(CANDIDATES)} (or cot); got {option!r}"
            )
        mapping[ours] = theirs
    return mapping


def understand_row(
    values: Mapping[str, object], fields: Mapping[str, str], fallback_id: str, *, needs_chain: bool = True
) -> Problem | str:
    """Find the problem in a row.

    Args:
        values: the row.
        fields: the user's mapping from our fields to the row's; it wins over what is recognised.
        fallback_id: the id of a row that has none.
        needs_chain: whether a row without a chain of thought is of no use; if not, that may be empty.

    Returns:
        The problem, or the reason why there is none.
    """
    names = {ours: fields.get(ours) or _first_present(values, ours) for ours in CANDIDATES}
    found = {ours: _text(values.get(theirs)) if theirs else None for ours, theirs in names.items()}
    problem, chain_of_thought = found["problem"], found["chain_of_thought"]
    if not problem:
        return f"no problem text in {_say_field(names['problem'], 'problem')}"
    if not chain_of_thought and needs_chain:
        return f"no chain of thought in {_say_field(names['chain_of_thought'], 'chain_of_thought')}"
    sample, origin = values.get("sample"), _recognise_origin(values, found["id"] or "")
    read = [(names[ours], text) for ours, text in found.items()] + [("sample", str(sample)), ("origin", origin)]
    bad = next((theirs for theirs, text in read if text and not _is_unicode(text)), None)
    if bad:
        return f"field {bad!r} holds half of a surrogate pair: not Unicode text"
    answer = None if names["answer"] == names["chain_of_thought"] else found["answer"]
    return Problem(
        problem_id=_name_problem(found["id"] or fallback_id, found["author"], sample),
        problem=problem,
        chain_of_thought=chain_of_thought or "",
        level=_parse_level(values.get(names["level"] or "level")),
        subject=found["subject"],
        answer=answer,
        author=found["author"],
        origin=origin,
    )


def _first_present(values: Mapping[str, object], ours: str) -> str | None:
    return next((theirs for theirs in CANDIDATES[ours] if values.get(theirs) is not None), None)


def _text(value: object) -> str | None:
    if isinstance(value, str):
        return value.strip() or None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return None


def _is_unicode(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _say_field(theirs: str | None, ours: str) -> str:
    return f"field {theirs!r}" if theirs else f"any of {', '.join(CANDIDATES[ours])}; name it by --field {ours}=…"


def _name_problem(base: str, author: str | None, sample: object) -> str:
    name = base if author is None else f"{base}#{author}"
    return name if sample is None else f"{name}#{sample}"


def _parse_level(value: object) -> int | None:
    if isinstance(value, float) and not value.is_integer():
        return None
    match = _LEVEL.fullmatch(str(int(value)) if isinstance(value, float) else str(value).strip())
    return int(match[1]) if match else None


def _recognise_origin(values: Mapping[str, object], problem_id: str) -> str | None:
    said = values.get("origin")
    if isinstance(said, str) and said:
        return said
    if problem_id.startswith("gsm8k/"):
        return "GSM8K"
    if problem_id.startswith("math/"):
        return "MATH"
    answer = values.get("answer")
    if "question" in values and isinstance(answer, str) and _GSM8K_ANSWER.search(answer):
        return "GSM8K"
    if {"problem", "level", "solution"} <= values.keys() and ("subject" in values or "type" in values):
        return "MATH"
    return None
