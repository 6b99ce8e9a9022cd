"""Trees and refusals."""

from mycelium.labels.tree import HOLE, Reason, Refusal, RefusedError, leaf, show


def test_a_tree_is_written_as_an_s_expression() -> None:
    assert show(("add", (leaf("num", "1"), ("neg", (leaf("sym", "x"),), "")), "")) == "(add 1 (neg x))"
    assert show(HOLE) == "hole"


def test_a_tree_of_any_depth_can_be_written() -> None:
    node = leaf("num", "1")
    for _ in range(100_000):
        node = ("neg", (node,), "")
    assert show(node).count("(") == 100_000


def test_a_refusal_keeps_little_of_its_detail() -> None:
    assert RefusedError(Reason.UNCLOSED, "x" * 100).refusal == Refusal(Reason.UNCLOSED, "x" * 40)
