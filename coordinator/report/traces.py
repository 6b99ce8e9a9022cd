"""Find the traces that a report draws: IAF token by token, with its beats and the tokens' text."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, cast

import pyarrow as pa

from lambdas.stages.heartbeat import HeartbeatParams
from mycelium.datasets import IAF, TOKENS
from mycelium.errors import ObjectNotFoundError, UserInputError
from mycelium.heads import select_head
from mycelium.manifest import Manifest, ObjectRef, read_manifest
from mycelium.schema import Dataset, Selection, decode_chunk, head_column, trace_bounds
from mycelium.signals.heartbeat import find_phases, is_at_least
from mycelium.store import RangeReader, Store

MAX_CHUNKS_SEARCHED = 8
"""Chunks looked through for one problem of each level, where none is asked for by name."""


@dataclass(frozen=True, slots=True)
class Phase:
    """A systole or diastole: tokens `start` to `end`, exclusive."""

    start: int
    end: int
    reading: bool


@dataclass(frozen=True, slots=True)
class Trace:
    """One head's IAF over one problem.

    Attributes:
        problem_id: the problem.
        level: its level, or None.
        tokens: the text of each generated token.
        iaf: its input attention fraction.
        phases: systoles and diastoles, in order.
    """

    problem_id: str
    level: int | None
    tokens: list[str]
    iaf: list[float]
    phases: list[Phase]


def find_traces(
    store: Store, heartbeats: Manifest, params: HeartbeatParams, layer: int, head: int, problem: str | None
) -> list[Trace]:
    """Return the trace of one problem, or of the first problem of each level.

    Args:
        store: where the run and its inputs are.
        heartbeats: the run.
        params: its parameters.
        layer: the layer to draw.
        head: the head to draw.
        problem: the problem's id; None for one of each level.

    Returns:
        By level; nothing where the signals are no longer in the store.

    Raises:
        UserInputError: no chunk has that problem.
    """
    try:
        source = read_manifest(store, *heartbeats.inputs[0].split("/"))
    except ObjectNotFoundError:
        return []
    found: dict[int | None, Trace] = {}
    chunks = source.chunks(IAF.name)
    tokens = _find_tokens(store, source)
    for searched, chunk_id in enumerate(sorted(chunks)):
        if problem is None and (searched == MAX_CHUNKS_SEARCHED or len(found) == 5):
            break
        if chunk_id not in tokens:
            continue
        chosen = list(_choose(_read(store, tokens[chunk_id], TOKENS), problem, set(found)))
        if not chosen:
            continue
        only = HeartbeatParams(params.threshold, params.min_run, layer, head)
        signal = _read(store, chunks[chunk_id], IAF, select_head(only))
        for row in chosen:
            found[cast("int | None", row["level"])] = _cut_trace(signal, row, only, head)
        if problem is not None:
            break
    if problem is not None and not found:
        raise UserInputError(f"no problem {problem!r} in iaf/{source.run_id}")
    return [found[level] for level in sorted(found, key=lambda level: (level is None, level or 0))]


def _find_tokens(store: Store, source: Manifest) -> dict[str, ObjectRef]:
    """Return the chunks of `tokens` beside a run's signals: its own, or those that it read."""
    own = source.chunks(TOKENS.name)
    read = [name.split("/")[1] for name in source.inputs if name.startswith(f"{TOKENS.name}/")]
    return own or (read_manifest(store, TOKENS.name, read[0]).chunks(TOKENS.name) if read else {})


def _read(store: Store, ref: ObjectRef, dataset: Dataset, selection: Selection = Selection()) -> pa.Table:  # noqa: B008 - frozen
    with RangeReader(store, ref.key, ref.size) as reader:
        return decode_chunk(cast("IO[bytes]", reader), dataset, selection)[0]


def _choose(tokens: pa.Table, problem: str | None, have: set[int | None]) -> Iterator[dict[str, object]]:
    for row in tokens.to_pylist():
        if row["skipped"] is not None:
            continue
        if problem is None and row["level"] not in have:
            have.add(row["level"])
            yield row
        elif row["problem_id"] == problem:
            yield row
            return


def _cut_trace(signal: pa.Table, row: dict[str, object], params: HeartbeatParams, head: int) -> Trace:
    bounds = trace_bounds(signal)
    ids = signal["problem_id"].take(pa.array(bounds[:-1])).to_pylist()
    place = ids.index(row["problem_id"])
    start, end = int(bounds[place]), int(bounds[place + 1])
    values = signal[head_column(head)].slice(start, end - start).to_numpy()
    phases = find_phases(is_at_least(values, params.threshold), bounds[:1], params.min_run)
    return Trace(
        problem_id=str(row["problem_id"]),
        level=cast("int | None", row["level"]),
        tokens=cast("list[str]", row["tokens"]),
        iaf=[round(float(value), 4) for value in values],
        phases=[
            Phase(int(s), int(s + w), bool(r))
            for s, w, r in zip(phases.start, phases.width, phases.reading, strict=True)
        ],
    )
