"""How every other operand is read: fractions, roots, functions, sums and integrals, matrices, absolute values.

Each function takes the parser with its token on top, and leaves it after the last token of the operand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mycelium.labels import forms, suffixes
from mycelium.labels import grammar as g
from mycelium.labels import tokens as t
from mycelium.labels.tree import HOLE, Node, Reason, RefusedError, leaf

if TYPE_CHECKING:
    from mycelium.labels.parser import Parser

_JUXTAPOSED: Final = frozenset((t.NUM, t.SYM, t.FRAC, t.ROOT, t.NAMED, t.BINOM, t.ACCENT, t.LETTERS))


def quotient(p: Parser) -> Node:
    """Read the two arguments of a fraction."""
    p.tokens.pop()
    top = p.argument()
    return forms.fraction(top, p.argument())


def binomial(p: Parser) -> Node:
    """Read the two arguments of a binomial coefficient."""
    p.tokens.pop()
    top = p.argument()
    return ("binomial", (top, p.argument()), "")


def root(p: Parser) -> Node:
    """Read a root, with its index where one is written."""
    name = p.tokens.pop()[2]
    index = HOLE
    if name == "root":
        index = p.tokens.pop()[3] if p.tokens[-1][0] == t.NUM else p.argument()
    elif name == "cbrt":
        index = leaf("num", "3")
    elif p.tokens[-1][2] == "[":
        index = p.group()
    kind, _, word, _ = p.tokens[-1]
    inner = p.group() if kind == t.OPEN and word in ("{", "(") else p.expression(g.POSTFIX)
    if index is HOLE or index[2] == "2":
        return ("sqrt", (inner,), "")
    return ("nth_root", (inner, index), "")


def function(p: Parser) -> Node:
    """Read a function by name: its base or power, and its argument."""
    _, _, label, node = p.tokens.pop()
    tokens = p.tokens
    base = exponent = None
    while tokens[-1][0] in (t.SUBSCRIPT, t.CARET, t.RAISED, t.PRIME):
        kind = tokens[-1][0]
        if kind == t.SUBSCRIPT and label == "log":
            base = base_of_logarithm(p)
        elif kind == t.SUBSCRIPT:
            p.subscript()
        elif kind == t.CARET:
            tokens.pop()
            exponent = p.exponent()
        else:
            exponent = leaf("num", tokens.pop()[2])
    if label == "log" and tokens[-1][0] == t.NUM and tokens[-2][2] == "(":
        base = tokens.pop()[3]
    inner = function_argument(p)
    if label in g.INVERSES and exponent and (exponent[2] == "-1" or exponent[0] == "neg"):
        return (g.INVERSES[label], inner, "")
    name = node[2] if label == "apply" else ""
    made: Node = ("log_base", (*inner, base), "") if base else (label, inner, name)
    return forms.power(made, exponent) if exponent else made


def base_of_logarithm(p: Parser) -> Node:
    """Read the subscript of a logarithm, which is computed with, unlike others."""
    first = p.tokens.pop()
    return p.argument() if first[2] == "_" else leaf("num", first[2])


def function_argument(p: Parser) -> tuple[Node, ...]:
    """Read a function's argument: a bracket, or the product that follows up to another function or sign."""
    tokens = p.tokens
    kind, _, name, _ = tokens[-1]
    if kind in t.STOPS or (kind in (t.INFIX, t.MARK) and name not in ("sub", "plus_minus")):
        return (HOLE,)
    if kind == t.OPEN:
        inner = p.group()
        bare = inner[0] in ("tuple", "interval", "set")
        if not bare and tokens[-1][0] in (t.CARET, t.RAISED) and name == "{":
            inner = p.extend(inner, g.PRODUCT)
        return inner[1] if bare else (inner,)
    if kind == t.INFIX:
        return (p.expression(g.PRODUCT),)
    node = p.expression(g.PRODUCT)
    while tokens[-1][0] in _JUXTAPOSED and not (p.integrals and tokens[-1][2] == "d"):
        p.links += 1
        node = forms.times(node, p.expression(g.PRODUCT))
    return (node,)


