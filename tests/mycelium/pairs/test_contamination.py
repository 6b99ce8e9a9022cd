"""Runs of words that a training text shares with an evaluation."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mycelium.pairs.contamination import Evaluation
from mycelium.pairs.texts import find_ngrams

ASKED = "Natalia sold clips to 48 of her friends in April, and then she sold half as many clips in May."
WORDS = st.lists(st.sampled_from(["a", "b", "c"]), max_size=12)


def test_a_text_that_quotes_the_evaluation_is_found_and_the_run_is_shown() -> None:
    evaluation = Evaluation([("q0", "Something else."), ("q1", ASKED)])
    match = evaluation.find("Yesterday NATALIA sold clips to 48 of her friends in april and then -- she sold more.")
    assert match is not None
    assert match.evaluation == "q1"
    assert match.words == "natalia sold clips to 48 of her friends in april and then she"
    assert evaluation.n_text == 2


def test_twelve_words_are_not_enough() -> None:
    assert (
        Evaluation([("q", ASKED)]).find("Natalia sold clips to 48 of her friends in April, and then nothing.") is None
    )


def test_a_short_text_meets_its_like_only() -> None:
    evaluation = Evaluation([("q", "What is 2 + 2?")])
    assert evaluation.find("what is 2+2") is not None
    assert evaluation.find("What is 2 + 2 + 2, and why is that so, asks the teacher of the class?") is None
    assert evaluation.find("") is None


def test_a_run_has_a_word() -> None:
    with pytest.raises(ValueError, match="1 word or more"):
        Evaluation([], 0)


@given(WORDS, WORDS, st.integers(1, 4))
def test_a_match_is_a_run_of_both(asked: list[str], trained: list[str], n: int) -> None:
    runs = set(find_ngrams(" ".join(asked), n)) & set(find_ngrams(" ".join(trained), n))
    match = Evaluation([("q", " ".join(asked))], n).find(" ".join(trained))
    assert (match is not None) == bool(runs)
    assert match is None or tuple(match.words.split()) in runs
