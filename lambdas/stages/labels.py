"""Label every step with what it computes: the Y of the Information Bottleneck.

The labels are defined in `mycelium.labels.operators`; ``docs/labels.md`` lists them. An expression that stands in a
chunk many times is read once, and the summary says how much that saved.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from lambdas.stages.steps import STEPS
from mycelium.errors import NothingReadError
from mycelium.labels.extract import NO_OPERATOR, extract_all_ops, primary_label, root_operator
from mycelium.labels.parser import parse
from mycelium.labels.segments import PLAIN_KINDS
from mycelium.labels.tree import Refusal
from mycelium.schema import Column, Dataset, Result, Row
from mycelium.stage import Stage, select_columns
from mycelium.stats import Tally, add_tallies, rank, read_tally

LABELS = Dataset(
    name="labels",
    version=1,
    meaning="a step's labels: what it computes",
    columns=(
        Column("problem_id", pa.string(), "as in `problems`"),
        Column("level", pa.int8(), "difficulty, 1 to 5", nullable=True),
        Column("step", pa.int32(), "as in `steps`"),
        Column("digest", pa.binary(16), "as in `steps`"),
        Column("labels", pa.list_(pa.string()), "every label that the expression bears, in alphabetical order"),
        Column("primary", pa.string(), "the outermost operator of the first side that computes", nullable=True),
        Column("root", pa.string(), "the operator at the root of the whole expression", nullable=True),
        Column("refusal", pa.string(), "why it could not be read; null if it was", nullable=True),
    ),
)

_UNREAD: Final[Row] = {"primary": None, "root": None}


@dataclass(frozen=True, slots=True)
class LabelsParams:
    """Nothing can be set: a label is what its definition says."""


def map_steps(tables: Sequence[pa.Table], params: LabelsParams) -> list[pa.Table]:
    """Label the steps of one chunk.

    Args:
        tables: one table of `steps`.
        params: see there.

    Returns:
        One table of `labels`, a row for each step, in order.

    Raises:
        NothingReadError: there are steps, and none could be read.
    """
    del params
    (table,) = tables
    read: dict[tuple[str, bool], dict[str, object]] = {}
    rows: list[dict[str, object]] = []
    for row in table.select(["kind", "expression"]).to_pylist():
        key = (row["expression"], row["kind"] in PLAIN_KINDS)
        if key not in read:
            read[key] = label_expression(*key)
        rows.append(read[key])
    if rows and all(row["refusal"] for row in rows):
        reason, count = Counter(row["refusal"] for row in rows).most_common(1)[0]
        raise NothingReadError(
            f"at least one step of a chunk can be read; of {len(rows)} none could: {reason} of {count} of them"
        )
    labelled = pa.Table.from_pylist(rows, schema=pa.schema(list(LABELS.arrow_schema())[4:]))
    named = table.select(["problem_id", "level", "step", "digest"])
    return [pa.table(dict(zip(LABELS.arrow_schema().names, [*named.columns, *labelled.columns], strict=True)))]


def label_expression(expression: str, is_plain: bool) -> dict[str, object]:  # noqa: FBT001 - the key of a dictionary, unpacked
    """Return the columns labels, primary, root and refusal of one expression."""
    tree = parse(expression, plain=is_plain)
    if isinstance(tree, Refusal):
        return {"labels": [], **_UNREAD, "refusal": tree.reason.value}
    return {
        "labels": sorted(extract_all_ops(tree)),
        "primary": primary_label(tree),
        "root": root_operator(tree),
        "refusal": None,
    }


def summarize_chunk(tables: Sequence[pa.Table]) -> pa.Table:
    """Count one chunk.

    Args:
        tables: one table of `labels`.

    Returns:
        A tally (`mycelium.stats.Tally`): ``step`` and ``parsed`` (expressions read, each once), ``label``,
        ``primary`` and ``root`` by label, ``refusal`` by reason.
    """
    (table,) = tables
    tally = Tally()
    tally.add("step", count=table.num_rows)
    tally.add("parsed", count=len(table["digest"].unique()))
    for name, values in (
        ("label", pc.list_flatten(table["labels"])),
        ("primary", table["primary"].drop_null()),
        ("root", table["root"].drop_null()),
        ("refusal", table["refusal"].drop_null()),
    ):
        for value, count in Counter(values.to_pylist()).items():
            tally.add(name, value.encode(), count)
    return tally.table()


def conclude_labels(total: pa.Table, params: LabelsParams) -> Result:
    """Tabulate the labels.

    Args:
        total: the sum of all parts.
        params: those of the run.

    Returns:
        ``totals``: steps, expressions read, the share of reading that was saved, steps refused, steps without an
        operator; ``labels``, ``primary``, ``roots`` and ``refusals``: how many of each, the most frequent first.
    """
    del params
    counts = read_tally(total)
    n_step = counts.get("step", {}).get("", 0)
    n_parsed = counts.get("parsed", {}).get("", 0)
    refusals = counts.get("refusal", {})
    return {
        "totals": [
            {
                "steps": n_step,
                "expressions_parsed": n_parsed,
                "share_saved": 1 - n_parsed / n_step if n_step else 0.0,
                "refused": sum(refusals.values()),
                "without_operator": counts.get("primary", {}).get(NO_OPERATOR, 0),
            }
        ],
        "labels": rank(counts.get("label", {}), "label"),
        "primary": rank(counts.get("primary", {}), "label"),
        "roots": rank(counts.get("root", {}), "label"),
        "refusals": rank(refusals, "reason"),
    }


STAGE = Stage(
    name="labels",
    version=1,
    summary="label every step with what it computes",
    reads=(STEPS,),
    writes=(LABELS,),
    params=LabelsParams(),
    map=map_steps,
    summarize=summarize_chunk,
    reduce=add_tallies,
    conclude=conclude_labels,
    select=select_columns("problem_id", "level", "step", "kind", "expression", "digest"),
)
