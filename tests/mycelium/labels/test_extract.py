"""From a tree to its labels."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mycelium.labels.extract import extract_all_ops, primary_label, root_operator, sides
from mycelium.labels.operators import NAMES
from mycelium.labels.parser import parse
from mycelium.labels.tree import Node, Refusal


def read(text: str) -> Node:
    tree = parse(text)
    assert not isinstance(tree, Refusal)
    return tree


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("x", ""),
        ("5", ""),
        ("48/2 = 24", "div eq"),
        (r"\sin x + 1", "add sin"),  # the paper's function loses the sum beside a function
        ("2x^2 - 3x", "mul square sub"),  # and the product and difference beside a power
        ("x = y + 1", "add eq"),  # and does not look into relations
        ("x^{1/2}", "sqrt"),  # a numeral as exponent is part of the label
        ("x^{-1}", "inverse"),
        (r"a_{n+1}", ""),  # an index is a name
        (r"\sum_{k=1}^{n-1} k", "sub sum"),  # what names the index is no equation
        (r"\text{5 + 5}", ""),
        (r"5\text{ m}^2", ""),
    ],
)
def test_every_operator_that_is_written_counts(text: str, labels: str) -> None:
    assert extract_all_ops(read(text)) == frozenset(labels.split())


@pytest.mark.parametrize(
    ("text", "primary", "root"),
    [
        ("48/2 = 24", "div", "eq"),
        ("x = 48/2", "div", "eq"),  # the first side that computes
        ("x = -1/2", "div", "eq"),  # a sign is passed through
        ("f(x) = 2x + 3", "add", "eq"),  # a function of unknown meaning too
        ("2x + 3 - 5", "sub", "sub"),  # the operator applied last
        ("2x + 3 < 5x - 1", "add", "lt"),
        ("(1+2, 3)", "add", "tuple"),
        ("x = -5", "neg", "eq"),  # nothing computes: the outermost notation
        ("x = 5", "eq", "eq"),  # no notation either: the relation
        ("x", "none", "none"),
        (r"x = 1 \text{ and } y = 2 \cdot 3", "mul", "eq"),
        (r"\begin{aligned} x &= y \\ z &= 1/2 \end{aligned}", "div", "eq"),
        ("x, y = 5", "eq", "eq"),  # the first statement that has an operator
        (r"2x = 4 \Rightarrow x = 2", "mul", "implies"),
    ],
)
def test_the_primary_label_is_the_outermost_operator_of_the_first_side_that_computes(
    text: str, primary: str, root: str
) -> None:
    assert primary_label(read(text)) == primary
    assert root_operator(read(text)) == root


def test_the_sides_of_a_chain_come_in_order() -> None:
    assert [side[2] for side in sides(read("a < b = c < d"))] == ["a", "b", "c", "d"]


nodes: st.SearchStrategy[Node] = st.recursive(
    st.tuples(st.just("num"), st.just(()), st.just("1")),
    lambda children: st.tuples(
        st.sampled_from(sorted(NAMES)), st.lists(children, min_size=1, max_size=3).map(tuple), st.just("")
    ),
    max_leaves=20,
)


@given(nodes)
def test_labels_agree_with_a_slow_walk(node: Node) -> None:
    def walk(node: Node) -> set[str]:
        return ({node[0]} if node[1] else set()).union(*(walk(child) for child in node[1]))

    assert extract_all_ops(node) == walk(node)
    assert primary_label(node) in walk(node) | {"none"}
