"""Find the steps of every chain of thought: spans, expressions, operands, and where each operand came from.

What a step is, is defined in `mycelium.labels.steps`. The reduce gives the paper's table of distinct steps. It merges
digests and never text: a distinct step is known by 16 bytes, how often it was met, and the place where its text stands.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from mycelium.datasets import PROBLEMS
from mycelium.errors import NothingReadError
from mycelium.labels.steps import PLACE_STEPS, CachedReader, Chain, find_steps
from mycelium.schema import Column, Dataset, Result, Row
from mycelium.stage import Stage, select_columns
from mycelium.stats import Tally, add_tallies, rank, read_tally

PAPER_STEPS: Final = {"distinct_steps": 41_787, "problems": 5_850}
"""The paper's table of distinct steps: how many there were, across how many problems."""

CHAINS = Dataset(
    name="chains",
    version=1,
    meaning="a chain of thought: what was found in it",
    columns=(
        Column("problem_id", pa.string(), "as in `problems`"),
        Column("index", pa.int64(), "place in the run, from 0"),
        Column("level", pa.int8(), "difficulty, 1 to 5", nullable=True),
        Column("n_segment", pa.int32(), "pieces of mathematics, mentions included"),
        Column("n_mention", pa.int32(), "pieces that compute nothing: a bare number or name"),
        Column("n_step", pa.int32(), "steps, those that could not be read included"),
        Column("n_refused", pa.int32(), "steps that could not be read"),
        Column("n_asked", pa.int32(), "expressions of problem and chain, repeats included"),
        Column("n_parsed", pa.int32(), "those of them that no chain before it in the chunk had, each once"),
        Column("refusal", pa.string(), "why the whole chain was refused; null if it was not", nullable=True),
    ),
)

STEPS = Dataset(
    name="steps",
    version=1,
    meaning="a step: one computation of a chain of thought",
    columns=(
        Column("problem_id", pa.string(), "as in `problems`"),
        Column("index", pa.int64(), "the problem's place in the run, from 0"),
        Column("level", pa.int8(), "difficulty, 1 to 5", nullable=True),
        Column("step", pa.int32(), "place in the chain, from 0"),
        Column("start", pa.int32(), "first character of the expression in the chain of thought"),
        Column("end", pa.int32(), "one past its last character"),
        Column(
            "kind",
            pa.string(),
            "how it is written: dollar, display, paren, bracket, environment, annotation, plain, bare",
        ),
        Column("expression", pa.string(), "the text between start and end"),
        Column("digest", pa.binary(16), "the same for the same expression, however it is spaced"),
        Column(
            "operands", pa.list_(pa.string()), "numbers and names that it computes with, each once, in reading order"
        ),
        Column("origins", pa.list_(pa.string()), "where each operand came from: problem, step or new"),
        Column("sources", pa.list_(pa.int32()), "the earlier step each operand came from; -1 where it is no step's"),
        Column("results", pa.list_(pa.string()), "the bare numbers and names that it says come out"),
        Column("refusal", pa.string(), "why it could not be read; null if it was", nullable=True),
    ),
)


@dataclass(frozen=True, slots=True)
class StepsParams:
    """What can be set.

    Attributes:
        mentions: keep a bare number or name as a step too.
    """

    mentions: bool = field(default=False, metadata={"help": "Keep bare numbers and names as steps too. Default: no."})


def digest_expression(expression: str) -> bytes:
    """Return 16 bytes that are the same for the same expression, however it is spaced."""
    return hashlib.blake2b(" ".join(expression.split()).encode("utf-8", "surrogatepass"), digest_size=16).digest()


def map_chains(tables: Sequence[pa.Table], params: StepsParams) -> list[pa.Table]:
    """Find the steps of one chunk of problems.

    Args:
        tables: one table of `problems`.
        params: see there.

    Returns:
        One table of `chains`, by problem; and one of `steps`, by problem, then step.

    Raises:
        NothingReadError: there are steps, and none could be read.
    """
    (table,) = tables
    reader = CachedReader()
    chains: list[Row] = []
    steps: list[dict[str, object]] = []
    for row in table.to_pylist():
        before = reader.n_asked, reader.n_parsed
        chain = find_steps(row["problem"], row["chain_of_thought"], reader=reader, mentions=params.mentions)
        asked = {"n_asked": reader.n_asked - before[0], "n_parsed": reader.n_parsed - before[1]}
        chains.append(_describe_chain(row, chain) | asked)
        steps.extend(_describe_steps(row, chain))
    reasons = [*(step["refusal"] for step in steps), *(chain["refusal"] for chain in chains if chain["refusal"])]
    if reasons and all(reasons):
        raise NothingReadError(
            f"at least one step of a chunk can be read; of {len(reasons)} none could: the first is {reasons[0]}"
        )
    return [
        pa.Table.from_pylist(chains, schema=CHAINS.arrow_schema()),
        pa.Table.from_pylist(steps, schema=STEPS.arrow_schema()),
    ]


