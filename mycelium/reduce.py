"""The reduce as a tree: parts are reduced in groups, the results in groups again, until one is left.

A stage's reduce is associative and exact, so that any grouping gives the same bytes (a property test holds it to that).

- Parts that are handed over, few and small, are reduced where they arrive: `FAN_IN` parts of one level become one of
  the next, like the carry of a counter, so that a run of n chunks holds at most FAN_IN · log(n) parts at a time. A part
  of heartbeat over 28 layers of 28 heads has 176 KB and takes 0.2 ms: less than sending it anywhere.
- Parts in the store are those too large to be handed over, and all parts of a run of more than `MANY_PARTS` chunks. Of
  them only the keys are held. When the last chunk is done, groups of `STORED_FAN_IN` are reduced through the executor,
  many at once, level by level.

So 100,000 parts never meet in one process.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import pyarrow as pa

from mycelium.errors import MyceliumError
from mycelium.manifest import digest
from mycelium.stage import Stage
from mycelium.store import Store
from mycelium.task import TaskResult, decode_part, encode_part
from mycelium.wire import part_key

FAN_IN = 16
"""Parts decoded at a time, anywhere."""

STORED_FAN_IN = 64
"""Stored parts that one invocation makes one of."""

MANY_PARTS = 4096
"""In a run of more chunks than this, the parts stay in the store: 4,096 of 176 KB are 0.7 GB to fetch."""

_MAX_LEVELS = 32  # 16 to the power of 32


@dataclass(frozen=True, slots=True)
class StoredPart:
    """A part that lies in the run's store.

    Attributes:
        key: its key.
    """

    key: str


Part = bytes | StoredPart
"""A part as an Arrow IPC stream, or where one lies."""


@dataclass(frozen=True, slots=True)
class Group:
    """Stored parts that become one.

    Attributes:
        keys: where they are.
        out_key: where the result goes if it is too large to be handed over.
        asks: whether they are answers to a question of the stage's fit.
    """

    keys: tuple[str, ...]
    out_key: str
    asks: bool = False


class Reducer(Protocol):
    """Reduces groups of stored parts, elsewhere."""

    def reduce_groups(self, stage: str, groups: Sequence[Group], store_uri: str) -> Iterator[Part]:
        """Yield the one part that each group makes, in any order.

        Args:
            stage: the stage's name.
            groups: what to reduce.
            store_uri: the store that holds the parts.

        Raises:
            MyceliumError: a group could not be reduced.
        """
        ...


def reduce_encoded(stage: Stage[Any], parts: Iterable[bytes], *, asks: bool = False) -> bytes:
    """Reduce parts to one; no more than `FAN_IN` are decoded at a time.

    Args:
        stage: whose parts they are.
        parts: Arrow IPC streams, at least one.
        asks: whether they are answers to a question of the stage's fit.
    """
    reduce = stage.fit.reduce if asks and stage.fit is not None else stage.reduce
    held: list[pa.Table] = []
    for part in parts:
        held.append(decode_part(part))
        if len(held) >= FAN_IN:
            held = [reduce(held)]
    return encode_part(reduce(held))


@dataclass(slots=True)
class PartTree:
    """The parts of one run on their way to one.

    Attributes:
        stage: whose reduce it is.
        store: where stored parts lie: the run's target.
        run_id: the run.
        reducer: who reduces stored parts; None to do it here.
        asks: whether the parts are answers to a question of the stage's fit.
    """

    stage: Stage[Any]
    store: Store
    run_id: str
    reducer: Reducer | None = None
    asks: bool = False
    _levels: list[list[bytes]] = field(default_factory=list)
    _stored: list[str] = field(default_factory=list)

    def take(self, result: TaskResult) -> None:
        """Take the part that a task left, here or in the store; a failed task left none."""
        if result.part is not None:
            self.add(result.part)
        elif result.part_key is not None:
            self.add(StoredPart(result.part_key))

    def add(self, part: Part) -> None:
        """Take one more part."""
        if isinstance(part, StoredPart):
            self._stored.append(part.key)
            return
        for level in range(_MAX_LEVELS):
            if level == len(self._levels):
                self._levels.append([])
            held = self._levels[level]
            held.append(part)
            if len(held) < FAN_IN:
                return
            part = reduce_encoded(self.stage, held, asks=self.asks)
            held.clear()

    def finish(self) -> pa.Table | None:
        """Return the one part that all make; None where there was none."""
        for _ in range(_MAX_LEVELS):
            if len(self._stored) < 2 or self.reducer is None:
                break
            self._reduce_level(self.reducer)
        for key in self._stored:
            self.add(self.store.get(key))
        self._stored = []
        left = [part for held in self._levels for part in held]
        return decode_part(reduce_encoded(self.stage, left, asks=self.asks)) if left else None

    @property
    def n_held(self) -> int:
        """Parts held at this moment; of those in the store none is."""
        return sum(map(len, self._levels))

    def _reduce_level(self, reducer: Reducer) -> None:
        """Reduce every group of stored parts; small results come here, large ones are stored parts again."""
        keys = sorted(self._stored)
        groups = [self._group(keys[i : i + STORED_FAN_IN]) for i in range(0, len(keys), STORED_FAN_IN)]
        results: list[Part] = []
        inline = PartTree(self.stage, self.store, self.run_id, asks=self.asks)
        try:
            for result in reducer.reduce_groups(self.stage.name, groups, self.store.uri):
                if isinstance(result, StoredPart):
                    results.append(result)
                else:
                    inline.add(result)
        except MyceliumError:
            # The chunks are done, whatever ails the reducer: here the same bytes come out, only later.
            self.reducer = None
            return
        self._stored = [result.key for result in results if isinstance(result, StoredPart)]
        for part in (part for held in inline._levels for part in held):
            self.add(part)

    def _group(self, keys: Sequence[str]) -> Group:
        # Named by what goes in: two coordinators at once may group differently, and each name has one meaning.
        out_key = part_key(self.run_id, f"reduced-{digest(' '.join(keys).encode())[:16]}")
        return Group(tuple(keys), out_key, self.asks)
