r"""The final answer of a chain of thought, and whether two answers are the same; nothing is evaluated.

An answer stands in the last ``\boxed{…}`` that is closed, or else behind the last ``####``, as GSM8K writes it. Two
answers are the same if their texts are, once what only sets them is taken off (spacing, ``$``, ``\left``, ``\text``,
signs of degree and percent, thousands commas, zeros that say nothing), or if both are numbers, decimal or fractions,
of one value. So ``1/2``, ``0.50`` and ``\frac{1}{2}`` are the same, and ``x + 1`` and ``1 + x`` are not: a share of
right answers found by this is rather too low than too high.
"""

import re
from fractions import Fraction
from typing import Final

from mycelium.labels.steps import canonical

MAX_ANSWER: Final = 1_000
"""Characters of an answer; what is longer is compared as it stands."""

_BRACES = re.compile(r"\\boxed\s*\{|\\.|[{}]", re.DOTALL)
_SETTING = re.compile(
    r"\\(?:left|right|displaystyle|,|;|:|!|\s|\$|quad|qquad)(?![a-zA-Z])|[\s$~]|\\?%|\^\s*(?:\\circ|\{\\circ\})"
)
_WRAPPED = re.compile(r"\\(?:text|mathrm|textbf|mathbf|mbox|boxed)\s*\{([^{}]*)\}")
_THOUSANDS = re.compile(r"-?\d{1,3}(?:,\d{3})+(?:\.\d+)?")
_SHORT_FRACTION = re.compile(r"\\frac(\d)(\d)")
_DECIMAL = re.compile(r"(?<![\d.])\d*\.?\d+(?![\d.])")
_NUMBER = re.compile(r"-?\d{1,80}(?:\.\d{1,80})?")
_FRACTION = re.compile(r"(-?)\\frac\{(-?\d{1,80})\}\{(\d{1,80})\}|(-?\d{1,80})/(\d{1,80})")


def find_answer(chain: str) -> str | None:
    """Return the final answer of a chain of thought, or None. Time is linear in the chain."""
    open_at: list[int] = []
    found: slice | None = None
    for match in _BRACES.finditer(chain):
        if match.group().startswith("\\boxed"):
            open_at.append(match.end())
        elif match.group() == "{":
            open_at.append(-1)
        elif match.group() == "}" and open_at:
            start = open_at.pop()
            found = slice(start, match.start()) if start >= 0 else found
    if found is not None:
        return chain[found].strip() or None
    return chain.rpartition("####")[2].partition("\n")[0].strip() or None if "####" in chain else None


def same_answer(first: str, second: str) -> bool:
    """Say whether two answers are the same, as far as can be told without evaluating."""
    one, other = normalise_answer(first), normalise_answer(second)
    if one == other:
        return True
    values = _value(one), _value(other)
    return values[0] is not None and values[0] == values[1]


def normalise_answer(answer: str) -> str:
    """Return an answer without what only sets it."""
    if len(answer) > MAX_ANSWER:
        return answer.strip()
    before, text = "", answer
    while text != before:
        before, text = text, _WRAPPED.sub(r"\1", text)
    text = _SETTING.sub("", text.replace("\\dfrac", "\\frac").replace("\\tfrac", "\\frac")).rstrip(".")
    text = text.replace(",", "") if _THOUSANDS.fullmatch(text) else text
    text = _SHORT_FRACTION.sub(r"\\frac{\1}{\2}", text)
    return _DECIMAL.sub(lambda match: canonical(match.group()), text)


def _value(text: str) -> Fraction | None:
    """Return the value of a number or fraction; None for anything else."""
    if _NUMBER.fullmatch(text):
        return Fraction(text)
    match = _FRACTION.fullmatch(text)
    if match is None:
        return None
    sign, above, below = (match[1], match[2], match[3]) if match[3] else ("", match[4], match[5])
    if not int(below):
        return None
    value = Fraction(int(above), int(below))
    return -value if sign else value
