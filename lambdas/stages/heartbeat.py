"""Count the heartbeats in every trace of input attention fractions.

What a beat is, is defined in `mycelium.signals.heartbeat`. The reduce gives the paper's calibration table: mean,
deviation and number of problems per MATH level, for the computing head.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mycelium.datasets import IAF
from mycelium.errors import WrongDatasetError
from mycelium.heads import HeadCounts, check_head, select_head
from mycelium.schema import Column, Dataset, Result, head_columns, trace_bounds
from mycelium.signals.heartbeat import (
    HIGH_POLE,
    LOW_POLE,
    MIN_RUN,
    THRESHOLD,
    Phases,
    bimodality,
    check_fractions,
    find_phases,
    is_at_least,
)
from mycelium.stage import Stage

PAPER_BEATS = {1: 3.8, 2: 5.1, 3: 7.0, 4: 9.7, 5: 14.8}
"""The paper's mean heartbeats of a MATH problem, by level."""

HEARTBEATS = Dataset(
    name="heartbeats",
    version=1,
    meaning="one head's heart over one problem",
    columns=(
        Column("layer", pa.int16(), "layer, from 0"),
        Column("head", pa.int16(), "attention head, from 0"),
        Column("problem_id", pa.dictionary(pa.int32(), pa.string()), "as in `problems`"),
        Column("level", pa.int8(), "difficulty, 1 to 5", nullable=True),
        Column("n_tokens", pa.int32(), "tokens of the trace"),
        Column("n_systole", pa.int32(), "phases of reading"),
        Column("n_diastole", pa.int32(), "phases of reasoning: the beats"),
        Column("n_low", pa.int32(), f"tokens with an IAF below {LOW_POLE}"),
        Column("n_high", pa.int32(), f"tokens with an IAF of at least {HIGH_POLE}"),
        Column("systole_widths", pa.list_(pa.int32()), "tokens of each phase of reading, in order"),
        Column("diastole_widths", pa.list_(pa.int32()), "tokens of each phase of reasoning, in order"),
    ),
)


@dataclass(frozen=True, slots=True)
class HeartbeatParams:
    """What can be set.

    Attributes:
        threshold: the IAF from which a token is reading, in (0, 1].
        min_run: the tokens that a run needs to count.
        layer: the one layer to read; None for all.
        head: the one head to read; None for all.
    """

    threshold: float = field(default=THRESHOLD, metadata={"help": "IAF from which a token is reading, in (0, 1]."})
    min_run: int = field(default=MIN_RUN, metadata={"help": "Tokens that a run needs to count."})
    layer: int | None = field(default=None, metadata={"help": "Read this layer only (from 0). Default: all."})
    head: int | None = field(default=None, metadata={"help": "Read this head only (from 0). Default: all."})

    def __post_init__(self) -> None:
        """Refuse what has no meaning."""
        if not 0 < self.threshold <= 1:
            raise ValueError(f"threshold is above 0 and at most 1; got {self.threshold}")
        if self.min_run < 1:
            raise ValueError(f"min_run is 1 or more; got {self.min_run}")
        check_head(self)


def map_layers(tables: Sequence[pa.Table], params: HeartbeatParams) -> list[pa.Table]:
    """Count the heartbeats of one chunk.

    Args:
        tables: one table of `iaf`, sorted by layer, then problem, then token.
        params: see there.

    Returns:
        One table of `heartbeats`: by layer, then head, then problem.

    Raises:
        BadSignalError: a value is no fraction.
    """
    (table,) = tables
    bounds = trace_bounds(table, "layer").tolist()
    layers = [_count_layer(table.slice(start, end - start), params) for start, end in pairwise(bounds)]
    return [pa.concat_tables(layers).unify_dictionaries() if layers else HEARTBEATS.arrow_schema().empty_table()]


