"""What a step says it computes, and whether that is so.

A step is read as chains of equal sides: ``x = 48 / 2 = 24``. Its *expression* is the first side that computes and holds
no names; where there is none, the first side that computes. The other sides are its *claim*:

    value       another side comes to the same number:         48 / 2 = 24
    rounded     … to the decimals that it shows:               22 / 7 ≈ 3.14
    name        the number is given a name:                    x = 3 + 4
    identity    two sides with names are equal for any value:  (x + 1)**2 = x**2 + 2 * x + 1

An identity is tried at three points of exact fractions, of both signs: two different polynomials of degree d agree at a
random point of n with probability d / n at most, so that a false one gets through in less than one case of 10⁸ for
d = 4. An equation that holds for some values only, such as ``2 * x = 14``, computes nothing and is dropped.
"""

from __future__ import annotations

import ast
import hashlib
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import Final

from mycelium.labels.extract import primary_label
from mycelium.labels.operators import POWERS, RELATIONS, STATEMENTS
from mycelium.labels.steps import canonical
from mycelium.labels.tree import Node
from mycelium.pairs.canonical import FUNCTIONS, NotWrittenError, read_back, write
from mycelium.pairs.evaluate import NotExactError, evaluate

_STATEMENTS: Final = STATEMENTS | {"implies"}
_LEAVES: Final = frozenset(("num", "sym", "text", "hole"))
_SIGNS_OF_BARE: Final = frozenset(("neg", "degree", "percent"))
_CONSTANTS: Final = frozenset(("\\pi", "π"))
_MAX_SIDES: Final = 16
_N_POINT: Final = 3
_MAX_POINTS: Final = 8
_DECIMAL: Final = re.compile(r"-?\d+(?:\.(\d+))?")


class Drop(StrEnum):
    """Why a step gives no C3 pair; every one is counted under one of these."""

    REFUSED = "refused"
    NO_CLASS = "no_class"
    NO_OPERATION = "no_operation"
    NOT_EQUATION = "not_equation"
    NO_FORM = "no_form"
    NO_CLAIM = "no_claim"
    OPEN_EQUATION = "open_equation"
    NOT_EXACT = "not_exact"
    WRONG = "wrong"
    OPERAND_NOT_FOUND = "operand_not_found"
    REPEATED = "repeated"
    BAD_TEXT = "bad_text"
    EOS_IN_TEXT = "eos_in_text"


@dataclass(frozen=True, slots=True)
class Claim:
    """A step's expression and what became of its claim.

    Attributes:
        expression: in canonical form; empty where the step is dropped before it has one.
        kind: value, rounded, name or identity; empty where the step is dropped.
        operation: the label of the expression's outermost operator that computes.
        operands: its numbers and names as the step's own record has them, exponents and π left out.
        drop: why there is no pair; None for a pair.
        detail: what stood in the way: an operator, or a bound.
    """

    expression: str = ""
    kind: str = ""
    operation: str = ""
    operands: tuple[str, ...] = ()
    drop: Drop | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class _Side:
    """One side, written and read back; `text` is empty where it has no form."""

    tree: Node
    text: str
    parsed: ast.expr | None
    names: frozenset[str]
    detail: str = ""

    @property
    def is_bare(self) -> bool:
        return _is_bare(self.tree)

    @property
    def is_closed(self) -> bool:
        return self.parsed is not None and not self.names

    def value(self, values: dict[str, Fraction] | None = None) -> Fraction:
        if self.parsed is None:
            raise NotExactError(self.detail)
        return evaluate(self.parsed, self.text, values)


def read_claim(tree: Node) -> Claim:  # noqa: PLR0911 - one return for each way to be dropped
    """Find a step's expression, and check what it claims.

    Args:
        tree: the step, as `mycelium.labels.parser.parse` returns it.

    Returns:
        The expression in canonical form with the kind of its claim, or why there is none.
    """
    relation, parts = _first_chain(tree)
    if not parts:
        return Claim(drop=Drop.NO_OPERATION)
    if relation not in {"", "eq", "approx"}:
        return Claim(drop=Drop.NOT_EQUATION, detail=relation)
    sides = [_read_side(part) for part in parts[:_MAX_SIDES]]
    computing = [side for side in sides if not side.is_bare]
    written = [side for side in computing if side.parsed is not None]
    if not written:
        return Claim(drop=Drop.NO_FORM, detail=computing[0].detail)
    chosen = next((side for side in written if side.is_closed), written[0])
    others = [side for side in sides if side is not chosen]
    if not others:
        return _drop(chosen, Drop.NO_CLAIM)
    try:
        if chosen.is_closed:
            return _check_value(chosen, others, relation)
        return _check_identity(chosen, others)
    except NotExactError as error:
        return _drop(chosen, Drop.NOT_EXACT, str(error))


def _first_chain(tree: Node) -> tuple[str, tuple[Node, ...]]:
    """Return relation and sides of the first statement that computes; nothing where none does."""
    pending = [tree]
    while pending:
        node = pending.pop()
        operator, arguments, _ = node
        if operator in _STATEMENTS and arguments:
            pending.extend(reversed(arguments))
            continue
        relation, sides = (operator, arguments) if operator in RELATIONS and arguments else ("", (node,))
        if not all(_is_bare(side) for side in sides):
            return relation, sides
    return "", ()


