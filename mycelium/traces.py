"""Signals of problems as tables, and back: a row for each layer and token, a column for each head.

Both ways by which signals come about write through here: the GPU machine, and the stage that computes them from the
attention itself.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mycelium.schema import Dataset, head_column, trace_bounds

Half = npt.NDArray[np.float16]


@dataclass(frozen=True, slots=True)
class Traces:
    """One signal over some problems.

    Attributes:
        problem_ids: the problems, in order.
        levels: the level of each, or None.
        values: for each problem, shape (layers, heads, n).
        layers: which layers those are.
        heads: which heads.
    """

    problem_ids: Sequence[str]
    levels: Sequence[int | None]
    values: Sequence[Half]
    layers: Sequence[int]
    heads: Sequence[int]

    def tabulate(self, dataset: Dataset) -> pa.Table:
        """Return rows of a signal's dataset: by layer, then problem, then place."""
        lengths = [value.shape[-1] for value in self.values]
        n_rows, n_layers = sum(lengths), len(self.layers)
        columns = np.empty((len(self.heads), n_layers, n_rows), np.float16)
        start = 0
        for value, length in zip(self.values, lengths, strict=True):
            columns[:, :, start : start + length] = value.transpose(1, 0, 2)
            start += length
        problem = np.tile(np.repeat(np.arange(len(lengths), dtype=np.int32), lengths), n_layers)
        ids = pa.DictionaryArray.from_arrays(problem, pa.array(self.problem_ids, pa.string()))
        place = np.concatenate([np.zeros(0, np.int32), *(np.arange(n, dtype=np.int32) for n in lengths)])
        keys = [
            np.repeat(np.asarray(self.layers, np.int16), n_rows),
            ids,
            pa.array(self.levels, pa.int8()).take(pa.array(problem)),
            np.tile(place, n_layers),
        ]
        table = dict(zip((column.name for column in dataset.columns), keys, strict=True))
        table |= {head_column(head): column.ravel() for head, column in zip(self.heads, columns, strict=True)}
        return pa.table(table).cast(dataset.arrow_schema(self.heads))


@dataclass(frozen=True, slots=True)
class Weights:
    """The attention of one head as it produces the tokens of one problem.

    Attributes:
        layer: the layer.
        head: the head.
        problem_id: the problem.
        level: its level, or None.
        weights: shape (t, s), 0 where a row has no source.
        n_first: source tokens of the first row: the tokens of the prompt.
    """

    layer: int
    head: int
    problem_id: str
    level: int | None
    weights: Half
    n_first: int


def tabulate_weights(dataset: Dataset, blocks: Sequence[Weights]) -> pa.Table:
    """Return rows of the attention's dataset: a list of weights for each generated token, as long as its sources.

    Args:
        dataset: the dataset.
        blocks: by layer, then head, then problem.
    """
    if not blocks:
        return dataset.arrow_schema().empty_table()
    # A table for each head, because the offsets of lists are of 32 bits: all heads of a large teacher pass 2^31.
    by_head = groupby(blocks, key=lambda block: (block.layer, block.head))
    tables = [_tabulate_head(layer, head, list(some)) for (layer, head), some in by_head]
    return pa.concat_tables(tables).unify_dictionaries().cast(dataset.arrow_schema())


def _tabulate_head(layer: int, head: int, blocks: list[Weights]) -> pa.Table:
    lengths = [len(block.weights) for block in blocks]
    n_sources = [block.n_first + np.arange(n, dtype=np.int64) for block, n in zip(blocks, lengths, strict=True)]
    flat = [
        block.weights[np.arange(block.weights.shape[1]) < n[:, None]]
        for block, n in zip(blocks, n_sources, strict=True)
    ]
    offsets = np.concatenate([[0], np.cumsum(np.concatenate(n_sources))])
    problem = pa.array(np.repeat(np.arange(len(blocks), dtype=np.int32), lengths))
    ids = pa.array([block.problem_id for block in blocks], pa.string())
    levels = pa.array([block.level for block in blocks], pa.int8())
    return pa.table(
        {
            "layer": np.full(len(problem), layer, np.int16),
            "head": np.full(len(problem), head, np.int16),
            "problem_id": pa.DictionaryArray.from_arrays(problem, ids),
            "level": levels.take(problem),
            "t": np.concatenate([np.arange(n, dtype=np.int32) for n in lengths]),
            "weights": pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), pa.array(np.concatenate(flat))),
        }
    )


def read_weights(table: pa.Table) -> Iterator[Weights]:
    """Yield the attention of each head over each problem, as `tabulate_weights` laid it out.

    Args:
        table: rows of the attention's dataset.
    """
    table = table.unify_dictionaries()
    bounds = np.unique(np.concatenate([trace_bounds(table, name) for name in ("layer", "head", "problem_id")]))
    for start, end in pairwise(bounds.tolist()):
        block = table.slice(start, end - start)
        lists = block["weights"].combine_chunks()
        n_sources = np.diff(lists.offsets.to_numpy())
        weights = np.zeros((end - start, int(n_sources.max())), np.float16)
        weights[np.arange(weights.shape[1]) < n_sources[:, None]] = lists.flatten().to_numpy()
        yield Weights(
            block["layer"][0].as_py(),
            block["head"][0].as_py(),
            block["problem_id"][0].as_py(),
            block["level"][0].as_py(),
            weights,
            int(n_sources[0]),
        )
