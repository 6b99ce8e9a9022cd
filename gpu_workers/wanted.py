"""What is wanted of the teacher's attention: which signals, of which heads, how exactly."""

from dataclasses import dataclass

from mycelium.datasets import ATTENTION, CONNECTIVITY, DIVERGENCE, ENTROPY, IAF, RECEIVED
from mycelium.errors import UserInputError
from mycelium.schema import Dataset

RAW = "raw"
"""The word for the attention itself, of chosen heads."""

SIGNALS: dict[str, Dataset] = {
    "entropy": ENTROPY,
    "connectivity": CONNECTIVITY,
    "received": RECEIVED,
    "jsd": DIVERGENCE,
    "iaf": IAF,
}
"""The signals by the words that ask for them, and where each goes; in the order of writing."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is read of the attention.

    Attributes:
        signals: words of `SIGNALS`, in its order.
        without_sink: whether IAF leaves the first token out of both sums.
        window: the generated tokens in each of the two windows that `jsd` compares.
        layers: the layers whose attention itself is wanted.
        heads: the heads of those layers.
        compact: whether signals are rounded as `mycelium.signals.rounding.COMPACT` has it.
    """

    signals: tuple[str, ...] = ("iaf",)
    without_sink: bool = False
    window: int = 16
    layers: tuple[int, ...] = ()
    heads: tuple[int, ...] = ()
    compact: bool = False

    @property
    def datasets(self) -> tuple[Dataset, ...]:
        """Where it goes, in the order of writing: `iaf` last, so that it is the completion mark if it is there."""
        raw = (ATTENTION,) if self.layers else ()
        return (*raw, *(SIGNALS[word] for word in self.signals))


def read_words(text: str) -> tuple[tuple[str, ...], bool]:
    """Read a list of signals such as ``iaf,entropy,raw``.

    Returns:
        The signals, in the order of `SIGNALS`, and whether the attention itself is asked for.

    Raises:
        UserInputError: a word is none of them, or there is none.
    """
    words = [word.strip() for word in text.split(",") if word.strip()]
    unknown = [word for word in words if word not in SIGNALS and word != RAW]
    if unknown or not words:
        what = f"{unknown[0]!r} is none" if unknown else "none is given"
        raise UserInputError(f"--signals is a list of {', '.join(sorted(SIGNALS))}, {RAW}; {what}")
    return tuple(word for word in SIGNALS if word in words), RAW in words


def read_numbers(text: str, option: str, count: int) -> tuple[int, ...]:
    """Read a list of layers or heads such as ``0,3-5``.

    Args:
        text: whole numbers and ranges, inclusive, between commas.
        option: the option it was given by.
        count: how many of them the model has.

    Returns:
        The numbers, each once, ascending.

    Raises:
        UserInputError: it can't be read, or names what the model does not have.
    """
    numbers: set[int] = set()
    for part in filter(None, (part.strip() for part in text.split(","))):
        first, dash, last = part.partition("-")
        if not (first.isdecimal() and (last.isdecimal() if dash else True)):
            raise UserInputError(f"{option} is a list such as 0,3-5; got {text!r}")
        low, high = int(first), int(last or first)
        if not low <= high < count:
            raise UserInputError(f"{option} is between 0 and {count - 1} for this model; got {part}")
        numbers.update(range(low, high + 1))
    if not numbers:
        raise UserInputError(f"{option} is a list such as 0,3-5; got {text!r}")
    return tuple(sorted(numbers))
