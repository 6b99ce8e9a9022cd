"""From our tree to sympy's, as written (``evaluate=False``) or computed, within limits.

sympy is imported on the first call and never before: it takes most of a second. Nothing here parses text, so nothing
can run code. The evaluated form computes, so each power, factorial and binomial is checked before it is built; call
it from `mycelium.labels.judge`, whose child can be killed.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Final, TypeAlias

from mycelium.labels.operators import POWERS
from mycelium.labels.tree import Node

if TYPE_CHECKING:
    import sympy

    Expression: TypeAlias = sympy.Basic
    Build: TypeAlias = Callable[..., sympy.Basic]

MAX_NODES: Final = 2_000
MAX_TREE_DEPTH: Final = 150
"""sympy walks trees by recursion, several frames a level."""
MAX_DIGITS: Final = 1_000
MAX_EXPONENT: Final = 10_000
MAX_BITS: Final = 200_000
"""Bits in the value of a numeral power: base bits times exponent."""
MAX_FACTORIAL: Final = 2_000


class NotConvertedError(Exception):
    """The tree has no sympy counterpart, or a limit forbids building it; the message is the named reason."""


def to_sympy(tree: Node, *, evaluate: bool) -> sympy.Basic:
    r"""Build the sympy expression of a tree.

    Args:
        tree: As `mycelium.labels.parser.parse` returns it, without relations below its root.
        evaluate: Compute as sympy does (``48/2`` becomes 24), or keep what is written.

    Returns:
        A sympy expression; numerals are exact, ``0.2`` is ``1/5``.

    Raises:
        NotConvertedError: ``size``, ``depth``, ``digits``, ``exponent``, ``factorial``, or ``operator: …`` without a
        counterpart.
    """
    order = _post_order(tree)
    builders = _builders(evaluate)
    built: list[sympy.Basic] = []
    for operator, n_argument, text in order:
        if not n_argument:
            built.append(_leaf(operator, text))
            continue
        arguments = built[-n_argument:]
        del built[-n_argument:]
        if operator == "base":
            built.append(_base(arguments[0], text))
            continue
        build = builders.get(operator)
        if build is None:
            raise NotConvertedError(f"operator: {operator}")
        built.append(build(*arguments))
    return built[0]


def _post_order(tree: Node) -> list[tuple[str, int, str]]:
    """List the nodes, arguments before their operator, without recursion."""
    order: list[tuple[str, int, str]] = []
    stack = [(tree, 1)]
    while stack:
        (operator, arguments, text), depth = stack.pop()
        if depth > MAX_TREE_DEPTH:
            raise NotConvertedError("depth")
        order.append((operator, len(arguments), text))
        if len(order) > MAX_NODES:
            raise NotConvertedError("size")
        stack.extend((argument, depth + 1) for argument in arguments)
    order.reverse()
    return order


def _leaf(operator: str, text: str) -> sympy.Basic:
    import sympy  # noqa: PLC0415 seconds of start-up that labels never need

    if operator == "num":
        if len(text) > MAX_DIGITS:
            raise NotConvertedError("digits")
        return _numeral(text)
    if operator == "sym":
        known = {"\\pi": sympy.pi, "π": sympy.pi, "\\infty": sympy.oo, "∞": sympy.oo, "e": sympy.E, "i": sympy.I}
        return known.get(text) or sympy.Symbol(text)
    if operator == "text" and text != "...":
        return sympy.Symbol(text)
    raise NotConvertedError(f"operator: {operator}")


def _numeral(text: str) -> sympy.Basic:
    """Read a numeral exactly; ``0.8{4}`` repeats what its braces hold."""
    import sympy  # noqa: PLC0415 as above

    if "{" not in text:
        return sympy.Rational(text)
    head, _, period = text.rstrip("}").partition("{")
    whole, _, decimals = head.partition(".")
    scale = 10 ** len(decimals)
    repeated = sympy.Rational(int(period), (10 ** len(period) - 1) * scale)
    return sympy.Rational(int((whole + decimals) or "0"), scale) + repeated


def _base(number: sympy.Basic, subscript: str) -> sympy.Basic:
    import sympy  # noqa: PLC0415 as above

    base = subscript.strip("_{}").translate(str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789"))
    if not base.isdecimal() or not 2 <= int(base) <= 36:
        raise NotConvertedError("operator: base")
    try:
        return sympy.Integer(int(str(number), int(base)))
    except ValueError as error:
        raise NotConvertedError("operator: base") from error


def _checked_power(power: Build) -> Build:
    """Refuse a power whose value would be too large, before it is computed."""

    def build(base: sympy.Basic, exponent: sympy.Basic) -> sympy.Basic:
        if exponent.is_Rational:
            size = abs(exponent.p)
            bits = max(base.p.bit_length(), base.q.bit_length()) if base.is_Rational else 1
            if size > MAX_EXPONENT or size * bits > MAX_BITS or exponent.q > MAX_EXPONENT:
                raise NotConvertedError("exponent")
        elif exponent.is_number and base.is_number and exponent.count_ops() > 8:
            raise NotConvertedError("exponent")
        return power(base, exponent)

    return build


def _checked_whole(function: Build) -> Build:
    """Refuse a factorial or binomial of a number that is too large."""

    def build(*arguments: sympy.Basic) -> sympy.Basic:
        for argument in arguments:
            if argument.is_number and not (argument.is_Rational and abs(argument) <= MAX_FACTORIAL):
                raise NotConvertedError("factorial")
        return function(*arguments)

    return build


_NAMED: Final = {
    **{name: name for name in ("sin", "cos", "tan", "cot", "sec", "csc", "sinh", "cosh", "tanh", "floor")},
    **{"arc" + name: "a" + name for name in ("sin", "cos", "tan", "cot", "sec", "csc")},
    "ln": "log",
    "log": "log",
    "abs": "Abs",
    "conj": "conjugate",
    "mod": "Mod",
    "max": "Max",
    "min": "Min",
    "ceil": "ceiling",
    "real_part": "re",
    "imag_part": "im",
    "sign": "sign",
}
"""Labels whose sympy function only bears another name."""


@lru_cache(maxsize=2)
def _builders(evaluate: bool) -> dict[str, Build]:  # noqa: FBT001 the key of a cache of two
    """Return what builds each operator."""
    import sympy as s  # noqa: PLC0415 as above

    def call(function: Build) -> Build:
        return lambda *arguments: function(*arguments, evaluate=evaluate)

    add, mul = call(s.Add), call(s.Mul)
    power = _checked_power(call(s.Pow)) if evaluate else call(s.Pow)
    half, minus = s.Rational(1, 2), s.Integer(-1)

    def divide(top: s.Basic, bottom: s.Basic) -> s.Basic:
        return mul(top, power(bottom, minus))

    def negate(value: s.Basic) -> s.Basic:
        return -value if evaluate else mul(minus, value)

    table = {label: call(getattr(s, name)) for label, name in _NAMED.items()}
    table |= dict.fromkeys(POWERS, power)
    table |= {
        "add": add,
        "mul": mul,
        "div": divide,
        "neg": negate,
        "sub": lambda left, right: add(left, negate(right)),
        "sqrt": lambda value: power(value, half),
        "nth_root": lambda value, index: power(value, 1 / index if index.is_Integer or index.free_symbols else index),
        "exp": lambda value: power(s.E, value),
        "percent": lambda value: divide(value, s.Integer(100)),
        "degree": lambda value: divide(mul(value, s.pi), s.Integer(180)),
        "mixed": add,
        "factorial": _checked_whole(call(s.factorial)),
        "binomial": _checked_whole(call(s.binomial)),
        "permutation": _checked_whole(s.ff),
        "log_base": lambda value, base: divide(call(s.log)(value), call(s.log)(base)),
        "gcd": lambda *values: s.gcd(values),
        "lcm": lambda *values: s.lcm(values),
        "apply": lambda name, *values: s.Function(str(name))(*values),
    }
    return table
