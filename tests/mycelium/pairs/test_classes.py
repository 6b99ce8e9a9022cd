"""Classes over a run: vocabulary, counts, weights, what occurs together, splits."""

from collections import Counter

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from mycelium.labels.operators import LABELS
from mycelium.pairs.classes import ClassTable, class_key, conclude_classes, deal_groups
from mycelium.pairs.stratify import SPLITS, check_shares
from mycelium.pairs.taxonomy import OPERATORS
from mycelium.schema import Row

ALL_TRAIN = check_shares(0.0, 0.0)


def rows_of(result: list[Row], key: str = "class") -> dict[object, Row]:
    return {row[key]: row for row in result}


def table(*rows: tuple[int, tuple[str, ...], int]) -> ClassTable:
    """Return how many problems of a group bear these classes, as a run's last part has it."""
    keyed = sorted((class_key(group, names), count) for group, names, count in rows)
    keys, counts = pa.array([key for key, _ in keyed], pa.binary()), pa.array([n for _, n in keyed], pa.int64())
    return ClassTable.of_keys(pa.chunked_array([keys]), pa.chunked_array([counts]))


GROUPS = st.integers(0, (1 << 63) - 1)
NAMES = st.lists(st.text(st.characters(categories=["L"]), min_size=1), min_size=1).map(tuple)


@given(st.dictionaries(st.tuples(GROUPS, NAMES), st.integers(1, 9)))
def test_a_table_has_the_rows_that_were_written_by_group(rows: dict[tuple[int, tuple[str, ...]], int]) -> None:
    made = table(*((group, names, count) for (group, names), count in rows.items()))
    found = zip(made.groups.tolist(), made.kinds.tolist(), made.counts.tolist(), strict=True)
    assert {(group, made.borne[kind]): count for group, kind, count in found} == rows
    assert made.groups.tolist() == sorted(group for group, _ in rows)
    assert made.n_problem == sum(rows.values())
    assert len(made.starts()) == len({group for group, _ in rows})


def test_counts_weights_and_what_occurs_together() -> None:
    problems = table((1, ("add", "div"), 2), (2, ("add",), 1), (3, ("add", "mul"), 1))
    result = conclude_classes(problems, OPERATORS, ALL_TRAIN)
    classes = rows_of(result["classes"])
    assert list(classes) == list(LABELS)
    assert classes["div"] == {
        "class": "div",
        "family": "arithmetic",
        "problems": 2,
        "share": 0.5,
        "train": 2,
        "validation": 0,
        "test": 0,
        "weight": 1.0,
    }
    assert (classes["mul"]["weight"], classes["add"]["weight"]) == (3.0, 0.0)
    assert result["together"] == [
        {"class": "add", "with": "div", "problems": 2},
        {"class": "add", "with": "mul", "problems": 1},
    ]


def test_an_empty_class_is_listed_and_has_no_weight() -> None:
    row = rows_of(conclude_classes(table((1, ("add",), 1)), OPERATORS, ALL_TRAIN)["classes"])["sin"]
    assert (row["problems"], row["share"], row["weight"]) == (0, 0.0, None)


def test_no_pairs_at_all_make_an_empty_table() -> None:
    result = conclude_classes(table(), OPERATORS, check_shares(0.1, 0.1))
    assert [row["problems"] for row in result["splits"]] == [0, 0, 0]
    assert result["together"] == []


def test_a_split_that_lacks_a_class_says_so() -> None:
    problems = table(*((i, ("add", "sin") if i == 0 else ("add",), 1) for i in range(100)))
    splits = rows_of(conclude_classes(problems, OPERATORS, check_shares(0.1, 0.1))["splits"], "split")
    assert [splits[name]["problems"] for name in ("train", "validation", "test")] == [80, 10, 10]
    assert [splits[name]["classes_lacking"] for name in ("train", "validation", "test")] == [0, 1, 1]


def test_twins_with_other_classes_are_one_group() -> None:
    problems = table((7, ("add",), 2), (7, ("add", "mul"), 1), (9, ("mul",), 1))
    dealt = deal_groups(problems, "templates", ALL_TRAIN)
    assert (dealt.groups.tolist(), dealt.sizes.tolist()) == ([7, 9], [3, 1])
    classes = rows_of(conclude_classes(problems, "templates", ALL_TRAIN)["classes"])
    assert {name: row["train"] for name, row in classes.items()} == {"add": 3, "mul": 2}


@given(st.lists(st.tuples(st.integers(0, 6), st.sets(st.sampled_from(["a", "b", "c"]), min_size=1)), max_size=40))
def test_the_tables_count_what_was_dealt(rows: list[tuple[int, set[str]]]) -> None:
    counted = Counter((group, tuple(sorted(names))) for group, names in rows)
    problems = table(*((group, names, count) for (group, names), count in counted.items()))
    shares = check_shares(0.2, 0.3)
    dealt, result = deal_groups(problems, "templates", shares), conclude_classes(problems, "templates", shares)
    split_of = dict(zip(dealt.groups.tolist(), dealt.splits.tolist(), strict=True))
    for row in result["classes"]:
        expected = Counter(SPLITS[split_of[group]] for group, names in rows if row["class"] in names)
        assert {name: row[name] for name in SPLITS} == {name: expected[name] for name in SPLITS}
    assert sum(int(row["problems"] or 0) for row in result["splits"]) == len(rows)
