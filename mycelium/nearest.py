"""The nearest right word to one that is wrong."""

import difflib
from collections.abc import Iterable
from itertools import islice

CUTOFF = 0.5
"""How alike two words must be, by difflib's ratio, for one to be meant by the other."""

MAX_NAMED = 24
"""Words that are listed where none is near."""

MAX_COMPARED = 2000
"""Words that are compared: a store of a million runs is no reason to wait for an error."""


def find_nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that is most like `word`, if any is like it."""
    near = difflib.get_close_matches(word, list(islice(known, MAX_COMPARED)), n=1, cutoff=CUTOFF)
    return near[0] if near else None


def suggest(word: str, known: Iterable[str]) -> str:
    """Return what to type instead of `word`: ``did you mean NEAREST?``, or what there is, or that there is nothing."""
    words = list(known)
    near = find_nearest(word, words)
    if near is not None:
        return f"did you mean {near}?"
    more = f", … ({len(words)} in all)" if len(words) > MAX_NAMED else ""
    return f"there are {', '.join(words[:MAX_NAMED])}{more}" if words else "there is none"
