"""From a tree to its labels: the set of all, the primary one, and the root operator.

The paper reads labels from sympy's trees: a power is classed by its exponent, a function gives its name, and only where
neither was found do Add and Mul count (`paper_labels`). Here every operator that is written counts (`extract_all_ops`).
"""

from __future__ import annotations

from typing import Final

from mycelium.labels.operators import NAMES, NOTATIONS, RELATIONS, STATEMENTS
from mycelium.labels.tree import Node

NO_OPERATOR: Final = "none"
"""The primary label and root of a bare number or name."""


def extract_all_ops(tree: Node) -> frozenset[str]:
    """Return every label that an expression bears.

    Args:
        tree: As `mycelium.labels.parser.parse` returns it.

    Returns:
        Names from `mycelium.labels.operators.LABELS`; empty for a bare number or name.

    Source:
        The paper's function of the same name, which reports Add and Mul only where no power or function stands.
    """
    found = {tree[0]}
    stack = [tree]
    for _, arguments, _ in stack:
        for argument in arguments:
            if argument[1]:
                found.add(argument[0])
                stack.append(argument)
    return NAMES & found if tree[1] else frozenset()


def sides(tree: Node) -> list[Node]:
    """Return the sides of a chain of relations from left to right, and of each statement of a list in turn."""
    pending = [tree]
    found: list[Node] = []
    while pending:
        node = pending.pop()
        if node[1] and (node[0] in RELATIONS or node[0] in STATEMENTS):
            pending.extend(reversed(node[1]))
        else:
            found.append(node)
    return found


def primary_label(tree: Node) -> str:
    """Return the one label that says what a step computes.

    The rule: take the first side, from left to right, that computes anything; the outermost operator there that
    computes is the label. What only notates, a sign before a term, a point, a percent, a function of unknown meaning,
    is passed through. Where no side computes, the outermost notation counts, then the relation, then `NO_OPERATOR`.
    """
    every = sides(tree)
    for side in every:
        label = _outermost(side, computing=True)
        if label:
            return label
    for side in every:
        label = _outermost(side, computing=False)
        if label:
            return label
    return root_operator(tree)


def _outermost(side: Node, *, computing: bool) -> str:
    """Return the first label of a side, level by level; with `computing`, the first that is no notation or relation."""
    level = [side]
    for operator, arguments, _ in level:
        if not arguments:
            continue
        if operator in NAMES and not (computing and (operator in NOTATIONS or operator in RELATIONS)):
            return operator
        level.extend(arguments)
    return ""


def root_operator(tree: Node) -> str:
    """Return the label at the root: the relation of an equation, the last operation applied otherwise.

    Of several statements, that of the first which has one.
    """
    pending = [tree]
    while pending:
        operator, arguments, _ = pending.pop()
        if operator in STATEMENTS:
            pending.extend(reversed(arguments))
        elif arguments and operator in NAMES:
            return operator
    return NO_OPERATOR
