"""The tasks of one run, of which only what they differ in is kept, packed; and some of them, or each of them changed.

Nobody who runs a million tasks holds them: a list of them is a gigabyte.
"""

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import compress
from typing import overload

import msgspec

from mycelium.manifest import ObjectRef
from mycelium.task import Task


class TaskInputs(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What the tasks of one run differ in: a structure of msgspec's, which is made and packed in a third of the time.

    Attributes:
        chunk_id: the chunk.
        inputs: the objects to read, in the order of the stage's inputs; none if one that is needed was never made.
        lost: why they can't be read; None if they can.
    """

    chunk_id: str
    inputs: tuple[ObjectRef, ...]
    lost: str | None = None


class Tasks(Sequence[Task]):
    """The tasks of a run by chunk id, each made when it is asked for."""

    def __init__(self, like: Task, chunks: Sequence[TaskInputs], found: bytes) -> None:
        """Take what the tasks differ in.

        Args:
            like: a task with all that they share.
            chunks: what they read.
            found: of each, 1 if its output was there when the run was planned, else 0.
        """
        self._like, self._chunks, self.found = like, chunks, found
        self.n_found = found.count(1)

    def finding(self, numbers: Iterable[int]) -> "Tasks":
        """Return the same tasks, the outputs of some of which are there, too: those of these numbers."""
        found = bytearray(self.found)
        for number in numbers:
            found[number] = 1
        return Tasks(self._like, self._chunks, bytes(found))

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._chunks)

    def __iter__(self) -> Iterator[Task]:
        """Yield them in their order."""
        return map(self._make, self._chunks, self.found)

    @overload
    def __getitem__(self, index: int) -> Task: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Task, ...]: ...
    def __getitem__(self, index: int | slice) -> Task | tuple[Task, ...]:
        """Return one of them, or several."""
        if isinstance(index, slice):
            return tuple(map(self._make, self._chunks[index], self.found[index]))
        return self._make(self._chunks[index], self.found[index])

    def __eq__(self, other: object) -> bool:
        """Return whether another sequence has the same tasks."""
        if not isinstance(other, Sequence):
            return NotImplemented
        return len(self) == len(other) and all(mine == its for mine, its in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment] # as a list

    def _make(self, chunk: TaskInputs, found: int) -> Task:
        like = self._like
        return Task(
            chunk.chunk_id,
            like.run_id,
            like.stage,
            like.params,
            chunk.inputs,
            like.reads_of,
            like.writes_of,
            bool(found),
            like.untaught,
        )


class _Lazy(Sequence[Task]):
    """Tasks that are made of others when they are asked for."""

    @overload
    def __getitem__(self, index: int) -> Task: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Task]: ...
    def __getitem__(self, index: int | slice) -> Task | Sequence[Task]:
        """Return one of them, or several."""
        if isinstance(index, slice):
            return Some(self, array("L", range(*index.indices(len(self)))))
        return self._get(range(len(self))[index])

    def _get(self, number: int) -> Task:
        raise NotImplementedError


class Some(_Lazy):
    """Some of a sequence of tasks, by their numbers there."""

    def __init__(self, tasks: Sequence[Task], numbers: Iterable[int]) -> None:
        """Take which; eight bytes of each are held."""
        self._tasks, self.numbers = tasks, array("L", numbers)

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.numbers)

    def _get(self, number: int) -> Task:
        return self._tasks[self.numbers[number]]


class Changed(_Lazy):
    """All of a sequence of tasks, each of them changed in the same way."""

    def __init__(self, tasks: Sequence[Task], change: Callable[[Task], Task]) -> None:
        """Take what is made of each; it is made anew whenever it is asked for."""
        self._tasks, self._change = tasks, change

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._tasks)

    def __iter__(self) -> Iterator[Task]:
        """Yield them in their order."""
        return map(self._change, self._tasks)

    def _get(self, number: int) -> Task:
        return self._change(self._tasks[number])


def choose_found(tasks: Sequence[Task], *, found: bool) -> Sequence[Task]:
    """Return the tasks whose outputs were there when the run was planned, or those whose were not."""
    marks: Iterable[int] = tasks.found if isinstance(tasks, Tasks) else (task.found for task in tasks)
    numbers = array("L", compress(range(len(tasks)), marks if found else (not mark for mark in marks)))
    return tasks if len(numbers) == len(tasks) else Some(tasks, numbers)
