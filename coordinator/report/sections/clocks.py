"""Three independent clocks of the same computation: heartbeats, divergence peaks, and what the text says."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import IO, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from coordinator.report.charts import draw_clocks, draw_lines
from coordinator.report.family import Family
from coordinator.report.section import Section, Table
from lambdas.stages import find_stage
from mycelium.errors import ChunkError, StoreError
from mycelium.manifest import Manifest
from mycelium.schema import Selection, decode_chunk
from mycelium.store import RangeReader, Store

MAX_CHUNKS = 16
MAX_PROBLEMS = 1500
"""Problems that are drawn as points: a page must stay small."""

CLOCKS: Mapping[str, tuple[str, str]] = {
    "heartbeats": ("heartbeat", "mean"),
    "divergence peaks": ("jsd", "mean"),
    "pieces of mathematics": ("steps", "segments_each"),
    "steps": ("steps", "steps_each"),
}
"""Each clock's stage, and the column of that stage's table ``levels`` which has its mean."""


def describe_clocks(family: Family, store: Store) -> Iterator[Section]:
    """Yield the clocks by level, and problem by problem against each other."""
    levels = _join_levels(family)
    shown = {name: name for name in (*CLOCKS, "the paper's heartbeats") if any(name in row for row in levels)}
    if len(shown) > 1 and any(row["level"] is not None for row in levels):
        known = [row for row in levels if row["level"] is not None]
        yield Section(
            "clocks",
            "Clocks by level",
            (Table("Means, a problem", [{"level": r["level"], **{n: r.get(n) for n in shown}} for r in levels]),),
            "Heartbeats are counted in attention, divergence peaks where attention moves, steps and pieces of "
            "mathematics in the text. A step computes something; a piece of mathematics may merely mention it.",
            draw_lines(known, "level", shown, ("MATH level", "a problem")),
            "The mean of each clock by level, a line for each",
        )
    rows = list(_count_each(family, store))
    names = [name for name in ("heartbeats", "divergence peaks", "steps") if any(name in row for row in rows)]
    if len(names) < 2:
        return
    pairs = list(combinations(names, 2))
    whole = [row for row in rows if all(name in row for name in names)]
    if len(whole) < 3:
        return
    correlations = [
        {"clock": x, "against": y, "problems": len(whole), "correlation (Pearson)": _correlate(whole, x, y)}
        for x, y in pairs
    ]
    yield Section(
        "problems",
        "Clocks, problem by problem",
        (Table("How far two clocks agree", correlations), Table("Each problem", whole, is_filtered=True)),
        f"{len(whole)} problems of the first {MAX_CHUNKS} chunks at most, a point each.",
        draw_clocks(whole, pairs),
        "Each problem's counts by two clocks, one against the other",
    )


def _join_levels(family: Family) -> list[dict[str, object]]:
    """Return a row for each level with the mean of each clock that has run."""
    by_level: dict[object, dict[str, object]] = {}
    for name, (stage, column) in CLOCKS.items():
        for row in family.result(stage, "levels"):
            by_level.setdefault(row["level"], {"level": row["level"]})[name] = row.get(column)
            if name == "heartbeats" and row.get("paper") is not None:
                by_level[row["level"]]["the paper's heartbeats"] = row["paper"]
    return [by_level[level] for level in sorted(by_level, key=lambda level: (level is None, str(level)))]


def _correlate(rows: Sequence[Mapping[str, object]], x: str, y: str) -> float | None:
    a, b = (np.array([float(str(row[name])) for row in rows]) for name in (x, y))
    return None if a.std() == 0 or b.std() == 0 else float(np.corrcoef(a, b)[0, 1])


def _count_each(family: Family, store: Store) -> Iterator[dict[str, object]]:
    """Yield the counts of each problem, of the first chunks."""
    counts: dict[str, dict[str, object]] = {}
    for name, stage, head_table, column in (
        ("heartbeats", "heartbeat", "computing_head", "n_diastole"),
        ("divergence peaks", "jsd", "boundary_head", "n_step"),
        ("steps", "steps", None, "n_step"),
    ):
        manifest = family.by_stage.get(stage)
        head = next(iter(family.result(stage, head_table)), None) if head_table else {}
        if manifest is None or head is None:
            continue
        for table in _read_chunks(store, manifest, stage):
            kept = table
            for key in ("layer", "head"):
                if key in head:
                    kept = kept.filter(pc.equal(kept[key], head[key]))
            for problem, level, count in zip(
                *(kept[c].to_pylist() for c in ("problem_id", "level", column)), strict=True
            ):
                counts.setdefault(problem, {"problem": problem, "level": level})[name] = count
    yield from list(counts.values())[:MAX_PROBLEMS]


def _read_chunks(store: Store, manifest: Manifest, stage: str) -> Iterator[pa.Table]:
    dataset = find_stage(stage).writes[0]
    refs = manifest.chunks(dataset.name)
    for chunk_id in sorted(refs)[:MAX_CHUNKS]:
        ref = refs[chunk_id]
        try:
            with RangeReader(store, ref.key, ref.size) as reader:
                yield decode_chunk(cast("IO[bytes]", reader), dataset, Selection())[0]
        except (ChunkError, StoreError):  # a page without this chunk's points is still a page
            continue
