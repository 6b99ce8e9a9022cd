"""Exact values, and a bound on each."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mycelium.pairs.canonical import read_back
from mycelium.pairs.evaluate import NotExactError, evaluate


def value(text: str, **names: int) -> Fraction:
    parsed = read_back(text)
    assert parsed is not None
    return evaluate(parsed, text, {name: Fraction(number) for name, number in names.items()})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.1 + 0.2", Fraction(3, 10)),
        ("0.12345678901234567890123 * 10**23", 12345678901234567890123),
        ("48 / 2", 24),
        ("1 / 3 + 1 / 6", Fraction(1, 2)),
        ("-3**2", -9),
        ("2**3**2", 512),
        ("2**(-2)", Fraction(1, 4)),
        ("(4 / 9)**(3 / 2)", Fraction(8, 27)),
        ("sqrt(144)", 12),
        ("8**(1 / 3)", 2),
        ("0**2", 0),
        ("factorial(5) / ff(5, 2)", 6),
        ("binomial(5, 2)", 10),
        ("binomial(2, 5)", 0),
        ("Mod(-7, 3)", 2),
        ("Mod(7.5, 2)", Fraction(3, 2)),
        ("gcd(12, 18) + lcm(4, 6)", 18),
        ("Max(1 / 2, 1 / 3) - Min(2, 3)", Fraction(-3, 2)),
        ("floor(-0.5) + ceiling(0.5) + Abs(-2)", 2),
        ("x**2 + y", 13),
    ],
)
def test_a_value_is_exact(text: str, expected: Fraction | int) -> None:
    assert value(text, x=3, y=4) == expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("1 / 0", "undefined"),
        ("1 / (2 - 2)", "undefined"),
        ("0**(-1)", "undefined"),
        ("0**0", "undefined"),
        ("factorial(1 / 2)", "undefined"),
        ("factorial(-1)", "undefined"),
        ("gcd(1 / 2, 3)", "undefined"),
        ("Mod(1, 0)", "undefined"),
        ("sqrt(2)", "irrational"),
        ("sqrt(-4)", "irrational"),
        ("(-8)**(1 / 3)", "irrational"),
        ("pi", "name"),
        ("z + 1", "name"),
        ("9**9**9", "size"),
        ("2**99999999999", "size"),
        ("2**(1 / 99999)", "size"),
        ("(1 / 3)**99999", "size"),
        ("10**1000 * 10**1000", "size"),
        ("factorial(501)", "size"),
        ("factorial(factorial(factorial(9)))", "size"),
        ("binomial(10**6, 10**5)", "size"),
    ],
)
def test_what_has_no_exact_value_says_why(text: str, reason: str) -> None:
    with pytest.raises(NotExactError, match=f"^{reason}$"):
        value(text)


@given(st.fractions(min_value=0, max_value=10**9), st.integers(2, 6))
def test_the_root_of_a_power_is_the_number(number: Fraction, index: int) -> None:
    power = number**index
    assert value(f"({power.numerator} / {power.denominator})**(1 / {index})") == number


@given(st.integers(0, 10**12))
def test_a_whole_root_is_found_or_refused(number: int) -> None:
    try:
        assert value(f"sqrt({number})") ** 2 == number
    except NotExactError:
        assert all((int(number**0.5) + d) ** 2 != number for d in (-1, 0, 1))
