"""Make the pairs that C3 learns from: a template's name and a problem, and the expression to be written.

    [TEMPLATE: div] Weng earns $12 an hour … -> 12 / 60<|endoftext|>

One row for each step, kept or dropped, with its reason. A pair is kept if its expression has a canonical form
(`mycelium.pairs.canonical`), comes to what the step claims (`mycelium.pairs.claims`), and each of its operands is
found in the problem or in an earlier step. The end of sequence is part of the target, and the tokenizer it is of stands
beside it.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import pyarrow as pa

from lambdas.stages.c2_pairs import TAXONOMIES, check_taxonomy
from lambdas.stages.steps import STEPS
from mycelium.datasets import PROBLEMS
from mycelium.labels.parser import parse
from mycelium.labels.segments import PLAIN_KINDS
from mycelium.labels.steps import NEW, PROBLEM
from mycelium.labels.tree import Refusal
from mycelium.pairs.claims import Claim, Drop, read_claim
from mycelium.pairs.taxonomy import OPERATORS, check_same_problems, check_same_steps, read_classes
from mycelium.pairs.texts import clean_text, find_shares, group_of, read_texts
from mycelium.schema import Column, Dataset, Result, Row
from mycelium.stage import Stage, select_columns
from mycelium.stats import Tally, add_tallies, rank, read_tally

PAPER_DROPPED: Final = 0.22
"""The share of steps that the paper dropped."""

C3_PAIRS = Dataset(
    name="c3_pairs",
    version=1,
    meaning="a step's expression, to be written from its template's name and the problem; or why it is no pair",
    columns=(
        Column("problem_id", pa.string(), "as in `problems`"),
        Column("level", pa.int8(), "difficulty, 1 to 5", nullable=True),
        Column("step", pa.int32(), "as in `steps`"),
        Column("group", pa.int64(), "the same for problems that differ in their numbers only: twins"),
        Column("taxonomy", pa.string(), "what the class is of: operators or templates"),
        Column("class", pa.string(), "the step's class; missing if it has none", nullable=True),
        Column("prompt", pa.string(), "[TEMPLATE: class] and the problem; empty if dropped"),
        Column("target", pa.string(), "the expression in canonical form and the end of sequence; empty if dropped"),
        Column("eos", pa.string(), "the end of sequence that the target ends with"),
        Column("tokenizer", pa.string(), "the tokenizer whose end of sequence it is"),
        Column("expression", pa.string(), "the expression in canonical form; empty if it has none"),
        Column("claim", pa.string(), "what bears it out: value, rounded, name or identity; empty if dropped"),
        Column("operands", pa.list_(pa.string()), "numbers and names of the expression, each once, in reading order"),
        Column("origins", pa.list_(pa.string()), "where each operand is found: problem, step, or new for nowhere"),
        Column("sources", pa.list_(pa.int32()), "the earlier step each operand is found in; -1 where it is no step's"),
        Column("drop", pa.string(), "why it is no pair; null if it is one", nullable=True),
        Column("detail", pa.string(), "what stood in the way: an operator, an operand, a bound", nullable=True),
    ),
)


@dataclass(frozen=True, slots=True)
class C3PairsParams:
    """What can be set.

    Attributes:
        taxonomy: what the classes are.
        tokenizer: the tokenizer that C3 is trained with.
        eos: its end of sequence, as text.
    """

    taxonomy: str = field(default=OPERATORS, metadata={"help": f"What the classes are: {' or '.join(TAXONOMIES)}."})
    tokenizer: str = field(
        default="Qwen/Qwen2.5-Math-7B", metadata={"help": "The tokenizer that C3 is trained with, by name."}
    )
    eos: str = field(default="<|endoftext|>", metadata={"help": "Its end of sequence: every target ends with it."})

    def __post_init__(self) -> None:
        """Refuse what has no meaning."""
        check_taxonomy(self.taxonomy)
        if not self.tokenizer.strip():
            raise ValueError("the tokenizer is named: its end of sequence is part of every target")
        if not self.eos.strip() or self.eos != self.eos.strip() or not self.eos.isprintable():
            raise ValueError(f"an end of sequence is some text without spaces around it; got {self.eos!r}")


def choose_inputs(params: C3PairsParams) -> tuple[Dataset, ...]:
    """Return what is read: problems, steps, and what says their classes."""
    return (PROBLEMS, STEPS, TAXONOMIES[params.taxonomy])


@dataclass(slots=True)
class _Problem:
    """A problem and what its steps have given so far."""

    text: str | None
    group: int
    shares: frozenset[str]
    seen: set[tuple[str, str]] = field(default_factory=set)


@dataclass(slots=True)
class _Judged:
    """A step on its way to a row."""

    claim: Claim
    name: str | None = None
    origins: list[str] = field(default_factory=list)
    sources: list[int] = field(default_factory=list)
    drop: Drop | None = None
    detail: str | None = None


def map_steps(tables: Sequence[pa.Table], params: C3PairsParams) -> list[pa.Table]:
    """Make the pairs of one chunk.

    Args:
        tables: one each of `problems`, `steps` and the taxonomy's dataset.
        params: see there.

    Returns:
        One table of `c3_pairs`, a row for each step, in order.

    Raises:
        WrongDatasetError: a table is of other problems.
    """
    problems, steps, taxonomy = tables
    ids = problems["problem_id"].to_pylist()
    for table, dataset in zip(tables[1:], choose_inputs(params)[1:], strict=True):
        check_same_problems(table, ids, dataset.name)
    found = {
        problem_id: _read_problem(text) for problem_id, text in zip(ids, read_texts(problems["problem"]), strict=True)
    }
    check_same_steps(taxonomy, steps, TAXONOMIES[params.taxonomy].name)
    classes = read_classes(taxonomy, params.taxonomy)
    claims: dict[tuple[str, bool], Claim] = {}
    rows = []
    for row in steps.drop_columns(["index", "start", "end", "digest", "results"]).to_pylist():
        key = (row["expression"], row["kind"] in PLAIN_KINDS)
        if key not in claims:
            claims[key] = _read_expression(*key)
        problem = found[row["problem_id"]]
        judged = _judge_step(row, claims[key], classes.get((row["problem_id"], row["step"]), []), problem, params)
        rows.append(_make_row(row, judged, problem, params))
    return [pa.Table.from_pylist(rows, schema=C3_PAIRS.arrow_schema())]


def _read_problem(text: str | None) -> _Problem:
    clean = clean_text(text or "")[0]
    return _Problem(None if text is None else clean, group_of(clean), find_shares(clean))


def _read_expression(expression: str, is_plain: bool) -> Claim:  # noqa: FBT001 - the key of a dictionary, unpacked
    tree = parse(expression, plain=is_plain)
    return Claim(drop=Drop.REFUSED, detail=tree.reason.value) if isinstance(tree, Refusal) else read_claim(tree)


def _judge_step(
    row: Mapping[str, object], claim: Claim, classes: list[str], problem: _Problem, params: C3PairsParams
) -> _Judged:
    """Say whether a step is a pair, and find the operands of its expression."""
    judged = _Judged(claim, drop=claim.drop, detail=claim.detail or None)
    # A step bears many labels; its expression is called by the outermost of its own.
    names = [name for name in classes if params.taxonomy != OPERATORS or name == claim.operation]
    judged.name = names[0] if names else None
    _find_operands(row, problem, judged)
    if claim.drop is not None:
        return judged
    judged.detail = None
    if judged.name is None:
        judged.drop = Drop.NO_CLASS
    elif NEW in judged.origins:
        judged.drop, judged.detail = Drop.OPERAND_NOT_FOUND, claim.operands[judged.origins.index(NEW)]
    elif problem.text is None:
        judged.drop = Drop.BAD_TEXT
    elif params.eos in problem.text or params.eos in judged.name:
        judged.drop = Drop.EOS_IN_TEXT
    elif (judged.name, claim.expression) in problem.seen:
        judged.drop = Drop.REPEATED
    else:
        problem.seen.add((judged.name, claim.expression))
    return judged


def _find_operands(row: Mapping[str, object], problem: _Problem, judged: _Judged) -> None:
    """Look up where each operand of the expression comes from: the step's own record, then shares of the problem."""
    texts, origins, sources = (row[name] for name in ("operands", "origins", "sources"))
    known = dict(zip(texts, zip(origins, sources, strict=True), strict=True))  # type: ignore[call-overload]
    for operand in judged.claim.operands:
        origin, source = known.get(operand, (NEW, -1))
        if origin == NEW and operand in problem.shares:
            origin = PROBLEM
        judged.origins.append(origin)
        judged.sources.append(source)


