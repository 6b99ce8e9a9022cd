"""Taxonomies: what a step's operation is called, and the vocabulary of a pair's classes.

Pairs hold classes by name. A number would mean another class under another vocabulary, and nothing would notice; a name
that a vocabulary lacks is noticed at once. The vector of zeros and ones is made at export, in the vocabulary's order.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import pyarrow as pa

from mycelium.errors import WrongDatasetError
from mycelium.labels import operators

OPERATORS: Final = "operators"
TEMPLATES: Final = "templates"

StepKey = tuple[str, int]
"""Problem id and place in the chain of thought."""


def list_vocabulary(taxonomy: str, met: Iterable[str]) -> list[str]:
    """Return the classes of a taxonomy, in the order of a pair's vector.

    Args:
        taxonomy: its name.
        met: the classes that occur.

    Returns:
        Of `operators`, every label there is, whether it occurs or not, in the order of ``docs/labels.md``; of any
        other, those that occur, in alphabetical order.

    Raises:
        WrongDatasetError: a class occurs that the taxonomy has not.
    """
    found = set(met)
    if taxonomy != OPERATORS:
        return sorted(found)
    every = list(operators.LABELS)
    strange = sorted(found.difference(every))
    if strange:
        raise WrongDatasetError(f"taxonomy {taxonomy} has no class {strange[0]!r}: these pairs are of another one")
    return every


def name_template(template: int) -> str:
    """Return the class of a template: ``template_007``. Its name in words is put in its place at export."""
    return f"template_{template:03d}"


def read_classes(table: pa.Table, taxonomy: str) -> dict[StepKey, list[str]]:
    """Return the classes of each step.

    Args:
        table: of `operators`, the dataset `labels`; of `templates`, `assignments`.
        taxonomy: its name.
    """
    keys = zip(table["problem_id"].to_pylist(), table["step"].to_pylist(), strict=True)
    if taxonomy == TEMPLATES:
        classes = [[name_template(template)] for template in table["template"].to_pylist()]
    else:
        classes = table["labels"].to_pylist()
    return dict(zip(keys, classes, strict=True))


def check_same_steps(table: pa.Table, steps: pa.Table, what: str) -> None:
    """Refuse classes of other steps.

    Args:
        table: rows with `problem_id`, `step` and `digest`.
        steps: the steps, with the same columns.
        what: what the table is, for the message.

    Raises:
        WrongDatasetError: a row is of a step that is not there, or that is another expression.
    """
    digests = _digests(steps)
    for key, digest in _digests(table).items():
        if digests.get(key) != digest:
            raise WrongDatasetError(
                f"{what} has step {key[1]} of problem {key[0]!r}, which is none of these steps, or another expression: "
                f"it was made from another run of steps"
            )


def _digests(table: pa.Table) -> dict[StepKey, bytes]:
    keys = zip(table["problem_id"].to_pylist(), table["step"].to_pylist(), strict=True)
    return dict(zip(keys, table["digest"].to_pylist(), strict=True))


def check_same_problems(table: pa.Table, problem_ids: Iterable[str], what: str) -> None:
    """Refuse a table of steps that are of other problems.

    Args:
        table: rows with a `problem_id`.
        problem_ids: the problems of the chunk.
        what: what the table is, for the message.

    Raises:
        WrongDatasetError: a row is of a problem that the chunk has not.
    """
    strange = sorted(set(table["problem_id"].unique().to_pylist()).difference(problem_ids))
    if strange:
        raise WrongDatasetError(
            f"{what} has rows of problem {strange[0]!r}, which this chunk has not: it was made from other problems "
            f"({len(strange)} such)"
        )
