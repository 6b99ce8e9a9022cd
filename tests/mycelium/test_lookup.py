"""A lookup finds what a dictionary finds, and in the order of the keys it holds nothing."""

from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from mycelium.lookup import Lookup

KEYS = st.text("ab-.0/", min_size=1, max_size=3)


@given(st.dictionaries(KEYS, st.integers()), st.lists(KEYS, unique=True))
def test_asked_in_any_order_it_finds_what_a_dictionary_finds(pairs: dict[str, int], asked: list[str]) -> None:
    lookup = Lookup(iter(sorted(pairs.items())))
    assert [lookup.take(key) for key in asked] == [pairs.get(key) for key in asked]


@given(st.sets(KEYS))
def test_asked_in_order_it_holds_nothing_that_was_found(keys: set[str]) -> None:
    lookup = Lookup((key, 1) for key in sorted(keys))
    for key in sorted(keys):
        assert lookup.take(key) == 1
        assert not lookup._passed


def test_nothing_is_read_before_it_is_asked() -> None:
    read: list[str] = []

    def pairs() -> Iterator[tuple[str, int]]:
        for key in ("a", "b", "c"):
            read.append(key)
            yield key, 1

    lookup = Lookup(pairs())
    assert read == []
    assert lookup.take("a") == 1
    assert read == ["a"]
    assert lookup.take("aa") is None
    assert read == ["a", "b"]
