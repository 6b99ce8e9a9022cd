"""Make the pairs that C2 learns from: a problem, and which operations its solution takes.

One row for each problem, kept or dropped, with its reason. The three clocks stand side by side: heartbeats, where
attention was read, steps, and segments. C2's auxiliary target is the heartbeats (ADR 0081).

The reduce gives vocabulary, class counts and weights, co-occurrence, and the splits; twins are on one side.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lambdas.stages.heartbeat import HEARTBEATS, PAPER_BEATS
from lambdas.stages.labels import LABELS
from lambdas.stages.steps import CHAINS
from lambdas.stages.templates import ASSIGNMENTS
from mycelium.datasets import PROBLEMS
from mycelium.errors import WrongDatasetError
from mycelium.pairs.classes import ClassTable, class_key, conclude_classes, deal_groups
from mycelium.pairs.stratify import SPLITS, check_shares
from mycelium.pairs.taxonomy import OPERATORS, TEMPLATES, check_same_problems, read_classes
from mycelium.pairs.texts import clean_text, group_of, read_texts
from mycelium.schema import Column, Dataset, Result, Row
from mycelium.stage import Stage, select_columns
from mycelium.stats import Tally, add_tallies, rank, read_tally

TAXONOMIES: Final = {OPERATORS: LABELS, TEMPLATES: ASSIGNMENTS}
"""What a step's classes can be, and the dataset that says them."""

C2_PAIRS = Dataset(
    name="c2_pairs",
    version=1,
    meaning="a problem with the operations that its solution takes, or the reason why it is no pair",
    columns=(
        Column("problem_id", pa.string(), "as in `problems`"),
        Column("level", pa.int8(), "difficulty, 1 to 5", nullable=True),
        Column("subject", pa.string(), "field of mathematics", nullable=True),
        Column("text", pa.string(), "the problem, each control character a space; empty where it is no Unicode"),
        Column("n_control", pa.int32(), "control characters that were replaced"),
        Column("group", pa.int64(), "the same for problems that differ in their numbers only: twins"),
        Column("taxonomy", pa.string(), "what the classes are of: operators or templates"),
        Column("classes", pa.list_(pa.string()), "the classes of its steps, each once, in alphabetical order"),
        Column("n_heartbeat", pa.int32(), "beats of the computing head; missing where none was read", nullable=True),
        Column("n_step", pa.int32(), "steps, those without a class included"),
        Column("n_segment", pa.int32(), "pieces of mathematics in the chain of thought"),
        Column("n_unlabelled", pa.int32(), "steps without a class"),
        Column("drop", pa.string(), "why it is no pair: bad_text, no_step, no_class; null if it is one", nullable=True),
    ),
)

SPLITS_OF_GROUPS = Dataset(
    name="splits",
    version=1,
    meaning="a group of twins, and the split that all of them are in",
    columns=(
        Column("group", pa.int64(), "as in `c2_pairs` and `c3_pairs`"),
        Column("split", pa.string(), "train, validation or test"),
        Column("n_problem", pa.int32(), "pairs of the group"),
    ),
)


@dataclass(frozen=True, slots=True)
class C2PairsParams:
    """What can be set.

    Attributes:
        taxonomy: what the classes are.
        heartbeats: whether heartbeats are read.
        layer: the layer of the head whose beats count; None for the computing head that the run of heartbeats found.
        head: that head.
        validation: the share of problems held out to choose by.
        test: the share of problems held out to judge by.
    """

    taxonomy: str = field(default=OPERATORS, metadata={"help": f"What the classes are: {' or '.join(TAXONOMIES)}."})
    heartbeats: bool = field(default=False, metadata={"help": "Read a run of heartbeats for the count. Default: no."})
    layer: int | None = field(default=None, metadata={"help": "Layer of the head that counts. Default: chosen."})
    head: int | None = field(default=None, metadata={"help": "The head that counts. Default: the computing head."})
    validation: float = field(default=0.1, metadata={"help": "Share of problems held out to choose by."})
    test: float = field(default=0.1, metadata={"help": "Share of problems held out to judge by."})

    def __post_init__(self) -> None:
        """Refuse what has no meaning."""
        check_taxonomy(self.taxonomy)
        check_shares(self.validation, self.test)
        if (self.layer is None) != (self.head is None) or min(self.layer or 0, self.head or 0) < 0:
            raise ValueError(f"a head is named by its layer and head, both from 0; got {self.layer} and {self.head}")
        if self.layer is not None and not self.heartbeats:
            raise ValueError("a layer and head are named to read heartbeats: say --heartbeats true, too")


