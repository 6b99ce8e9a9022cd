"""What a terminal is shown can't steer it."""

from hypothesis import given
from hypothesis import strategies as st

from mycelium.printable import make_printable


@given(st.text())
def test_nothing_that_steers_a_terminal_is_left_and_all_else_is(text: str) -> None:
    shown = make_printable(text)
    assert shown.isprintable()
    assert len(shown) == len(text)
    assert all(now == was for now, was in zip(shown, text, strict=True) if was.isprintable())


def test_a_title_is_not_written() -> None:
    assert make_printable("a\x1b]0;evil\x07b") == "a�]0;evil�b"
