"""Finding mathematics, however it is written; texts are our own unless a comment says otherwise."""

import pytest

from mycelium.labels.segments import MAX_TEXT, find_segments
from mycelium.labels.tree import Reason, Refusal


def found(text: str) -> list[tuple[str, str]]:
    segments = find_segments(text)
    assert not isinstance(segments, Refusal)
    return [(segment.kind, text[segment.start : segment.end]) for segment in segments]


@pytest.mark.parametrize(
    ("text", "segments"),
    [
        ("so $x = 5$.", [("dollar", "x = 5")]),
        ("so $ x = 5 $.", [("dollar", "x = 5")]),
        ("so $$x = 5$$", [("display", "x = 5")]),
        (r"so \(x = 5\)", [("paren", "x = 5")]),
        ("so \\[\nx = 5\n\\]", [("bracket", "x = 5")]),
        (r"\begin{align*} x &= 5 \end{align*}", [("environment", r"\begin{align*} x &= 5 \end{align*}")]),
        (r"$\begin{cases} 1 \\[2ex] 2 \end{cases}$", [("dollar", r"\begin{cases} 1 \\[2ex] 2 \end{cases}")]),
        ("She has 48/2 = <<48/2=24>>24 clips", [("annotation", "48/2=24")]),
        ("It is 12 cups * 2 = <<12*2=24>>24. Then 3 + 4 = 7.", [("annotation", "12*2=24"), ("plain", "3 + 4 = 7")]),
        ("[asy] draw($x$); [/asy] then $y$", [("dollar", "y")]),
        (r"It costs \$5 and \$6, so \(5+6=11\)", [("paren", "5+6=11")]),
        ("$x$ and $y$", [("dollar", "x"), ("dollar", "y")]),
        ("no mathematics here, in 2019-2020 or on page 7", []),
    ],
)
def test_each_delimiter_is_found(text: str, segments: list[tuple[str, str]]) -> None:
    assert found(text) == segments


@pytest.mark.parametrize(
    "text",
    [
        "earns $12 an hour and spends $5 on it",
        "costs $5 and $6",
        "costs $5 for one, $x for two",
        "from $10 to $20.",
    ],
)
def test_a_dollar_sign_before_an_amount_is_money(text: str) -> None:
    assert found(text) == []


def test_money_in_a_sum_is_read_as_a_sum() -> None:
    assert found("so $5+$3=$8 in all") == [("plain", "$5+$3=$8")]
    assert found("pays 3*$19=$57") == [("plain", "3*$19=$57")]


def test_money_and_mathematics_can_stand_in_one_text() -> None:
    assert found("It costs $15 an item, so $x = 3$ items") == [("dollar", "x = 3")]


def test_a_text_that_is_too_long_is_refused() -> None:
    refusal = find_segments("x" * (MAX_TEXT + 1))
    assert isinstance(refusal, Refusal)
    assert refusal.reason is Reason.TOO_LONG
    assert find_segments("x" * MAX_TEXT) == []


@pytest.mark.parametrize("opener", ["$", "$$", r"\(", r"\[", "<<", r"\begin{align}", "[asy]"])
def test_what_is_never_closed_is_text(opener: str) -> None:
    assert found(f"so {opener} then 1 + 2 = 3") == [("plain", "1 + 2 = 3")]