def check_taxonomy(taxonomy: str) -> None:
    """Refuse a taxonomy that there is not.

    Raises:
        ValueError: there is none of that name.
    """
    if taxonomy not in TAXONOMIES:
        raise ValueError(f"a taxonomy is one of {', '.join(TAXONOMIES)}; got {taxonomy!r}")


def choose_inputs(params: C2PairsParams) -> tuple[Dataset, ...]:
    """Return what is read: heartbeats only where they are asked for."""
    beats = (HEARTBEATS,) if params.heartbeats else ()
    return (PROBLEMS, CHAINS, TAXONOMIES[params.taxonomy], *beats)


def settle_head(params: C2PairsParams, results: Mapping[str, Result]) -> C2PairsParams:
    """Take the computing head that the heartbeats were found to have, where none is named."""
    found = results.get(HEARTBEATS.name, {}).get("computing_head", [])
    if params.layer is not None or not found:
        return params
    return replace(params, layer=int(found[0]["layer"] or 0), head=int(found[0]["head"] or 0))


def map_problems(tables: Sequence[pa.Table], params: C2PairsParams) -> list[pa.Table]:
    """Make the pairs of one chunk.

    Args:
        tables: one each of `problems`, `chains` and the taxonomy's dataset, and one of `heartbeats` if it is read.
        params: see there.

    Returns:
        One table of `c2_pairs`, a row for each problem, in order.

    Raises:
        WrongDatasetError: a table is of other problems, or the heartbeats are of several heads and none is named.
    """
    problems, chains, steps, *beats = tables
    ids = problems["problem_id"].to_pylist()
    for table, dataset in zip(tables[1:], choose_inputs(params)[1:], strict=True):
        check_same_problems(table, ids, dataset.name)
    clocks = {row["problem_id"]: row for row in chains.select(["problem_id", "n_step", "n_segment"]).to_pylist()}
    classes: dict[str, set[str]] = {}
    n_labelled: Counter[str] = Counter()
    for (problem_id, _), names in read_classes(steps, params.taxonomy).items():
        classes.setdefault(problem_id, set()).update(names)
        n_labelled[problem_id] += bool(names)
    counts = _count_beats(beats[0], params) if beats else {}
    rows = []
    columns = (read_texts(problems["problem"]), problems["level"].to_pylist(), problems["subject"].to_pylist())
    for problem_id, text, level, subject in zip(ids, *columns, strict=True):
        clean, n_control = clean_text(text or "")
        clock = clocks.get(problem_id, {"n_step": 0, "n_segment": 0})
        found = sorted(classes.get(problem_id, ()))
        rows.append(
            {
                "problem_id": problem_id,
                "level": level,
                "subject": subject,
                "text": clean,
                "n_control": n_control,
                "group": group_of(clean),
                "taxonomy": params.taxonomy,
                "classes": found,
                "n_heartbeat": counts.get(problem_id),
                "n_step": clock["n_step"],
                "n_segment": clock["n_segment"],
                "n_unlabelled": clock["n_step"] - n_labelled[problem_id],
                "drop": _why_dropped(text, clock["n_step"], found),
            }
        )
    return [pa.Table.from_pylist(rows, schema=C2_PAIRS.arrow_schema())]


def _why_dropped(text: str | None, n_step: int, classes: list[str]) -> str | None:
    if text is None:
        return "bad_text"
    if not n_step:
        return "no_step"
    return None if classes else "no_class"


def _count_beats(table: pa.Table, params: C2PairsParams) -> dict[str, int]:
    """Return the beats of each problem in the computing head."""
    if params.layer is not None:
        is_head = pc.and_(pc.equal(table["layer"], params.layer), pc.equal(table["head"], params.head))
        table = table.filter(is_head)
    heads = {(row["layer"], row["head"]) for row in table.group_by(["layer", "head"]).aggregate([]).to_pylist()}
    if len(heads) > 1:
        raise WrongDatasetError(
            f"the heartbeats of one head are counted, and this run has {len(heads)} heads: name the computing head by "
            f"--layer and --head (`status heartbeats/RUN` shows it)"
        )
    return dict(zip(table["problem_id"].to_pylist(), table["n_diastole"].to_pylist(), strict=True))


