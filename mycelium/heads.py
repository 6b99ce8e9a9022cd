"""Counts of every head, summed by level, and the head that a score chooses: what stages that count by head share.

A part has a row for each layer, head and level: how many problems, the count's sum and sum of squares, and the sum of
the score in units of 1 / `mycelium.stats.UNIT`. All are whole numbers, so that parts add exactly in any order.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mycelium.schema import Result, Row, Selection, head_column
from mycelium.stats import UNIT, Moments

_KEYS = ["layer", "head", "level"]
_NO_LEVEL = 1 + np.iinfo(np.int8).max
N_NAMED = 10
"""Heads of the highest score that a result names."""


class ReadsHeads(Protocol):
    """Parameters that may name a layer, a head, or both."""

    @property
    def layer(self) -> int | None:
        """The one layer to read; None for all."""
        ...

    @property
    def head(self) -> int | None:
        """The one head to read; None for all."""
        ...


def check_head(params: ReadsHeads) -> None:
    """Refuse what is no layer or head.

    Raises:
        ValueError: one of them is negative.
    """
    if min(params.layer or 0, params.head or 0) < 0:
        raise ValueError(f"layer and head count from 0; got {params.layer}, {params.head}")


def select_head(params: ReadsHeads) -> Selection:
    """Read no more than the layer and head asked for."""
    columns = None if params.head is None else ("layer", "problem_id", "level", head_column(params.head))
    return Selection(columns=columns, row_group=params.layer)


def _place_of(table: pa.Table) -> npt.NDArray[np.int64]:
    """Return for each row a number by which rows go in order of layer, head and level, those without a level last."""
    layer, head, level = (pc.fill_null(table[name].cast(pa.int64()), _NO_LEVEL).to_numpy() for name in _KEYS)
    place: npt.NDArray[np.int64] = (layer << 32) + (head << 16) + level - np.iinfo(np.int8).min
    return place


@dataclass(frozen=True, slots=True)
class HeadCounts:
    """What is counted in each head, and by what score one of them is chosen.

    Attributes:
        count: what is counted, in the plural; names columns of the parts.
        score: the score; names columns of the parts and of the result.
        chosen: what the chosen head is called; names a table of the result.
    """

    count: str
    score: str
    chosen: str

    @property
    def sums(self) -> list[str]:
        """The columns of a part that add."""
        return ["problems", self.count, f"{self.count}_squared", self.score]

    def summarize(self, table: pa.Table, counts: pa.ChunkedArray, score: npt.NDArray[np.float64]) -> pa.Table:
        """Return the part of one chunk.

        Args:
            table: a row for each layer, head and problem, with its level.
            counts: the count of each row, int64.
            score: the score of each row.
        """
        values = (
            pa.repeat(pa.scalar(1, pa.int64()), table.num_rows),
            counts,
            pc.multiply(counts, counts),
            np.rint(score * UNIT).astype(np.int64),
        )
        columns = {name: table[name] for name in _KEYS} | dict(zip(self.sums, values, strict=True))
        return self.reduce([pa.table(columns)])

    def reduce(self, parts: Sequence[pa.Table]) -> pa.Table:
        """Add parts: whole-number sums by layer, head and level, so exact and associative."""
        table = pa.concat_tables(parts).select([*_KEYS, *self.sums]).combine_chunks()
        if not table.num_rows:
            return table
        place = _place_of(table)
        order = np.argsort(place, kind="stable")
        starts = np.flatnonzero(np.diff(place[order], prepend=-1))
        total = table.select(_KEYS).take(pa.array(order[starts]))
        for name in self.sums:
            total = total.append_column(name, pa.array(np.add.reduceat(table[name].to_numpy()[order], starts)))
        return total

    def conclude(self, total: pa.Table, params: ReadsHeads) -> Result:
        """Choose a head and tabulate its counts by level.

        Args:
            total: the sum of all parts.
            params: those of the run; a head that they name by layer and head is given, and not chosen.

        Returns:
            The table `chosen`: layer, head, mean score, and what it was chosen by; ``heads``: those of the highest mean
            score; ``levels``: level (None where unknown), problems, mean and deviation of the count. Every table is
            empty where there were no problems.
        """
        if not total.num_rows:
            return {self.chosen: [], "heads": [], "levels": []}
        sums = [("problems", "sum"), (self.score, "sum")]
        by_head = total.group_by(["layer", "head"], use_threads=False).aggregate(sums)
        whole = by_head[f"{self.score}_sum"].cast(pa.float64())
        score = pc.divide(whole, pc.multiply(by_head["problems_sum"], UNIT))
        by_head = by_head.select(["layer", "head"]).append_column(self.score, score)
        by_head = by_head.sort_by([(self.score, "descending"), ("layer", "ascending"), ("head", "ascending")])
        heads = by_head.slice(0, N_NAMED).to_pylist()
        best = heads[0]
        is_best = pc.and_(pc.equal(total["layer"], best["layer"]), pc.equal(total["head"], best["head"]))
        chosen_by = "given" if params.layer is not None and params.head is not None else self.score
        levels = [self._describe_level(row) for row in total.filter(is_best).to_pylist()]
        return {self.chosen: [{**best, "chosen_by": chosen_by}], "heads": heads, "levels": levels}

    def _describe_level(self, row: dict[str, Any]) -> Row:
        moments = Moments(row["problems"], row[self.count], row[f"{self.count}_squared"])
        return {
            "level": row["level"],
            "problems": moments.count,
            "mean": moments.mean,
            "deviation": None if math.isnan(moments.deviation) else moments.deviation,
        }
