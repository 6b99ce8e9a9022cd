"""Long sequences that are held in blocks, of which one at a time is unpacked.

A million outcomes as objects are some 800 MB; packed they are 80. Whoever goes through them in their order unpacks each
block once, and holds a thousand.
"""

import heapq
from abc import ABC, abstractmethod
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Generic, TypeVar, overload

import msgspec
import pyarrow as pa

T = TypeVar("T")

BLOCK = 1000
"""Items packed together: enough that compression finds what they share."""

MAX_BYTES = 1 << 30
"""The largest block that is unpacked."""


def pack(items: Sequence[object]) -> tuple[bytes, int]:
    """Return items as MessagePack compressed by zstd, and how many bytes they are without that."""
    plain = msgspec.msgpack.encode(items)
    return pa.compress(plain, codec="zstd", asbytes=True), len(plain)


def unpack(data: bytes, n_bytes: int, kind: type[T]) -> list[T]:
    """Return what was packed, or as much of each item as `kind` has of it.

    Raises:
        ValueError: it can't be read.
    """
    if not 0 <= n_bytes <= MAX_BYTES:
        raise ValueError(f"a block is unpacked to at most {MAX_BYTES:,} bytes, and this claims {n_bytes:,}")
    try:
        plain = pa.decompress(data, n_bytes, codec="zstd", asbytes=True)
        return msgspec.msgpack.decode(plain, type=list[kind])  # type: ignore[valid-type] # a type only when it runs
    except (pa.ArrowException, OSError, msgspec.MsgspecError) as error:
        raise ValueError(str(error)) from error


class Blocks(Sequence[T], ABC):
    """A sequence whose items lie in blocks, somewhere else or packed."""

    def __init__(self) -> None:
        """Begin with no block."""
        self._ends: list[int] = []
        self._unpacked: tuple[int, Sequence[T]] | None = None

    @abstractmethod
    def _unpack(self, number: int) -> Sequence[T]:
        """Return the items of a block."""

    def __len__(self) -> int:
        """Return how many items there are."""
        return self._ends[-1] if self._ends else 0

    def __iter__(self) -> Iterator[T]:
        """Yield the items, unpacking one block after the other."""
        for number in range(len(self._ends)):
            yield from self._unpack(number)

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[T, ...]: ...
    def __getitem__(self, index: int | slice) -> T | tuple[T, ...]:
        """Return an item; the block that it was in is kept for the next one."""
        if isinstance(index, slice):
            return tuple(self[i] for i in range(*index.indices(len(self))))
        at = range(len(self))[index]  # raises IndexError, and counts from the end
        number = bisect_right(self._ends, at)
        held = self._unpacked
        if held is None or held[0] != number or number == len(self._ends):  # the last block may still grow
            held = self._unpacked = number, self._unpack(number)
        return held[1][at - (self._ends[number - 1] if number else 0)]

    def __eq__(self, other: object) -> bool:
        """Return whether another sequence has the same items."""
        if not isinstance(other, Sequence):
            return NotImplemented
        return len(self) == len(other) and all(mine == its for mine, its in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment] # as a list


class Packed(Blocks[T], Generic[T]):
    """Items in memory, each block of them packed once it is full."""

    def __init__(self, kind: type[T], items: Iterable[T] = (), order: Callable[[T], str] | None = None) -> None:
        """Take what items are, so that msgspec can unpack them.

        Args:
            kind: the type of the items.
            items: the first of them.
            order: what `in_order` is to sort them by; None where it is not asked.
        """
        super().__init__()
        self._kind, self._order = kind, order
        self._blocks: list[tuple[bytes, int]] = []
        self._firsts: list[str] = []
        self._open: list[T] = []
        self.extend(items)

    def append(self, item: T) -> None:
        """Add an item at the end."""
        self._open.append(item)
        if len(self._open) == BLOCK:
            self._pack()

    def extend(self, items: Iterable[T]) -> None:
        """Add items at the end."""
        waiting = iter(items)
        while some := list(islice(waiting, BLOCK - len(self._open))):
            self._open += some
            if len(self._open) == BLOCK:
                self._pack()

    def __len__(self) -> int:
        """Return how many items there are."""
        return super().__len__() + len(self._open)

    def __iter__(self) -> Iterator[T]:
        """Yield the items; those that are added meanwhile may be left out."""
        still_open = tuple(self._open)
        yield from super().__iter__()
        yield from still_open

    def in_order(self) -> Iterator[T]:
        """Yield the items in their order; of several with the same one, that which was added last.

        Each block is sorted, and is unpacked when its first item may be the next. So items that came nearly in order,
        as outcomes do, need only a few blocks at a time.
        """
        order = self._order
        if order is None:
            raise TypeError("these items were packed without an order")
        tail = sorted(self._open, key=order)
        firsts = self._firsts + ([order(tail[0])] if tail else [])
        waiting = deque(sorted((first, number) for number, first in enumerate(firsts)))
        heap: list[tuple[str, int, T, Iterator[T]]] = []
        last: list[tuple[str, T]] = []
        while heap or waiting:
            while waiting and (not heap or waiting[0][0] <= heap[0][0]):
                first, number = waiting.popleft()
                items = iter(self._unpack(number) if number < len(self._blocks) else tail)
                heapq.heappush(heap, (first, number, next(items), items))
            key, number, item, items = heap[0]
            following = next(items, None)
            if following is None:
                heapq.heappop(heap)
            else:
                heapq.heapreplace(heap, (order(following), number, following, items))
            if last and last[0][0] != key:
                yield last[0][1]
            last[:] = [(key, item)]
        yield from (item for _, item in last)

    def _unpack(self, number: int) -> Sequence[T]:
        if number == len(self._blocks):
            return tuple(self._open)
        return unpack(*self._blocks[number], self._kind)

    def _pack(self) -> None:
        if self._order is not None:
            self._open.sort(key=self._order)
            self._firsts.append(self._order(self._open[0]))
        self._blocks.append(pack(self._open))
        self._ends.append(super().__len__() + len(self._open))
        self._open, self._unpacked = [], None
