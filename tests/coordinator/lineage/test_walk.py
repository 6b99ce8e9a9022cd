"""The walk back through manifests: everything once, parents first, and an end even in a store that goes in circles."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from coordinator.lineage.walk import look_into, walk_back
from mycelium.datasets import IAF
from mycelium.manifest import Manifest, write_manifest
from mycelium.store import MemoryStore
from tests.builders import build_run, make_iaf

SAMPLE = build_run(MemoryStore(), [make_iaf()]).manifest


def make_world(parents: dict[str, list[str]]) -> dict[str, Manifest]:
    """Make manifests that name their parents."""
    return {name: replace(SAMPLE, run_id=name, inputs=tuple(names)) for name, names in parents.items()}


def test_parents_come_before_theirs_and_each_once() -> None:
    world = make_world({"d/a": ["d/b", "d/c"], "d/b": ["d/e"], "d/c": ["d/e"], "d/e": []})
    assert [name for name, _ in walk_back(world["d/a"], world.get)] == ["d/b", "d/c", "d/e"]


def test_what_is_gone_is_named_and_not_followed() -> None:
    world = make_world({"d/a": ["d/b"], "d/b": ["d/lost"]})
    assert list(walk_back(world["d/a"], world.get)) == [("d/b", world["d/b"]), ("d/lost", None)]


@given(st.lists(st.lists(st.integers(0, 9), max_size=4), min_size=1, max_size=8))
def test_it_meets_whatever_can_be_reached_and_ends_in_circles(numbers: list[list[int]]) -> None:
    world = make_world({f"d/{i}": [f"d/{n}" for n in names] for i, names in enumerate(numbers)})
    reachable: set[str] = set()
    edge = set(world["d/0"].parents)
    while edge - reachable:  # the slow way: grow a set until it stays
        reachable |= edge
        edge = {name for at in reachable if at in world for name in world[at].parents}
    met = [name for name, _ in walk_back(world["d/0"], world.get)]
    assert len(met) == len(set(met))
    assert set(met) == reachable


def test_a_store_is_asked_for_each_manifest_once() -> None:
    asked: list[str] = []

    class Counting(MemoryStore):
        def get(self, key: str) -> bytes:
            asked.append(key)
            return super().get(key)

    store = Counting()
    one = replace(SAMPLE, run_id="sample-000000000001", inputs=())
    write_manifest(store, one, (IAF,))
    asked.clear()
    look = look_into(store)
    child = replace(SAMPLE, run_id="sample-000000000002", inputs=("iaf/sample-000000000001", "iaf/sample-000000000009"))
    for _ in range(2):
        assert [found for _, found in walk_back(child, look)] == [one, None]
    assert sorted(asked) == ["manifests/iaf/sample-000000000001.json", "manifests/iaf/sample-000000000009.json"]
