"""What a canonical expression comes to, exactly: fractions of whole numbers, and a bound on everything.

No floating point: 0.1 is 1/10. What is not a fraction, such as the square root of 2, is refused and never rounded.
Whatever is evaluated has been read by `mycelium.pairs.canonical.read_back`, so its size is bounded; the bounds here are
on the values.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Final

MAX_BITS: Final = 4_096
"""Of the top or bottom of any value on the way."""
MAX_EXPONENT: Final = 1_024
MAX_WHOLE: Final = 500
"""The largest number of which a factorial is taken, or from which is chosen."""


class NotExactError(Exception):
    """An expression has no exact value here; the message is why: ``undefined``, ``irrational``, ``size``, ``name``."""


def evaluate(tree: ast.expr, text: str, values: Mapping[str, Fraction] | None = None) -> Fraction:
    """Compute an expression.

    Args:
        tree: what `read_back` returned for the text.
        text: the text itself, for numbers as they are written.
        values: what each name stands for; none if omitted.

    Returns:
        Its value.

    Raises:
        NotExactError: ``undefined`` (divided by zero, a factorial of 1/2), ``irrational``, ``size`` (beyond a bound) or
            ``name`` (a name that stands for nothing).
    """
    return _Evaluation(text, values or {}).node(tree)


class _Evaluation:
    def __init__(self, text: str, values: Mapping[str, Fraction]) -> None:
        self._text = text
        self._values = values

    def node(self, tree: ast.expr) -> Fraction:
        if isinstance(tree, ast.Constant):
            # By its place in the text, which is ASCII: a float would have lost digits.
            return Fraction(self._text[tree.col_offset : tree.end_col_offset])
        if isinstance(tree, ast.Name):
            if tree.id not in self._values:
                raise NotExactError("name")
            return self._values[tree.id]
        if isinstance(tree, ast.UnaryOp):
            return -self.node(tree.operand)
        if isinstance(tree, ast.BinOp):
            return _check(_SIGNS[type(tree.op)](self.node(tree.left), self.node(tree.right)))
        if isinstance(tree, ast.Call) and isinstance(tree.func, ast.Name):
            return _check(_FUNCTIONS[tree.func.id](*(self.node(argument) for argument in tree.args)))
        raise NotExactError("size")


def _check(value: Fraction) -> Fraction:
    if max(value.numerator.bit_length(), value.denominator.bit_length()) > MAX_BITS:
        raise NotExactError("size")
    return value


def _divide(top: Fraction, bottom: Fraction) -> Fraction:
    if not bottom:
        raise NotExactError("undefined")
    return top / bottom


def _power(base: Fraction, exponent: Fraction) -> Fraction:
    if exponent.denominator != 1:
        base, exponent = _root(base, exponent.denominator), Fraction(exponent.numerator)
    n = exponent.numerator
    if not base and n <= 0:
        raise NotExactError("undefined")
    bits = max(base.numerator.bit_length(), base.denominator.bit_length())
    if abs(n) > MAX_EXPONENT or abs(n) * (bits - 1) > MAX_BITS:
        raise NotExactError("size")
    return base**n


def _root(value: Fraction, index: int) -> Fraction:
    """Take the root of a fraction that has one; of a negative number sympy takes another root than people do."""
    if value < 0:
        raise NotExactError("irrational")
    return Fraction(_whole_root(value.numerator, index), _whole_root(value.denominator, index))


def _whole_root(value: int, index: int) -> int:
    if index > MAX_EXPONENT:
        raise NotExactError("size")
    low, high = 0, 1 << (value.bit_length() // index + 1)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if middle**index <= value else (low, middle - 1)
    if low**index != value:
        raise NotExactError("irrational")
    return low


def _whole(value: Fraction) -> int:
    if value.denominator != 1 or value < 0:
        raise NotExactError("undefined")
    if value > MAX_WHOLE:
        raise NotExactError("size")
    return value.numerator


def _modulo(value: Fraction, modulus: Fraction) -> Fraction:
    if not modulus:
        raise NotExactError("undefined")
    return value % modulus


def _of_whole(function: Callable[[int, int], int]) -> Callable[[Fraction, Fraction], Fraction]:
    def call(one: Fraction, other: Fraction) -> Fraction:
        if one.denominator != 1 or other.denominator != 1:
            raise NotExactError("undefined")
        return Fraction(function(one.numerator, other.numerator))

    return call


_SIGNS: Final[dict[type[ast.operator], Callable[[Fraction, Fraction], Fraction]]] = {
    ast.Add: lambda left, right: left + right,
    ast.Sub: lambda left, right: left - right,
    ast.Mult: lambda left, right: left * right,
    ast.Div: _divide,
    ast.Pow: _power,
}
_FUNCTIONS: Final[dict[str, Callable[..., Fraction]]] = {
    "sqrt": lambda value: _root(value, 2),
    "Abs": abs,
    "factorial": lambda value: Fraction(math.factorial(_whole(value))),
    "floor": lambda value: Fraction(math.floor(value)),
    "ceiling": lambda value: Fraction(math.ceil(value)),
    "binomial": lambda n, k: Fraction(math.comb(_whole(n), _whole(k))),
    "ff": lambda n, k: Fraction(math.perm(_whole(n), _whole(k))),
    "Mod": _modulo,
    "gcd": _of_whole(math.gcd),
    "lcm": _of_whole(math.lcm),
    "Max": max,
    "Min": min,
}
