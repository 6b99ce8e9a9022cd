"""What templates look like: parts that add exactly, names that are told apart, the nearest examples."""

from itertools import permutations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.stages.steps import digest_expression
from lambdas.stages.templates import ASSIGNMENTS
from mycelium.task import encode_part
from mycelium.templates.portrait import (
    N_EXAMPLE,
    add_portraits,
    describe_templates,
    measure_entropy,
    name_templates,
    summarize_assignments,
)

Step = tuple[str, int, str | None, float]
"""Expression, template, label, divergence."""


def make_assignments(steps: list[Step], first: int = 0) -> pa.Table:
    rows = [
        {
            "problem_id": f"q{first + i}",
            "index": first + i,
            "level": None if i % 3 == 0 else i % 3,
            "subject": "Algebra",
            "step": 0,
            "start": 0,
            "end": len(expression),
            "expression": expression,
            "digest": digest_expression(expression),
            "label": label,
            "template": template,
            "divergence": divergence,
        }
        for i, (expression, template, label, divergence) in enumerate(steps)
    ]
    return pa.Table.from_pylist(rows, schema=ASSIGNMENTS.arrow_schema())


def summarize(steps: list[Step], first: int = 0) -> pa.Table:
    return summarize_assignments([make_assignments(steps, first)])


def test_sizes_shares_entropy_and_examples_are_told() -> None:
    steps: list[Step] = [
        ("2*3", 1, "mul", 0.5),
        ("4*5", 1, "mul", 0.25),
        ("1+1", 1, "add", 0.75),
        ("7-2", 0, "sub", 0.0),
    ]
    found = describe_templates(add_portraits([summarize(steps)]))
    first, second = found["templates"]
    assert (first["template"], first["name"], first["steps"], first["share"]) == (1, "mul+add", 3, 0.75)
    assert first["entropy"] == pytest.approx(0.9183, abs=1e-4)
    assert first["labels"] == "mul 67%, add 33%"
    assert first["examples"] == "4*5  ¦  2*3  ¦  1+1"
    assert (second["name"], second["entropy"]) == ("sub", 0.0)
    assert {"template": 1, "of": "label", "value": "mul", "count": 2} in found["histogram"]
    assert {"template": 1, "of": "level", "value": "?", "count": 1} in found["histogram"]
    assert {"template": 0, "of": "subject", "value": "Algebra", "count": 1} in found["histogram"]
    assert [(row["template"], row["rank"], row["expression"]) for row in found["examples"]][:2] == [
        (1, 1, "4*5"),
        (1, 2, "2*3"),
    ]


def test_an_expression_is_an_example_once_and_ten_are_kept() -> None:
    steps: list[Step] = [(f"{i % 15} + 1", 0, "add", i % 15 / 16) for i in range(60)]
    examples = describe_templates(add_portraits([summarize(steps[:30]), summarize(steps[30:], 30)]))["examples"]
    assert [row["expression"] for row in examples] == [f"{i} + 1" for i in range(N_EXAMPLE)]
    assert [row["problem_id"] for row in examples] == [f"q{i}" for i in range(N_EXAMPLE)]


step = st.tuples(
    st.sampled_from([f"{i}+{i}" for i in range(14)]),
    st.integers(0, 2),
    st.sampled_from(["add", "mul", None]),
    st.sampled_from([0.0, 0.25, 0.5]),
)


@given(st.lists(st.lists(step, max_size=25), min_size=3, max_size=3))
def test_any_order_and_grouping_gives_the_same_bytes(chunks: list[list[Step]]) -> None:
    parts = [summarize(steps, 100 * i) for i, steps in enumerate(chunks)]
    whole = encode_part(add_portraits(parts))
    for one, two, three in permutations(parts):
        assert encode_part(add_portraits([add_portraits([one, two]), three])) == whole
        assert encode_part(add_portraits([one, add_portraits([two, three])])) == whole


def test_no_steps_are_no_templates() -> None:
    assert describe_templates(add_portraits([summarize([])])) == {"templates": [], "histogram": [], "examples": []}


@pytest.mark.parametrize(
    ("histograms", "names"),
    [
        ([{"mul": 90, "add": 10}, {"add": 60, "sub": 40}], ["mul", "add+sub"]),
        ([{"mul": 80, "sqrt": 20}, {"mul": 80, "log": 20}], ["mul (sqrt)", "mul (log)"]),
        ([{"mul": 9}, {"mul": 8}, {"mul": 7}], ["mul", "mul #2", "mul #3"]),
        ([{"mul": 96, "?": 4}, {"mul": 93, "?": 7}], ["mul", "mul #2"]),
        ([{"a": 26, "b": 26, "c": 26, "d": 22}], ["a+b+c"]),
        ([{"?": 3}], ["?"]),
        ([], []),
    ],
)
def test_a_template_is_named_by_its_labels(histograms: list[dict[str, int]], names: list[str]) -> None:
    assert name_templates(histograms) == names


@given(st.lists(st.dictionaries(st.sampled_from("abcd?"), st.integers(1, 50), min_size=1), max_size=12))
def test_no_two_templates_have_one_name(histograms: list[dict[str, int]]) -> None:
    names = name_templates(histograms)
    assert len(set(names)) == len(histograms)


def test_steps_without_label_have_no_part_in_the_entropy() -> None:
    assert measure_entropy({"a": 1, "b": 1, "?": 70}) == 1.0
    assert measure_entropy({"?": 70}) == 0.0
