"""The one hinge where a chunk is read, mapped and written: pure meets I/O.

A task is one chunk of one run. It can be run twice, at once, by anyone: its outputs are written whole and once, and the
second writer finds the first one's bytes. Whatever goes wrong inside it is the chunk's failure and nobody else's; only
a store that can't be used ends the run.
"""

import resource
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import IO, Any, cast

import msgspec
import numpy as np
import pyarrow as pa

from mycelium.errors import (
    ChunkDamagedError,
    ChunkError,
    ObjectExistsError,
    ObjectNotFoundError,
    StoreNotAvailableError,
)
from mycelium.manifest import ObjectRef, Outcome, digest
from mycelium.schema import (
    EVERYTHING,
    Dataset,
    Header,
    Provenance,
    Row,
    Selection,
    check_provenance,
    chunk_key,
    decode_chunk,
    encode_chunk,
)
from mycelium.stage import MADE_BY, Stage
from mycelium.store import RangeReader, Store


@dataclass(frozen=True, slots=True)
class Task:
    """One chunk of one run, as plain data that any process or machine can be sent.

    Attributes:
        chunk_id: the chunk.
        run_id: the run.
        stage: the stage's name.
        params: the stage's parameters.
        inputs: the objects to read, in the order of the stage's inputs; an optional one may be missing.
        reads_of: what the inputs must come from.
        writes_of: what the outputs say they come from.
        found: whether the output was seen in the store when the run was planned.
        untaught: the datasets among the inputs that were made before a teacher came in, so that their chunks name none.
        broadcast: for a stage with a fit, where in the target store the question or the artifact is.
        asks: whether the chunk is to answer a question of the fit, and not to be mapped.
    """

    chunk_id: str
    run_id: str
    stage: str
    params: Row
    inputs: tuple[ObjectRef, ...]
    reads_of: Provenance
    writes_of: Provenance
    found: bool = False
    untaught: tuple[str, ...] = ()
    broadcast: ObjectRef | None = None
    asks: bool = False


@dataclass(frozen=True, slots=True)
class TaskResult:
    """What a task leaves: its outcome for the manifest and its part for the reduce.

    Attributes:
        outcome: what became of the chunk.
        part: the chunk's part, as an Arrow IPC stream; None if it failed, or if the part is in the store.
        part_key: where in the target store the part is, if it was too large to be handed over.
    """

    outcome: Outcome
    part: bytes | None = None
    part_key: str | None = None


@dataclass(slots=True)
class _Progress:
    """What a task has done so far; a failed task still says what it read."""

    n_input: int = 0
    bytes_read: int = 0
    found: bool = False
    outputs: list[ObjectRef] = field(default_factory=list)


def run_task(
    task: Task,
    stage: Stage[Any],
    params: Any,  # noqa: ANN401 - the stage's own
    source: Store,
    target: Store,
) -> TaskResult:
    """Read a chunk, map it, write what comes out, and summarize it; or let it answer a question, and write nothing.

    Args:
        task: which chunk of which run.
        stage: the stage that the task names.
        params: its parameters, as its own dataclass.
        source: where the inputs are.
        target: where the outputs go; often the same.

    Returns:
        The outcome, failed or not, and the part.

    Raises:
        StoreNotAvailableError: a store can't be used; no other chunk would fare better.
    """
    started_s, clock = time.time(), time.perf_counter()
    progress = _Progress(found=task.found)
    part: bytes | None = None
    error: Exception | None = None
    written: list[pa.Table] = []
    try:
        if task.found:
            written = [_read_output(target, task, dataset, progress) for dataset in stage.writes]
            part = encode_part(stage.summarize(written))
        else:
            tables = _read_inputs(task, stage, params, source, target, progress)
            if stage.fit is not None and task.asks:
                part = encode_part(stage.fit.answer(tables, params))
            else:
                written = _write_outputs(task, stage, stage.map(tables, params), target, progress)
                part = encode_part(stage.summarize(written))
    except StoreNotAvailableError:
        raise
    except Exception as caught:  # noqa: BLE001 - the hinge: one chunk's failure, whatever it is, stays that chunk's
        error = caught
    outcome = Outcome(
        chunk_id=task.chunk_id,
        status="failed" if error else "found" if progress.found else "done",
        outputs=() if error else tuple(progress.outputs),
        error=None if error is None else describe_error(error),
        error_kind=None if error is None else type(error).__name__,
        n_input=progress.n_input,
        n_output=written[-1].num_rows if written else 0,
        n_problems=_count_problems(written[-1]) if written else 0,
        bytes_read=progress.bytes_read,
        started_s=started_s,
        wall_s=time.perf_counter() - clock,
        peak_mb=peak_memory_mb(),
    )
    return TaskResult(outcome, part)


