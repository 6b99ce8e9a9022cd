"""What stands under a key, where keys and values come page by page in the order of the keys."""

from collections.abc import Iterator, Sequence
from typing import Generic, TypeVar

V = TypeVar("V")


class Lookup(Generic[V]):
    """Finds values in pages that are read once, in step with the questions.

    Asked in the order of the keys it holds a page or two, so that two listings of a million keys are compared in hardly
    any memory. Asked in another order it also holds what it has passed without being asked for it. Whole pages are
    looked up by what dictionaries do by themselves: a loop of Python's over each pair took ten times as long.
    """

    def __init__(self, pages: Iterator[dict[str, V]]) -> None:
        """Take pages of keys, each key once, with their values, in the order of the keys; nothing is read yet."""
        self._pages: Iterator[dict[str, V]] | None = pages
        self._held: dict[str, V] = {}
        self._last = ""

    def take_each(self, keys: Sequence[str]) -> list[V | None]:
        """Return the value of each key, which is not asked for again; None for one that no page has."""
        most = max(keys, default="")
        while self._pages is not None and self._last < most:
            page = next(self._pages, None)
            if page is None:
                self._pages = None
            elif page:
                self._held.update(page)
                self._last = next(reversed(page))
        take = self._held.pop
        return [take(key, None) for key in keys]
