"""What is asked for on the command line, and where it goes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpu_workers.wanted import SIGNALS, Wanted, read_numbers, read_words
from mycelium.errors import UserInputError


@given(numbers=st.sets(st.integers(0, 27), min_size=1))
def test_numbers_come_back(numbers: set[int]) -> None:
    assert read_numbers(",".join(map(str, numbers)), "--heads", 28) == tuple(sorted(numbers))


@pytest.mark.parametrize(("text", "numbers"), [("3", (3,)), ("0-2", (0, 1, 2)), ("5, 1-2,2", (1, 2, 5)), ("4-4", (4,))])
def test_ranges_are_inclusive(text: str, numbers: tuple[int, ...]) -> None:
    assert read_numbers(text, "--layers", 8) == numbers


@pytest.mark.parametrize("text", ["", ",", "a", "1-", "-1", "1-2-3", "1.5", "²", "8", "0-8", "5-3", "99999999999"])
def test_what_is_no_list_or_not_there_is_refused(text: str) -> None:
    with pytest.raises(UserInputError, match=r"^--layers is"):
        read_numbers(text, "--layers", 8)


@given(words=st.permutations([*SIGNALS, "raw"]), n=st.integers(1, 6))
def test_the_order_of_words_does_not_matter(words: list[str], n: int) -> None:
    signals, raw = read_words(",".join(words[:n]))
    assert signals == tuple(word for word in SIGNALS if word in words[:n])
    assert raw == ("raw" in words[:n])


def test_iaf_is_written_last() -> None:
    wanted = Wanted(tuple(SIGNALS), layers=(1,), heads=(2,))
    names = [dataset.name for dataset in wanted.datasets]
    assert names == ["attention", "entropy", "connectivity", "received", "divergence", "iaf"]
