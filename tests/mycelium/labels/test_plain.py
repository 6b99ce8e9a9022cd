"""Equations in the open, in prose as models write it; sentences are our own after real ones."""

import pytest

from mycelium.labels.plain import find_plain


def found(text: str) -> list[str]:
    return [text[start:end] for start, end, _ in find_plain(text, 0, len(text))]


@pytest.mark.parametrize(
    ("text", "runs"),
    [
        ("we get 196 ÷ 2 = 98 as a half", ["196 ÷ 2 = 98"]),
        ("x = -1/2.", ["x = -1/2"]),
        ("so 3 × 4 = 12 apples", ["3 × 4 = 12"]),
        ("If d = 0, then 18 - d = 18.", ["d = 0", "18 - d = 18"]),
        ("Otherwise, we would have z = 0, and then", ["z = 0"]),
        ("f(-5) = -4[f(5) + f(9)]", ["f(-5) = -4[f(5) + f(9)]"]),
        ("It follows that n × (n -2) = 10.", ["n × (n -2) = 10"]),
        ("The total number of games is 162 + 12 = 174.", ["162 + 12 = 174"]),
        ("2 * 4 combinations = 8 numbers", ["2 * 4 combinations = 8"]),
        ("Total cost = 5 * 3 = 15", ["Total cost = 5 * 3 = 15"]),
        ("and the radius is r = 5 cm", ["r = 5"]),
        ("-5 ≤ 2x ≤ 5", ["-5 ≤ 2x ≤ 5"]),
        ("Perimeter of square ABCD = 4 × side length = 4 × 10", ["ABCD = 4 × side length = 4 × 10"]),
        ("Total cost = price × number of items.", ["Total cost = price × number of items"]),
        ("so 2 x + 3 = 7 holds", ["2 x + 3 = 7"]),
        ("pays $3/kg", []),
        ("so 42 % 5 = 2", ["42 % 5 = 2"]),
        ("so 20% = 1/5", ["20% = 1/5"]),
        ("so cost = 3 * price and more", ["cost = 3"]),
        ("the period of y = tan x + cot x is", ["y = tan x + cot x"]),
        ("- 2 + 3 = 5", ["2 + 3 = 5"]),  # a list's dash is no sign
        ("1. 2 + 3 = 5\n2. 7 - 5 = 2", ["2 + 3 = 5", "7 - 5 = 2"]),
        ("x (which is 5) + 2", []),
        ("so 25 = 9 + b²", ["25 = 9 + b²"]),
        ("hence \\frac{1}{2} + x = 3 holds", ["\\frac{1}{2} + x = 3"]),
        ("it is \\boxed{12}", ["\\boxed{12}"]),
        ("(4 + 4 + 1) ways", ["(4 + 4 + 1)"]),
        ("(see 3 + 4", ["3 + 4"]),
        ("sqrt(16) = 4", ["sqrt(16) = 4"]),
        ("in the 2019-2020 season", []),
        ("a two-digit number, and/or I - well", []),
        ("5-10 people", []),
        ("**Step 1:** add", []),
        ("x + = ", []),
        ("", []),
    ],
)
def test_runs_are_found_and_trimmed(text: str, runs: list[str]) -> None:
    assert found(text) == runs


def test_latex_without_delimiters_is_told_from_plain_text() -> None:
    kinds = [kind for _, _, kind in find_plain("1 + 2 = 3 and \\frac{1}{2} = x", 0, 29)]
    assert kinds == ["plain", "bare"]
