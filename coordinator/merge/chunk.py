"""One chunk of the run that is merged: of the right kind, of the right problems, and its record."""

import hashlib
from dataclasses import dataclass
from typing import IO, cast

import pyarrow as pa

from coordinator.merge.claims import read_footer
from mycelium.datasets import GPU_WRITTEN, PROBLEMS, TOKENS
from mycelium.errors import ChunkDamagedError, ObjectNotFoundError, WrongDatasetError
from mycelium.fleet.records import Claim, outcome_key, read_record
from mycelium.manifest import ObjectRef, Outcome
from mycelium.schema import Dataset, Header, Selection, check_provenance, chunk_key, decode_chunk
from mycelium.store import ObjectInfo, RangeReader, Store

PIECE_BYTES = 8 << 20
"""Bytes in memory at a time where a chunk's digest has to be made anew."""


@dataclass(frozen=True, slots=True)
class Source:
    """A chunk of problems.

    Attributes:
        ref: the object.
        first: the index of its first problem.
        n_problems: how many it has.
    """

    ref: ObjectRef
    first: int
    n_problems: int


@dataclass(frozen=True, slots=True)
class Checked:
    """A chunk that is as it should be.

    Attributes:
        outcome: what the manifest keeps of it.
        tokens: the columns problem_id, n_generated and skipped of `tokens`.
        was_hashed: whether its bytes had to be read for their digest.
    """

    outcome: Outcome
    tokens: pa.Table
    was_hashed: bool


def check_chunk(
    store: Store, claim: Claim, chunk_id: str, source: Source, sizes: dict[str, int], *, verify: bool = False
) -> Checked:
    """Check one chunk in all its datasets.

    Args:
        store: where it is.
        claim: what the run is.
        chunk_id: the chunk.
        source: the chunk of problems that it must be of.
        sizes: its bytes, by dataset, in the order in which they were written.
        verify: read every byte, whatever record there is.

    Raises:
        ChunkDamagedError: it can't be read, or is not of the problems that it should be of.
        WrongDatasetError: it is of another teacher, origin, stage, parameter or input.
    """
    infos = {
        name: ObjectInfo(chunk_key(GPU_WRITTEN[name], claim.run_id, chunk_id), size) for name, size in sizes.items()
    }
    n_rows, n_input = 0, 0
    for name, info in infos.items():
        header, meta = read_footer(store, info)
        _check_header(header, claim, GPU_WRITTEN[name], chunk_id, source)
        n_rows, n_input = meta.num_rows, header.n_input
    tokens = _read_columns(store, infos[TOKENS.name], TOKENS, ("problem_id", "n_generated", "skipped"))
    _check_problems(store, tokens, source)
    record = None if verify else _read_record(store, claim, chunk_id, infos)
    if record is not None:
        return Checked(record, tokens, was_hashed=False)
    outcome = Outcome(
        chunk_id,
        "found",
        outputs=tuple(ObjectRef(name, info.key, info.size, hash_object(store, info)) for name, info in infos.items()),
        n_input=n_input,
        n_output=n_rows,
        n_problems=tokens["skipped"].null_count if len(infos) > 1 else tokens.num_rows,
    )
    return Checked(outcome, tokens, was_hashed=True)


def hash_object(store: Store, info: ObjectInfo) -> str:
    """Return the SHA-256 of an object, read piece by piece."""
    total = hashlib.sha256()
    for start in range(0, info.size, PIECE_BYTES):
        total.update(store.get_range(info.key, start, PIECE_BYTES))
    return total.hexdigest()


def _check_header(header: Header, claim: Claim, dataset: Dataset, chunk_id: str, source: Source) -> None:
    try:
        check_provenance(header, claim.provenance)
    except WrongDatasetError as error:
        raise WrongDatasetError(f"{dataset.name}: {error}: a run is of one teacher and origin") from None
    for what, have, want in (
        ("dataset", header.dataset, dataset.name),
        ("dataset version", header.version, dataset.version),
        ("chunk", header.chunk_id, chunk_id),
        ("stage", header.stage, claim.stage),
        ("parameters", header.params, claim.params),
        ("input", header.inputs, {source.ref.key: source.ref.sha256}),
    ):
        if have != want:
            raise WrongDatasetError(f"{dataset.name} is of {what} {have}, and the run is of {want}")


def _check_problems(store: Store, tokens: pa.Table, source: Source) -> None:
    info = ObjectInfo(source.ref.key, source.ref.size)
    problems = _read_columns(store, info, PROBLEMS, ("problem_id", "index"))
    places = list(range(source.first, source.first + source.n_problems))
    if problems["index"].to_pylist() != places:
        raise ChunkDamagedError(
            f"{source.ref.key} should hold problems {places[0] if places else source.first} to "
            f"{source.first + source.n_problems - 1} of the index space, and does not"
        )
    have, want = tokens["problem_id"].to_pylist(), problems["problem_id"].to_pylist()
    if have == want:
        return
    missing, foreign = sorted(set(want) - set(have)), sorted(set(have) - set(want))
    twice = sorted({problem_id for problem_id in have if have.count(problem_id) > 1})
    for what, ids in (("lacks", missing), ("has besides", foreign), ("has twice", twice)):
        if ids:
            raise ChunkDamagedError(f"{TOKENS.name} {what} {len(ids)} problems, {ids[0]} among them")
    raise ChunkDamagedError(f"{TOKENS.name} has its problems in another order than {source.ref.key}")


def _read_columns(store: Store, info: ObjectInfo, dataset: Dataset, columns: tuple[str, ...]) -> pa.Table:
    with RangeReader(store, info.key, info.size) as reader:
        return decode_chunk(cast("IO[bytes]", reader), dataset, Selection(columns))[0]


def _read_record(store: Store, claim: Claim, chunk_id: str, infos: dict[str, ObjectInfo]) -> Outcome | None:
    """Return what the worker wrote down of a chunk, if it is of the objects that are there."""
    try:
        record = read_record(store, outcome_key(claim.run_id, chunk_id), Outcome)
    except (ObjectNotFoundError, ChunkDamagedError):
        return None
    told = {ref.dataset: (ref.key, ref.size) for ref in record.outputs}
    there = {name: (info.key, info.size) for name, info in infos.items()}
    return record if told == there and record.chunk_id == chunk_id and record.status != "failed" else None
