"""Final answers: where they stand, and when two are the same."""

from typing import SupportsIndex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mycelium.labels.answers import MAX_ANSWER, find_answer, normalise_answer, same_answer


@pytest.mark.parametrize(
    ("chain", "answer"),
    [
        (r"So the answer is $\boxed{36}$.", "36"),
        (r"\boxed{1} no, \boxed{\frac{1}{2}}, sure", r"\frac{1}{2}"),
        (r"\boxed {7 }", "7"),
        (r"\boxed{\boxed{5}}", r"\boxed{5}"),
        (r"\boxed{3} and then \boxed{4", "3"),
        (r"a set \boxed{\{1, 2\}}", r"\{1, 2\}"),
        ("48/2 = 24\n#### 24\n", "24"),
        ("#### 1\n#### 2", "2"),
        (r"\boxed{}", None),
        ("nothing", None),
        ("} { ####", None),
    ],
)
def test_the_answer_is_the_last_box_that_closes(chain: str, answer: str | None) -> None:
    assert find_answer(chain) == answer


class Counted(str):  # noqa: SLOT000 - it counts
    """A text that counts the characters which are copied out of it."""

    n_copied = 0

    def __getitem__(self, place: SupportsIndex | slice) -> str:  # noqa: D105 - as any text
        found = super().__getitem__(place)
        self.n_copied += len(found)
        return found


def test_boxes_within_boxes_are_read_in_one_pass() -> None:
    chain = Counted(r"\boxed{" * 5_000 + "7" + "}" * 5_000)
    assert find_answer(chain) == chain[7:-1]
    assert chain.n_copied <= 2 * len(chain)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("36", "36.0"),
        ("1,234", "1234"),
        (r"\frac{1}{2}", "0.5"),
        (r"\dfrac12", "1/2"),
        (r"-\frac{3}{4}", "-0.75"),
        (r"\frac{-6}{8}", "-3/4"),
        (r"\$12.50", "12.5"),
        (r"50\%", "50"),
        (r"90^\circ", "90^{\\circ}"),
        (r"\text{odd}", "odd"),
        (r"\left( 3, \, 4 \right)", "(3,4)"),
        (r"\boxed{5}", "5"),
        ("5.", "5"),
        ("007", "7"),
        ("x = 3", "x=3"),
    ],
)
def test_answers_that_are_set_differently_are_the_same(one: str, other: str) -> None:
    assert same_answer(one, other)
    assert same_answer(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("36", "63"),
        ("x+1", "1+x"),
        ("1/0", "2/0"),
        ("0.5", "0.05"),
        ("(1,200)", "(1200)"),
        ("-3", "3"),
        ("1.2.3", "123"),
    ],
)
def test_others_are_not(one: str, other: str) -> None:
    assert not same_answer(one, other)


@given(st.fractions())
def test_a_number_is_the_same_however_it_is_written(value: object) -> None:
    above, below = value.numerator, value.denominator  # type: ignore[attr-defined]
    assert same_answer(f"{above}/{below}", rf"\frac{{{above}}}{{{below}}}")
    assert same_answer(f"{above}/{below}", f"{3 * above}/{3 * below}")
    assert not same_answer(f"{above}/{below}", f"{above + 1}/{below}")


@given(st.text(alphabet=r"\{}$%.,0123456789abfrctexoxd/-^ #", max_size=80))
def test_any_text_is_the_same_as_itself_and_as_its_normal_form(text: str) -> None:
    assert same_answer(text, text)
    assert same_answer(text, normalise_answer(text))
    find_answer(text)


@pytest.mark.parametrize("hostile", [r"\boxed{" * 50_000, "{" * 200_000, "9" * 100_000, r"\text{" * 100 + "}" * 100])
def test_what_is_hostile_ends(hostile: str) -> None:
    find_answer(hostile)
    assert same_answer(hostile, hostile)
    assert not same_answer(hostile, "1")


def test_an_answer_beyond_the_limit_is_compared_as_it_stands() -> None:
    long = "1" * (MAX_ANSWER + 1)
    assert same_answer(long, f" {long} ")
    assert not same_answer(long, f"{long}.0")