def map_chunk(
    task: Task,
    stage: Stage[Any],
    params: Any,  # noqa: ANN401 - the stage's own
    source: Store,
    target: Store,
) -> list[pa.Table]:
    """Read a chunk and map it, and write nothing: what a task does up to there, with every error as it is.

    Args:
        task: which chunk of which run.
        stage: the stage that the task names.
        params: its parameters, as its own dataclass.
        source: where the inputs are.
        target: where what the task maps with is, if its stage has a fit.

    Returns:
        The tables of the stage's `writes`.
    """
    return list(stage.map(_read_inputs(task, stage, params, source, target, _Progress()), params))


def describe_error(error: BaseException) -> str:
    """Return an error as one line of at most 500 characters."""
    line = ((str(error).strip() or repr(error)).splitlines() or [""])[0][:500]
    return line.encode(errors="replace").decode()  # half a surrogate pair can't be written, and nor could the manifest


def peak_memory_mb() -> float:
    """Return the largest resident memory that this process has had, MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1 << 20) if sys.platform == "darwin" else peak / (1 << 10)  # macOS counts bytes, Linux KiB


def _count_problems(table: pa.Table) -> int:
    return len(table["problem_id"].unique()) if "problem_id" in table.column_names else 0


def keep_heap() -> None:
    """Make the C library keep freed memory for the next task, in a process that runs many.

    glibc maps every block of over 128 KiB anew, and a page fault for each 4 KiB of it costs more than the arithmetic of
    a heartbeat; freeing one large block, never touched, raises that bound to its size (mallopt(3), dynamic mmap
    threshold). Measured on 700,000 tokens: 2.1 ms a chunk instead of 5.4.
    """
    np.empty(30 << 20, np.uint8)


_IPC = pa.ipc.IpcWriteOptions()  # given, or Arrow looks into the environment for each part


def encode_part(table: pa.Table) -> bytes:
    """Return a part as an Arrow IPC stream."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=_IPC) as writer:
        writer.write_table(table.combine_chunks())
    return bytes(sink.getvalue())


def decode_part(data: bytes) -> pa.Table:
    """Return the table of an Arrow IPC stream."""
    with pa.ipc.open_stream(data) as reader:
        return reader.read_all()


def _read_inputs(
    task: Task,
    stage: Stage[Any],
    params: Any,  # noqa: ANN401 - the stage's own
    source: Store,
    target: Store,
    progress: _Progress,
) -> list[pa.Table]:
    refs = {ref.dataset: ref for ref in task.inputs}
    tables = []
    for dataset in stage.inputs(params):
        ref = refs.get(dataset.name)
        if ref is None:
            if dataset not in stage.optional:
                raise ChunkDamagedError(
                    f"chunk {task.chunk_id} of {dataset.name} is read here, and the task names none"
                )
            tables.append(dataset.arrow_schema().empty_table())
            continue
        selection = stage.select(params) if dataset is stage.reads[0] else EVERYTHING
        expected = replace(task.reads_of, teacher=None) if dataset.name in task.untaught else task.reads_of
        table, header = _read_input(source, ref, dataset, selection, expected, progress)
        if stage.fit is not None:
            made_by = msgspec.json.encode([header.stage, header.params], order="sorted")
            table = table.replace_schema_metadata({MADE_BY: made_by})
        tables.append(table)
    return tables if task.broadcast is None else [*tables, _read_broadcast(target, task.broadcast)]


