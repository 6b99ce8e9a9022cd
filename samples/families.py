"""Families of stories, as tables: parts that are measured and added up, then a tail of further computations.

In every text, `{name}` is a person, `{thing}` a part, `{a}` and `{b}` its two numbers, `{x}` the number that a tail
brings in and `{c}` the computation itself.
"""

from dataclasses import dataclass

from samples.stories import LARGEST, NAMES, Dice, Draft, Story, UnfitDrawError, compute, divisor


@dataclass(frozen=True, slots=True)
class Turn:
    r"""One computation of a tail, on the total so far.

    Attributes:
        operator: As in `compute`; `from` stands for `x - total`.
        fact: What the problem says.
        step: What the solution says.
        question: What is asked when the story ends here.
        numbers: The smallest and largest x; unused by divisions, which draw a divisor, and by `from`.
    """

    operator: str
    fact: str
    step: str
    question: str
    numbers: tuple[int, int] = (2, 60)


@dataclass(frozen=True, slots=True)
class Family:
    """A table from which stories are told.

    Attributes:
        things: The parts; a story takes some of them, each once.
        fact: What the problem says of a part.
        measures: The sentences that measure a part: a product of a and b, or a sum and then its double.
        add: The sentence that adds a part to the total.
        question: What is asked when there is no tail.
        tails: What may follow; each a chain of turns.
        aside: A sentence with a number that no step needs: `{x}` is drawn.
        numbers: The ranges of a and of b.
        times: The operator of the product.
    """

    things: tuple[str, ...]
    fact: str
    measures: tuple[str, ...]
    add: str
    question: str
    tails: tuple[tuple[Turn, ...], ...]
    aside: str
    numbers: tuple[tuple[int, int], tuple[int, int]]
    times: str = r"\times"

    def tell(self, dice: Dice, n_steps: int) -> Story:
        """Tell a story of this family in exactly n_steps computations."""
        n_measure = len(self.measures)
        options = [(n_steps - len(tail) + 1, tail) for tail in ((), *self.tails)]
        options = [
            (n // (n_measure + 1), tail)
            for n, tail in options
            if n % (n_measure + 1) == 0 and 0 < n // (n_measure + 1) <= len(self.things)
        ]
        if not options:
            raise UnfitDrawError(f"this family has no story of {n_steps} computations")
        n_parts, tail = dice.pick(options)
        name = dice.pick(NAMES)
        draft = Draft()
        total = 0
        for thing in dice.sample(self.things, n_parts):
            total = self._measure(draft, dice, (name, thing), total)
        question = self.question
        for turn in tail:
            total = _turn(draft, dice, turn, name, total)
            question = turn.question
        if dice.chance(0.3):
            aside = self.aside.format(name=name, x=dice.integer(2, 60))
            draft.facts.insert(dice.integer(0, len(draft.facts)), aside)
        return draft.finish(question.format(name=name), total)

    def _measure(self, draft: Draft, dice: Dice, who: tuple[str, str], total: int) -> int:
        """Measure one part, add it to the total and return the new total."""
        a, b = (dice.integer(*numbers) for numbers in self.numbers)
        words = {"name": who[0], "thing": who[1], "a": a, "b": b}
        draft.facts.append(self.fact.format(**words))
        if len(self.measures) == 1:
            part = compute(a, self.times, b)
        else:
            half = compute(a, "+", b)
            draft.reckon(self.measures[0].format(**words, c=half))
            part = compute(2, self.times, half.value)
        draft.reckon(self.measures[-1].format(**words, c=part))
        if total == 0:
            return part.value
        added = compute(total, "+", part.value)
        draft.reckon(self.add.format(**words, c=added))
        return added.value


def _turn(draft: Draft, dice: Dice, turn: Turn, name: str, total: int) -> int:
    """Carry out one turn of a tail and return the new total."""
    low, high = turn.numbers
    if turn.operator == "from":
        x = 10 * dice.integer(total // 10 + 1, min(total // 10 + 30, LARGEST // 10))
        result = compute(x, "-", total)
    elif turn.operator in {r"\div", r"\frac"}:
        x = divisor(dice, total)
        result = compute(total, turn.operator, x)
    else:
        x = dice.integer(low, min(high, total - 2) if turn.operator == "-" else high)
        result = compute(total, turn.operator, x)
    draft.facts.append(turn.fact.format(name=name, x=x))
    draft.reckon(turn.step.format(name=name, x=x, c=result))
    return result.value


_COUPON = Turn(
    "-",
    "A coupon takes {x} dollars off.",
    "After the coupon of {x} dollars the price is {c} dollars.",
    "How many dollars does {name} have to pay?",
)
_DELIVERY = Turn(
    "+",
    "The delivery costs {x} dollars more.",
    "With {x} dollars for the delivery the price is {c} dollars.",
    "How many dollars does {name} have to pay?",
    (2, 30),
)
_CHANGE = Turn(
    "from",
    "{name} pays with {x} dollars.",
    "Paying with {x} dollars leaves a change of {c} dollars.",
    "How many dollars of change does {name} get?",
)
_SPLIT = Turn(
    r"\frac",
    "The price is shared equally by {x} friends.",
    "Shared by {x} friends that is {c} dollars each.",
    "How many dollars does each friend pay?",
)

SHOPPING = Family(
    things=("pens", "books", "hats", "mugs", "lamps", "balls", "kites", "plates"),
    fact="{name} buys {a} {thing} at {b} dollars each.",
    measures=("The {a} {thing} at {b} dollars each cost {c} dollars.",),
    add="Together with the {thing} that is {c} dollars.",
    question="How many dollars does {name} spend?",
    tails=(
        (_COUPON,),
        (_CHANGE,),
        (_SPLIT,),
        (_COUPON, _CHANGE),
        (_DELIVERY, _SPLIT),
        (_COUPON, _DELIVERY, _CHANGE),
    ),
    aside="The shop closes in {x} minutes.",
    numbers=((2, 9), (2, 25)),
)

_REMAIN = Turn(
    "from",
    "The whole trip is {x} km long.",
    "Of {x} km there remain {c} km.",
    "How many km remain?",
)
_WALK = Turn(
    "+",
    "{name} also walks {x} km.",
    "With {x} km on foot that is {c} km.",
    "How many km does {name} travel in all?",
    (2, 20),
)
_PACE = Turn(
    r"\frac",
    "{name} does the rest at {x} km an hour.",
    "At {x} km an hour the rest takes {c} hours.",
    "How many hours does the rest take?",
)

TRAVEL = Family(
    things=("bike", "bus", "boat", "tram", "horse", "train", "truck"),
    fact="{name} goes by {thing} for {a} hours at {b} km an hour.",
    measures=("By {thing} for {a} hours at {b} km an hour {name} covers {c} km.",),
    add="Adding the way by {thing} gives {c} km.",
    question="How many km does {name} travel in all?",
    tails=((_WALK,), (_REMAIN,), (_REMAIN, _PACE), (_WALK, _REMAIN), (_WALK, _REMAIN, _PACE)),
    aside="The bag of {name} weighs {x} kg.",
    numbers=((2, 6), (4, 40)),
)

_CARPET = Turn(
    "-",
    "A carpet covers {x} square metres already.",
    "Without the {x} square metres of carpet {c} square metres are left.",
    "How many square metres have no carpet?",
)
_TILES = Turn(
    r"\div",
    "One box of tiles is enough for {x} square metres.",
    "With {x} square metres a box that takes {c} boxes.",
    "How many boxes of tiles does {name} need?",
)
_PRICE = Turn(
    r"\times",
    "Each box costs {x} dollars.",
    "At {x} dollars a box they cost {c} dollars.",
    "How many dollars do the boxes cost?",
    (2, 9),
)

ROOMS = Family(
    things=("kitchen", "hall", "bedroom", "office", "bathroom", "cellar", "attic"),
    fact="The {thing} is {a} m long and {b} m wide.",
    measures=(r"The {thing} of {a} m by {b} m has an area of {c} square metres.",),
    add="With the {thing} that is {c} square metres.",
    question="How many square metres is that in all?",
    tails=((_CARPET,), (_TILES,), (_CARPET, _TILES), (_TILES, _PRICE), (_CARPET, _TILES, _PRICE)),
    aside="The house of {name} is {x} years old.",
    numbers=((2, 12), (2, 12)),
    times=r"\cdot",
)

_EATEN = Turn(
    "-",
    "The family eats {x} of them.",
    "After the family eats {x} there are {c} left.",
    "How many are left?",
)
_BAGS = Turn(
    r"\div",
    "{name} packs them into bags of {x}.",
    "Packed into bags of {x} they fill {c} bags.",
    "How many bags does {name} fill?",
)
_SOLD = Turn(
    r"\times",
    "Each bag sells for {x} dollars.",
    "At {x} dollars a bag they bring {c} dollars.",
    "How many dollars do the bags bring?",
    (2, 9),
)
_FLOUR = Turn(
    "-",
    "The flour cost {x} dollars.",
    "Without {x} dollars for the flour {c} dollars remain.",
    "How many dollars does {name} earn after paying for the flour?",
    (2, 30),
)

BAKING = Family(
    things=("rolls", "buns", "cookies", "muffins", "tarts", "bagels"),
    fact="{name} bakes {a} trays with {b} {thing} each.",
    measures=("The {a} trays with {b} {thing} each give {c} {thing}.",),
    add="Adding the {thing} gives {c} pieces.",
    question="How many pieces does {name} bake in all?",
    tails=((_EATEN,), (_BAGS,), (_EATEN, _BAGS), (_BAGS, _SOLD), (_EATEN, _BAGS, _SOLD), (_BAGS, _SOLD, _FLOUR)),
    aside="The oven is {x} cm wide.",
    numbers=((2, 9), (3, 18)),
)

_STORM = Turn(
    "-",
    "A storm fells {x} trees.",
    "After the storm fells {x} there are {c} trees.",
    "How many trees stand after the storm?",
)
_PLANTED = Turn(
    "+",
    "A neighbour plants {x} more trees.",
    "With {x} trees of the neighbour there are {c} trees.",
    "How many trees are there then?",
    (2, 80),
)
_PRUNED = Turn(
    r"\frac",
    "To prune the trees, {x} workers share them equally.",
    "Shared by {x} workers that is {c} trees each.",
    "How many trees does each worker prune?",
)

ORCHARD = Family(
    things=("apple", "pear", "plum", "cherry", "lemon", "fig", "olive"),
    fact="{name} plants {a} rows of {b} {thing} trees.",
    measures=("The {a} rows of {b} {thing} trees hold {c} trees.",),
    add="Counting the {thing} trees too there are {c} trees.",
    question="How many trees does {name} plant in all?",
    tails=((_STORM,), (_PLANTED,), (_PRUNED,), (_STORM, _PLANTED), (_STORM, _PRUNED), (_STORM, _PLANTED, _PRUNED)),
    aside="The nearest river is {x} km away.",
    numbers=((2, 9), (3, 20)),
)

_GATE = Turn(
    "-",
    "The gates take up {x} m that need no fence.",
    "Without {x} m for the gates {c} m are left.",
    "How many m of fence does {name} need?",
    (2, 9),
)
_WIRE = Turn(
    "from",
    "{name} has {x} m of fence.",
    "Of {x} m of fence {c} m are left over.",
    "How many m of fence are left over?",
)
_POSTS = Turn(
    r"\frac",
    "There is one post for every {x} m.",
    "With one post for every {x} m that is {c} posts.",
    "How many posts does {name} need?",
)

FENCES = Family(
    things=("garden", "meadow", "field", "yard"),
    fact="The {thing} is {a} m long and {b} m wide and gets a fence all around.",
    measures=(
        "A length of {a} m and a width of {b} m are {c} m for the {thing}.",
        "All around the {thing} that is {c} m.",
    ),
    add="With the fence of the {thing} that is {c} m.",
    question="How many m of fence does {name} need?",
    tails=((_GATE,), (_WIRE,), (_POSTS,), (_GATE, _POSTS), (_GATE, _WIRE)),
    aside="The grass is {x} cm high.",
    numbers=((3, 60), (3, 60)),
)

FAMILIES = (SHOPPING, TRAVEL, ROOMS, BAKING, ORCHARD, FENCES)
