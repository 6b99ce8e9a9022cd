"""Find the traces that a report or a notebook draws: IAF token by token, with its beats and the tokens' text."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import pyarrow as pa

from mycelium.datasets import IAF, TOKENS
from mycelium.errors import UserInputError
from mycelium.explore.signal import read_chunk, select
from mycelium.manifest import Manifest, ObjectRef, read_manifest
from mycelium.schema import EVERYTHING, head_column, trace_bounds
from mycelium.signals.heartbeat import MIN_RUN, THRESHOLD, find_phases, is_at_least
from mycelium.store import Store

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


@dataclass(frozen=True, slots=True)
class Rule:
    """What makes a run of tokens a phase.

    Attributes:
        threshold: the IAF from which a token is reading, in (0, 1].
        min_run: the tokens that a run needs to count.
    """

    threshold: float = THRESHOLD
    min_run: int = MIN_RUN


def find_traces(
    store: Store, source: Manifest, layer: int, head: int, problem: str | None = None, rule: Rule = Rule()
) -> list[Trace]:
    """Return the trace of one problem, or of the first problem of each level.

    Args:
        store: where the run is.
        source: the manifest of a run that wrote `iaf`.
        layer: the layer to draw.
        head: the head to draw.
        problem: the problem's id; None for one of each level.
        rule: what makes a phase.

    Returns:
        By level; nothing where no chunk has its tokens beside its signals.

    Raises:
        UserInputError: no chunk has that problem.
    """
    found: dict[int | None, Trace] = {}
    chunks = source.chunks(IAF.name)
    tokens = _find_tokens(store, source)
    for searched, chunk_id in enumerate(sorted(chunks)):
        if problem is None and (searched == MAX_CHUNKS_SEARCHED or len(found) == 5):
            break
        if chunk_id not in tokens:
            continue
        table = read_chunk(store, tokens[chunk_id], TOKENS, EVERYTHING, source)
        chosen = list(_choose(table, problem, set(found)))
        if not chosen:
            continue
        signal = read_chunk(store, chunks[chunk_id], IAF, select(IAF, layer, head), source)
        for row in chosen:
            found[cast("int | None", row["level"])] = _cut_trace(signal, row, rule, head)
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


def _cut_trace(signal: pa.Table, row: dict[str, object], rule: Rule, head: int) -> Trace:
    bounds = trace_bounds(signal)
    ids = signal["problem_id"].take(pa.array(bounds[:-1])).to_pylist()
    place = ids.index(row["problem_id"])
    start, end = int(bounds[place]), int(bounds[place + 1])
    values = signal[head_column(head)].slice(start, end - start).to_numpy()
    phases = find_phases(is_at_least(values, rule.threshold), bounds[:1], rule.min_run)
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
