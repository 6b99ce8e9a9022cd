"""Precedence climbing: tokens in, an unevaluated operator tree out, in one pass and without computing anything.

`Parser.expression` reads one operand and then every operator that binds more strongly than its caller's; strengths
are in `mycelium.labels.grammar`. Time is linear in the length, and depth, length and the number of operators are
bounded, so that no input can take long, take much memory or overflow a stack.

Source: V. R. Pratt, Top down operator precedence, 1973; the paper's labels are read from sympy's trees, which have
neither subtraction nor division. Ours keeps both.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from mycelium.labels import bars, forms, names, operands, suffixes
from mycelium.labels import grammar as g
from mycelium.labels import tokens as t
from mycelium.labels.tree import (
    HOLE,
    MAX_DEPTH,
    MAX_LINKS,
    Node,
    Reason,
    Refusal,
    RefusedError,
    leaf,
)

_BRACKETS: Final = frozenset("([")
_SETS: Final = frozenset(("union", "intersect", "setminus", "ratio", "member", "divides"))
_WRITTEN: Final = {"add": "+", "sub": "-", "mul": "*", "div": "/", "list": ",", "eq": "=", "lt": "<", "gt": ">"}


def parse(text: str, *, plain: bool = False) -> Node | Refusal:
    r"""Read one expression.

    Args:
        text: One expression without its delimiters, at most 8,192 characters.
        plain: Read it as plain text, where ``$`` is money and words are names, rather than LaTeX.

    Returns:
        An unevaluated tree: ``48/2`` is ``("div", (48, 2))`` and never 24. Or a refusal with its reason; nothing is
        raised.
    """
    try:
        tokens = t.tokenize(text, plain=plain)
        if "|" in text or "‖" in text or "\\vert" in text:
            bars.pair(tokens)
        return Parser(tokens).statements()
    except RefusedError as error:
        return error.refusal


class Parser:
    """One reading of one list of tokens."""

    __slots__ = ("bars", "cells", "depth", "in_set", "integrals", "links", "tokens")

    def __init__(self, tokens: list[t.Token]) -> None:
        """Take the tokens in reverse order, as `mycelium.labels.tokens.tokenize` returns them."""
        self.tokens = tokens
        self.depth = 0
        self.links = 0
        self.bars = 0
        self.cells = 0
        self.integrals = 0
        self.in_set = False

    def statements(self) -> Node:
        """Read everything: one or more rows, up to the end.

        Raises:
            RefusedError: There is nothing to read, something is left over, or a bound is exceeded.
        """
        if self.tokens[-1][0] == t.END:
            raise RefusedError(Reason.EMPTY)
        node = self.rows()
        kind, _, name, _ = self.tokens[-1]
        if kind != t.END:
            raise RefusedError(
                Reason.UNOPENED if kind in (t.CLOSE, t.BAR_CLOSE, t.ENV_END) else Reason.MISSING_OPERAND, name
            )
        return node

    def rows(self) -> Node:
        """Read rows that are only laid out; one that begins with a relation goes on with the row before it."""
        tokens = self.tokens
        rows: list[Node] = []
        while True:
            kind, strength, _, _ = tokens[-1]
            if kind in (t.ROWEND, t.CELL) or strength == g.ROW:
                tokens.pop()
            elif kind in (t.END, t.CLOSE, t.ENV_END, t.BAR_CLOSE):
                break
            elif rows and kind == t.INFIX and strength in (g.REL, g.IMPLY, g.PRODUCT, g.SUM) and tokens[-1][2] != "sub":
                rows.append(self.extend(rows.pop(), g.ROW))
            else:
                rows.append(self.expression(g.ROW))
        return rows[0] if len(rows) == 1 else ("rows", tuple(rows), "") if rows else HOLE

    def expression(self, strength: int) -> Node:
        """Read an operand and all that binds to it more strongly than `strength`."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise RefusedError(Reason.TOO_DEEP)
        tokens = self.tokens
        kind, _, name, node = tokens[-1]
        if kind == t.NUM:
            tokens.pop()
            if tokens[-1][0] in (t.FRAC, t.SUBSCRIPT):
                node = names.number(self, node)
        elif kind == t.SYM:
            tokens.pop()
            if tokens[-1][1] >= g.PRODUCT:
                node = names.symbol(self, node, name)
        else:
            node = self.operand(strength)
        if tokens[-1][1] > strength:
            node = self.extend(node, strength)
        self.depth -= 1
        return node

    def extend(self, left: Node, strength: int) -> Node:  # noqa: C901, PLR0912 - the hot loop: a call costs more than a branch
        """Join to an operand everything after it that binds more strongly than `strength`."""
        tokens = self.tokens
        while True:
            kind, binding, name, _ = tokens[-1]
            if binding <= strength:
                return left
            self.links += 1
            if self.links > MAX_LINKS:
                raise RefusedError(Reason.TOO_MANY_TERMS)
            if kind == t.INFIX:
                tokens.pop()
                if (
                    tokens[-1][0] <= t.SYM
                    and tokens[-2][1] < g.PRODUCT
                    and binding >= tokens[-2][1]
                    and name not in _SETS
                ):
                    left = forms.join(name, left, tokens.pop()[3])  # a bare number or name, with nothing to bind to
                elif binding == g.SETS or name == "member":
                    left = suffixes.sets(self, name, left, binding)
                elif name == "divides" and self.in_set:
                    left = ("such", (left, self.expression(g.SUCH)), "")
                else:
                    left = forms.join(name, left, self.expression(binding))
            elif kind == t.TEXT:
                left = suffixes.unit(self, left)
            elif kind <= t.LAST_START:
                if self.integrals and name == "d" and tokens[-2][0] == t.SYM:
                    return left
                is_bare = kind <= t.SYM and tokens[-2][1] < g.PRODUCT
                left = forms.times(left, tokens.pop()[3] if is_bare else self.expression(binding))
            elif kind == t.CARET:
                tokens.pop()
                left = forms.power(left, self.exponent())
            else:
                after = _AFTER[kind](self, left)
                if after is None:
                    return left
                left = after

    def operand(self, strength: int) -> Node:  # noqa: PLR0911 - a flat list of cases
        """Read an operand that is neither a number nor a variable."""
        kind, binding, name, node = self.tokens[-1]
        start = _START.get(kind)
        if start is not None:
            return start(self)
        if kind == t.INFIX and self.tokens[-2][0] == t.CLOSE and strength <= g.LIST:
            self.tokens.pop()  # a sign in brackets of its own is a mark in the margin, such as (*)
            return leaf("text", name)
        if kind == t.INFIX and name in ("sub", "plus_minus", "add"):
            self.tokens.pop()
            if self.tokens[-1][0] == t.END and strength <= g.ROW:
                return (name, (HOLE, HOLE), "")
            inner = self.expression(g.SUM if strength < g.POWER - 1 else strength)
            return inner if name == "add" else ("neg" if name == "sub" else name, (inner,), "")
        if kind in (t.CELL, t.ROWEND) and not self.cells:
            self.tokens.pop()
            return self.expression(strength)
        if kind == t.BAD:
            raise RefusedError(Reason(name), node[2])
        if (kind == t.INFIX and (strength < g.REL or binding <= g.LIST)) or (
            kind in t.STOPS and self.may_be_empty(strength)
        ):
            return HOLE
        if kind == t.INFIX and name == "custom_op":
            self.tokens.pop()
            return leaf("sym", "custom")
        if kind in (t.CARET, t.RAISED, t.MARK, t.PRIME) and strength <= g.LIST:
            return HOLE
        raise RefusedError(Reason.UNCLOSED if kind == t.END else Reason.MISSING_OPERAND, name)

    def may_be_empty(self, strength: int) -> bool:
        """Say whether nothing may stand here: at the end of a segment, in an empty bracket or cell, after a comma."""
        return self.tokens[-1][0] == t.END or strength <= g.LIST or bool(self.cells)

    def subscript(self) -> str:
        """Take a subscript as part of a name; what is written in it is not computed with."""
        first = self.tokens.pop()
        if first[2] != "_":
            return first[2]
        kind, _, name, _ = self.tokens[-1]
        if kind in t.STOPS:
            raise RefusedError(Reason.MISSING_OPERAND, "_")
        self.tokens.pop()
        if name != "{":
            return name
        words: list[str] = []
        open_braces = 1
        while open_braces:
            kind, _, name, node = self.tokens[-1]
            if kind == t.END:
                raise RefusedError(Reason.UNCLOSED, "_{")
            self.tokens.pop()
            open_braces += (kind == t.OPEN and name == "{") - (kind == t.CLOSE and name == "}")
            words.append(_WRITTEN.get(name) or name or node[2])
        return "".join(words[:-1])[:64]

    def group(self) -> Node:
        """Read a pair of brackets and what it holds."""
        _, _, opener, closer = self.tokens.pop()
        outer = self.bars, self.in_set, self.cells, self.integrals
        self.bars = self.cells = self.integrals = 0
        self.in_set = opener in ("\\{", "\\lbrace")
        holds_rows = self.tokens[-1][0] == t.BEGIN
        inner = self.rows() if holds_rows else self.expression(0)
        self.bars, self.in_set, self.cells, self.integrals = outer
        while self.tokens[-1][1] == g.ROW or self.tokens[-1][0] == t.CELL:
            self.tokens.pop()
            if self.tokens[-1][0] != t.CLOSE:
                inner = forms.join("rows", inner, self.expression(g.ROW))
        kind, _, name, _ = self.tokens[-1]
        if holds_rows and opener in ("\\{", "\\lbrace") and name != closer[2]:
            return ("cases", inner[1], "") if inner[0] == "matrix" else inner
        mixed = name in (")", "]") and opener in _BRACKETS
        if kind != t.CLOSE or (name != closer[2] and not mixed):
            raise RefusedError(Reason.UNCLOSED if kind in (t.END, t.CLOSE) else Reason.MISSING_OPERAND, opener)
        self.tokens.pop()
        if inner is HOLE and opener == "{" and self.tokens[-1][0] == t.SUBSCRIPT:
            return operands.choice_before(self)
        return forms.bracket(opener, name, inner)

    def argument(self) -> Node:
        r"""Read one argument of a command: a group in braces, or one token; ``\frac12`` splits its digits."""
        kind, _, name, node = self.tokens[-1]
        if kind == t.OPEN and name == "{":
            return self.group()
        if kind == t.NUM and len(name) > 1:
            self.tokens[-1] = (t.NUM, g.PRODUCT, name[1:], leaf("num", name[1:]))
            return leaf("num", name[0])
        if kind in (t.NUM, t.SYM):
            self.tokens.pop()
            return node
        return self.expression(g.POSTFIX)

    def exponent(self) -> Node:
        """Read an exponent; of two in a row the right one binds first."""
        kind, _, name, _ = self.tokens[-1]
        if kind == t.INFIX and (name not in ("sub", "plus_minus") or self.tokens[-2][0] in t.STOPS):
            self.tokens.pop()
            return leaf("text", name)
        return self.expression(g.POWER - 1)


_START: Final[dict[int, Callable[[Parser], Node]]] = {
    t.NUM: Parser.argument,
    t.SYM: Parser.argument,
    t.OPEN: Parser.group,
    t.FRAC: operands.quotient,
    t.ROOT: operands.root,
    t.FUNC: operands.function,
    t.BIG: operands.big,
    t.BINOM: operands.binomial,
    t.ACCENT: operands.accented,
    t.WRAP: operands.wrapped,
    t.BEGIN: operands.environment,
    t.NAMED: names.named,
    t.BAR_OPEN: operands.absolute,
    t.LETTERS: names.letters,
    t.TEXT: names.text,
    t.SUBSCRIPT: operands.choice_before,
    t.MOD: operands.modulus_alone,
}
_AFTER: Final[dict[int, Callable[[Parser, Node], Node | None]]] = {
    t.SUBSCRIPT: suffixes.after_name,
    t.PRIME: suffixes.after_name,
    t.MARK: suffixes.marked,
    t.RAISED: suffixes.raised,
    t.MOD: suffixes.modulus,
    t.ROWEND: suffixes.row,
    t.CELL: suffixes.cell,
}
