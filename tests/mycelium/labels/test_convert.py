"""From our tree to sympy's."""

import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from mycelium.labels.convert import NotConvertedError, to_sympy
from mycelium.labels.operators import LABELS
from mycelium.labels.parser import parse
from mycelium.labels.tree import Node, Refusal

x, y, n, a, b = sympy.symbols("x y n a b")


def read(text: str) -> Node:
    tree = parse(text)
    assert not isinstance(tree, Refusal)
    return tree


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("48/2", sympy.Integer(24)),
        ("0.2 \\cdot 50", sympy.Integer(10)),
        ("20\\% \\cdot 50", sympy.Integer(10)),
        ("2\\frac{1}{3}", sympy.Rational(7, 3)),
        ("0.\\overline{4}", sympy.Rational(4, 9)),
        ("0.8\\overline{4}", sympy.Rational(38, 45)),
        ("121_3", sympy.Integer(16)),
        ("1{,}000 - 1", sympy.Integer(999)),
        ("-3^2", sympy.Integer(-9)),
        ("2^{10}", sympy.Integer(1024)),
        ("8^{2/3}", sympy.Integer(4)),
        ("x^{-1}", 1 / x),
        ("\\sqrt{12}", 2 * sympy.sqrt(3)),
        ("\\sqrt[3]{8}", sympy.Integer(2)),
        ("8^{1/3}", sympy.Integer(2)),
        ("\\sqrt[n]{x}", x ** (1 / n)),
        ("5!", sympy.Integer(120)),
        ("\\binom{5}{2}", sympy.Integer(10)),
        ("{}_5P_2", sympy.Integer(20)),
        ("\\sin 30^\\circ", sympy.Rational(1, 2)),
        ("\\tan^{-1} 1", sympy.pi / 4),
        ("\\log_2 8", sympy.Integer(3)),
        ("\\ln e", sympy.Integer(1)),
        ("e^{i\\pi}", sympy.Integer(-1)),
        ("|{-3}|", sympy.Integer(3)),
        ("\\lfloor 7/2 \\rfloor", sympy.Integer(3)),
        ("\\lceil 7/2 \\rceil", sympy.Integer(4)),
        ("17 \\bmod 5", sympy.Integer(2)),
        ("\\gcd(12, 18)", sympy.Integer(6)),
        ("\\operatorname{lcm}(4, 6)", sympy.Integer(12)),
        ("\\max(2, 3)", sympy.Integer(3)),
        ("(x+y)(x-y)", (x + y) * (x - y)),
        ("f(x)", sympy.Function("f")(x)),
    ],
)
def test_the_computed_form_has_the_value(text: str, expected: sympy.Basic) -> None:
    assert sympy.simplify(to_sympy(read(text), evaluate=True) - expected) == 0


def test_the_form_as_written_computes_nothing() -> None:
    written = to_sympy(read("48/2 + 1"), evaluate=False)
    assert written != 25
    assert written.doit() == 25
    assert written.atoms(sympy.Integer) >= {sympy.Integer(48), sympy.Integer(1)}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("9^{9^{9^9}}", "exponent"),
        ("10^{1000000000}", "exponent"),
        ("(2^{9999})^{9999}", "exponent"),
        ("1000000000!", "factorial"),
        ("\\binom{10^9}{5}", "factorial"),
        ("9" * 2_000, "digits"),
        ("+".join(["√√√√1"] * 500), "size"),
        ("1" + "+1-1" * 200, "depth"),
        ("1 + \\cdots + n", "operator: text"),
        ("(1, 2)", "operator: tuple"),
        ("\\int_0^1 x \\, dx", "operator: integral"),
        ("129_3", "operator: base"),
    ],
)
def test_limits_and_gaps_are_named(text: str, reason: str) -> None:
    with pytest.raises(NotConvertedError, match=reason):
        to_sympy(read(text), evaluate=True)


def test_every_label_that_computes_converts_or_says_that_it_does_not() -> None:
    gaps = []
    for label in LABELS.values():
        tree = read(label.example)
        try:
            to_sympy(tree, evaluate=False)
        except NotConvertedError as error:
            gaps.append(str(error))
    assert all(gap.startswith("operator: ") for gap in gaps)
    assert len(gaps) < len(LABELS) / 2


whole = st.integers(0, 50)


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from("+-*/"), whole), min_size=1, max_size=12))
def test_arithmetic_agrees_with_fractions(parts: list[tuple[str, int]]) -> None:
    from fractions import Fraction  # noqa: PLC0415 - the oracle of this test

    text = "1" + "".join(f" {sign} {number}" for sign, number in parts)
    try:
        value = eval(  # noqa: S307 - our own digits and four signs
            "F(1)" + "".join(f" {sign} F({number})" for sign, number in parts), {"F": Fraction}
        )
    except ZeroDivisionError:
        return
    assert to_sympy(read(text), evaluate=True) == sympy.Rational(value.numerator, value.denominator)
