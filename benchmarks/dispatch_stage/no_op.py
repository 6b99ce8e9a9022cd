"""A stage that does nothing, for `benchmarks.dispatch`: it reads nothing, writes nothing, and counts its chunks."""

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from mycelium.stage import Stage

ONE = pa.table({"n": pa.array([1], pa.int64())})


@dataclass(frozen=True, slots=True)
class NoParams:
    """There is nothing to set."""


def add(parts: Sequence[pa.Table]) -> pa.Table:
    """Add counts."""
    return pa.table({"n": [pc.sum(pa.concat_tables(parts)["n"])]})


STAGE = Stage(
    name="no_op",
    version=1,
    summary="do nothing",
    reads=(),
    writes=(),
    params=NoParams(),
    map=lambda _tables, _params: [],
    summarize=lambda _tables: ONE,
    reduce=add,
    conclude=lambda total, _params: {"total": [{"n": total["n"][0].as_py()}]},
)
