r"""The text around a step: what an embedding of the step reads.

``mathematics`` is the expression alone, as it is written, without its delimiters. ``full`` is the step's own stretch of
its sentence: from the beginning of the sentence, or from the end of the step before where that stands in the same
sentence, to the end of the sentence, or to the expression's own end where another step follows in it. So no two steps
of a chain share a character, and each stretch holds its expression.

A sentence ends at ``.``, ``!``, ``?`` or ``;`` before white space, or at a line break; never inside an expression, and
not at a line break beside an expression that is displayed on lines of its own.
"""

import re
from collections.abc import Sequence
from typing import Final, Literal, NamedTuple

Text = Literal["full", "mathematics"]

_END = re.compile(r"[.!?;]+(?=\s)|\n")
_CLOSERS: Final = {"dollar": "$", "display": "$$", "paren": "\\)", "bracket": "\\]", "annotation": ">>"}
_OPENERS: Final = {"display": "$$", "bracket": "\\["}
_DISPLAYED: Final = frozenset(("display", "bracket", "environment"))


class Place(NamedTuple):
    """Where a step's expression stands in its chain: the columns of `steps` by those names."""

    start: int
    end: int
    kind: str


def write_mathematics(expression: str) -> str:
    """Return an expression with its white space joined: the same text however it is spaced, or set on lines."""
    return " ".join(expression.split())


def write_contexts(chain: str, places: Sequence[Place]) -> list[str]:
    """Return the `full` text of each step of a chain, white space joined.

    Args:
        chain: the chain of thought.
        places: its steps, in order and without overlap.

    Returns:
        One text for each step, in order. Time is linear in the chain.
    """
    ends = _sentence_ends(chain, places)
    texts = []
    for i, place in enumerate(places):
        start = max([*ends[i][-1:], _after(chain, places[i - 1]) if i else 0])
        within = len(chain) if i + 1 == len(places) else _after(chain, place)
        stop = next(iter(ends[i + 1]), within)
        texts.append(" ".join(chain[start:stop].split()))
    return texts


def _sentence_ends(chain: str, places: Sequence[Place]) -> list[list[int]]:
    """Return where sentences end in each gap: before the first step, between two, after the last."""
    gaps = []
    for i in range(len(places) + 1):
        start = places[i - 1].end if i else 0
        stop = places[i].start if i < len(places) else len(chain)
        gaps.append([match.end() for match in _END.finditer(chain, start, stop) if _is_end(chain, match, places, i)])
    return gaps


def _is_end(chain: str, match: re.Match[str], places: Sequence[Place], gap: int) -> bool:
    """Say whether a sentence ends there: not at a line break beside a displayed expression."""
    if match.group() != "\n":
        return True
    if gap and places[gap - 1].kind in _DISPLAYED and not chain[_after(chain, places[gap - 1]) : match.start()].strip():
        return False
    if gap == len(places) or places[gap].kind not in _DISPLAYED:
        return True
    between = chain[match.end() : places[gap].start].rstrip()
    return bool(between.removesuffix(_OPENERS.get(places[gap].kind, "")).strip())


def _after(chain: str, place: Place) -> int:
    """Return where the text goes on after an expression: past its closing delimiter."""
    closer = _CLOSERS.get(place.kind, "")
    after = place.end
    while after < len(chain) and chain[after].isspace():
        after += 1
    return after + len(closer) if closer and chain.startswith(closer, after) else place.end
