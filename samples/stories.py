"""Word problems that know their own steps: everyday stories, each told in exactly as many computations as asked for.

A story is a problem text, one sentence of solution per computation, and the answer. Every sentence of a solution names
the quantities of the problem that it uses, so a reader has to go back to the problem before each computation. Numbers
stay below 1000, factors and divisors small, and no quantity is 1, so that every plural is right.

Two kinds of story are told. A *family* (shopping, travelling, rooms, baking, planting, fencing) measures several parts,
adds them up and ends with a tail of further computations; families are tables in `samples.families`.
The three told here (a changing stock, a comparison of people, a budget with percentages) need more than a table.
"""

import itertools
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

LARGEST = 999
"""No operand and no result is larger: a small model has to learn all of this arithmetic."""

NAMES = (
    *("Ana", "Ben", "Clara", "David", "Emma", "Felix", "Grace", "Hugo", "Iris", "Jonas"),
    *("Lena", "Marco", "Nora", "Omar", "Paula", "Rosa", "Sam", "Tara", "Victor", "Zoe"),
)
COLLECTIBLES = ("marbles", "stamps", "coins", "shells", "cards", "stickers", "beads", "stones")
EXPENSES = ("rent", "food", "a bicycle", "a coat", "music lessons", "a phone", "books", "a trip", "repairs", "gifts")
FRACTIONS = {2: "half", 3: "a third", 4: "a quarter"}

T = TypeVar("T")


class UnfitDrawError(ValueError):
    """The numbers drawn break a rule (too large, negative, a division with a remainder): draw again."""


@dataclass(frozen=True, slots=True)
class Dice:
    """Draws that are the same on every Python: of `random.Random`, only `random()` promises that."""

    source: random.Random

    def integer(self, low: int, high: int) -> int:
        """Draw an integer from low to high, both included."""
        if high < low:
            raise UnfitDrawError(f"the range must not be empty, got {low} to {high}")
        return low + int(self.source.random() * (high - low + 1))

    def pick(self, options: Sequence[T]) -> T:
        """Draw one option, all equally likely."""
        return options[self.integer(0, len(options) - 1)]

    def sample(self, options: Sequence[T], count: int) -> list[T]:
        """Draw `count` different options, in random order."""
        left = list(options)
        return [left.pop(self.integer(0, len(left) - 1)) for _ in range(count)]

    def chance(self, probability: float) -> bool:
        """Return True with the given probability."""
        return self.source.random() < probability


@dataclass(frozen=True, slots=True)
class Computation:
    r"""One computation: `str()` is its LaTeX, `$3 \times 12 = 36$`."""

    latex: str
    value: int

    def __str__(self) -> str:
        """Return the LaTeX, with its dollar signs."""
        return f"${self.latex} = {self.value}$"


def compute(left: int, operator: str, right: int) -> Computation:
    r"""Carry out one computation in integers.

    Args:
        left: The first operand, 0 to 999.
        operator: `+`, `-`, `\times`, `\cdot`, `\div` or `\frac`.
        right: The second operand, 0 to 999.

    Returns:
        The computation, its value between 1 and 999.

    Raises:
        UnfitDrawError: If the value lies outside that range or a division leaves a remainder.
    """
    if operator in {r"\div", r"\frac"}:
        if right == 0 or left % right:
            raise UnfitDrawError(f"a division must leave no remainder, got {left} / {right}")
        value = left // right
    elif operator == "+":
        value = left + right
    elif operator == "-":
        value = left - right
    else:
        value = left * right
    if not 1 <= value <= LARGEST:
        raise UnfitDrawError(f"a value must lie between 1 and {LARGEST}, got {value}")
    latex = rf"\frac{{{left}}}{{{right}}}" if operator == r"\frac" else f"{left} {operator} {right}"
    return Computation(latex, value)


@dataclass(frozen=True, slots=True)
class Story:
    """A finished story.

    Attributes:
        facts: What the problem says, a sentence or two each.
        question: What it asks.
        steps: One sentence, and so one computation, each.
        sources: The fact that each step reads; None where it uses results alone, or a fact that was read before.
        answer: The value of the last computation.
    """

    facts: tuple[str, ...]
    question: str
    steps: tuple[str, ...]
    sources: tuple[str | None, ...]
    answer: int

    @property
    def problem(self) -> str:
        """The text that a reader is given."""
        return " ".join([*self.facts, self.question])


