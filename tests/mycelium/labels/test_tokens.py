"""Cutting text into words, and saying what each is."""

import pytest

from mycelium.labels import tokens as t
from mycelium.labels.tree import MAX_LENGTH, MAX_TOKENS, Reason, RefusedError


def names(text: str, *, plain: bool = False) -> list[str]:
    tokens = t.tokenize(text, plain=plain)
    return [name or leaf[2] for kind, _, name, leaf in reversed(tokens) if kind != t.END]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("1,000,000", ["1000000"]),
        ("1{,}000", ["1000"]),
        (r"1\,000", ["1000"]),
        ("2000,2001", ["2000", "list", "2001"]),
        ("1,2,3", ["1", "list", "2", "list", "3"]),
        (".5", [".5"]),
        (r"54.\overline{54}", ["54.{54}"]),
        ("AB", ["AB"]),
        ("ABc", ["A", "B", "c"]),
        ("abc", ["abc"]),
        ("speed", ["speed"]),
        (r"\text{ cm}", [" cm"]),
        (r"a \text{and} b", ["a", "list", "b"]),
        (r"\operatorname{lcm}", ["lcm"]),
        (r"x\,\;\!\quad y", ["x", "y"]),
        (r"\left( x \right)", ["(", "x", ")"]),
        (r"\hspace{2cm} x \phantom{yz}", ["x"]),
        (r"a \stackrel{?}{=} b", ["a", "eq", "b"]),
        (r"4{\times}5", ["4", "mul", "5"]),
        ("x = 5.", ["x", "eq", "5"]),
    ],
)
def test_latex_words(text: str, words: list[str]) -> None:
    assert names(text) == words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("12 x 2", ["12", "mul", "2"]),
        ("3x", ["3", "x"]),
        ("$1,200", ["1200"]),
        ("speed", ["speed"]),
        ("cm", ["cm"]),
        ("nv", ["nv"]),
        ("x1", ["x1"]),
        ("log2(8)", ["log", "2", "(", "8", ")"]),
        ("2**3", ["2", "^", "3"]),
        ("a => b", ["a", "implies", "b"]),
    ],
)
def test_plain_words(text: str, words: list[str]) -> None:
    assert names(text, plain=True) == words


def test_the_tokens_come_last_first_over_a_padding() -> None:
    tokens = t.tokenize("1+2")
    assert tokens[:8] == [t.END_TOKEN] * 8
    assert [token[2] for token in tokens[8:]] == ["2", "add", "1"]


def test_the_bounds_are_exact() -> None:
    assert t.tokenize(" " * MAX_LENGTH)
    with pytest.raises(RefusedError) as long:
        t.tokenize(" " * (MAX_LENGTH + 1))
    assert long.value.refusal.reason is Reason.TOO_LONG
    assert len(t.tokenize("x" + "+" * (MAX_TOKENS - 1))) == MAX_TOKENS + 8
    with pytest.raises(RefusedError) as many:
        t.tokenize("x" + "+" * MAX_TOKENS)
    assert many.value.refusal.reason is Reason.TOO_MANY_TOKENS
