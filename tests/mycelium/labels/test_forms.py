"""How nodes are made from their parts."""

import pytest

from mycelium.labels import forms
from mycelium.labels.tree import HOLE, Node, leaf, show

X = leaf("sym", "x")


def num(text: str) -> Node:
    return leaf("num", text)


@pytest.mark.parametrize(
    ("exponent", "label"),
    [
        (num("0"), "pow_general"),
        (num("1"), "pow_general"),
        (num("2"), "square"),
        (num("3"), "cube"),
        (num("4"), "high_pow"),
        (num("2008"), "high_pow"),
        (num("0.5"), "sqrt"),
        (num("1.5"), "frac_pow"),
        (("neg", (num("1"),), ""), "inverse"),
        (("neg", (num("2"),), ""), "pow_general"),
        (("div", (num("1"), num("2")), ""), "sqrt"),
        (("div", (num("1"), num("3")), ""), "nth_root"),
        (("div", (num("2"), num("3")), ""), "frac_pow"),
        (("neg", (("div", (num("1"), num("2")), ""),), ""), "frac_pow"),
        (leaf("sym", "n"), "pow_general"),
        (("add", (leaf("sym", "n"), num("1")), ""), "pow_general"),
    ],
)
def test_the_exponent_names_the_power(exponent: Node, label: str) -> None:
    assert forms.power(X, exponent)[0] == label


def test_chains_of_one_operator_are_one_node_and_differences_are_not() -> None:
    assert show(forms.join("add", forms.join("add", X, X), X)) == "(add x x x)"
    assert show(forms.join("sub", forms.join("sub", X, X), X)) == "(sub (sub x x) x)"


def test_neighbours_make_a_product_unless_one_is_prose() -> None:
    assert show(forms.times(num("2"), X)) == "(mul 2 x)"
    assert forms.times(num("5"), leaf("text", "cm")) == num("5")
    assert show(forms.times(num("8"), ("mod", (HOLE, num("3")), ""))) == "(mod 8 3)"
    assert show(forms.times(num("2"), num("1/2"))) == "(mixed 2 1/2)"


@pytest.mark.parametrize(
    ("opener", "closer", "label"),
    [
        ("(", ")", "tuple"),
        ("[", "]", "interval"),
        ("(", "]", "interval"),
        ("[", ")", "interval"),
        ("\\{", "\\}", "set"),
    ],
)
def test_brackets_name_what_they_hold(opener: str, closer: str, label: str) -> None:
    assert forms.bracket(opener, closer, ("list", (X, X), ""))[0] == label


def test_a_bracket_round_one_thing_is_not_there() -> None:
    assert forms.bracket("(", ")", X) is X


def test_a_line_over_a_capital_or_a_numeral_is_part_of_the_name() -> None:
    assert forms.accent("conj", leaf("sym", "z"))[0] == "conj"
    assert forms.accent("conj", leaf("sym", "AB")) == leaf("sym", "AB")
    assert forms.accent("conj", num("12")) == num("12")