@dataclass(slots=True)
class Draft:
    """A story while it is being told."""

    facts: list[str] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)
    sources: list[str | None] = field(default_factory=list)
    n_read: int = 0

    def reckon(self, sentence: str) -> None:
        """Add a step; it reads the fact that was told last, unless a step before it did."""
        self.steps.append(sentence)
        self.sources.append(self.facts[-1] if len(self.facts) > self.n_read else None)
        self.n_read = len(self.facts)

    def finish(self, question: str, answer: int) -> Story:
        """Close the story with its question."""
        return Story(tuple(self.facts), question, tuple(self.steps), tuple(self.sources), answer)


Teller = Callable[[Dice, int], Story]
"""Tells a story of exactly so many computations; raises UnfitDrawError when the numbers drawn don't fit."""


def divisor(dice: Dice, total: int) -> int:
    """Draw a divisor of total between 2 and 9."""
    options = [x for x in range(2, 10) if total % x == 0 and total > x]
    if not options:
        raise UnfitDrawError(f"{total} must have a divisor between 2 and 9")
    return dice.pick(options)


def tell_stock(dice: Dice, n_steps: int) -> Story:
    """Tell of a collection that grows and shrinks, one event after the other (1 step or more)."""
    name, friend = dice.sample(NAMES, 2)
    thing = dice.pick(COLLECTIBLES)
    total = dice.integer(10, 90)
    draft = Draft([f"{name} has {total} {thing}."])
    while len(draft.steps) < n_steps:
        kinds = ["find", "give", "win", "sort"]
        if n_steps - len(draft.steps) > 1:
            kinds += ["buy", "buy"]
        total = _happen(draft, dice, dice.pick(kinds), (name, friend, thing), total)
    return draft.finish(f"How many {thing} does {name} have in the end?", total)


def _happen(draft: Draft, dice: Dice, kind: str, who: tuple[str, str, str], total: int) -> int:
    """Add one event to a stock story and return the stock after it."""
    name, friend, thing = who
    if kind == "buy":
        bags, each = dice.integer(2, 9), dice.integer(2, 20)
        draft.facts.append(f"{name} buys {bags} bags with {each} {thing} each.")
        bought = compute(bags, r"\times", each)
        draft.reckon(f"The {bags} bags with {each} {thing} each hold {bought} {thing}.")
        now = compute(total, "+", bought.value)
        draft.reckon(f"After buying them {name} has {now} {thing}.")
    elif kind == "find":
        x = dice.integer(2, 90)
        now = compute(total, "+", x)
        draft.facts.append(f"{name} finds {x} more {thing}.")
        draft.reckon(f"After finding {x} more {name} has {now} {thing}.")
    elif kind == "give":
        x = dice.integer(2, min(total - 2, 90))
        now = compute(total, "-", x)
        draft.facts.append(f"{name} gives {x} {thing} to {friend}.")
        draft.reckon(f"After giving {x} to {friend} {name} has {now} {thing}.")
    elif kind == "win":
        x = dice.integer(2, 5)
        now = compute(total, r"\times", x)
        draft.facts.append(f"{name} trades until there are {x} times as many.")
        draft.reckon(f"With {x} times as many {name} has {now} {thing}.")
    else:
        x = divisor(dice, total)
        now = compute(total, r"\frac", x)
        draft.facts.append(f"{name} sorts all {thing} into {x} equal boxes and keeps only one box.")
        draft.reckon(f"Of {x} equal boxes one box holds {now} {thing}.")
    return now.value


