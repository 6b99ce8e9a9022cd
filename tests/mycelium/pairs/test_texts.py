"""Problem texts: cleaned, grouped with their twins, searched for shares and runs of words."""

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mycelium.pairs.texts import clean_text, find_ngrams, find_shares, group_of, mask_text, read_texts


def test_a_text_that_is_no_unicode_is_missing_and_the_others_are_read() -> None:
    raw = pa.array([b"good", b"half \xed\xa0\x80 a pair", b"\xff", None, "naïve".encode()], pa.binary())
    strings = pa.Array.from_buffers(pa.string(), len(raw), raw.buffers())  # as Parquet gives them: unchecked
    assert read_texts(pa.chunked_array([strings])) == ["good", None, None, None, "naïve"]
    assert read_texts(pa.chunked_array([["a", None]])) == ["a", None]


def test_control_characters_become_spaces_and_are_counted() -> None:
    assert clean_text("a\x00b\x1b[0m\tc\nd\u2028e\x85") == ("a b [0m\tc\nd e ", 4)
    assert clean_text("nothing – to do √2") == ("nothing – to do √2", 0)


@pytest.mark.parametrize(
    ("one", "other", "twins"),
    [
        ("Tom has 3 apples.", "Tom has 1,250.75 apples.", True),
        ("Tom has 3 apples.", "TOM  has\n3 apples.", True),
        ("Tom has \uff13 apples.", "Tom has 4 apples.", True),
        ("Tom has 3 apples.", "Tom has three apples.", False),
        ("Tom has 3 apples.", "Ann has 3 apples.", False),
        ("3 + 4", "3 - 4", False),
        ("$x^2 + 3$", "$x^5 + 12$", True),
    ],
)
def test_twins_differ_in_their_numbers_only(one: str, other: str, *, twins: bool) -> None:
    assert (group_of(one) == group_of(other)) == twins


@given(st.text(max_size=40))
def test_a_group_is_a_number_of_the_masked_text(text: str) -> None:
    assert 0 <= group_of(text) < 1 << 63
    assert not any(character in "0123456789" for character in mask_text(text))
    assert group_of(text) == group_of(f" {text.upper().lower()} ") or text.upper().lower().casefold() != text.casefold()


@pytest.mark.parametrize(
    ("text", "shares"),
    [
        ("a 25% raise", {"0.25", "100"}),
        ("5 percent of 200%", {"0.05", "2", "100"}),
        (r"12.5\% and 1,000%", {"0.125", "10", "100"}),
        ("half of it, two quarters of that", {"1", "0.5", "0.25"}),
        ("25 apples", set()),
        ("0%", {"0", "100"}),
    ],
)
def test_shares_are_found(text: str, shares: set[str]) -> None:
    assert find_shares(text) == shares


def test_runs_of_words() -> None:
    assert list(find_ngrams("One, TWO three!", 2)) == [("one", "two"), ("two", "three")]
    assert list(find_ngrams("one", 2)) == [("one",)]
    assert list(find_ngrams("...", 2)) == []
