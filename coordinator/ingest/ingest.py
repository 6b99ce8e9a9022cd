"""Ingest: read files once, as a stream, and write the dataset `problems` in chunks.

Nothing is dropped in silence. Each row becomes a problem, a duplicate (same id, same content: counted), or a reject
(file, line, reason: counted, and written to ``rejects/<run id>/``).
"""

import hashlib
import re
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

import msgspec
import pyarrow as pa

from mycelium.datasets import PROBLEMS
from mycelium.errors import ObjectExistsError, UserInputError
from mycelium.foreign.fields import Problem, understand_row
from mycelium.foreign.rows import Reject, read_rows
from mycelium.identity import RUN_DIGITS
from mycelium.manifest import INGEST, Manifest, ObjectRef, Outcome, digest, write_manifest
from mycelium.progress import Progress, show_progress
from mycelium.schema import Header, Provenance, chunk_key, encode_chunk
from mycelium.store import Store
from mycelium.version import code_version

INGEST_VERSION = 1
CHUNK_SIZE = 64
REJECTS_PER_OBJECT = 10_000

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True)
class IngestParams:
    """What decides the chunks, beside the files.

    Attributes:
        chunk_size: problems to a chunk.
        limit: stop after so many problems; None for all.
        origin: where the problems come from; None to recognise it.
        fields: the user's mapping, ``ours=theirs`` joined by commas.
    """

    chunk_size: int = CHUNK_SIZE
    limit: int | None = None
    origin: str | None = None
    fields: str = ""


@dataclass(slots=True)
class _Tally:
    """What became of the rows so far."""

    rows: int = 0
    problems: int = 0
    duplicates: int = 0
    without_level: int = 0
    # A 64-bit hash of the content under a 64-bit hash of the id: some 160 bytes a problem, whatever its length.
    seen: dict[int, int] = field(default_factory=dict)
    origin: str = ""


class _Rejects:
    """Rows that could not be used: counted by reason, and written now and then, so that any number needs no memory."""

    def __init__(self, store: Store, run_id: str) -> None:
        self._store, self._run_id = store, run_id
        self._lines: list[bytes] = []
        self._n_objects = 0
        self.reasons: Counter[str] = Counter()

    def add(self, reject: Reject) -> None:
        self.reasons[reject.reason.partition(":")[0]] += 1
        line = {"file": reject.place.file, "line": reject.place.line, "reason": reject.reason}
        self._lines.append(msgspec.json.encode(line) + b"\n")
        if len(self._lines) == REJECTS_PER_OBJECT:
            self.flush()

    def flush(self) -> None:
        if self._lines:
            key = f"rejects/{self._run_id}/{self._n_objects:05d}.jsonl"
            self._store.put(key, b"".join(self._lines), mode="overwrite")
            self._n_objects += 1
            self._lines.clear()


def ingest_files(
    store: Store, files: Sequence[Path], name: str, params: IngestParams, fields: dict[str, str], *, quiet: bool = False
) -> Manifest:
    """Write the problems of some files as chunks, and their manifest last.

    The run's identity is the files' content and the parameters, so the same command on the same files writes nothing.

    Args:
        store: where to.
        files: JSON Lines or JSON arrays, gzipped or not.
        name: what to call the problems; the beginning of every run id made from them.
        params: see there.
        fields: the user's mapping from our fields to theirs.
        quiet: show no progress.

    Raises:
        UserInputError: a file can't be read, no row is good, or the rows are of several origins.
        StoreNotAvailableError: the store can't be written.
    """
    if not _NAME.fullmatch(name):
        raise UserInputError(f"a dataset's name is letters, digits, . _ -, begins with no dot or -; got {name!r}")
    started = time.monotonic()
    run_id = f"{name}-{_identify(files, params)}"
    tally = _Tally()
    outcomes: list[Outcome] = []
    rejects = _Rejects(store, run_id)
    total = sum(path.stat().st_size for path in files)
    with show_progress(f"ingest {name}", total, unit="bytes", quiet=quiet) as progress:
        problems = _understand(files, name, params, fields, tally, rejects, progress)
        try:
            for batch in _batches(problems, params.chunk_size):
                provenance = Provenance(name, params.origin or tally.origin)
                first = tally.problems - len(batch)
                outcomes.append(_write_chunk(store, run_id, f"{len(outcomes):05d}", batch, first, provenance))
        except UserInputError:  # nothing half-written: what this call wrote goes again
            for ref in (ref for outcome in outcomes if outcome.status == "done" for ref in outcome.outputs):
                store.delete(ref.key)
            raise
    rejects.flush()
    if not outcomes:
        reasons = "; ".join(f"{reason} ({count})" for reason, count in rejects.reasons.most_common(3))
        raise UserInputError(f"no problem in {', '.join(map(str, files))}: {reasons or 'no rows'}")
    manifest = Manifest(
        run_id=run_id,
        provenance=Provenance(name, params.origin or tally.origin),
        stage=INGEST,
        stage_version=INGEST_VERSION,
        params=asdict(params),
        commit=code_version(),
        executor="local",
        inputs=tuple(str(path) for path in files),
        finished_s=time.time(),
        wall_s=time.monotonic() - started,
        complete=True,
        n_chunks=len(outcomes),
        outcomes=tuple(outcomes),
        result={"rejects": [{"reason": reason, "rows": n} for reason, n in rejects.reasons.most_common()]},
        notes={
            "rows": tally.rows,
            "problems": tally.problems,
            "duplicates": tally.duplicates,
            "rejected": rejects.reasons.total(),
            "without_level": tally.without_level,
        },
    )
    write_manifest(store, manifest, (PROBLEMS,))
    return manifest


