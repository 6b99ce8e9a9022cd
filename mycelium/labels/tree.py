"""What an expression is: an unevaluated operator tree, or a refusal with a named reason.

A node is a plain tuple ``(operator, arguments, text)``. Tuples are built in 30 ns, compare and hash by value, and
cannot be changed; a class would cost as much as the whole parse of a short expression. Leaves have no arguments and
carry text: ``("num", (), "48")``, ``("sym", (), "x")``.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

Node: TypeAlias = "tuple[str, tuple[Node, ...], str]"

HOLE: Node = ("hole", (), "")
"""Stands where a segment leaves an operand out: the left of ``= 5``, both sides of a lone ``+``."""

MAX_LENGTH = 8_192
"""Characters in one expression. The longest of 71,572 real ones has fewer than 5,000."""
MAX_TOKENS = 4_096
"""Tokens in one expression."""
MAX_DEPTH = 64
"""Nesting of brackets, fractions, roots and powers. Each level takes at most four Python frames."""
MAX_LINKS = 1_000
"""Operators in one row without brackets: a sum of a thousand terms is the longest that is read."""
MAX_POSTFIX = 8
"""Postfix operators on one operand: ``x!!!…`` is cheap to read and overflows whoever walks the tree afterwards."""


class Reason(StrEnum):
    """Why an expression or a text was not read; every refusal is counted under one of these."""

    EMPTY = "empty"
    TOO_LONG = "too_long"
    TOO_MANY_TOKENS = "too_many_tokens"
    TOO_DEEP = "too_deep"
    TOO_MANY_TERMS = "too_many_terms"
    UNCLOSED = "unclosed"
    UNOPENED = "unopened"
    MISSING_OPERAND = "missing_operand"
    UNKNOWN_COMMAND = "unknown_command"
    UNKNOWN_CHARACTER = "unknown_character"
    MACRO = "macro"
    TABLE = "table"


@dataclass(frozen=True, slots=True)
class Refusal:
    """An expression that was not read, and why.

    Args:
        reason: One of the named reasons.
        detail: The token at which reading stopped, at most 40 characters; empty where there is none.
    """

    reason: Reason
    detail: str = ""


class RefusedError(Exception):
    """Carries a refusal out of the parser's recursion; never leaves this package."""

    def __init__(self, reason: Reason, detail: str = "") -> None:
        """Keep the refusal that `mycelium.labels.parser.parse` returns."""
        super().__init__(reason)
        self.refusal = Refusal(reason, detail[:40])


def leaf(operator: str, text: str) -> Node:
    """Make a node without arguments."""
    return (operator, (), text)


def show(node: Node) -> str:
    """Write a tree as an S-expression, for tests and messages; iterative, so that no depth can overflow it."""
    parts: list[str] = []
    stack: list[Node | str] = [node]
    while stack:
        item = stack.pop()
        if isinstance(item, str):
            parts.append(item)
            continue
        operator, arguments, text = item
        if not arguments:
            parts.append(text or operator)
            continue
        parts.append(f"({operator}")
        stack.append(")")
        for argument in reversed(arguments):
            stack.extend((argument, " "))
    return "".join(parts)


def words(text: str) -> list[str]:
    """Cut a line of a table into its words: a table of words is easier to read without quotes."""
    return text.split()