def summarize_chunk(tables: Sequence[pa.Table]) -> pa.Table:
    """Count one chunk.

    Args:
        tables: one table of `c2_pairs`.

    Returns:
        A tally (`mycelium.stats.Tally`): of all problems by level ``problem``, ``step``, ``segment``, ``beat`` and
        ``with_beats``; ``drop`` by reason; ``cleaned`` texts and ``unlabelled`` steps; of the pairs ``group``, by group
        and classes.
    """
    (table,) = tables
    tally = Tally()
    for row in table.drop_columns(["problem_id", "text", "subject"]).to_pylist():
        level = b"" if row["level"] is None else str(row["level"]).encode()
        tally.add("problem", level)
        tally.add("step", level, row["n_step"])
        tally.add("segment", level, row["n_segment"])
        if row["n_heartbeat"] is not None:
            tally.add("with_beats", level)
            tally.add("beat", level, row["n_heartbeat"])
        tally.add("cleaned", count=int(row["n_control"] > 0))
        tally.add("unlabelled", count=row["n_unlabelled"])
        if row["drop"] is None:
            tally.add("group", class_key(row["group"], row["classes"]))
        else:
            tally.add("drop", row["drop"].encode())
    return tally.table()


def _read_total(total: pa.Table) -> tuple[dict[str, dict[str, int]], ClassTable]:
    """Return the counts by name and key, and how many problems of each group bear which classes."""
    is_group = pc.equal(total["name"], "group")
    groups, others = total.filter(is_group), total.filter(pc.invert(is_group))
    return read_tally(others), ClassTable.of_keys(groups["key"], groups["count"])


def conclude_pairs(total: pa.Table, params: C2PairsParams) -> Result:
    """Tabulate the pairs.

    Args:
        total: the sum of all parts.
        params: those of the run.

    Returns:
        ``totals``; ``levels``: the three clocks, mean of each, and the paper's heartbeats; ``drops`` by reason; and
        what `mycelium.pairs.classes.conclude_classes` returns: ``classes``, ``together`` and ``splits``.
    """
    counts, groups = _read_total(total)
    problems, beats = counts.get("problem", {}), counts.get("with_beats", {})
    return {
        "totals": [
            {
                "taxonomy": params.taxonomy,
                "problems": sum(problems.values()),
                "pairs": groups.n_problem,
                "groups": len(groups.starts()),
                "without_heartbeats": sum(problems.values()) - sum(beats.values()),
                "texts_cleaned": counts.get("cleaned", {}).get("", 0),
                "steps": sum(counts.get("step", {}).values()),
                "steps_without_class": counts.get("unlabelled", {}).get("", 0),
            }
        ],
        "levels": list(_describe_levels(counts)),
        "drops": rank(counts.get("drop", {}), "reason"),
        **conclude_classes(groups, params.taxonomy, check_shares(params.validation, params.test)),
    }


def _describe_levels(counts: dict[str, dict[str, int]]) -> Iterator[Row]:
    def each(name: str, level: str, of: str) -> float | None:
        n = counts.get(of, {}).get(level, 0)
        return counts.get(name, {}).get(level, 0) / n if n else None

    for level in sorted(counts.get("problem", {})):
        yield {
            "level": int(level) if level else None,
            "problems": counts["problem"][level],
            "heartbeats_each": each("beat", level, "with_beats"),
            "segments_each": each("segment", level, "problem"),
            "steps_each": each("step", level, "problem"),
            "paper_heartbeats": PAPER_BEATS.get(int(level)) if level else None,
        }


def gather_splits(total: pa.Table, params: C2PairsParams) -> pa.Table:
    """Return the split of every group of twins, one table of `splits`, by group."""
    _, groups = _read_total(total)
    dealt = deal_groups(groups, params.taxonomy, check_shares(params.validation, params.test))
    columns: dict[str, Any] = {
        "group": dealt.groups,
        "split": pa.DictionaryArray.from_arrays(dealt.splits, pa.array(SPLITS)).cast(pa.string()),
        "n_problem": dealt.sizes.astype(np.int32),
    }
    return pa.table(columns, schema=SPLITS_OF_GROUPS.arrow_schema())


STAGE = Stage(
    name="c2_pairs",
    version=1,
    summary="pair every problem with the operations that its solution takes",
    reads=(PROBLEMS, CHAINS, *TAXONOMIES.values(), HEARTBEATS),
    writes=(C2_PAIRS,),
    params=C2PairsParams(),
    map=map_problems,
    summarize=summarize_chunk,
    reduce=add_tallies,
    conclude=conclude_pairs,
    select=select_columns("problem_id", "problem", "level", "subject"),
    settle=settle_head,
    choose=choose_inputs,
    optional=(HEARTBEATS,),
    gathers=SPLITS_OF_GROUPS,
    gather=gather_splits,
)