def _make_row(
    row: Mapping[str, object], judged: _Judged, problem: _Problem, params: C3PairsParams
) -> dict[str, object]:
    claim, is_pair = judged.claim, judged.drop is None
    return {
        "problem_id": row["problem_id"],
        "level": row["level"],
        "step": row["step"],
        "group": problem.group,
        "taxonomy": params.taxonomy,
        "class": judged.name,
        "prompt": f"[TEMPLATE: {judged.name}] {problem.text}" if is_pair else "",
        "target": claim.expression + params.eos if is_pair else "",
        "eos": params.eos,
        "tokenizer": params.tokenizer,
        "expression": claim.expression,
        "claim": claim.kind if is_pair else "",
        "operands": list(claim.operands),
        "origins": judged.origins,
        "sources": judged.sources,
        "drop": None if judged.drop is None else judged.drop.value,
        "detail": judged.detail,
    }


def summarize_chunk(tables: Sequence[pa.Table]) -> pa.Table:
    """Count one chunk.

    Args:
        tables: one table of `c3_pairs`.

    Returns:
        A tally (`mycelium.stats.Tally`): ``step`` and ``pair`` by level; ``drop`` by reason; ``detail`` by reason and
        detail; ``class``, ``claim`` and ``origin`` of the pairs; ``problem``, those with a pair; ``prompt`` and
        ``many``, prompts and those of them with several targets.
    """
    (table,) = tables
    tally = Tally()
    prompts: Counter[tuple[str, str]] = Counter()
    columns = ["problem_id", "level", "class", "claim", "origins", "drop", "detail"]
    for row in table.select(columns).to_pylist():
        level = b"" if row["level"] is None else str(row["level"]).encode()
        tally.add("step", level)
        if row["drop"] is not None:
            tally.add("drop", row["drop"].encode())
            if row["detail"] is not None and row["drop"] != Drop.OPERAND_NOT_FOUND.value:
                tally.add("detail", f"{row['drop']}: {row['detail']}".encode())
            continue
        tally.add("pair", level)
        tally.add("class", row["class"].encode())
        tally.add("claim", row["claim"].encode())
        for origin in row["origins"]:
            tally.add("origin", origin.encode())
        prompts[row["problem_id"], row["class"]] += 1
    tally.add("problem", count=len({problem_id for problem_id, _ in prompts}))
    tally.add("prompt", count=len(prompts))
    tally.add("many", count=sum(count > 1 for count in prompts.values()))
    return tally.table()


