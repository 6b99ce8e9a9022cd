"""The grammar, rule by rule, on lines from real solutions."""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mycelium.labels.parser import parse
from mycelium.labels.tree import MAX_DEPTH, Reason, Refusal, show
from tests.mycelium.labels.rules import LATEX, PLAIN, REFUSED


def shown(text: str, *, plain: bool = False) -> str:
    tree = parse(text, plain=plain)
    return str(tree.reason) if isinstance(tree, Refusal) else show(tree)


@pytest.mark.parametrize(("text", "tree"), LATEX)
def test_latex_is_read_as_it_is_written(text: str, tree: str) -> None:
    assert shown(text) == tree


@pytest.mark.parametrize(("text", "tree"), PLAIN)
def test_plain_text_is_read_as_it_is_meant(text: str, tree: str) -> None:
    assert shown(text, plain=True) == tree


@pytest.mark.parametrize(("text", "reason"), REFUSED, ids=[reason + str(i) for i, (_, reason) in enumerate(REFUSED)])
def test_what_can_not_be_read_is_refused_with_its_reason(text: str, reason: str) -> None:
    assert shown(text) == reason


def test_every_reason_that_an_expression_can_be_refused_for_has_a_case() -> None:
    assert {reason for _, reason in REFUSED} == {reason.value for reason in Reason}


def test_nothing_is_computed() -> None:
    assert shown("48/2") == "(div 48 2)"
    assert shown("2 + 2 = 4") == "(eq (add 2 2) 4)"
    assert shown("0/0") == "(div 0 0)"


def test_the_bound_on_depth_is_exact() -> None:
    assert shown("(" * (MAX_DEPTH - 1) + "1" + ")" * (MAX_DEPTH - 1)) == "1"
    assert shown("(" * MAX_DEPTH + "1" + ")" * MAX_DEPTH) == "too_deep"


numbers = st.integers(0, 10**6).map(str)
variables = st.sampled_from("abcknxyz")


def combine(children: st.SearchStrategy[tuple[str, str]]) -> st.SearchStrategy[tuple[str, str]]:
    def binary(sign: str, label: str) -> st.SearchStrategy[tuple[str, str]]:
        return st.tuples(children, children).map(
            lambda pair: (f"({pair[0][0]}) {sign} ({pair[1][0]})", f"({label} {pair[0][1]} {pair[1][1]})")
        )

    fraction = st.tuples(children, children).map(
        lambda pair: (rf"\frac{{{pair[0][0]}}}{{{pair[1][0]}}}", f"(div {pair[0][1]} {pair[1][1]})")
    )
    root = children.map(lambda child: (rf"\sqrt{{{child[0]}}}", f"(sqrt {child[1]})"))
    return st.one_of(binary("-", "sub"), binary("/", "div"), binary(r"\bmod", "mod"), fraction, root)


leaves = st.one_of(numbers, variables).map(lambda text: (text, text))


@given(st.recursive(leaves, combine, max_leaves=24))
def test_a_written_tree_is_read_back(pair: tuple[str, str]) -> None:
    text, tree = pair
    assert shown(text) == tree


@given(st.lists(numbers, min_size=2, max_size=40), st.data())
def test_sums_and_products_bind_as_in_python(operands: list[str], data: st.DataObject) -> None:
    """Python's own parser is the slow oracle: same shape for + - * / over numbers."""
    import ast  # noqa: PLC0415 - the oracle of this test

    signs = data.draw(st.lists(st.sampled_from("+-*/"), min_size=len(operands) - 1, max_size=len(operands) - 1))
    text = operands[0] + "".join(f" {sign} {operand}" for sign, operand in zip(signs, operands[1:], strict=True))

    def draw(node: ast.expr) -> str:
        if isinstance(node, ast.Constant):
            return str(node.value)
        assert isinstance(node, ast.BinOp)
        label = {ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.Div: "div"}[type(node.op)]
        left, right = draw(node.left), draw(node.right)
        if left.startswith(f"({label} ") and label in ("add", "mul"):
            return f"{left[:-1]} {right})"
        return f"({label} {left} {right})"

    assert shown(text) == draw(ast.parse(text, mode="eval").body)


def test_labels_start_without_what_is_heavy() -> None:
    code = (
        "import sys, mycelium.labels.steps, mycelium.labels.extract;"
        "print(*({'sympy', 'numpy', 'pyarrow', 'scipy'} & set(sys.modules)))"
    )
    asked = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert asked.stdout.split() == []
