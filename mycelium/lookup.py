"""What stands under a key, where keys and values come as a stream in the order of the keys."""

from collections.abc import Iterator
from typing import Generic, TypeVar

V = TypeVar("V")


class Lookup(Generic[V]):
    """Finds values in a stream that is read once, in step with the questions.

    Asked in the order of the keys it holds one pair, so that two listings of a million keys are compared in no memory.
    Asked in another order it also holds what it has passed without being asked for it.
    """

    def __init__(self, pairs: Iterator[tuple[str, V]]) -> None:
        """Take keys, each of them once, with their values, in the order of the keys; nothing is read yet."""
        self._pairs = pairs
        self._passed: dict[str, V] = {}
        self._next: tuple[str, V] | None = None

    def take(self, key: str) -> V | None:
        """Return the value of a key, which is not asked for again; None if the stream has no such key."""
        if self._passed and key in self._passed:
            return self._passed.pop(key)
        pair = self._next
        while pair is None or pair[0] < key:
            if pair is not None:
                self._passed[pair[0]] = pair[1]
            pair = next(self._pairs, None)
            if pair is None:
                self._next = None
                return None
        if pair[0] > key:
            self._next = pair
            return None
        self._next = None
        return pair[1]
