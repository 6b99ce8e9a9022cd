"""How a node is made from its parts: powers by their exponent, fractions and derivatives, brackets by what they hold.

Pure functions from nodes to nodes; the parser decides when, this module decides what.
"""

from __future__ import annotations

from typing import Final

from mycelium.labels.operators import RELATIONS
from mycelium.labels.tree import HOLE, Node, leaf

_FLAT: Final = frozenset(("add", "mul", "list", "rows", "union", "intersect")) | RELATIONS
_WHOLE_NAMES: Final = {"1": "pow_general", "2": "square", "3": "cube"}


def join(label: str, left: Node, right: Node) -> Node:
    """Join two operands; a chain of one associative operator becomes one node with many arguments."""
    if left[0] == label and label in _FLAT:
        return (label, (*left[1], right), "")
    return (label, (left, right), "")


def times(left: Node, right: Node) -> Node:  # noqa: PLR0911 - a flat list of cases
    """Join two neighbours with nothing written between them.

    A product, but for prose and dots (which are names, units and gaps), a modulus in brackets, and a whole number
    before a fraction sign such as ½.
    """
    if left[0] == "text" or right[0] == "text":
        if not right[1]:
            return right if left is HOLE else left
        if left[1]:
            return left if right[0] == "text" else ("list", (left, right), "")
        return right if left[2] == "..." else ("list", (left, right), "")
    if right[0] == "mod" and right[1][0] is HOLE:
        return ("mod", (left, right[1][1]), "")
    if left[0] == "num" and right[0] == "num" and "/" in right[2]:
        return ("mixed", (left, right), "")
    if left[0] == "hole":
        return right
    if left[0] == "mul":
        return ("mul", (*left[1], right), "")
    return ("mul", (left, right), "")


def power(base: Node, exponent: Node) -> Node:  # noqa: PLR0911 - a flat list of cases
    """Choose the power label by the exponent as it is written.

    A numeral as exponent is part of the label, and becomes a leaf: nothing inside it is counted again.
    """
    operator, arguments, text = exponent
    if operator == "num":
        return _numeral_power(base, text)
    if operator == "neg" and arguments[0][0] == "num":
        number = arguments[0][2]
        label = "inverse" if number == "1" else "frac_pow" if "." in number else "pow_general"
        return (label, (base, leaf("num", "-" + number)), "")
    sign, fraction = ("-", arguments[0]) if operator == "neg" else ("", exponent)
    if fraction[0] == "div" and len(fraction[1]) == 2 and fraction[1][0][0] == fraction[1][1][0] == "num":
        top, bottom = fraction[1][0][2], fraction[1][1][2]
        label = "frac_pow"
        if top == "1" and not sign:
            label = "sqrt" if bottom == "2" else "nth_root" if bottom.isdigit() else label
        if label == "sqrt":
            return ("sqrt", (base,), "")
        return (label, (base, leaf("num", f"{sign}{top}/{bottom}")), "")
    if operator == "sym" and text == "T" and (base[0] in ("matrix", "vector") or base[2].isupper()):
        return ("transpose", (base,), "")
    if base[0] == "sym" and base[2] == "e" and operator not in ("hole", "text"):
        return ("exp", (exponent,), "e")
    if operator in ("hole", "text") or text in ("*", "\\circ"):
        return base
    return ("pow_general", (base, exponent), "")


def _numeral_power(base: Node, text: str) -> Node:
    if text in ("0.5", "1/2", ".5"):
        return ("sqrt", (base,), "")
    exponent = leaf("num", text)
    if "." in text or "/" in text:
        return ("frac_pow", (base, exponent), "")
    if text == "-1":
        return ("inverse", (base, exponent), "")
    label = _WHOLE_NAMES.get(text) or ("high_pow" if text.isdigit() and text.strip("0") else "pow_general")
    return (label, (base, exponent), "")


def fraction(top: Node, bottom: Node) -> Node:
    r"""Make a quotient, or the derivative that ``\frac{dy}{dx}`` and ``\frac{d}{dx}`` stand for."""
    symbol = _differential(bottom)
    if symbol and _differential(top) == symbol:
        return ("derivative", (top, bottom), symbol)
    return ("div", (top, bottom), "")


def _differential(node: Node) -> str:
    r"""Return the sign a differential begins with, ``d`` or ``\partial``, or nothing."""
    while node[0] in ("mul", "square", "cube") and node[1]:
        if node[0] == "mul" and len(node[1]) > 3:
            return ""
        node = node[1][0]
    return node[2] if node[0] == "sym" and node[2] in ("d", "\\partial", "∂") else ""


def is_infinite(node: Node) -> bool:
    """Say whether a node is infinity, with or without a sign."""
    while node[0] in ("neg", "pos") and node[1]:
        node = node[1][0]
    return node[2] in ("\\infty", "∞")


def bracket(opener: str, closer: str, inner: Node) -> Node:  # noqa: PLR0911 - a flat list of cases
    """Say what a pair of brackets makes of what it holds."""
    if opener == "{":
        return inner
    if opener in ("\\{", "\\lbrace"):
        return ("set", inner[1] if inner[0] == "list" else (inner,), "")
    if opener in ("\\lfloor", "⌊"):
        return ("floor", (inner,), "")
    if opener in ("\\lceil", "⌈"):
        return ("ceil", (inner,), "")
    if opener in ("\\langle", "⟨"):
        return ("vector", inner[1] if inner[0] == "list" else (inner,), "")
    if inner[0] != "list":
        return inner
    square = (opener == "[") + (closer == "]")
    infinite = is_infinite(inner[1][0]) or is_infinite(inner[1][-1])
    if len(inner[1]) == 2 and (square or infinite):
        return ("interval", inner[1], opener + closer)
    return ("tuple", inner[1], "")


def as_interval(node: Node) -> Node:
    """Read a pair beside ∪, ∩ or ∈ as an interval."""
    return ("interval", node[1], "()") if node[0] == "tuple" and len(node[1]) == 2 else node


def absolute(sign: str, inner: Node) -> Node:
    """Make an absolute value; two bars on each side are a norm, and bars round a matrix are its determinant."""
    if sign == "\\|":
        return ("norm", (inner,), "")
    if inner[0] == "abs" and inner[2] == "bare":
        return ("norm", inner[1], "")
    return ("det", (inner,), "") if inner[0] == "matrix" else ("abs", (inner,), "bare")


def accent(label: str, inner: Node) -> Node:
    """Say what a line or an arrow over a term means: a vector, a conjugate, or only a part of the name."""
    if label == "vector":
        return ("vector", (inner,), "")
    operator, _, text = inner
    if operator in ("num", "text", "hole") or (operator == "sym" and text[:1].isupper()):
        return inner
    if operator == "mul" and all(part[0] in ("num", "sym") for part in inner[1]):
        is_numeral = any(part[0] == "num" for part in inner[1]) or all(len(part[2]) == 1 for part in inner[1])
        return leaf("sym", "".join(part[2] for part in inner[1])) if is_numeral else ("conj", (inner,), "")
    return ("conj", (inner,), "")