def big(p: Parser) -> Node:
    """Read a sum, product, limit or integral: bounds, then body. Bounds name an index; that relation is no label."""
    label = p.tokens.pop()[2]
    bounds: list[Node] = []
    while p.tokens[-1][0] in (t.SUBSCRIPT, t.CARET):
        p.tokens.pop()
        bound = p.argument()
        bounds.append(
            ("index", bound[1], "") if bound[0] in ("eq", "arrow", "lt", "le", "implies", "member") else bound
        )
    if label != "integral":
        body = p.expression(g.SUM) if p.tokens[-1][0] not in t.STOPS else HOLE
        return (label, (body, *bounds), "")
    p.integrals += 1
    body = p.expression(g.REL)
    p.integrals -= 1
    if p.tokens[-1][2] == "d":
        del p.tokens[-2:]
    return (label, (body, *bounds), "")


def accented(p: Parser) -> Node:
    """Read a term with a line or an arrow over it."""
    label = p.tokens.pop()[2]
    return forms.accent(label, p.argument())


def wrapped(p: Parser) -> Node:
    r"""Read the argument of a command that changes nothing, such as ``\boxed``."""
    name = p.tokens.pop()[2]
    if p.tokens[-1][0] in t.STOPS or p.tokens[-1][0] == t.INFIX:
        return p.expression(g.PRODUCT) if p.tokens[-1][2] == "sub" else HOLE
    inner = p.argument()
    while name in ("underbrace", "overbrace") and p.tokens[-1][0] in (t.SUBSCRIPT, t.CARET):
        p.tokens[-1] = (t.SUBSCRIPT, g.POSTFIX, "_", HOLE)
        p.subscript()
    return inner


def environment(p: Parser) -> Node:
    """Read an environment: a matrix cell by cell, cases, or rows that are only laid out."""
    name = p.tokens.pop()[2]
    is_plain = name in g.ROWS or name == "aligned"
    if is_plain:
        outer, p.cells = p.cells, 0
        node = p.rows()
        p.cells = outer
    else:
        node = matrix(p, "cases" if name in ("cases", "dcases", "rcases") else "matrix")
    kind, _, word, _ = p.tokens[-1]
    if kind != t.ENV_END or word != name:
        raise RefusedError(Reason.UNCLOSED if kind != t.BAD else Reason.TABLE, name)
    p.tokens.pop()
    return ("det", (node,), "") if name == "vmatrix" else node


def matrix(p: Parser, label: str) -> Node:
    """Read cells up to the end of the environment."""
    cells: list[Node] = []
    outer = p.cells, p.bars, p.in_set
    p.cells, p.bars, p.in_set = 1, 0, False
    while p.tokens[-1][0] != t.ENV_END:
        kind = p.tokens[-1][0]
        if kind in (t.CELL, t.ROWEND) or p.tokens[-1][1] == g.ROW:
            p.tokens.pop()
        elif kind in (t.END, t.CLOSE, t.BAR_CLOSE):
            break
        else:
            cells.append(p.expression(g.ROW))
    p.cells, p.bars, p.in_set = outer
    return (label, tuple(cells) or (HOLE,), "")


def absolute(p: Parser) -> Node:
    """Read what stands between two bars."""
    sign = p.tokens.pop()[2]
    p.bars += 1
    outer, p.integrals = p.integrals, 0
    inner = p.expression(0)
    p.integrals = outer
    p.bars -= 1
    if p.tokens[-1][0] != t.BAR_CLOSE:
        raise RefusedError(Reason.UNCLOSED, sign)
    p.tokens.pop()
    return forms.absolute(sign, inner)


def choice_before(p: Parser) -> Node:
    """Read ``_nC_k``: a subscript with nothing before it, then C or P with another."""
    p.tokens.pop()
    top = p.argument()
    letter = p.tokens[-1][2]
    if letter in g.CHOICES and p.tokens[-2][2] == "_":
        del p.tokens[-2:]
        return (g.CHOICES[letter], (top, p.argument()), "")
    return HOLE


def modulus_alone(p: Parser) -> Node:
    """Read a modulus in brackets of its own, ``(mod 5)``."""
    return suffixes.modulus(p, HOLE)
