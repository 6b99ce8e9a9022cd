"""How names and numerals are read: subscripts, primes, the arguments of a function, mixed numbers, angles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mycelium.labels import forms
from mycelium.labels import grammar as g
from mycelium.labels import tokens as t
from mycelium.labels.tree import Node, leaf

if TYPE_CHECKING:
    from mycelium.labels.parser import Parser

_BRACKETS: Final = frozenset("([")


def number(p: Parser, node: Node) -> Node:
    """Read what can follow a numeral: the base it is written in, or the fraction of a mixed number."""
    if p.tokens[-1][0] == t.SUBSCRIPT:
        return ("base", (node,), p.subscript())
    following = p.tokens[-2:-8:-1]
    words = [token[2] for token in following]
    if words[0] == "{" and words[2:4] == ["}", "{"] and words[5:6] == ["}"]:
        words = [words[1], words[4]]
        taken = 6
    else:
        taken = 1 if len(words[0]) == 2 else 2
        words = list(words[0]) if taken == 1 else words[:2]
    top, bottom = words[0], words[1] if len(words) > 1 else ""
    if not (top.isdecimal() and bottom.isdecimal() and node[2].isdecimal() and len(top) < 9 and len(bottom) < 9):
        return node
    if not 0 < int(top) < int(bottom):
        return node
    del p.tokens[-1 - taken :]
    return ("mixed", (node, leaf("num", f"{top}/{bottom}")), "")


def symbol(p: Parser, node: Node, name: str) -> Node:
    """Read what can follow a variable: a subscript, primes, and the arguments of a function."""
    tokens = p.tokens
    mark = ""
    while tokens[-1][0] in (t.SUBSCRIPT, t.PRIME):
        if tokens[-1][0] == t.SUBSCRIPT:
            suffix = "_" + p.subscript()
        else:
            suffix = mark = tokens.pop()[2]
        node = leaf("sym", node[2] + suffix) if not node[1] else node
    if name == "m" and tokens[-1][0] == t.NAMED:  # the measure of an angle
        return named(p)
    if name == "m" and tokens[-1][2] in ("widehat", "overarc"):  # and that of an arc
        return p.argument()
    if name in g.CHOICES and tokens[-1][2] == "(":
        choice = chosen(p, name)
        if choice is not None:
            return choice
    if name in g.APPLIED or name in g.APPLIED_TO_LEAF:
        return applied(p, node, name, mark)
    return node


def applied(p: Parser, node: Node, name: str, mark: str) -> Node:
    """Read the arguments of a name that can be a function's, or give the name back."""
    tokens = p.tokens
    if tokens[-1][0] == t.CARET and name in g.APPLIED and bracket_after_exponent(p):
        tokens.pop()
        node = forms.power(node, p.exponent())
    if tokens[-1][2] not in _BRACKETS or tokens[-1][0] != t.OPEN:
        return node
    if name not in g.APPLIED and not (tokens[-3][2] == ")" and tokens[-2][0] in (t.NUM, t.SYM)):
        return node
    argument = p.group()
    inner = argument[1] if argument[0] in ("tuple", "interval") else (argument,)
    if mark:
        return ("derivative", (node, *inner), mark)
    return ("apply", (node, *inner), "")


def bracket_after_exponent(p: Parser) -> bool:
    """Say whether an exponent of one token, braced or not, is followed by a round bracket."""
    words = [token[2] for token in p.tokens[-2:-7:-1]]
    if words and words[0] != "{":
        return words[1:2] == ["("]
    return "}" in words and words[words.index("}") + 1 : words.index("}") + 2] == ["("]


def chosen(p: Parser, name: str) -> Node | None:
    """Read C(n, k) or P(n, k) of two numerals, or of n and k."""
    ahead = p.tokens[-2:-6:-1]
    if len(ahead) < 4 or ahead[1][2] != "list" or ahead[3][2] != ")":
        return None
    pair = (ahead[0][3], ahead[2][3])
    if not all(part[0] == "num" or part[2] in ("n", "k", "r") for part in pair):
        return None
    del p.tokens[-5:]
    return (g.CHOICES[name], pair, "")


def named(p: Parser) -> Node:
    """Read an angle, a triangle or a difference with the letters it names, as one name."""
    name = p.tokens.pop()[2]
    kind, _, word, node = p.tokens[-1]
    if kind == t.SYM:
        p.tokens.pop()
        name += " " + node[2]
        while name[:6] != "\\Delta" and p.tokens[-1][0] == t.SYM and len(p.tokens[-1][2]) == 1:
            name += p.tokens.pop()[2]
    elif kind in (t.TEXT, t.LETTERS):
        p.tokens.pop()
        name += " " + word
    elif kind == t.OPEN and word == "{":
        p.group()
    elif kind == t.NUM:
        name += " " + p.tokens.pop()[2]
    return symbol(p, leaf("sym", name), name)


def letters(p: Parser) -> Node:
    """Put a product of letters back as one token for each."""
    word = p.tokens.pop()[2]
    p.tokens.extend((t.SYM, g.PRODUCT, letter, leaf("sym", letter)) for letter in reversed(word))
    return p.expression(g.PRODUCT)


def text(p: Parser) -> Node:
    """Take a piece of prose as a name; a number that follows as its power or index belongs to it."""
    node = p.tokens.pop()[3]
    while p.tokens[-1][0] in (t.SUBSCRIPT, t.PRIME):
        _ = p.subscript() if p.tokens[-1][0] == t.SUBSCRIPT else p.tokens.pop()
    return node
