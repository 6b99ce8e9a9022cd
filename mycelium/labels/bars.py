"""Which vertical bars open, which close, which stand alone: settled before parsing, one level of brackets at a time."""

from __future__ import annotations

from typing import Final

from mycelium.labels import grammar as g
from mycelium.labels import tokens as t
from mycelium.labels.tree import HOLE

_BEFORE_OPERAND: Final = frozenset(
    (t.INFIX, t.OPEN, t.CARET, t.SUBSCRIPT, t.BAR_OPEN, t.FUNC, t.CELL, t.ROWEND, t.BEGIN, t.BIG, t.WRAP, t.END)
)


def pair(tokens: list[t.Token]) -> None:
    """Replace every bar by an opening, a closing or a dividing one, in place and in one pass.

    A bar opens where an operand must follow, closes where one is open at its level, and divides where it is alone.

    Args:
        tokens: In reverse order, as `mycelium.labels.tokens.tokenize` returns them.
    """
    levels: list[list[int]] = [[]]
    for place in range(len(tokens) - 1, -1, -1):
        kind = tokens[place][0]
        if kind == t.OPEN:
            levels.append([])
        elif kind == t.BAR:
            levels[-1].append(place)
        elif kind == t.CLOSE and len(levels) > 1:
            _settle(tokens, levels.pop())
    for level in levels:
        _settle(tokens, level)


def _settle(tokens: list[t.Token], places: list[int]) -> None:
    """Settle the bars of one bracket level."""
    open_signs: list[str] = []
    for index, place in enumerate(places):
        sign = tokens[place][2]
        before = tokens[place + 1][0] if place + 1 < len(tokens) else t.END
        alone = len(places) == 1
        if not alone and before in _BEFORE_OPERAND:
            open_signs.append(sign)
            tokens[place] = (t.BAR_OPEN, g.PRODUCT, sign, HOLE)
        elif open_signs:
            open_signs.pop()
            tokens[place] = (t.BAR_CLOSE, 0, sign, HOLE)
        elif not alone and (len(places) - index) % 2 == 0:
            open_signs.append(sign)
            tokens[place] = (t.BAR_OPEN, g.PRODUCT, sign, HOLE)
        else:
            parallel = sign == "\\|"
            tokens[place] = (t.INFIX, g.REL, "parallel" if parallel else "divides", HOLE)
