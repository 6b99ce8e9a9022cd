"""Chunks of problems with their steps and labels, made by the stages themselves, for tests of pairs."""

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from lambdas.stages.heartbeat import HEARTBEATS
from lambdas.stages.labels import LabelsParams
from lambdas.stages.labels import map_steps as label_steps
from lambdas.stages.steps import StepsParams, map_chains
from lambdas.stages.templates import ASSIGNMENTS
from mycelium.datasets import PROBLEMS


@dataclass
class Chunk:
    """The tables of one chunk."""

    problems: pa.Table
    chains: pa.Table
    steps: pa.Table
    labels: pa.Table


def make_chunk(
    pairs: Sequence[tuple[str, str]], *, levels: Sequence[int | None] = (1, 2, None), first: int = 0
) -> Chunk:
    """Make a chunk of problems and their chains of thought."""
    rows = [
        {
            "problem_id": f"q{first + i}",
            "index": first + i,
            "problem": problem,
            "chain_of_thought": chain,
            "level": levels[i % len(levels)],
            "subject": "Algebra",
        }
        for i, (problem, chain) in enumerate(pairs)
    ]
    schema = PROBLEMS.arrow_schema()
    problems = pa.table({name: [row.get(name) for row in rows] for name in schema.names}, schema=schema)
    chains, steps = map_chains([problems], StepsParams())
    (labels,) = label_steps([steps], LabelsParams())
    return Chunk(problems, chains, steps, labels)


def make_beats(counts: dict[str, int], heads: Sequence[tuple[int, int]] = ((3, 4),)) -> pa.Table:
    """Make heartbeats: so many for each problem, and one more in each further head."""
    rows = [
        {
            "layer": layer,
            "head": head,
            "problem_id": problem_id,
            "level": 1,
            "n_tokens": 100,
            "n_systole": 1,
            "n_diastole": count + extra,
            "n_low": 1,
            "n_high": 1,
            "systole_widths": [],
            "diastole_widths": [],
        }
        for extra, (layer, head) in enumerate(heads)
        for problem_id, count in counts.items()
    ]
    schema = HEARTBEATS.arrow_schema()
    return pa.table({name: [row[name] for row in rows] for name in schema.names}, schema=schema)


def assign(chunk: Chunk, n_template: int = 2) -> pa.Table:
    """Assign the steps of a chunk to templates: by their place in the chain, for want of better."""
    schema = ASSIGNMENTS.arrow_schema()
    rows = [
        {**row, "subject": None, "label": None, "template": row["step"] % n_template, "divergence": 0.0}
        for row in chunk.steps.to_pylist()
    ]
    return pa.table({name: [row[name] for row in rows] for name in schema.names}, schema=schema)


def with_bad_text(problems: pa.Table, row: int) -> pa.Table:
    """Put half of a surrogate pair into a problem's text, as no writer of ours would and a Parquet file may."""
    texts = [text.encode() for text in problems["problem"].to_pylist()]
    texts[row] += b" \xed\xa0\x80"
    raw = pa.array(texts, pa.binary())
    bad = pa.Array.from_buffers(pa.string(), len(raw), raw.buffers())
    place = problems.schema.get_field_index("problem")
    return problems.set_column(place, problems.schema.field(place), bad)
