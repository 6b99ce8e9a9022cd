"""Count the steps in every trace of divergence between adjacent windows of attention.

Where a head looks at other things from a token on than it did before, the divergence has a peak: a *boundary* between
two steps. So a problem with k boundaries has k + 1 steps by that head. What a peak is, is defined in
`mycelium.signals.peaks`; the divergence in `mycelium.signals.divergence`.

The divergence is 0 where a window would reach over an end of the trace. Those tokens are left out, or each end would
show a boundary that nothing but the end has made.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mycelium.datasets import DIVERGENCE
from mycelium.errors import BadSignalError, WrongDatasetError
from mycelium.heads import HeadCounts, check_head, select_head
from mycelium.schema import Column, Dataset, Result, head_columns, head_numbers, trace_bounds
from mycelium.signals.peaks import find_peaks
from mycelium.stage import Stage

DISTANCE = 8
PROMINENCE = 0.1

BOUNDARIES = Dataset(
    name="boundaries",
    version=1,
    meaning="what one head's attention over one problem says of its steps",
    columns=(
        Column("layer", pa.int16(), "layer, from 0"),
        Column("head", pa.int16(), "attention head, from 0"),
        Column("problem_id", pa.dictionary(pa.int32(), pa.string()), "as in `problems`"),
        Column("level", pa.int8(), "difficulty, 1 to 5", nullable=True),
        Column("n_tokens", pa.int32(), "tokens of the trace"),
        Column("n_step", pa.int32(), "steps: boundaries and one"),
        Column("contrast", pa.float32(), "mean prominence of the boundaries, bits, 0 to 1; 0 where there is none"),
        Column("boundaries", pa.list_(pa.int32()), "the generated token with which each step but the first begins"),
    ),
)


@dataclass(frozen=True, slots=True)
class JsdParams:
    """What can be set.

    Attributes:
        prominence: how far a boundary stands out, at least, in bits.
        distance: tokens between two boundaries, at least.
        layer: the one layer to read; None for all.
        head: the one head to read; None for all.
    """

    prominence: float = field(
        default=PROMINENCE, metadata={"help": "How far a boundary stands out, at least, in bits, above 0."}
    )
    distance: int = field(default=DISTANCE, metadata={"help": "Tokens between two boundaries, at least."})
    layer: int | None = field(default=None, metadata={"help": "Read this layer only (from 0). Default: all."})
    head: int | None = field(default=None, metadata={"help": "Read this head only (from 0). Default: all."})

    def __post_init__(self) -> None:
        """Refuse what has no meaning."""
        if not 0 < self.prominence <= 1:
            raise ValueError(f"prominence is above 0 and at most 1 bit; got {self.prominence}")
        if self.distance < 1:
            raise ValueError(f"distance is 1 or more; got {self.distance}")
        check_head(self)


def map_layers(tables: Sequence[pa.Table], params: JsdParams) -> list[pa.Table]:
    """Find the boundaries of one chunk.

    Args:
        tables: one table of `divergence`, sorted by layer, then problem, then token.
        params: see there.

    Returns:
        One table of `boundaries`: by layer, then head, then problem.

    Raises:
        BadSignalError: a value is no divergence.
    """
    (table,) = tables
    bounds = trace_bounds(table, "layer").tolist()
    found = [
        _read_head(table.slice(start, end - start), name, params)
        for start, end in pairwise(bounds)
        for name in head_columns(table)
    ]
    return [pa.concat_tables(found).unify_dictionaries() if found else BOUNDARIES.arrow_schema().empty_table()]


def _read_head(layer: pa.Table, name: str, params: JsdParams) -> pa.Table:
    bounds = trace_bounds(layer)
    starts, n_traces = bounds[:-1], len(bounds) - 1
    divergence = _read_values(layer, name)
    kept, kept_starts = trim_ends(divergence, bounds)
    values = divergence[kept].astype(np.float32)
    # A trace of which nothing is left has no boundary, and no place among the traces either.
    whole = np.flatnonzero(np.diff(kept_starts, append=len(kept)))
    peaks = find_peaks(values, kept_starts[whole], distance=params.distance, prominence=params.prominence)
    trace = whole[peaks.trace]
    counts = np.bincount(trace, minlength=n_traces)
    height = np.bincount(trace, weights=peaks.prominence, minlength=n_traces)
    places = (kept[peaks.place] - starts[trace]).astype(np.int32)
    once = pa.array(starts)
    columns = {
        "layer": layer["layer"].take(once),
        "head": np.full(n_traces, head_numbers([name])[0], np.int16),
        "problem_id": layer["problem_id"].take(once),
        "level": layer["level"].take(once),
        "n_tokens": np.diff(bounds),
        "n_step": counts + 1,
        "contrast": (height / np.maximum(counts, 1)).astype(np.float32),
        "boundaries": pa.ListArray.from_arrays(
            pa.array(np.concatenate([[0], np.cumsum(counts)]), pa.int32()), pa.array(places)
        ),
    }
    return pa.table(columns).cast(BOUNDARIES.arrow_schema())


def _read_values(layer: pa.Table, name: str) -> npt.NDArray[np.float16]:
    column = layer.column(name)
    if column.null_count:
        raise WrongDatasetError(f"column {name} of divergence has no missing values; got {column.null_count}")
    values: npt.NDArray[np.float16] = column.to_numpy()
    is_good = (values >= 0) & (values <= 1)
    if not is_good.all():
        raise BadSignalError(f"a divergence is between 0 and 1 bit; got {values[~is_good][0]}")
    return values


def trim_ends(
    values: npt.NDArray[np.float16], bounds: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Leave out the zeros at both ends of each trace.

    Args:
        values: shape (n,), all traces one after another.
        bounds: where each begins, and the end.

    Returns:
        The places that are left, ascending; and for each trace, how many are left before it.
    """
    trace = np.repeat(np.arange(len(bounds) - 1), np.diff(bounds))
    nonzero = np.flatnonzero(values)
    first = np.full(len(bounds) - 1, len(values))
    last = np.full(len(bounds) - 1, -1)
    np.minimum.at(first, trace[nonzero], nonzero)
    np.maximum.at(last, trace[nonzero], nonzero)
    place = np.arange(len(values))
    kept = np.flatnonzero((place >= first[trace]) & (place <= last[trace]))
    return kept, np.searchsorted(kept, bounds[:-1])


