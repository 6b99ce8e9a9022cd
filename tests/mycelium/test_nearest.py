"""The nearest right word."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mycelium.nearest import MAX_COMPARED, MAX_NAMED, find_nearest, suggest


@pytest.mark.parametrize(
    ("word", "known", "said"),
    [
        ("hartbeat", ["iaf", "heartbeat", "labels"], "did you mean heartbeat?"),
        ("zzz", ["iaf", "labels"], "there are iaf, labels"),
        ("zzz", [], "there is none"),
        ("", ["iaf"], "there are iaf"),
    ],
)
def test_what_to_type_instead(word: str, known: list[str], said: str) -> None:
    assert suggest(word, known) == said


def test_many_words_are_not_all_listed() -> None:
    said = suggest("zzz", [f"{i:05d}" for i in range(5000)])
    assert said.count(",") == MAX_NAMED
    assert said.endswith("(5000 in all)")


def test_of_very_many_words_the_first_are_compared() -> None:
    known = (f"{i:06d}" for i in range(10**9))  # an endless store is no reason to wait
    assert find_nearest("zzz", known) is None
    assert int(next(known)) == MAX_COMPARED


@given(st.text(min_size=1, max_size=20), st.lists(st.text(max_size=8), max_size=5))
def test_a_known_word_is_nearest_to_itself(word: str, others: list[str]) -> None:
    assert find_nearest(word, [*others, word]) == word
