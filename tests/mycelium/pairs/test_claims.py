"""What a step claims, and whether it is so."""

from fractions import Fraction

import pytest
from hypothesis import assume, given

from mycelium.labels.parser import parse
from mycelium.labels.tree import Node, Refusal, leaf
from mycelium.pairs.claims import Claim, Drop, read_claim
from tests.mycelium.pairs.trees import reckon, trees


def claim(text: str, *, plain: bool = False) -> Claim:
    tree = parse(text, plain=plain)
    assert not isinstance(tree, Refusal)
    return read_claim(tree)


@pytest.mark.parametrize(
    ("text", "expression", "kind", "operation"),
    [
        ("48/2 = 24", "48 / 2", "value", "div"),
        ("24 = 48/2", "48 / 2", "value", "div"),
        (r"x = \frac{48}{2} = 24", "48 / 2", "value", "div"),
        (r"A = lw = 3 \cdot 4 = 12", "3 * 4", "value", "mul"),
        (r"2(3 + 4) = 2 \cdot 7 = 14", "2 * (3 + 4)", "value", "mul"),
        (r"\frac{6}{8} = \frac{3}{4}", "6 / 8", "value", "div"),
        ("0.1 + 0.2 = 0.3", "0.1 + 0.2", "value", "add"),
        (r"20\% \cdot 50 = 10", "20 / 100 * 50", "value", "mul"),
        (r"\sqrt{144} = 12", "sqrt(144)", "value", "sqrt"),
        ("f(3) = 2 + 3 = 5", "2 + 3", "value", "add"),
        (r"22/7 \approx 3.14", "22 / 7", "rounded", "div"),
        (r"20/7 \approx 3", "20 / 7", "rounded", "div"),
        ("x = 3 + 4", "3 + 4", "name", "add"),
        ("(x+1)^2 = x^2 + 2x + 1", "(x + 1)**2", "identity", "square"),
        (r"2^{2n} = 4^n", "2**(2 * n)", "identity", "pow_general"),
        (r"\frac{1}{n(n+1)} = \frac{1}{n} - \frac{1}{n+1}", "1 / (n * (n + 1))", "identity", "div"),
        (r"2 \cdot \pi \cdot 3 = 6\pi", "2 * pi * 3", "identity", "mul"),
        (r"x = 5, \quad 2 + 3 = 5", "2 + 3", "value", "add"),
    ],
)
def test_a_claim_that_holds_is_kept(text: str, expression: str, kind: str, operation: str) -> None:
    found = claim(text)
    assert (found.expression, found.kind, found.operation, found.drop) == (expression, kind, operation, None)


@pytest.mark.parametrize(
    ("text", "drop", "detail"),
    [
        ("48/2 = 25", Drop.WRONG, "eq"),
        ("2 + 3 = 5 = 6", Drop.WRONG, "eq"),
        (r"22/7 \approx 3.15", Drop.NOT_EXACT, "approx"),
        ("2x = 14", Drop.OPEN_EQUATION, ""),
        ("x^2 = x + 1", Drop.OPEN_EQUATION, ""),
        ("|x| + 0 = x + 0", Drop.OPEN_EQUATION, ""),
        ("A = lw", Drop.OPEN_EQUATION, ""),
        ("x + 1 = 2 + 3", Drop.OPEN_EQUATION, ""),
        ("16 - 3", Drop.NO_CLAIM, ""),
        ("x = 5", Drop.NO_OPERATION, ""),
        ("x = -5", Drop.NO_OPERATION, ""),
        ("x = 20\\%", Drop.NO_OPERATION, ""),
        (r"x = \frac{1}{2}", Drop.NO_OPERATION, "fraction"),
        (r"x = -\frac{1}{2}", Drop.NO_OPERATION, "fraction"),
        ("x + 1 < 5", Drop.NOT_EQUATION, "lt"),
        (r"\sin x = 1", Drop.NO_FORM, "sin"),
        (r"\sqrt{2} \cdot 3 = 3\sqrt{2}", Drop.NOT_EXACT, "irrational"),
        ("1/0 = 1", Drop.NOT_EXACT, "undefined"),
        ("9^{9^9} = 1", Drop.NOT_EXACT, "size"),
        ("1/(x-x) = 2/(x-x)", Drop.NOT_EXACT, "undefined"),
    ],
)
def test_a_claim_that_does_not_hold_says_why(text: str, drop: Drop, detail: str) -> None:
    found = claim(text)
    assert (found.drop, found.detail, found.kind) == (drop, detail, "")


def test_money_and_units_are_read_as_plain_text() -> None:
    found = claim("12 apples * $0.50 = $6", plain=True)
    assert (found.expression, found.kind) == ("12 * 0.5", "value")


def test_a_quotient_that_can_be_reduced_is_computed() -> None:
    assert claim("x = 121/11").kind == "name"


def test_operands_are_those_of_the_expression_without_exponents() -> None:
    assert claim(r"x_1 + 1.50^2 + \pi = y + 2").operands == ("x_1", "1.5")
    assert claim(r"r = \frac{4.50^2 \cdot \theta}{3}").operands == ("4.5", "\\theta", "3")
    assert claim(r"3 \cdot 4^{n} + \pi").operands == ("3", "4", "n")


@given(trees(), trees())
def test_equal_sides_are_kept_and_others_are_wrong(left: Node, right: Node) -> None:
    assume(left[1] and left[0] not in {"neg", "percent"})
    try:
        values = reckon(left), reckon(right)
    except ZeroDivisionError:
        assume(False)
    found = read_claim(("eq", (left, right), ""))
    assert found.drop is (None if values[0] == values[1] else Drop.WRONG)
    shown = _numeral(values[0])
    assert read_claim(("eq", (left, shown), "")).drop is None
    assert read_claim(("eq", (left, ("add", (shown, leaf("num", "1")), "")), "")).drop is Drop.WRONG


def _numeral(value: Fraction) -> Node:
    top = leaf("num", str(abs(value.numerator)))
    whole: Node = top if value.denominator == 1 else ("div", (top, leaf("num", str(value.denominator))), "")
    return ("neg", (whole,), "") if value < 0 else whole


@given(trees(with_names=True), trees(with_names=True))
def test_two_sums_in_another_order_are_an_identity(left: Node, right: Node) -> None:
    one: Node = ("add", (left, right, leaf("sym", "x")), "")
    other: Node = ("add", (leaf("sym", "x"), right, left), "")
    found = read_claim(("eq", (one, other), ""))
    assert found.kind == "identity" or found.detail in {"undefined", "irrational"}
    off: Node = ("add", (other, leaf("num", "1")), "")
    assert read_claim(("eq", (one, off), "")).kind == ""
