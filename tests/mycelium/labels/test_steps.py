"""Chains of thought as steps."""

from collections.abc import Callable
from typing import Any

import pytest

from mycelium.labels.parser import parse
from mycelium.labels.steps import Operand, canonical, find_steps, operands_and_results
from mycelium.labels.tree import Refusal

PROBLEM = "A shop sold 48 kites in April and half as many in May. How many in both?"
CHAIN = "In May it sold 48/2 = <<48/2=24>>24 kites. In both it sold 48+24 = <<48+24=72>>72, and 72*3 = <<72*3=216>>216."


def test_steps_come_in_order_with_spans_and_origins() -> None:
    found = find_steps(PROBLEM, CHAIN)
    assert [step.expression for step in found.steps] == ["48/2=24", "48+24=72", "72*3=216"]
    assert [CHAIN[step.start : step.end] for step in found.steps] == [step.expression for step in found.steps]
    assert [step.operands for step in found.steps] == [
        (Operand("48", "problem", -1), Operand("2", "problem", -1)),  # "half" is a two
        (Operand("48", "problem", -1), Operand("24", "step", 0)),
        (Operand("72", "step", 1), Operand("3", "new", -1)),
    ]
    assert [step.results for step in found.steps] == [("24",), ("72",), ("216",)]


def test_names_have_origins_too() -> None:
    found = find_steps("Find $x$.", "Let $y = x + 1$. So $2y = 8$.")
    assert found.steps[0].operands == (Operand("x", "problem", -1), Operand("1", "new", -1))
    assert found.steps[0].results == ("y",)
    assert found.steps[1].operands == (Operand("2", "new", -1), Operand("y", "step", 0))


def test_a_mention_is_counted_and_can_be_kept() -> None:
    assert find_steps("", "take $x$ and $5$").n_mention == 2
    assert find_steps("", "take $x$ and $5$").steps == ()
    assert len(find_steps("", "take $x$ and $5$", mentions=True).steps) == 2


def test_numbers_of_a_drawing_are_not_given() -> None:
    found = find_steps("A square of side 3. [asy] draw((7,8)); [/asy] Its area?", "It is $3 + 7$.")
    assert [operand.origin for operand in found.steps[0].operands] == ["problem", "new"]


def test_a_segment_of_nothing_but_a_word_between_is_a_mention() -> None:
    found = find_steps("", r"$x = 1$ $\text{and}$ $y = 2$")
    assert (len(found.steps), found.n_mention, found.refusals) == (2, 1, {})


def test_what_can_not_be_read_stays_a_step_with_its_reason() -> None:
    found = find_steps("", r"$1 + 1 = 2$ and $(1 + $ and $\foo$")
    assert [step.refusal for step in found.steps] == ["", "unclosed", "unknown_command"]
    assert found.refusals == {"unclosed": 1, "unknown_command": 1}


def test_a_chain_that_is_too_long_is_refused_whole() -> None:
    found = find_steps("", "x = 1. " * 10_000)
    assert (found.steps, found.refusals) == ((), {"too_long": 1})


@pytest.mark.parametrize(
    ("text", "operands", "results"),
    [
        ("196/2 = 98", ("196", "2"), ("98",)),
        ("x = 3 + 4", ("3", "4"), ("x",)),
        ("x = 3 + 4 = 7", ("3", "4"), ("x", "7")),
        ("x = 5", ("5",), ("x",)),
        ("12 = 8 + w", ("8", "w"), ("12",)),
        ("2x + 1", ("2", "x", "1"), ()),
        ("4.00 + 1,200", ("4", "1200"), ()),
        ("5 - 8 = -3", ("5", "8"), ("-3",)),
    ],
)
def test_operands_are_told_from_results(text: str, operands: tuple[str, ...], results: tuple[str, ...]) -> None:
    tree = parse(text)
    assert not isinstance(tree, Refusal)
    assert operands_and_results(tree) == (operands, results)


@pytest.mark.parametrize(
    ("number", "text"),
    [("4.00", "4"), (".5", "0.5"), ("007", "7"), ("0", "0"), ("0.0", "0"), ("10", "10"), ("1/3", "1/3")],
)
def test_numerals_are_written_one_way(number: str, text: str) -> None:
    assert canonical(number) == text


def test_every_annotation_of_gsm8k_is_a_step(rows: Callable[[str], list[dict[str, Any]]]) -> None:
    data = rows("gsm8k_train.jsonl.gz")[::10]
    for row in data:
        found = find_steps(row["question"], row["answer"])
        assert sum(step.kind == "annotation" for step in found.steps) == row["answer"].count("<<")
        assert not any(step.refusal for step in found.steps if step.kind == "annotation")


def test_segments_of_a_math_solution_agree_with_the_counts_made_independently(
    rows: Callable[[str], list[dict[str, Any]]],
) -> None:
    """The data's own readme counts 3.78, 5.31, 7.10, 9.01 and 13.70 expression segments, level 1 to 5."""
    counts: dict[int, list[int]] = {}
    for row in rows("math_visible.jsonl.gz")[::4]:
        counts.setdefault(row["level"], []).append(find_steps(row["problem"], row["solution"]).n_segment)
    for level, expected in zip(range(1, 6), (3.78, 5.31, 7.10, 9.01, 13.70), strict=True):
        assert sum(counts[level]) / len(counts[level]) == pytest.approx(expected, rel=0.1)