_STEPS = HeadCounts("steps", "contrast", "boundary_head")


def summarize_chunk(tables: Sequence[pa.Table]) -> pa.Table:
    """Return the sums of one chunk, by layer, head and level.

    Args:
        tables: one table of `boundaries`.

    Returns:
        Columns layer, head, level, and whole-number sums over problems: how many, steps, steps squared, and contrast
        in units of 1 / `mycelium.stats.UNIT`.
    """
    (table,) = tables
    return _STEPS.summarize(table, table["n_step"].cast(pa.int64()), table["contrast"].to_numpy().astype(np.float64))


def reduce_levels(parts: Sequence[pa.Table]) -> pa.Table:
    """Add parts: whole-number sums by layer, head and level, so exact and associative."""
    return _STEPS.reduce(parts)


def conclude_levels(total: pa.Table, params: JsdParams) -> Result:
    """Choose the boundary head and tabulate its steps by level.

    The boundary head is the one whose boundaries stand out most: the highest contrast, mean over problems. It is chosen
    without looking at what it counts.

    Args:
        total: the sum of all parts.
        params: those of the run.

    Returns:
        ``boundary_head``: layer, head, mean contrast, and whether it was chosen or given; ``heads``: the ten with the
        highest contrast; ``levels``: level (None where unknown), problems, mean and deviation of steps. Every table is
        empty where there were no problems.
    """
    return _STEPS.conclude(total, params)


STAGE = Stage(
    name="jsd",
    version=1,
    summary="find the boundaries between steps, where a head's attention turns to other things",
    reads=(DIVERGENCE,),
    writes=(BOUNDARIES,),
    params=JsdParams(),
    map=map_layers,
    summarize=summarize_chunk,
    reduce=reduce_levels,
    conclude=conclude_levels,
    select=select_head,
)
