"""The canonical form: one text for one tree, read alike by Python, by sympy and by us."""

import ast
import builtins
import keyword
from fractions import Fraction
from typing import Any

import pytest
import sympy
from hypothesis import assume, given
from sympy.parsing.sympy_parser import parse_expr, rationalize, standard_transformations

from mycelium.labels.parser import parse
from mycelium.labels.tree import Node, Refusal, leaf
from mycelium.pairs import canonical as module
from mycelium.pairs.canonical import FUNCTIONS, RESERVED, NotWrittenError, read_back, write, write_name
from mycelium.pairs.evaluate import NotExactError, evaluate
from tests.mycelium.pairs.trees import VALUES, reckon, trees

AS_FRACTIONS = (*standard_transformations, rationalize)


def written(text: str) -> str:
    tree = parse(text)
    assert not isinstance(tree, Refusal)
    return write(tree)


@pytest.mark.parametrize(
    ("latex", "canonical"),
    [
        (r"\frac{48}{2}", "48 / 2"),
        (r"48 \div 2", "48 / 2"),
        (r"a \cdot \frac{b}{c}", "a * (b / c)"),
        (r"\frac{a}{b} c", "a / b * c"),
        ("2 - 3 - (4 - 5)", "2 - 3 - (4 - 5)"),
        ("2(3 + 4)", "2 * (3 + 4)"),
        ("-3^2", "-3**2"),
        ("(-3)^2", "(-3)**2"),
        ("3 - (-4)", "3 - (-4)"),
        ("-(a + b)", "-(a + b)"),
        ("2^{3^2}", "2**(3**2)"),
        ("2^{-1}", "2**(-1)"),
        ("4^{3/2}", "4**(3 / 2)"),
        (r"x^{n+1}", "x**(n + 1)"),
        (r"\sqrt{a + 1}", "sqrt(a + 1)"),
        (r"\sqrt[3]{8}", "8**(1 / 3)"),
        (r"20\% \cdot 50", "20 / 100 * 50"),
        (r"2\frac12 + 1", "2 + 1 / 2 + 1"),
        (r"\binom{5}{2} - 3!", "binomial(5, 2) - factorial(3)"),
        (r"\gcd(4, 6, 8)", "gcd(gcd(4, 6), 8)"),
        (r"\lfloor 3.50 \rfloor", "floor(3.5)"),
        (r"\$1,\!000 \cdot .5", "1000 * 0.5"),
        (r"180^\circ - 40^\circ", "180 - 40"),
        (r"3 \text{ cm} + 4 \text{ cm}", "3 + 4"),
        (
            r"\theta + θ_1 + \varphi + x_{12} + AB + E + S + \lambda",
            "theta + theta_1 + phi + x_12 + AB + E_ + S_ + lambda_",
        ),
    ],
)
def test_an_expression_has_one_form(latex: str, canonical: str) -> None:
    assert written(latex) == canonical
    assert read_back(canonical) is not None


@pytest.mark.parametrize(
    ("latex", "reason"),
    [
        (r"\sin x", "sin"),
        ("(1, 2)", "tuple"),
        ("f(x) + 1", "apply"),
        (r"\angle ABC + 1", "name"),
        ("a' + 1", "name"),
        (r"\infty + 1", "name"),
        (r"0.\overline{3} + 1", "numeral"),
        ("+", "hole"),
        ("+".join(["x"] * 201), "size"),
        ("+".join(["123456789"] * 60), "size"),
        (r"\sqrt{" * 45 + "2" + "}" * 45, "size"),
    ],
)
def test_what_has_no_form_says_why(latex: str, reason: str) -> None:
    with pytest.raises(NotWrittenError, match=f"^{reason}$"):
        written(latex)


@given(trees(with_names=True))
def test_what_is_read_back_is_what_was_written(tree: Node) -> None:
    text = write(tree)
    parsed = read_back(text)
    assert parsed is not None
    assert "÷" not in text
    assert "\\" not in text
    try:
        expected = reckon(tree)
    except ZeroDivisionError:
        with pytest.raises(NotExactError, match="undefined"):
            evaluate(parsed, text, {write_name(name): value for name, value in VALUES.items()})
        return
    assert evaluate(parsed, text, {write_name(name): value for name, value in VALUES.items()}) == expected


@given(trees())
def test_sympy_reads_the_same_number(tree: Node) -> None:
    try:
        expected = reckon(tree)
    except ZeroDivisionError:
        assume(False)
    # Safe: the text is our own writer's, of a tree that this test drew.
    read = parse_expr(write(tree), transformations=AS_FRACTIONS)
    assert read == sympy.Rational(expected.numerator, expected.denominator)


@pytest.mark.parametrize(
    "latex", ["E + I", "N + O", "S + Q", r"\lambda + \gamma + \beta + \zeta", "QQ + GF", r"\Lambda"]
)
def test_a_name_stays_a_name_to_sympy(latex: str) -> None:
    read = parse_expr(written(latex), transformations=AS_FRACTIONS)
    assert all(isinstance(symbol, sympy.Symbol) for symbol in read.atoms(sympy.Symbol))
    assert len(read.free_symbols) == latex.count("+") + 1


def test_every_name_that_means_something_is_reserved() -> None:
    meant: dict[str, Any] = {}
    exec("from sympy import *", meant)  # noqa: S102 - what parse_expr itself does
    words = {*meant, *keyword.kwlist, *dir(builtins)} - {"pi"}
    of_our_shape = {word for word in words if module._NAME.fullmatch(word) or word in module._GREEK}
    assert of_our_shape == RESERVED


def test_every_function_is_one_of_sympy() -> None:
    for name, arity in FUNCTIONS.values():
        arguments = [sympy.Integer(12), sympy.Integer(5)][:arity]
        parsed = read_back(f"{name}({', '.join(map(str, arguments))})")
        assert parsed is not None
        expected = getattr(sympy, name)(*arguments)
        try:
            assert evaluate(parsed, ast.unparse(parsed)) == Fraction(int(expected))
        except NotExactError:
            assert not expected.is_rational


@pytest.mark.parametrize(
    "text",
    [
        "",
        "48 ÷ 2",
        r"\frac{1}{2}",
        "__import__('os').system('true')",
        "().__class__",
        "[x for x in y]",
        "lambda: 1",
        "1e9",
        "0x1f",
        "1_000",
        "1j",
        "True",
        "'a' * 3",
        "x if y else z",
        "1 < 2",
        "x = 3",
        "1; 2",
        "1\n+ 2",
        "sqrt",
        "sqrt + 1",
        "sqrt(1, 2)",
        "sqrt(*x)",
        "sqrt(x=1)",
        "exp(2)",
        "1(2)",
        "~3",
        "+3",
        "3 // 2",
        "3 % 2",
        "x\x00",
        "(" * 300 + ")" * 300,
        "(" * 250 + "1" + ")" * 250,
        "-" * 500 + "1",
        "9" * 513,
    ],
)
def test_what_is_no_canonical_form_is_not_read(text: str) -> None:
    assert read_back(text) is None


def test_a_tree_without_arguments_is_a_leaf_or_nothing() -> None:
    assert write(leaf("num", "007")) == "7"
    with pytest.raises(NotWrittenError, match="text"):
        write(leaf("text", "apples"))
