"""A lookup finds what a dictionary finds, and in the order of the keys it holds nothing."""

from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from mycelium.lookup import Lookup

KEYS = st.text("ab-.0/", max_size=3)
SIZES = st.integers(1, 4)


def cut(pairs: dict[str, int], n: int) -> Iterator[dict[str, int]]:
    """Yield pages of so many pairs in the order of the keys, and an empty one after each."""
    ordered = sorted(pairs.items())
    for i in range(0, len(ordered), n):
        yield dict(ordered[i : i + n])
        yield {}


@given(st.dictionaries(KEYS.filter(bool), st.integers()), SIZES, st.lists(KEYS, unique=True), SIZES)
def test_asked_in_any_order_it_finds_what_a_dictionary_finds(
    pairs: dict[str, int], n: int, asked: list[str], n_asked: int
) -> None:
    lookup = Lookup(cut(pairs, n))
    found = [value for i in range(0, len(asked), n_asked) for value in lookup.take_each(asked[i : i + n_asked])]
    assert found == [pairs.get(key) for key in asked]


@given(st.sets(KEYS.filter(bool)), SIZES, SIZES)
def test_asked_in_order_it_holds_less_than_a_page(keys: set[str], n: int, n_asked: int) -> None:
    ordered = sorted(keys)
    lookup = Lookup(cut(dict.fromkeys(ordered, 1), n))
    for i in range(0, len(ordered), n_asked):
        some = ordered[i : i + n_asked]
        assert lookup.take_each(some) == [1] * len(some)
        assert len(lookup._held) < n


def test_nothing_is_read_before_it_is_asked() -> None:
    read: list[str] = []

    def pages() -> Iterator[dict[str, int]]:
        for key in ("a", "b", "c"):
            read.append(key)
            yield {key: 1}

    lookup = Lookup(pages())
    assert lookup.take_each([]) == []
    assert read == []
    assert lookup.take_each(["a"]) == [1]
    assert read == ["a"]
    assert lookup.take_each(["aa"]) == [None]
    assert read == ["a", "b"]
