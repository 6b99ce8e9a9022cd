"""Stories of exactly so many computations, in integers that a small model can learn."""

import contextlib
import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samples.stories import (
    LARGEST,
    Dice,
    Teller,
    UnfitDrawError,
    compute,
    tell_budget,
    tell_comparison,
    tell_stock,
)

TELLERS = (tell_stock, tell_comparison, tell_budget)


def try_to_tell(teller: Teller, seed: int, n_steps: int) -> bool:
    """Tell one story and check its form; return False if the draw did not fit."""
    try:
        story = teller(Dice(random.Random(seed)), n_steps)
    except UnfitDrawError:
        return False
    assert len(story.steps) == n_steps
    assert story.problem.endswith("?")
    assert all(step.endswith(".") and step.count("$") == 2 for step in story.steps)
    numbers = [int(n) for n in re.findall(r"\d+", " ".join([story.problem, *story.steps]))]
    assert max(numbers) <= LARGEST
    assert str(story.answer) in story.steps[-1]
    return True


@pytest.mark.parametrize("teller", TELLERS)
@pytest.mark.parametrize("n_steps", range(1, 11))
def test_every_story_can_be_told_in_any_number_of_steps(teller: Teller, n_steps: int) -> None:
    assert sum(try_to_tell(teller, seed, n_steps) for seed in range(30)) >= 3


@pytest.mark.parametrize(
    ("left", "operator", "right", "text"),
    [
        (3, r"\times", 12, r"$3 \times 12 = 36$"),
        (5, r"\cdot", 7, r"$5 \cdot 7 = 35$"),
        (48, r"\frac", 2, r"$\frac{48}{2} = 24$"),
        (48, r"\div", 2, r"$48 \div 2 = 24$"),
        (900, "+", 99, "$900 + 99 = 999$"),
        (9, "-", 8, "$9 - 8 = 1$"),
    ],
)
def test_a_computation_is_written_in_latex(left: int, operator: str, right: int, text: str) -> None:
    assert str(compute(left, operator, right)) == text


@pytest.mark.parametrize(
    ("left", "operator", "right"),
    [(7, r"\div", 2), (7, r"\frac", 0), (8, "-", 8), (8, "-", 9), (900, "+", 100), (50, r"\times", 20)],
)
def test_a_computation_that_breaks_a_rule_is_drawn_again(left: int, operator: str, right: int) -> None:
    with pytest.raises(UnfitDrawError):
        compute(left, operator, right)


@given(st.integers(), st.integers(-50, 50), st.integers(0, 50))
def test_dice_stay_in_their_range(seed: int, low: int, span: int) -> None:
    assert low <= Dice(random.Random(seed)).integer(low, low + span) <= low + span


def test_an_empty_range_is_an_unfit_draw() -> None:
    with pytest.raises(UnfitDrawError):
        Dice(random.Random(0)).integer(3, 2)


def test_a_comparison_shuffles_its_facts_so_that_they_must_be_looked_up() -> None:
    firsts = []
    for seed in range(100):
        with contextlib.suppress(UnfitDrawError):
            firsts.append(tell_comparison(Dice(random.Random(seed)), 4).problem.split(".")[0])
    relations = [first for first in firsts if " than " in first or " as many " in first]
    assert len(firsts) / 4 < len(relations) < len(firsts)
