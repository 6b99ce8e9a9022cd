"""Packed sequences: what a list does, in a tenth of the memory."""

from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mycelium import packed
from mycelium.packed import BLOCK, Packed, pack, unpack


@dataclass(frozen=True, slots=True)
class Item:
    """Something with a name."""

    name: str
    number: int = 0


@dataclass(frozen=True, slots=True)
class NameOnly:
    """Less of it."""

    name: str


ITEMS = st.lists(st.builds(Item, st.text("abc", max_size=2), st.integers(0, 9)), max_size=40)


@pytest.fixture(autouse=True, scope="module")
def small_blocks() -> object:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packed, "BLOCK", 4)
        yield


@given(ITEMS)
def test_it_is_a_sequence_as_a_list_is(items: list[Item]) -> None:
    held = Packed(Item, items)
    assert len(held) == len(items)
    assert list(held) == items
    assert held == items
    assert tuple(items) == held
    assert [held[i] for i in range(-len(items), len(items))] == items * 2
    assert held[1:7:2] == tuple(items[1:7:2])
    assert list(reversed(held)) == items[::-1]
    for i in (len(items), -len(items) - 1):
        with pytest.raises(IndexError):
            held[i]


@given(ITEMS, ITEMS)
def test_it_grows_and_is_read_meanwhile(items: list[Item], more: list[Item]) -> None:
    held = Packed(Item, items)
    if items:
        assert held[-1] == items[-1]
    held.extend(more)
    assert held == items + more
    assert [held[i] for i in range(len(held))] == items + more
    assert held != [*items, *more, Item("one more")]


@given(ITEMS)
def test_in_order_it_has_the_last_of_each_name(items: list[Item]) -> None:
    held = Packed(Item, items, order=lambda item: item.name)
    oracle = {item.name: item for item in items}
    assert list(held.in_order()) == [oracle[name] for name in sorted(oracle)]


@given(st.permutations(range(60)))
def test_any_order_of_arrival_is_sorted(numbers: list[int]) -> None:
    held = Packed(Item, (Item(f"{i:05d}", i) for i in numbers), order=lambda item: item.name)
    assert [item.number for item in held.in_order()] == list(range(60))


def test_what_comes_nearly_in_order_needs_few_blocks_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = [i + (8 if i % 2 else 0) for i in range(400)]
    held = Packed(Item, (Item(f"{i:05d}", i) for i in numbers), order=lambda item: item.name)
    opened: list[int] = []
    unpack_block = held._unpack

    def note(number: int) -> Sequence[Item]:
        opened.append(number)
        return unpack_block(number)

    monkeypatch.setattr(held, "_unpack", note)
    in_order = held.in_order()
    for _ in range(40):
        next(in_order)
    assert len(opened) <= 14  # ten blocks of four were taken, and those of the next eight items may be open


def test_without_an_order_there_is_none() -> None:
    with pytest.raises(TypeError, match="without an order"):
        next(Packed(Item, [Item("a")]).in_order())


def test_a_part_of_each_item_can_be_unpacked() -> None:
    data, n_bytes = pack([Item("a", 1), Item("b", 2)])
    assert unpack(data, n_bytes, NameOnly) == [NameOnly("a"), NameOnly("b")]


@given(st.binary(max_size=60), st.integers(-5, 1 << 40))
def test_what_was_not_packed_is_refused(data: bytes, n_bytes: int) -> None:
    with pytest.raises(ValueError, match=r"."):
        unpack(data, n_bytes, Item)


def test_a_block_that_lies_about_its_size_is_refused() -> None:
    data, n_bytes = pack([Item("a", 1)] * 50)
    for claimed in (n_bytes - 1, n_bytes + 1, 0):
        with pytest.raises(ValueError, match=r"."):
            unpack(data, claimed, Item)


def test_a_block_is_a_thousand() -> None:
    assert BLOCK == 1000