def _identify(files: Sequence[Path], params: IngestParams) -> str:
    sums = []
    for path in files:
        try:
            with path.open("rb") as file:
                sums.append(hashlib.file_digest(file, "sha256").hexdigest())
        except OSError as error:
            raise UserInputError(f"{path} can't be read: {error.strerror or error}") from None
    decides = {"version": [INGEST_VERSION, PROBLEMS.version], "params": params, "files": sums}
    return digest(msgspec.json.encode(decides, order="sorted"))[:RUN_DIGITS]


def _understand(
    files: Sequence[Path],
    name: str,
    params: IngestParams,
    fields: dict[str, str],
    tally: _Tally,
    rejects: _Rejects,
    progress: Progress,
) -> Iterator[Problem]:
    before = 0
    for path in files:
        for row in read_rows(path, partial(_show, progress, tally, before)):
            tally.rows += 1
            if isinstance(row, Reject):
                rejects.add(row)
                continue
            problem = understand_row(row.values, fields, f"{name}/{tally.rows - 1}")
            if isinstance(problem, str):
                rejects.add(Reject(row.place, problem))
            elif (same := _compare_with_seen(problem, tally)) is None:
                _count(problem, name, tally, mixed=params.origin is not None)
                yield problem
                if tally.problems == params.limit:
                    return
            elif same:
                tally.duplicates += 1
            else:
                rejects.add(Reject(row.place, f"duplicate id with other content: {problem.problem_id}"))
        before += path.stat().st_size


def _count(problem: Problem, name: str, tally: _Tally, *, mixed: bool) -> None:
    origin = problem.origin or name
    if tally.problems and origin != tally.origin and not mixed:
        raise UserInputError(
            f"dataset {name} would mix problems of {tally.origin} and of {origin} ({problem.problem_id}); "
            f"ingest each under a name of its own, or say --origin if they are one"
        )
    tally.origin = origin
    tally.problems += 1
    tally.without_level += problem.level is None


def _show(progress: Progress, tally: _Tally, before: int, at: int) -> None:
    progress.count = tally.problems
    progress.advance(before + at - progress.done)


def _compare_with_seen(problem: Problem, tally: _Tally) -> bool | None:
    """Return None for a new id, else whether its content is what it was before."""
    identity = _hash64(problem.problem_id)
    content = _hash64(f"{problem.problem}\0{problem.chain_of_thought}")
    if identity not in tally.seen:
        tally.seen[identity] = content
        return None
    return tally.seen[identity] == content


def _hash64(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def _batches(problems: Iterable[Problem], size: int) -> Iterator[list[Problem]]:
    batch: list[Problem] = []
    for problem in problems:
        batch.append(problem)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def _write_chunk(
    store: Store, run_id: str, chunk_id: str, batch: list[Problem], first: int, provenance: Provenance
) -> Outcome:
    started_s, clock = time.time(), time.perf_counter()
    rows = [{**asdict(problem), "index": first + i} for i, problem in enumerate(batch)]
    schema = PROBLEMS.arrow_schema()
    table = pa.table({column: [row[column] for row in rows] for column in schema.names}, schema=schema)
    header = Header(PROBLEMS.name, PROBLEMS.version, chunk_id, provenance, f"ingest v{INGEST_VERSION}")
    data = encode_chunk(PROBLEMS, table, header)
    key = chunk_key(PROBLEMS, run_id, chunk_id)
    try:
        store.put(key, data, mode="create")
        found = False
    except ObjectExistsError:  # an earlier, interrupted run of the same command
        data, found = store.get(key), True
    return Outcome(
        chunk_id,
        "found" if found else "done",
        (ObjectRef(PROBLEMS.name, key, len(data), digest(data)),),
        n_input=len(batch),
        n_output=len(batch),
        n_problems=len(batch),
        started_s=started_s,
        wall_s=time.perf_counter() - clock,
    )
