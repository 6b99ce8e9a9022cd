"""The reduce as a tree: any grouping, the same bytes, few parts at a time."""

import tracemalloc
from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambdas.stages.heartbeat import STAGE, reduce_levels
from mycelium import reduce
from mycelium.errors import InvocationError
from mycelium.reduce import FAN_IN, STORED_FAN_IN, Group, Part, PartTree, StoredPart, reduce_encoded
from mycelium.store import MemoryStore
from mycelium.task import decode_part, encode_part
from mycelium.wire import part_key


def make_part(seed: int, n_heads: int = 3) -> bytes:
    """Make one part of heartbeat."""
    rng = np.random.default_rng(seed)
    n = n_heads * 2
    level = [int(x) if x else None for x in rng.integers(0, 6, n)]
    numbers = {name: pa.array(rng.integers(0, 1 << 40, n), pa.int64()) for name in STAGE_SUMS}
    keys = {
        "layer": pa.array(rng.integers(0, 2, n), pa.int16()),
        "head": pa.array(np.arange(n) // 2, pa.int16()),
        "level": pa.array(level, pa.int8()),
    }
    return encode_part(reduce_levels([pa.table({**keys, **numbers})]))


STAGE_SUMS = ("problems", "beats", "beats_squared", "bimodality")


class CountingReducer:
    """Reduces here, and counts; stores its results if told to, or refuses."""

    def __init__(self, store: MemoryStore, *, stores: bool = False, refuses: bool = False) -> None:
        self.store, self.stores, self.refuses = store, stores, refuses
        self.groups: list[int] = []

    def reduce_groups(self, stage: str, groups: Sequence[Group], store_uri: str) -> Iterator[Part]:
        for group in groups:
            if self.refuses and self.groups:
                raise InvocationError("no")
            self.groups.append(len(group.keys))
            data = reduce_encoded(STAGE, map(self.store.get, group.keys))
            if self.stores:
                self.store.put(group.out_key, data, mode="overwrite")
            yield StoredPart(group.out_key) if self.stores else data


def store_parts(store: MemoryStore, n: int) -> list[StoredPart]:
    """Store some parts."""
    parts = [StoredPart(part_key("run", f"{i:06d}")) for i in range(n)]
    for i, part in enumerate(parts):
        store.put(part.key, make_part(i % 7))
    return parts


def reduce_at_once(n: int) -> bytes:
    """Reduce the same parts in one step."""
    return encode_part(reduce_levels([decode_part(make_part(i % 7)) for i in range(n)]))


def group_at_random(parts: list[pa.Table], data: st.DataObject) -> pa.Table:
    """Reduce by some tree."""
    while len(parts) > 1:
        cuts = sorted(data.draw(st.sets(st.integers(1, len(parts) - 1), max_size=4)))
        bounds = [0, *cuts, len(parts)]
        groups = [parts[a:b] for a, b in pairwise(bounds)]
        parts = [reduce_levels(group) for group in groups] if len(groups) < len(parts) else [reduce_levels(parts)]
    return parts[0]


@settings(deadline=None, max_examples=60)
@given(seeds=st.lists(st.integers(0, 50), min_size=1, max_size=24), data=st.data())
def test_any_grouping_and_any_order_give_the_same_bytes(seeds: list[int], data: st.DataObject) -> None:
    parts = [decode_part(make_part(seed)) for seed in seeds]
    at_once = encode_part(reduce_levels(parts))
    shuffled = data.draw(st.permutations(parts))
    assert encode_part(reduce_levels([group_at_random(list(shuffled), data)])) == at_once


@settings(deadline=None, max_examples=30)
@given(n=st.integers(1, 200), fan_in=st.integers(2, 9))
def test_the_tree_gives_what_one_reduce_over_all_gives(n: int, fan_in: int) -> None:
    parts = [make_part(seed % 7) for seed in range(n)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reduce, "FAN_IN", fan_in)
        tree = PartTree(STAGE, MemoryStore(), "run")
        for part in parts:
            tree.add(part)
        total = tree.finish()
    assert total is not None
    assert encode_part(total) == encode_part(reduce_levels([decode_part(part) for part in parts]))


def test_no_parts_are_none() -> None:
    assert PartTree(STAGE, MemoryStore(), "run").finish() is None


def test_a_hundred_thousand_parts_handed_over_never_meet() -> None:
    part, n = make_part(1, n_heads=1), 100_000
    tree = PartTree(STAGE, MemoryStore(), "run")
    most_held = 0
    for _ in range(n):
        tree.add(part)
        most_held = max(most_held, tree.n_held)
    total = tree.finish()
    assert total is not None
    assert most_held <= FAN_IN * 5  # 16 to the power of 5 is more than 100,000
    one = decode_part(part)
    assert total["problems"].to_pylist() == [n * x for x in one["problems"].to_pylist()]


class OnePartOnly(MemoryStore):
    """Holds one part under every key, and counts who asks here."""

    def __init__(self, part: bytes) -> None:
        super().__init__()
        self.part, self.asked = part, 0

    def get(self, key: str) -> bytes:
        self.asked += 1
        return self.part


@pytest.mark.parametrize("stores", [False, True])
def test_a_hundred_thousand_stored_parts_never_meet(*, stores: bool) -> None:
    n, part = 100_000, make_part(1, n_heads=1)
    groups: list[int] = []

    class Elsewhere:
        """A reducer that only counts; what it answers is a part like any other."""

        def reduce_groups(self, stage: str, asked: Sequence[Group], store_uri: str) -> Iterator[Part]:
            for group in asked:
                groups.append(len(group.keys))
                yield StoredPart(group.out_key) if stores and len(asked) > 1 else part

    store = OnePartOnly(part)
    tree = PartTree(STAGE, store, "run", Elsewhere())
    for i in range(n):
        tree.add(StoredPart(part_key("run", f"{i:06d}")))
    assert tree.n_held == 0, "of a stored part only the key is held"
    tracemalloc.start()
    assert tree.finish() is not None
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert max(groups) <= STORED_FAN_IN
    assert len(groups) == (1563 + 25 + 1 if stores else 1563)
    assert store.asked == 0, "none of them came here"
    assert peak < 40e6


@pytest.mark.parametrize("stores", [False, True])
@pytest.mark.parametrize("n", [1, 2, 63, 64, 65, 200])
def test_stored_parts_are_reduced_where_they_lie(n: int, *, stores: bool) -> None:
    store = MemoryStore()
    reducer = CountingReducer(store, stores=stores)
    tree = PartTree(STAGE, store, "run", reducer)
    for part in store_parts(store, n):
        tree.add(part)
    total = tree.finish()
    assert total is not None
    assert encode_part(total) == reduce_at_once(n)
    assert (sum(reducer.groups) >= n) == (n > 1)


def test_parts_of_both_kinds_come_together() -> None:
    store = MemoryStore()
    tree = PartTree(STAGE, store, "run", CountingReducer(store))
    for i, part in enumerate(store_parts(store, 100)):
        tree.add(part if i % 2 else make_part(i % 7))
    total = tree.finish()
    assert total is not None
    assert encode_part(total) == reduce_at_once(100)


@pytest.mark.parametrize("reducer", ["none", "refuses"])
def test_a_reducer_that_fails_is_done_without(reducer: str) -> None:
    store = MemoryStore()
    tree = PartTree(STAGE, store, "run", CountingReducer(store, refuses=True) if reducer == "refuses" else None)
    for part in store_parts(store, 150):
        tree.add(part)
    total = tree.finish()
    assert total is not None
    assert encode_part(total) == reduce_at_once(150)


def test_groups_of_different_parts_have_different_names() -> None:
    tree = PartTree(STAGE, MemoryStore(), "run")
    assert tree._group(["parts/a", "parts/b"]).out_key != tree._group(["parts/a", "parts/c"]).out_key
    assert tree._group(["parts/a"]) == tree._group(["parts/a"])