def _describe_chain(row: Row, chain: Chain) -> Row:
    is_whole = bool(chain.refusals) and not chain.steps
    return {
        "problem_id": row["problem_id"],
        "index": row["index"],
        "level": row["level"],
        "n_segment": chain.n_segment,
        "n_mention": chain.n_mention,
        "n_step": len(chain.steps),
        "n_refused": sum(bool(step.refusal) for step in chain.steps),
        "refusal": next(iter(chain.refusals)) if is_whole else None,
    }


def _describe_steps(row: Row, chain: Chain) -> Iterator[dict[str, object]]:
    for step in chain.steps:
        yield {
            "problem_id": row["problem_id"],
            "index": row["index"],
            "level": row["level"],
            "step": step.index,
            "start": step.start,
            "end": step.end,
            "kind": step.kind,
            "expression": step.expression,
            "digest": digest_expression(step.expression),
            "operands": [operand.text for operand in step.operands],
            "origins": [operand.origin for operand in step.operands],
            "sources": [operand.step for operand in step.operands],
            "results": list(step.results),
            "refusal": step.refusal or None,
        }


def summarize_chunk(tables: Sequence[pa.Table]) -> pa.Table:
    """Count one chunk.

    Args:
        tables: one table of `chains` and one of `steps`.

    Returns:
        A tally (`mycelium.stats.Tally`): ``problem``, ``segment`` and ``step`` by level; ``refusal`` by reason;
        ``kind`` and ``origin`` by name; ``distinct`` by digest, whose place is index · 2²⁰ + step of where it first
        stands.
    """
    chains, steps = tables
    tally = Tally()
    for name in ("n_asked", "n_parsed"):
        tally.add(name, count=pc.sum(chains[name]).as_py() or 0)
    for level, n_segment, n_step, refusal in zip(
        *(chains[name].to_pylist() for name in ("level", "n_segment", "n_step", "refusal")), strict=True
    ):
        key = b"" if level is None else str(level).encode()
        tally.add("problem", key)
        tally.add("segment", key, n_segment)
        tally.add("step", key, n_step)
        tally.add("without_step", count=int(n_step == 0))
        if refusal is not None:
            tally.add("refusal", refusal.encode())
    places = pc.add(pc.multiply(steps["index"], PLACE_STEPS), steps["step"].cast(pa.int64()))
    for digest, place in zip(steps["digest"].to_pylist(), places.to_pylist(), strict=True):
        tally.add("distinct", digest, place=place)
    for name, column in (("refusal", "refusal"), ("kind", "kind")):
        for value in steps[column].drop_null().to_pylist():
            tally.add(name, value.encode())
    for value in pc.list_flatten(steps["origins"]).to_pylist():
        tally.add("origin", value.encode())
    return tally.table()


def conclude_steps(total: pa.Table, params: StepsParams) -> Result:
    """Tabulate the steps.

    Args:
        total: the sum of all parts.
        params: those of the run.

    Returns:
        ``totals``: problems, those without a step, segments, steps, distinct steps, the share that are repeats,
        expressions asked for and parsed and the share of parsing saved, the paper's distinct steps and problems;
        ``levels``: problems, and segments and steps for each; ``refusals``,
        ``kinds`` and ``origins``: how many of each.
    """
    del params
    plain = total.filter(pc.not_equal(total["name"], "distinct"))
    counts = read_tally(plain)
    n_distinct = total.num_rows - plain.num_rows
    problems, segments, steps = (counts.get(name, {}) for name in ("problem", "segment", "step"))
    n_step = sum(steps.values())
    n_asked, n_parsed = (counts.get(name, {}).get("", 0) for name in ("n_asked", "n_parsed"))
    return {
        "totals": [
            {
                "problems": sum(problems.values()),
                "problems_without_step": counts.get("without_step", {}).get("", 0),
                "segments": sum(segments.values()),
                "steps": n_step,
                "distinct_steps": n_distinct,
                "share_repeated": 1 - n_distinct / n_step if n_step else 0.0,
                "expressions": n_asked,
                "expressions_parsed": n_parsed,
                "share_saved": 1 - n_parsed / n_asked if n_asked else 0.0,
                "paper_distinct_steps": PAPER_STEPS["distinct_steps"],
                "paper_problems": PAPER_STEPS["problems"],
            }
        ],
        "levels": [
            {
                "level": int(level) if level else None,
                "problems": problems[level],
                "segments_each": segments[level] / problems[level],
                "steps_each": steps[level] / problems[level],
            }
            for level in sorted(problems)
        ],
        "refusals": rank(counts.get("refusal", {}), "reason"),
        "kinds": rank(counts.get("kind", {}), "kind"),
        "origins": rank(counts.get("origin", {}), "origin"),
    }


STAGE = Stage(
    name="steps",
    version=1,
    summary="find the steps of every chain of thought, and where each operand came from",
    reads=(PROBLEMS,),
    writes=(CHAINS, STEPS),
    params=StepsParams(),
    map=map_chains,
    summarize=summarize_chunk,
    reduce=add_tallies,
    conclude=conclude_steps,
    select=select_columns("problem_id", "index", "problem", "chain_of_thought", "level"),
)