def conclude_pairs(total: pa.Table, params: C3PairsParams) -> Result:
    """Tabulate the pairs.

    Args:
        total: the sum of all parts.
        params: those of the run.

    Returns:
        ``totals``: steps, pairs, the share dropped and the paper's, problems with a pair, prompts, those with
        several targets, tokenizer and end of sequence; ``levels``: steps and pairs; ``drops`` by reason, with
        their share of the steps; ``details``: what stood in the way, the 40 most frequent; ``classes``, ``claims`` and
        ``origins`` of the pairs.
    """
    counts = read_tally(total)
    steps, pairs = counts.get("step", {}), counts.get("pair", {})
    n_step, n_pair = sum(steps.values()), sum(pairs.values())
    totals: Row = {
        "taxonomy": params.taxonomy,
        "steps": n_step,
        "pairs": n_pair,
        "share_dropped": 1 - n_pair / n_step if n_step else 0.0,
        "paper_share_dropped": PAPER_DROPPED,
        "problems_with_a_pair": counts["problem"][""],
        "prompts": counts["prompt"][""],
        "prompts_with_several_targets": counts["many"][""],
        "tokenizer": params.tokenizer,
        "eos": params.eos,
    }
    return {
        "totals": [totals],
        "levels": [
            {"level": int(level) if level else None, "steps": steps[level], "pairs": pairs.get(level, 0)}
            for level in sorted(steps)
        ],
        "drops": [{**row, "share": int(row["count"] or 0) / n_step} for row in rank(counts.get("drop", {}), "reason")],
        "details": rank(counts.get("detail", {}), "detail")[:40],
        "classes": rank(counts.get("class", {}), "class"),
        "claims": rank(counts.get("claim", {}), "claim"),
        "origins": rank(counts.get("origin", {}), "origin"),
    }


STAGE = Stage(
    name="c3_pairs",
    version=1,
    summary="pair every step's template and problem with the expression to be written",
    reads=(PROBLEMS, STEPS, *TAXONOMIES.values()),
    writes=(C3_PAIRS,),
    params=C3PairsParams(),
    map=map_steps,
    summarize=summarize_chunk,
    reduce=add_tallies,
    conclude=conclude_pairs,
    select=select_columns("problem_id", "problem"),
    choose=choose_inputs,
)