def tell_comparison(dice: Dice, n_steps: int) -> Story:
    """Tell who has more or fewer than whom, in shuffled order, so that each step must look its fact up (1 to 11 steps).

    Asked is either what the last person has (as many steps as relations), or what all have together (twice as many),
    or what is left of that after a loss (one more).
    """
    options = [(n_steps, False)] if n_steps <= 6 else []
    if n_steps >= 2:
        options.append((n_steps // 2, True))
    n_relations, together = dice.pick(options)
    people = dice.sample(NAMES, n_relations + 1)
    thing = dice.pick(COLLECTIBLES)
    amounts = [dice.integer(5, 60)]
    draft = Draft([f"{people[0]} has {amounts[0]} {thing}."])
    for former, person in itertools.pairwise(people):
        amounts.append(_relate(draft, dice, (former, person, thing), amounts[-1]))
    draft.facts = dice.sample(draft.facts, len(draft.facts))
    if not together:
        return draft.finish(f"How many {thing} does {people[-1]} have?", amounts[-1])
    total = amounts[0]
    for former, person, amount in zip(people, people[1:], amounts[1:], strict=False):
        now = compute(total, "+", amount)
        start = f"{former} and {person} have" if former == people[0] else f"Adding the {thing} of {person} gives"
        draft.reckon(f"{start} {now} {thing} together.")
        total = now.value
    if n_steps % 2 == 0:
        return draft.finish(f"How many {thing} do they have together?", total)
    x = dice.integer(2, min(total - 2, 90))
    left = compute(total, "-", x)
    draft.reckon(f"After losing {x} of them {left} {thing} are left.")
    question = f"Together they lose {x} {thing}. How many {thing} are left?"
    return draft.finish(question, left.value)


def _relate(draft: Draft, dice: Dice, who: tuple[str, str, str], amount: int) -> int:
    """Add one relation to a comparison and return what the new person has."""
    former, person, thing = who
    kind = dice.pick(("more", "fewer", "times", "part"))
    if kind == "more":
        x = dice.integer(2, 60)
        words, now = f"{x} more {thing} than {former}", compute(amount, "+", x)
    elif kind == "fewer":
        x = dice.integer(2, min(amount - 2, 60))
        words, now = f"{x} fewer {thing} than {former}", compute(amount, "-", x)
    elif kind == "times":
        x = dice.integer(2, 5)
        words, now = f"{x} times as many {thing} as {former}", compute(amount, r"\times", x)
    else:
        x = dice.pick(tuple(FRACTIONS))
        words, now = f"{FRACTIONS[x]} as many {thing} as {former}", compute(amount, r"\frac", x)
    if now.value < 2:
        raise UnfitDrawError("nobody has just one, so that every plural is right")
    draft.facts.append(f"{person} has {words}.")
    draft.reckon(f"{person} has {words}, so {person} has {now} {thing}.")
    return now.value


def tell_budget(dice: Dice, n_steps: int) -> Story:
    """Tell how wages are spent, some by percentages of what is left (1 to 11 steps; a percentage takes three)."""
    name = dice.pick(NAMES)
    days, wage = dice.integer(2, 9), 10 * dice.integer(2, 12)
    total = compute(days, r"\times", wage)
    draft = Draft([f"{name} works {days} days and earns {wage} dollars a day."])
    draft.reckon(f"Working {days} days for {wage} dollars a day earns {total} dollars.")
    purposes = dice.sample(EXPENSES, len(EXPENSES))
    while len(draft.steps) < n_steps:
        n_left = n_steps - len(draft.steps)
        kinds = ["spend", "spend", "gift", "half"]
        if n_left >= 3 and total.value % 10 == 0:
            kinds = ["percent"] * 6 + kinds
        total = _spend(draft, dice, dice.pick(kinds), (name, purposes.pop()), total.value)
    question = f"How many dollars does {name} {'earn' if n_steps == 1 else 'have left'}?"
    return draft.finish(question, total.value)


def _spend(draft: Draft, dice: Dice, kind: str, who: tuple[str, str], total: int) -> Computation:
    """Add one event to a budget and return the computation of what is left."""
    name, purpose = who
    if kind == "percent":
        tens = dice.integer(2, 7)
        draft.facts.append(f"Of the money left, {name} spends {10 * tens} percent on {purpose}.")
        tenth = compute(total, r"\frac", 10)
        draft.reckon(f"Ten percent of {total} dollars is {tenth} dollars.")
        cost = compute(tens, r"\times", tenth.value)
        draft.reckon(f"So {10 * tens} percent for {purpose} is {cost} dollars.")
        left = compute(total, "-", cost.value)
        draft.reckon(f"After paying for {purpose} {left} dollars are left.")
    elif kind == "spend":
        x = dice.integer(2, min(total - 2, 120))
        x = x - x % 10 if x > 10 and dice.chance(0.5) else x
        left = compute(total, "-", x)
        draft.facts.append(f"{name} spends {x} dollars on {purpose}.")
        draft.reckon(f"After spending {x} dollars on {purpose} {left} dollars are left.")
    elif kind == "gift":
        x = 10 * dice.integer(1, 9)
        left = compute(total, "+", x)
        draft.facts.append(f"An aunt gives {name} {x} dollars for {purpose}.")
        draft.reckon(f"With {x} dollars from the aunt for {purpose} there are {left} dollars.")
    else:
        left = compute(total, r"\frac", 2)
        draft.facts.append(f"{name} spends half of the money left on {purpose}.")
        draft.reckon(f"After spending half on {purpose} {left} dollars are left.")
    return left