def _read_broadcast(store: Store, ref: ObjectRef) -> pa.Table:
    data = store.get(ref.key)
    try:
        _check_bytes(ref, data)
    except ChunkDamagedError as error:
        raise ChunkDamagedError(f"{ref.key}: {error}") from None
    return decode_part(data)


def _write_outputs(
    task: Task, stage: Stage[Any], mapped: Sequence[pa.Table], store: Store, progress: _Progress
) -> list[pa.Table]:
    written = []
    for dataset, table in zip(stage.writes, mapped, strict=True):
        header = Header(
            dataset=dataset.name,
            version=dataset.version,
            chunk_id=task.chunk_id,
            provenance=task.writes_of,
            stage=f"{stage.name} v{stage.version}",
            params=task.params,
            inputs={ref.key: ref.sha256 for ref in (*task.inputs, *([task.broadcast] if task.broadcast else []))},
            n_input=progress.n_input,
        )
        written.append(_publish(store, task, dataset, encode_chunk(dataset, table, header), table, progress))
    return written


def _read_input(
    store: Store,
    ref: ObjectRef,
    dataset: Dataset,
    selection: Selection,
    expected: Provenance,
    progress: _Progress,
) -> tuple[pa.Table, Header]:
    try:
        if selection.is_everything:
            data = store.get(ref.key)
            _check_bytes(ref, data)
            progress.bytes_read += len(data)
            table, header = decode_chunk(data, dataset)
        else:
            with RangeReader(store, ref.key, ref.size) as reader:
                table, header = decode_chunk(cast("IO[bytes]", reader), dataset, selection)
                progress.bytes_read += reader.bytes_read
        check_provenance(header, expected)
    except ObjectNotFoundError as error:
        raise ChunkDamagedError(f"{ref.key} is gone, though its run's manifest names it") from error
    except ChunkError as error:
        raise type(error)(f"{ref.key}: {error}") from error
    progress.n_input += table.num_rows
    return table, header


def _check_bytes(ref: ObjectRef, data: bytes) -> None:
    if len(data) != ref.size or digest(data) != ref.sha256:
        what = "it is empty" if not data else f"it has {len(data)} bytes, and the manifest says {ref.size}"
        if len(data) == ref.size:
            what = "its bytes have another SHA-256 than the manifest says"
        raise ChunkDamagedError(f"{what}: truncated, or written anew since its run")


def _publish(store: Store, task: Task, dataset: Dataset, data: bytes, table: pa.Table, progress: _Progress) -> pa.Table:
    """Write an output, and return the rows that the store now holds: another writer's, if that came first."""
    key = chunk_key(dataset, task.run_id, task.chunk_id)
    try:
        store.put(key, data, mode="create")
    except ObjectExistsError:
        progress.found = True
        return _read_output(store, task, dataset, progress)
    progress.outputs.append(ObjectRef(dataset.name, key, len(data), digest(data)))
    return table


def _read_output(store: Store, task: Task, dataset: Dataset, progress: _Progress) -> pa.Table:
    key = chunk_key(dataset, task.run_id, task.chunk_id)
    data = store.get(key)
    try:
        table, header = decode_chunk(data, dataset)
        check_provenance(header, task.writes_of)
    except ChunkError as error:
        raise type(error)(f"output {key}: {error}; delete it and run again") from error
    progress.n_input = header.n_input
    progress.outputs.append(ObjectRef(dataset.name, key, len(data), digest(data)))
    return table
