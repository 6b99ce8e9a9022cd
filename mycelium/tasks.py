"""The tasks of one run, of which only what they differ in is kept, packed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import overload

from mycelium.manifest import ObjectRef
from mycelium.task import Task


@dataclass(frozen=True, slots=True)
class TaskInputs:
    """What the tasks of one run differ in.

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
        self._like, self._chunks, self._found = like, chunks, found
        self.n_found = found.count(1)

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._chunks)

    def __iter__(self) -> Iterator[Task]:
        """Yield them in their order."""
        return map(self._make, self._chunks, self._found)

    @overload
    def __getitem__(self, index: int) -> Task: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Task, ...]: ...
    def __getitem__(self, index: int | slice) -> Task | tuple[Task, ...]:
        """Return one of them, or several."""
        if isinstance(index, slice):
            return tuple(map(self._make, self._chunks[index], self._found[index]))
        return self._make(self._chunks[index], self._found[index])

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
