"""Voices: the same computations in few words or many, and nothing computed beside them."""

import random
import re
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samples.generator import TELLERS
from samples.stories import Dice, Story, UnfitDrawError
from samples.voices import FURTHER, LEADS, REMARKS, SAY_RESULT, TAILS, Voice, draw_voice, write_chain


def tell(seed: int, n_steps: int) -> tuple[Dice, Story]:
    """Draw stories until one fits."""
    dice = Dice(random.Random(seed))
    while True:
        try:
            return dice, dice.pick(TELLERS)(dice, n_steps)
        except UnfitDrawError:
            continue


def computations(sentences: list[str] | tuple[str, ...]) -> list[str]:
    return re.findall(r"\$.*?\$", " ".join(sentences))


@given(st.integers(0, 10**6), st.integers(1, 10), st.sampled_from(FURTHER), st.floats(0, 1), st.floats(0, 1))
def test_any_voice_tells_the_story_s_computations_and_so_many_further_sentences(
    seed: int, n_steps: int, n_further: int, bare: float, wordy: float
) -> None:
    dice, story = tell(seed, n_steps)
    chain = write_chain(dice, story, Voice(n_further, bare, wordy))
    assert computations(chain) == computations(story.steps)
    further = [sentence for sentence in chain if "$" not in sentence]
    assert len(further) == n_further
    assert not any("=" in sentence for sentence in further)
    assert all(sentence.endswith((".", "?")) for sentence in chain)


def test_a_bare_step_is_the_computation_and_a_wordy_one_holds_the_story_s_sentence() -> None:
    dice, story = tell(4, 6)
    assert write_chain(dice, story, Voice(0, 0, 0)) == list(story.steps)
    assert write_chain(dice, story, Voice(0, 1, 0)) == [f"{latex}." for latex in computations(story.steps)]
    for sentence, step in zip(write_chain(dice, story, Voice(0, 0, 1)), story.steps, strict=True):
        assert sentence in {lead + step for lead in LEADS} | {step[:-1] + tail for tail in TAILS}


def further_sentences(n_stories: int) -> Iterator[tuple[Story, list[str], int]]:
    """Yield stories, their chains, and the place of each further sentence."""
    for seed in range(n_stories):
        dice, story = tell(seed, 1 + seed % 10)
        chain = write_chain(dice, story, draw_voice(dice))
        for i, sentence in enumerate(chain):
            if "$" not in sentence:
                yield story, chain, i


def test_a_further_sentence_tells_a_fact_or_the_question_or_the_last_result_or_nothing() -> None:
    kinds = dict.fromkeys(("fact", "question", "result", "remark"), 0)
    for story, chain, i in further_sentences(200):
        said = chain[i]
        last = re.findall(r"= (\d+)\$", " ".join(chain[:i]))[-1:]
        if said in REMARKS:
            kinds["remark"] += 1
        elif said.endswith(story.question):
            kinds["question"] += 1
        elif last and said in {form.format(last[0]) for form in SAY_RESULT}:
            kinds["result"] += 1
        else:
            assert said.endswith(story.facts)
            kinds["fact"] += 1
    assert min(kinds.values()) > 20


def test_a_step_s_source_is_the_fact_that_it_reads() -> None:
    for seed in range(100):
        _, story = tell(seed, 1 + seed % 10)
        for step, source in zip(story.steps, story.sources, strict=True):
            if source is None:
                continue
            assert source in story.facts
            words = set(re.findall(r"[\w']+", source))
            assert len(words & set(re.findall(r"[\w']+", step))) >= 1, (source, step)


@pytest.mark.parametrize("n_steps", [1, 10])
def test_the_voice_does_not_ask_how_many_steps_there_are(n_steps: int) -> None:
    drawn = [draw_voice(Dice(random.Random(seed))).n_further for seed in range(400)]
    told = []
    for seed in range(400):
        _, story = tell(seed, n_steps)
        told.append(len(write_chain(Dice(random.Random(seed)), story, draw_voice(Dice(random.Random(seed))))) - n_steps)
    assert told == drawn
