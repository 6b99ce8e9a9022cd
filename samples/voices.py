"""Turns a story into a chain of thought of any length: the same computations, told in few words or in many.

If every step had one length, the number of tokens alone would tell the number of steps, and no signal of attention
could show that it tells more. So how a problem is told is drawn without regard to its number of steps:

- how many *further sentences* there are, 0 to 26: facts told again (reading without computing), results held on to and
  remarks that say nothing (neither);
- whether a step is *bare* (the computation alone), *plain* (the story's own sentence) or *wordy* (with a lead or tail).

No further sentence computes: the number of computations stays the story's.
"""

from dataclasses import dataclass

from samples.stories import Dice, Story

FURTHER = (0, 0, 1, 3, 8, 14, 20, 26)
"""The equally likely numbers of further sentences."""
OPENING_SHARE = 0.3
"""So many of them come before the first step."""

SAY_FACT = ("We read: {}", "It says: {}", "Given is this: {}", "Look at the text: {}", "{}")
SAY_QUESTION = ("Asked is this: {}", "We want to know: {}", "The question is: {}")
SAY_RESULT = ("We keep {} in mind.", "That makes {} for now.", "So we go on with {}.", "The last result is {}.")
REMARKS = (
    "Let us take it one step at a time.",
    "This part is done.",
    "So far so good.",
    "We read on in the text.",
    "There is more to do.",
    "Nothing else changes here.",
    "Now comes the next part of the story.",
    "We do the same as before.",
    "It is good to write down each number.",
    "That was not hard.",
    "We have all the numbers that we need for this.",
    "Some of the numbers in the text may not be needed.",
    "The rest of the text comes later.",
    "First things first.",
    "We must not mix up who has what.",
    "Each step uses a number of the text or a result.",
    "We are not there yet.",
    "This one is easy.",
    "Then we look at the text again.",
    "All of this is in the text.",
)
LEADS = ("Let us see: ", "Now we reckon: ", "With the numbers of the text: ", "The next step is this: ")
TAILS = (
    ", and with that we can go on.",
    ", as we can read off at once.",
    ", so this part of the story is done.",
    ", which is what we wanted to know here.",
)


@dataclass(frozen=True, slots=True)
class Voice:
    """How one problem is told.

    Attributes:
        n_further: Sentences beside the steps.
        bare: The share of steps that are the computation alone.
        wordy: The share of steps with a lead or a tail.
    """

    n_further: int
    bare: float
    wordy: float


def draw_voice(dice: Dice) -> Voice:
    """Draw how a problem is told; what is told is not asked."""
    bare, wordy = dice.pick(((0.0, 0.0), (0.0, 0.9), (0.25, 0.25), (0.6, 0.0), (0.0, 0.4)))
    return Voice(dice.pick(FURTHER), bare, wordy)


def write_chain(dice: Dice, story: Story, voice: Voice) -> list[str]:
    """Write the sentences of a chain of thought, but for the answer's.

    Args:
        dice: Where the draws come from.
        story: What to tell.
        voice: How to tell it.

    Returns:
        Sentences; those with a computation are as many as the story's steps, in their order.
    """
    n_opening = sum(dice.chance(OPENING_SHARE) for _ in range(voice.n_further))
    remarks = dice.sample(REMARKS, len(REMARKS))
    told = _open(dice, story, n_opening, remarks)
    places = [dice.integer(0, len(story.steps) - 1) for _ in range(voice.n_further - n_opening)]
    for i, (step, source) in enumerate(zip(story.steps, story.sources, strict=True)):
        further = [_pick_kind(dice, source) for _ in range(places.count(i))]
        if source and "fact" in further:
            told.append(_say_again(dice, source))
        told.append(_tell_step(dice, step, voice))
        if "result" in further:
            told.append(dice.pick(SAY_RESULT).format(step.rpartition("= ")[2].partition("$")[0]))
        n_said = len({kind for kind in further if kind != "remark"})
        told += _take(remarks, len(further) - n_said)
    return told


def _open(dice: Dice, story: Story, count: int, remarks: list[str]) -> list[str]:
    """Tell again what the problem says, or remark on it, before the first step."""
    n_facts = min(count - dice.integer(0, count), len(story.facts) + 1)
    facts = [*story.facts, story.question]
    chosen = sorted(dice.sample(range(len(facts)), n_facts))
    return _take(remarks, count - n_facts) + [_say_again(dice, facts[i]) for i in chosen]


def _pick_kind(dice: Dice, source: str | None) -> str:
    """Draw what a further sentence is; a step without a fact of its own has none to tell again."""
    return dice.pick(("remark", "remark", "result", "fact" if source else "remark"))


def _say_again(dice: Dice, text: str) -> str:
    return dice.pick(SAY_QUESTION if text.endswith("?") else SAY_FACT).format(text)


def _take(remarks: list[str], count: int) -> list[str]:
    """Take remarks off the shuffled list, and put them back at its end: none comes again before all have come."""
    taken = []
    for _ in range(count):
        taken.append(remarks.pop(0))
        remarks.append(taken[-1])
    return taken


def _tell_step(dice: Dice, step: str, voice: Voice) -> str:
    """Tell one step, bare, plain or wordy."""
    drawn = dice.source.random()
    if drawn < voice.bare:
        return f"${step.split('$')[1]}$."
    if drawn >= 1 - voice.wordy:
        return dice.pick(LEADS) + step if dice.chance(0.5) else step[:-1] + dice.pick(TAILS)
    return step
