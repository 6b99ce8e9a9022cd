"""Families: every tail can be told, and asides change nothing but the text."""

import random

import pytest

from samples.families import FAMILIES, FENCES, Family
from samples.stories import Dice, Story, UnfitDrawError


def tell_until_fit(family: Family, seed: int, n_steps: int) -> Story:
    """Draw again until the numbers fit, as the generator does."""
    dice = Dice(random.Random(seed))
    for _ in range(1000):
        try:
            return family.tell(dice, n_steps)
        except UnfitDrawError:
            continue
    raise AssertionError(f"no story of {n_steps} steps in 1000 draws")


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("n_steps", range(2, 11))
def test_every_family_can_be_told_in_any_number_of_steps(family: Family, n_steps: int) -> None:
    story = tell_until_fit(family, n_steps, n_steps)
    assert len(story.steps) == n_steps
    assert "{" not in story.problem


@pytest.mark.parametrize("family", FAMILIES)
def test_every_question_of_a_family_is_asked(family: Family) -> None:
    questions = {family.question, *(tail[-1].question for tail in family.tails)}
    stories = [tell_until_fit(family, seed, 2 + seed % 9) for seed in range(600)]
    for question in questions:
        ending = question.rpartition("{name}")[2]
        assert any(story.problem.endswith(ending) for story in stories)


def test_a_fence_takes_two_computations_and_so_never_one() -> None:
    with pytest.raises(UnfitDrawError):
        FENCES.tell(Dice(random.Random(0)), 1)


def test_an_aside_is_not_used_by_any_step() -> None:
    for seed in range(60):
        story = tell_until_fit(FENCES, seed, 5)
        assert not any("cm high" in step for step in story.steps)