def _is_bare(node: Node) -> bool:
    """Say whether a side is a number or name, with or without a sign or unit."""
    while node[0] in _SIGNS_OF_BARE and node[1]:
        node = node[1][0]
    return node[0] in _LEAVES


def _read_side(tree: Node) -> _Side:
    try:
        text = write(tree)
    except NotWrittenError as error:
        return _Side(tree, "", None, frozenset(), str(error))
    parsed = read_back(text)
    names = frozenset(find_names(parsed)) if parsed is not None else frozenset()
    return _Side(tree, text, parsed, names, "" if parsed is not None else "parse")


def find_names(tree: ast.AST) -> Iterator[str]:
    """Yield the names that a canonical expression's value depends on."""
    functions = {name for name, _ in FUNCTIONS.values()}
    return (node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id not in functions)


def _check_value(chosen: _Side, others: Sequence[_Side], relation: str) -> Claim:
    """Compare a number with all other sides that are numbers."""
    value = chosen.value()
    kind = ""
    for side in others:
        if side.names:
            kind = kind or ("name" if side.is_bare else "")
        elif side.parsed is None:
            continue  # f(3) = 2 * 3: what has no form is neither borne out nor contradicted
        elif side.value() == value:
            kind = "value"
        elif relation == "approx" and _rounds_to(value, side.text):
            kind = "rounded"
        else:
            return _drop(chosen, Drop.NOT_EXACT if relation == "approx" else Drop.WRONG, relation)
    if kind == "name" and _is_ratio(chosen.tree):
        return Claim(drop=Drop.NO_OPERATION, detail="fraction")
    return _keep(chosen, kind) if kind else _drop(chosen, Drop.OPEN_EQUATION)


def _is_ratio(tree: Node) -> bool:
    """Say whether a quotient only writes a fraction: whole numbers in lowest terms, with or without a sign."""
    while tree[0] == "neg":
        tree = tree[1][0]
    if tree[0] != "div" or len(tree[1]) != 2:
        return False
    top, bottom = (part[2] if part[0] == "num" else "" for part in tree[1])
    return top.isdecimal() and bottom.isdecimal() and math.gcd(int(top), int(bottom)) == 1


def _rounds_to(value: Fraction, text: str) -> bool:
    """Say whether a value, rounded to the decimals that a numeral shows, is that numeral."""
    match = _DECIMAL.fullmatch(text)
    if not match:
        return False
    return abs(value - Fraction(text)) <= Fraction(1, 2 * 10 ** len(match[1] or ""))


def _check_identity(chosen: _Side, others: Sequence[_Side]) -> Claim:
    """Compare sides with names at several points."""
    compared = [side for side in others if side.parsed is not None and not side.is_bare]
    if not compared:
        return _drop(chosen, Drop.OPEN_EQUATION)
    sides = [chosen, *compared]
    names = sorted(frozenset().union(*(side.names for side in sides)))
    whole = {name for side in sides if side.parsed is not None for name in _names_in_exponents(side.parsed)}
    n_agreed = 0
    undefined: NotExactError | None = None
    for point in range(_MAX_POINTS):
        values = {name: _value_at(name, point, is_whole=name in whole) for name in names}
        try:
            if len({side.value(values) for side in sides}) > 1:
                return _drop(chosen, Drop.OPEN_EQUATION)
        except NotExactError as error:
            if str(error) != "undefined":
                raise
            undefined = error
            continue
        n_agreed += 1
        if n_agreed == _N_POINT:
            return _keep(chosen, "identity")
    raise undefined or NotExactError("undefined")


def _names_in_exponents(tree: ast.expr) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow):
            yield from find_names(node.right)


def _value_at(name: str, point: int, *, is_whole: bool) -> Fraction:
    """Return what a name stands for at a point: the same on any machine."""
    number = int.from_bytes(hashlib.blake2b(f"{point} {name}".encode(), digest_size=8).digest(), "big")
    if is_whole:
        return Fraction(2 + number % 11)
    return Fraction((-1) ** (point % 2) * (2 + number % 9_973), 1 + (number >> 32) % 97)


def _keep(side: _Side, kind: str) -> Claim:
    return Claim(side.text, kind, primary_label(side.tree), _operands(side.tree))


def _drop(side: _Side, why: Drop, detail: str = "") -> Claim:
    return Claim(side.text, "", primary_label(side.tree), _operands(side.tree), why, detail)


def _operands(tree: Node) -> tuple[str, ...]:
    """Return numbers and names in reading order, each once, without the numerals that are exponents."""
    found: dict[str, None] = {}
    stack = [tree]
    while stack:
        operator, arguments, text = stack.pop()
        if operator == "num":
            found[canonical(text)] = None
        elif operator == "sym" and text not in _CONSTANTS:
            found[text] = None
        kept = arguments[:1] if operator in POWERS and arguments[1][0] == "num" else arguments
        stack.extend(reversed(kept))
    return tuple(found)