def _count_layer(table: pa.Table, params: HeartbeatParams) -> pa.Table:
    names = head_columns(table)
    bounds = trace_bounds(table)
    starts, n_tokens = bounds[:-1], np.diff(bounds)
    fractions = _stack_heads(table, names)
    # Every head's traces one after another: one long row, cut where a problem or a head begins.
    trace_starts = (np.arange(len(names))[:, None] * table.num_rows + starts).ravel()
    n_traces = len(trace_starts)
    phases = find_phases(is_at_least(fractions, params.threshold).ravel(), trace_starts, params.min_run)
    n_systole, systole_widths = _group_widths(phases, np.flatnonzero(phases.reading), n_traces)
    n_diastole, diastole_widths = _group_widths(phases, np.flatnonzero(~phases.reading), n_traces)
    once = pa.array(starts)
    tokens = np.tile(n_tokens, len(names))
    columns = {
        "layer": pa.repeat(table["layer"][0], n_traces),
        "head": np.repeat([int(name.rpartition("_")[2]) for name in names], len(starts)),
        "problem_id": _tile(table["problem_id"].take(once), len(names)),
        "level": _tile(table["level"].take(once), len(names)),
        "n_tokens": tokens,
        "n_systole": n_systole,
        "n_diastole": n_diastole,
        "n_low": tokens - _count_true(is_at_least(fractions, LOW_POLE), starts),
        "n_high": _count_true(is_at_least(fractions, HIGH_POLE), starts),
        "systole_widths": systole_widths,
        "diastole_widths": diastole_widths,
    }
    return pa.table(columns).cast(HEARTBEATS.arrow_schema())


def _stack_heads(table: pa.Table, names: list[str]) -> npt.NDArray[np.float16]:
    """Return the heads' columns as the rows of one matrix: what follows is one operation for all heads."""
    fractions = np.empty((len(names), table.num_rows), np.float16)
    for h, name in enumerate(names):
        column = table.column(name)
        if column.null_count:
            raise WrongDatasetError(f"column {name} of iaf has no missing values; got {column.null_count}")
        fractions[h] = column.to_numpy()
    check_fractions(fractions)
    return fractions


def _tile(column: pa.ChunkedArray, times: int) -> pa.ChunkedArray:
    return pa.chunked_array(column.chunks * times, type=column.type)


def _count_true(flags: npt.NDArray[np.bool_], starts: npt.NDArray[np.int64]) -> npt.NDArray[np.int32]:
    """Count the flags in each trace of each head."""
    return np.add.reduceat(flags.view(np.uint8), starts, axis=1, dtype=np.int32).ravel()


def _group_widths(
    phases: Phases, chosen: npt.NDArray[np.int64], n_traces: int
) -> tuple[npt.NDArray[np.int64], pa.ListArray]:
    """Return how many of the chosen phases each trace has, and their widths as one list for each trace."""
    counts = np.bincount(phases.trace[chosen], minlength=n_traces)
    offsets = np.zeros(n_traces + 1, np.int32)
    np.cumsum(counts, out=offsets[1:])
    return counts, pa.ListArray.from_arrays(pa.array(offsets), pa.array(phases.width[chosen].astype(np.int32)))


_BEATS = HeadCounts("beats", "bimodality", "computing_head")


def summarize_chunk(tables: Sequence[pa.Table]) -> pa.Table:
    """Return the sums of one chunk, by layer, head and level.

    Args:
        tables: one table of `heartbeats`.

    Returns:
        Columns layer, head, level, and whole-number sums over problems: how many, beats, beats squared, and
        bimodality in units of 1 / `mycelium.stats.UNIT`.
    """
    (table,) = tables
    score = bimodality(*(table[name].to_numpy().astype(np.int64) for name in ("n_low", "n_high", "n_tokens")))
    return _BEATS.summarize(table, table["n_diastole"].cast(pa.int64()), score)


def reduce_levels(parts: Sequence[pa.Table]) -> pa.Table:
    """Add parts: whole-number sums by layer, head and level, so exact and associative."""
    return _BEATS.reduce(parts)


def conclude_levels(total: pa.Table, params: HeartbeatParams) -> Result:
    """Choose the computing head and tabulate its heartbeats by level.

    Args:
        total: the sum of all parts.
        params: those of the run.

    Returns:
        ``computing_head``: layer, head, mean bimodality, and whether it was chosen or given; ``heads``: the ten most
        bimodal; ``levels``: level (None where unknown), problems, mean and deviation of heartbeats, the paper's mean.
        Every table is empty where there were no problems.
    """
    result = _BEATS.conclude(total, params)
    levels = [{**row, "paper": PAPER_BEATS.get(cast("int", row["level"]))} for row in result["levels"]]
    return result | {"levels": levels}


STAGE = Stage(
    name="heartbeat",
    version=1,
    summary="count systoles and diastoles in each head's input attention fraction",
    reads=(IAF,),
    writes=(HEARTBEATS,),
    params=HeartbeatParams(),
    map=map_layers,
    summarize=summarize_chunk,
    reduce=reduce_levels,
    conclude=conclude_levels,
    select=select_head,
)
