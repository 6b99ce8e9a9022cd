"""Random trees of arithmetic, and what they come to, reckoned straight on the tree: the slow oracle of these tests."""

from fractions import Fraction

from hypothesis import strategies as st

from mycelium.labels.tree import Node, leaf

NAMES = ("x", "y", "a_1", "AB", "E", "lambda")
VALUES = {name: Fraction(i + 2, 3) for i, name in enumerate(NAMES)}


def _numerals() -> st.SearchStrategy[Node]:
    whole = st.integers(0, 40).map(str)
    decimal = st.tuples(st.integers(0, 20), st.integers(0, 99)).map(lambda pair: f"{pair[0]}.{pair[1]:02d}")
    return (whole | decimal).map(lambda text: leaf("num", text))


def _grow(inner: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    several = st.lists(inner, min_size=2, max_size=4).map(tuple)
    two = st.tuples(inner, inner)
    one = st.tuples(inner)
    powers = st.tuples(inner, st.sampled_from(["2", "3", "-1"]).map(lambda text: leaf("num", text)))
    return st.one_of(
        st.tuples(st.sampled_from(["add", "mul"]), several, st.just("")),
        st.tuples(st.sampled_from(["sub", "div", "max", "min"]), two, st.just("")),
        st.tuples(st.sampled_from(["neg", "abs", "floor", "ceil", "percent"]), one, st.just("")),
        st.tuples(st.just("square"), powers, st.just("")),
    )


def trees(*, with_names: bool = False) -> st.SearchStrategy[Node]:
    """Draw trees of sums, products, powers and a few functions."""
    leaves = _numerals()
    if with_names:
        leaves |= st.sampled_from(NAMES).map(lambda name: leaf("sym", name))
    return st.recursive(leaves, _grow, max_leaves=12)


def reckon(tree: Node) -> Fraction:
    """Compute a tree without writing it.

    Raises:
        ZeroDivisionError: a quotient by zero.
    """
    operator, arguments, text = tree
    if operator == "num":
        return Fraction(text)
    if operator == "sym":
        return VALUES[text]
    values = [reckon(argument) for argument in arguments]
    if operator == "add":
        return sum(values, Fraction(0))
    if operator == "mul":
        product = Fraction(1)
        for value in values:
            product *= value
        return product
    first = values[0]
    if operator in {"max", "min"}:
        return max(values) if operator == "max" else min(values)
    results = {
        "sub": lambda: first - values[1],
        "div": lambda: first / values[1],
        "neg": lambda: -first,
        "abs": lambda: abs(first),
        "floor": lambda: Fraction(first.__floor__()),
        "ceil": lambda: Fraction(first.__ceil__()),
        "percent": lambda: first / 100,
        "square": lambda: first ** int(values[1]),
    }
    return Fraction(results[operator]())
