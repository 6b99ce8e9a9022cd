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
from mycelium.schema import Column, Dataset, Result, head_columns, head_numbers, trace_bounds
from mycelium.signals.heartbeat import (
    HIGH_POLE,
    LOW_POLE,
    MIN_RUN,
    THRESHOLD,
    Phases,
    bimodality,
    check_fractions,
    count_true,
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
    names = head_columns(table)
    keys = table.select(["layer", "problem_id", "level"]).combine_chunks()
    edges = trace_bounds(keys, "layer")
    # A layer begins with a trace of its own, though the problem be the one that the last layer ended with.
    starts = np.union1d(trace_bounds(keys), edges)[:-1]
    first = np.searchsorted(starts, edges)
    layers = [
        _count_layer(table.slice(start, end - start), names, starts[i:j] - start, params)
        for (start, end), (i, j) in zip(pairwise(edges.tolist()), pairwise(first.tolist()), strict=True)
    ]
    if not layers:
        return [HEARTBEATS.arrow_schema().empty_table()]
    # Every layer's traces as many times as there are heads: a row each.
    trace = np.concatenate([np.tile(np.arange(i, j), len(names)) for i, j in pairwise(first.tolist())])
    n_tokens = np.diff(starts, append=table.num_rows)[trace]
    named = keys.take(pa.array(starts[trace]))
    columns = {
        "layer": named["layer"],
        "head": np.concatenate([np.repeat(head_numbers(names), n) for n in np.diff(first)]),
        "problem_id": named["problem_id"],
        "level": named["level"],
        "n_tokens": n_tokens,
        "n_systole": np.concatenate([layer.systoles.counts for layer in layers]),
        "n_diastole": np.concatenate([layer.diastoles.counts for layer in layers]),
        "n_low": n_tokens - np.concatenate([layer.n_not_low for layer in layers]),
        "n_high": np.concatenate([layer.n_high for layer in layers]),
        "systole_widths": _list_widths([layer.systoles for layer in layers]),
        "diastole_widths": _list_widths([layer.diastoles for layer in layers]),
    }
    return [pa.table(columns).cast(HEARTBEATS.arrow_schema())]


@dataclass(frozen=True, slots=True)
class _Widths:
    """Phases of one kind: how many each trace has, and the tokens of each."""

    counts: npt.NDArray[np.int64]
    widths: npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class _Layer:
    """What is counted in the traces of one layer, head by head."""

    systoles: _Widths
    diastoles: _Widths
    n_not_low: npt.NDArray[np.int32]
    n_high: npt.NDArray[np.int32]


def _count_layer(table: pa.Table, names: list[str], starts: npt.NDArray[np.int64], params: HeartbeatParams) -> _Layer:
    fractions = _stack_heads(table, names)
    # Every head's traces one after another: one long row, cut where a problem or a head begins.
    trace_starts = (np.arange(len(names))[:, None] * table.num_rows + starts).ravel()
    phases = find_phases(is_at_least(fractions, params.threshold).ravel(), trace_starts, params.min_run)
    return _Layer(
        systoles=_group_widths(phases, phases.reading, len(trace_starts)),
        diastoles=_group_widths(phases, ~phases.reading, len(trace_starts)),
        n_not_low=count_true(is_at_least(fractions, LOW_POLE), starts).ravel(),
        n_high=count_true(is_at_least(fractions, HIGH_POLE), starts).ravel(),
    )


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


def _group_widths(phases: Phases, chosen: npt.NDArray[np.bool_], n_traces: int) -> _Widths:
    of_kind = np.flatnonzero(chosen)
    return _Widths(np.bincount(phases.trace[of_kind], minlength=n_traces), phases.width[of_kind])


def _list_widths(layers: Sequence[_Widths]) -> pa.ListArray:
    """Return the widths of each trace's phases as one list for each."""
    counts = np.concatenate([layer.counts for layer in layers])
    offsets = np.zeros(len(counts) + 1, np.int32)
    np.cumsum(counts, out=offsets[1:])
    widths = np.concatenate([layer.widths for layer in layers])
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(widths.astype(np.int32)))


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
