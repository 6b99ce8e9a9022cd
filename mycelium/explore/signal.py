"""Read a signal: of one head the bytes of that head, and no others."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import IO, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mycelium.datasets import CONNECTIVITY, DIVERGENCE, ENTROPY, IAF, RECEIVED
from mycelium.errors import ChunkError, UserInputError
from mycelium.explore.frame import Frame
from mycelium.manifest import Manifest, ObjectRef, find_run
from mycelium.nearest import find_nearest
from mycelium.schema import (
    Dataset,
    Selection,
    check_provenance,
    decode_chunk,
    head_column,
    head_columns,
    trace_bounds,
)
from mycelium.store import RangeReader, Store

SIGNALS = {dataset.name: dataset for dataset in (IAF, ENTROPY, CONNECTIVITY, DIVERGENCE, RECEIVED)}

IN_FLIGHT = 16
"""Chunks read at once: over a network most of the time of a small read is waiting."""

Half = npt.NDArray[np.float16]


@dataclass(frozen=True, slots=True, repr=False)
class Signal(Frame):
    """A signal over the problems of a run, or one layer or head of it.

    Its rows are those of the dataset: one for each layer and token, chunk after chunk, and a column for each head.

    Attributes:
        dataset: which signal, ``iaf``, say.
        run_id: the run.
        layer: the one layer read; None for all.
        head: the one head read; None for all.
    """

    dataset: str
    run_id: str
    layer: int | None
    head: int | None

    def numpy(self) -> dict[str, Half]:
        """Return each problem's values, by problem id, in the order of the run.

        Returns:
            float16, shape (t,) if one head of one layer was read, else (layers, heads, t); for `received` s for t.
        """
        found: dict[str, list[Half]] = {}
        for problem_id, block in self._blocks():
            found.setdefault(problem_id, []).append(block)
        is_one = self.layer is not None and self.head is not None
        return {name: blocks[0][0] if is_one else np.stack(blocks) for name, blocks in found.items()}

    def _blocks(self) -> Iterator[tuple[str, Half]]:
        """Yield problem and values, shape (heads, t), for each layer of each problem."""
        starts = find_starts(self.table)
        ids = self.table["problem_id"].take(pa.array(starts)).to_pylist()
        heads = head_columns(self.table)
        values = np.stack([self.table[name].to_numpy() for name in heads]) if heads else np.zeros((0, 0), np.float16)
        for problem_id, (start, end) in zip(ids, pairwise([*starts.tolist(), len(self)]), strict=True):
            yield problem_id, values[:, start:end]


def read_signal(
    store: Store, run: str, *, layer: int | None = None, head: int | None = None, partial: bool = False
) -> Signal:
    """Read a signal of a run: one head, one layer, or all.

    A chunk has a row group for each layer and a column for each head, and no more of it is fetched than is asked for:
    one head of 784 costs little more than its own bytes.

    Args:
        store: as `open_store` opens it.
        run: ``signal/run``, as in ``iaf/sample``; see `list_runs` for what names a run.
        layer: the layer, from 0; None for all.
        head: the head, from 0; None for all.
        partial: read what is there of a run of which chunks are missing, instead of refusing it.

    Raises:
        UserInputError: no signal has that name; or chunks are missing, and `partial` is not set.
        UnknownRunError: no run, or more than one, answers to that name.
        ChunkError: a chunk is damaged, or has no such layer or head; the message names it.
    """
    name, _, reference = run.strip("/").rpartition("/")
    dataset = SIGNALS.get(name)
    if dataset is None:
        near = find_nearest(name, SIGNALS)
        hint = f"did you mean {near}/{reference}?" if near else f"the signals are {', '.join(SIGNALS)}"
        raise UserInputError(f"a signal of a run is named like iaf/sample; got {run!r}: {hint}")
    manifest = find_run(store, f"{name}/{reference}")
    chunks = sorted(manifest.chunks(name).items())
    if len(chunks) < manifest.n_chunks and not partial:
        raise UserInputError(
            f"{name}/{manifest.run_id} has {len(chunks)} of {manifest.n_chunks} chunks; partial=True reads those"
        )
    selection = select(dataset, layer, head)

    def read_one(chunk: tuple[str, ObjectRef]) -> pa.Table:
        return _read_named(store, manifest, *chunk, dataset, selection)

    with ThreadPoolExecutor(IN_FLIGHT) as pool:
        tables = list(pool.map(read_one, chunks))
    heads = () if head is None else (head,)
    table = pa.concat_tables(tables or [dataset.arrow_schema(heads).empty_table()]).unify_dictionaries()
    return Signal(table.combine_chunks(), name, manifest.run_id, layer, head)


def select(dataset: Dataset, layer: int | None, head: int | None) -> Selection:
    """Select one head of one layer of a signal, its keys with it; None for all.

    Raises:
        UserInputError: one of them is negative.
    """
    if min(layer or 0, head or 0) < 0:
        raise UserInputError(f"layer and head count from 0; got {layer}, {head}")
    keys = tuple(column.name for column in dataset.columns)
    return Selection(columns=None if head is None else (*keys, head_column(head)), row_group=layer)


def read_chunk(store: Store, ref: ObjectRef, dataset: Dataset, selection: Selection, manifest: Manifest) -> pa.Table:
    """Read the selected part of a chunk, by ranges.

    Raises:
        ChunkError: it is damaged, of another run's problems, or has not what is selected.
    """
    with RangeReader(store, ref.key, ref.size) as reader:
        table, header = decode_chunk(cast("IO[bytes]", reader), dataset, selection)
    check_provenance(header, manifest.provenance)
    return table


def find_starts(table: pa.Table) -> npt.NDArray[np.int64]:
    """Return the rows of a signal at which a layer or a problem begins."""
    if not table.num_rows:
        return np.zeros(0, np.int64)
    return np.unique(np.concatenate([trace_bounds(table, name)[:-1] for name in ("layer", "problem_id")]))


def _read_named(
    store: Store, manifest: Manifest, chunk_id: str, ref: ObjectRef, dataset: Dataset, selection: Selection
) -> pa.Table:
    try:
        return read_chunk(store, ref, dataset, selection, manifest)
    except ChunkError as error:
        raise type(error)(f"chunk {chunk_id} of {dataset.name}/{manifest.run_id}: {error}") from error
