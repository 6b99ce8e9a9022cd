"""Whether two sides are equal: runs in the judge's child, where sympy may be slow, greedy or stuck."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Final, TextIO

from mycelium.labels.convert import NotConvertedError, to_sympy
from mycelium.labels.operators import STATEMENTS
from mycelium.labels.parser import parse
from mycelium.labels.tree import Node, Refusal

if TYPE_CHECKING:
    import sympy

VERIFIED: Final = "verified"
REFUTED: Final = "refuted"
UNDECIDED: Final = "undecided"
REFUSED: Final = "refused"
READY: Final = "ready"


def judge_expression(text: str, *, plain: bool) -> tuple[str, str]:  # noqa: PLR0911 - one return for each refusal
    """Judge every equation of an expression.

    Args:
        text: One expression.
        plain: Read it as plain text rather than LaTeX.

    Returns:
        An outcome and its reason. *verified*: all sides of every equation are equal. *refuted*: two sides without
        free symbols differ. *undecided*: sympy can't say, or the sides differ by something with free symbols, as in
        an equation to be solved. *refused*: not read, no equation, or beyond a limit.
    """
    tree = parse(text, plain=plain)
    if isinstance(tree, Refusal):
        return REFUSED, tree.reason.value
    try:
        chains = _equations(tree)
        if not chains:
            return REFUSED, "no_equation"
        verdicts = [_judge_chain(chain) for chain in chains]
    except NotConvertedError as error:
        return REFUSED, str(error)
    except MemoryError:
        return REFUSED, "memory"
    except RecursionError:
        return REFUSED, "depth"
    except (ArithmeticError, AttributeError, LookupError, NotImplementedError, TypeError, ValueError) as error:
        return UNDECIDED, f"sympy: {type(error).__name__}"  # sympy raises these where it can't go on
    for outcome in (REFUTED, UNDECIDED):
        if outcome in verdicts:
            return outcome, ""
    return VERIFIED, ""


def _equations(tree: Node) -> list[tuple[Node, ...]]:
    """Return the sides of every chain of equalities among the statements of a tree; other relations are left out."""
    pending, found = [tree], []
    while pending:
        node = pending.pop()
        if node[0] in STATEMENTS:
            pending.extend(reversed(node[1]))
        elif node[0] == "eq":
            found.append(node[1])
    return found


def _judge_chain(chain: tuple[Node, ...]) -> str:
    values = [to_sympy(side, evaluate=True) for side in chain]
    first, *rest = values
    verdicts = [_judge_pair(first, other) for other in rest]
    return next((outcome for outcome in (REFUTED, UNDECIDED) if outcome in verdicts), VERIFIED)


def _judge_pair(left: sympy.Basic, right: sympy.Basic) -> str:
    import sympy  # noqa: PLC0415 as above

    if left.has(sympy.zoo, sympy.nan) or right.has(sympy.zoo, sympy.nan):
        return UNDECIDED
    if left == right:
        return VERIFIED
    difference = left - right
    if difference.is_Rational:
        return VERIFIED if difference == 0 else REFUTED
    if not difference.free_symbols:
        is_equal = difference.equals(0)
        return UNDECIDED if is_equal is None else VERIFIED if is_equal else REFUTED
    if sympy.expand(difference) == 0 or sympy.simplify(difference) == 0:
        return VERIFIED
    return UNDECIDED


def serve(requests: TextIO, answers: TextIO) -> None:
    """Answer requests line by line until there are no more.

    Args:
        requests: One JSON list ``[text, plain]`` a line.
        answers: One JSON list ``[outcome, reason]`` a line, each sent at once, so that the parent can time each
        expression.
    """
    import sympy  # noqa: F401, PLC0415 before the first deadline begins to run

    answers.write(json.dumps([READY, ""]) + "\n")
    answers.flush()
    for line in requests:
        text, plain = json.loads(line)
        answers.write(json.dumps(judge_expression(text, plain=plain)) + "\n")
        answers.flush()


def main(memory_bytes: int) -> None:
    """Serve standard input and output under a limit of memory."""
    import resource  # noqa: PLC0415 only the child sets limits

    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    serve(sys.stdin, sys.stdout)
