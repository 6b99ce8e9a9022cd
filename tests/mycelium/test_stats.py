"""Sums that add."""

import math
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mycelium.stats import Moments, Tally, add_tallies, rank, read_tally


@given(st.lists(st.integers(0, 10_000), min_size=2, max_size=50))
def test_mean_and_deviation_are_the_textbook_s(numbers: list[int]) -> None:
    moments = Moments(len(numbers), sum(numbers), sum(x * x for x in numbers))
    assert moments.mean == pytest.approx(statistics.fmean(numbers))
    assert moments.deviation == pytest.approx(statistics.stdev(numbers), abs=1e-9)


def test_large_equal_numbers_have_no_deviation() -> None:
    big = 10**12
    assert Moments(3, 3 * big, 3 * big * big).deviation == 0


def test_too_few_numbers_have_no_mean_or_deviation() -> None:
    assert math.isnan(Moments(0, 0, 0).mean)
    assert math.isnan(Moments(1, 5, 25).deviation)
    assert Moments(1, 5, 25).mean == 5


def test_a_tally_counts_and_remembers_the_first_place() -> None:
    tally = Tally()
    tally.add("label", b"add", place=7)
    tally.add("label", b"add", 2, place=3)
    tally.add("step")
    assert tally.table().to_pylist() == [
        {"name": "label", "key": b"add", "count": 3, "first": 3},
        {"name": "step", "key": b"", "count": 1, "first": 0},
    ]


entries = st.lists(st.tuples(st.sampled_from("ab"), st.binary(max_size=1), st.integers(0, 9), st.integers(0, 9)))


@given(st.lists(entries, min_size=1, max_size=4))
def test_tallies_add_to_the_tally_of_everything(parts: list[list[tuple[str, bytes, int, int]]]) -> None:
    whole, tables = Tally(), []
    for part in parts:
        tally = Tally()
        for name, key, count, place in part:
            tally.add(name, key, count, place)
            whole.add(name, key, count, place)
        tables.append(tally.table())
    assert add_tallies(tables).equals(whole.table())
    assert add_tallies([add_tallies(tables[:1]), *tables[1:]]).equals(whole.table())


def test_a_tally_is_read_back_by_name_and_key() -> None:
    tally = Tally()
    tally.add("step", count=3)
    tally.add("label", "é".encode(), 2)
    tally.add("label", b"add")
    assert read_tally(tally.table()) == {"step": {"": 3}, "label": {"add": 1, "é": 2}}
    assert read_tally(Tally().table()) == {}


def test_the_most_frequent_comes_first_and_equals_by_text() -> None:
    assert rank({"b": 1, "c": 5, "a": 1}, "label") == [
        {"label": "c", "count": 5},
        {"label": "a", "count": 1},
        {"label": "b", "count": 1},
    ]
