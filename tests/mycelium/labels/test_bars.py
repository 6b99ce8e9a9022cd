"""Vertical bars are paired level by level."""

import pytest

from mycelium.labels import bars
from mycelium.labels import tokens as t


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("|x|", "()"),
        ("|x||y|", "()()"),
        ("||x|-1|", "(())"),
        ("|x-|y||", "(())"),
        ("a|b", ":"),
        ("(a|b)", ":"),
        ("|(a|b)|", "(:)"),
        ("|x|+|y|=|z|", "()()()"),
        (r"\frac{|x|}{|y|}", "()()"),
        ("|x|y|", "():"),
        (r"\|v\|", "()"),
    ],
)
def test_each_bar_opens_closes_or_divides(text: str, kinds: str) -> None:
    tokens = t.tokenize(text)
    bars.pair(tokens)
    names = {t.BAR_OPEN: "(", t.BAR_CLOSE: ")", t.INFIX: ":"}
    signs = {"|", "\\|", "divides", "parallel"}
    assert "".join(names[kind] for kind, _, name, _ in reversed(tokens) if name in signs) == kinds


def test_no_bar_is_left_unsettled() -> None:
    for text in ("|" * 50, "|)(|", r"|x\|y|", "}|{|"):
        tokens = t.tokenize(text)
        bars.pair(tokens)
        assert not [token for token in tokens if token[0] == t.BAR]
