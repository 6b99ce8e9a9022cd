"""How what follows an operand is joined to it: units, sets, signs after a number, raised digits, moduli, cell marks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mycelium.labels import forms
from mycelium.labels import grammar as g
from mycelium.labels import tokens as t
from mycelium.labels.tree import HOLE, MAX_POSTFIX, Node, Reason, RefusedError, leaf

if TYPE_CHECKING:
    from mycelium.labels.parser import Parser


def unit(p: Parser, left: Node) -> Node:
    """Take prose after an operand as its unit, with the power and the second unit of ``m^2`` and ``m/s``."""
    tokens = p.tokens
    node = tokens.pop()[3]
    if node[2] == "...":
        return left
    if tokens[-1][0] == t.CARET and left[0] != "text":
        tokens.pop()
        p.exponent()
    elif tokens[-1][0] == t.RAISED:
        tokens.pop()
    if left[0] == "num" and tokens[-1][2] == "div" and tokens[-2][0] == t.TEXT:
        del tokens[-2:]
    return node if left is HOLE else left


def sets(p: Parser, name: str, left: Node, binding: int) -> Node:
    """Join sets, where a pair in round brackets is an interval, or numbers in a ratio."""
    if name == "ratio":
        if p.in_set:
            return ("such", (left, p.expression(g.SUCH)), "")
        return ("ratio", (left, p.expression(binding)), "")
    right = forms.as_interval(p.expression(binding))
    return forms.join(name, left if name == "member" else forms.as_interval(left), right)


def marked(p: Parser, left: Node) -> Node:
    """Join a sign that stands after its operand."""
    count = 0
    while p.tokens[-1][0] == t.MARK:
        label = p.tokens.pop()[2]
        count += 1
        if count > MAX_POSTFIX:
            raise RefusedError(Reason.TOO_DEEP, label)
        if left is not HOLE and not (label == left[0] == "factorial"):
            left = (label, (left,), "")
    return left


def raised(p: Parser, left: Node) -> Node:
    """Join an exponent that is written in raised characters."""
    return forms.power(left, leaf("num", p.tokens.pop()[2]))


def modulus(p: Parser, left: Node) -> Node:
    """Join a modulus to what it reduces."""
    p.tokens.pop()
    kind = p.tokens[-1][0]
    if kind in t.STOPS:
        return ("mod", (left, HOLE), "")
    inner = p.argument() if kind == t.OPEN else p.expression(g.SUM)
    return ("mod", (left, inner), "")


def after_name(p: Parser, left: Node) -> Node:
    """Drop a subscript or prime after something that is no variable, such as a bracket."""
    if p.tokens[-1][0] == t.SUBSCRIPT:
        p.subscript()
    else:
        p.tokens.pop()
    return left


def cell(p: Parser, left: Node) -> Node | None:
    """Stop at the end of a cell; outside a matrix the mark only aligns, and is passed over."""
    if p.cells or p.tokens[-2][0] == t.END:
        return None
    p.tokens.pop()
    return left


def row(_parser: Parser, _left: Node) -> None:
    """Stop at the end of a row."""
    return
