"""Which run it is that is merged: what its first worker claimed, or what its first chunk says of itself."""

import re
from collections.abc import Iterable
from itertools import islice
from typing import IO, cast

import pyarrow as pa
import pyarrow.parquet as pq

from mycelium.datasets import GPU_WRITTEN, PROBLEMS, TOKENS
from mycelium.errors import ChunkDamagedError, UnknownRunError
from mycelium.fleet.records import PREFIX, Claim, read_record
from mycelium.hint import say_command
from mycelium.schema import Header, read_header, reading_parquet
from mycelium.store import ObjectInfo, RangeReader, Store

_BUFFER = 1 << 16
"""Bytes of a footer that one request brings; more are asked for where a chunk has many columns."""


def find_claim(store: Store, reference: str) -> Claim:
    """Find the run that a reference names.

    Args:
        store: where to look.
        reference: a run id, ``dataset/run id``, the beginning of one, or a job's name.

    Raises:
        UnknownRunError: no run, or more than one, answers to it.
        ChunkDamagedError: nobody claimed the run, and its first chunk can't be read.
    """
    wanted = reference.strip("/").rpartition("/")[2]
    keys = [info.key for info in store.list(PREFIX) if info.key.endswith("/run.json") and info.key.count("/") == 2]
    claims = {key.split("/")[1]: read_record(store, key, Claim) for key in keys}
    found = {claim.run_id: claim for job, claim in claims.items() if wanted and _answers(wanted, job, claim.run_id)}
    if not found:
        runs = _first_chunks(store, f"{TOKENS.name}/{wanted}") if wanted else {}
        found = {run_id: _read_claim(store, run_id, info) for run_id, info in islice(runs.items(), 2)}
    if len(found) == 1:
        return _check_claim(next(iter(found.values())))
    if found:
        raise UnknownRunError(f"{reference!r} may be any of {', '.join(sorted(found)[:4])}: say more of it")
    raise UnknownRunError(f"no run {reference!r} in {store.uri} has chunks to merge; {_advise(claims)}")


def _check_claim(claim: Claim) -> Claim:
    unknown = [name for name in claim.datasets if name not in GPU_WRITTEN]
    if unknown or TOKENS.name not in claim.datasets or not re.fullmatch(r"[a-z_]+ v[0-9]{1,6}", claim.stage):
        what = f"dataset {unknown[0]}" if unknown else f"stage {claim.stage!r} with datasets {claim.datasets}"
        raise ChunkDamagedError(f"run {claim.run_id} is of {what[:80]}, which this code does not know: update it")
    return claim


def _answers(wanted: str, job: str, run_id: str) -> bool:
    return run_id.startswith(wanted) or job.startswith(wanted)


def _advise(jobs: Iterable[str]) -> str:
    named = ", ".join(sorted(jobs)[:4])
    return f"there are jobs {named}" if named else f"`{say_command('coordinator fleet start')}` begins one"


def _first_chunks(store: Store, prefix: str) -> dict[str, ObjectInfo]:
    """Return the first chunk of each run of `tokens` whose key begins so."""
    found: dict[str, ObjectInfo] = {}
    for info in store.list(prefix):
        if info.key.endswith(".parquet"):
            found.setdefault(info.key.split("/")[1], info)
    return found


def _read_claim(store: Store, run_id: str, first: ObjectInfo) -> Claim:
    """Return what a run is by one of its chunks: for machines that were each given a range, and no queue."""
    header, _ = read_footer(store, first)
    sources = {key.split("/")[1] for key in header.inputs if key.startswith(f"{PROBLEMS.name}/")}
    if len(sources) != 1:
        raise ChunkDamagedError(f"{first.key} does not say of which run of problems it is")
    written = [name for name in GPU_WRITTEN if next(iter(store.list(f"{name}/{run_id}/")), None) is not None]
    return Claim(run_id, header.provenance, header.stage, header.params, tuple(written), sources.pop())


def read_footer(store: Store, info: ObjectInfo) -> tuple[Header, pq.FileMetaData]:
    """Read what a chunk says of itself, and its row groups, without its rows.

    Raises:
        ChunkDamagedError: it is no chunk.
    """
    with reading_parquet(), RangeReader(store, info.key, info.size) as reader:
        file = pq.ParquetFile(pa.PythonFile(cast("IO[bytes]", reader), mode="r"), buffer_size=_BUFFER, pre_buffer=False)
        return read_header(file), file.metadata
