"""What `benchmarks.dispatch` has done by everybody: a task that does nothing, and one that counts a chunk's heartbeats.

Imported by every framework's workers, in the environment that the frameworks have.
"""

import functools
from typing import NamedTuple

from lambdas.stages.heartbeat import HEARTBEATS, HeartbeatParams, map_layers
from mycelium.datasets import IAF
from mycelium.schema import Header, chunk_key, decode_chunk, encode_chunk
from mycelium.store import LocalStore
from mycelium.task import keep_heap


class Chunk(NamedTuple):
    """One chunk to read, and where its counts go."""

    source: str
    key: str
    target: str
    chunk_id: str


def do_nothing(number: int) -> int:
    """Return what was given."""
    return number


@functools.cache
def _keep_heap_once() -> None:
    keep_heap()


def count_beats(chunk: Chunk) -> int:
    """Read a chunk, decode it, count its heartbeats, encode and write them; return how many rows they are.

    The same calls as our own tasks make, without their bookkeeping: no digests, no part for the reduce, no outcome.
    """
    _keep_heap_once()
    table, header = decode_chunk(LocalStore(chunk.source).get(chunk.key), IAF)
    (counts,) = map_layers([table], HeartbeatParams())
    written = Header("heartbeats", HEARTBEATS.version, chunk.chunk_id, header.provenance, "heartbeat v1")
    data = encode_chunk(HEARTBEATS, counts, written)
    LocalStore(chunk.target).put(chunk_key(HEARTBEATS, "bench-000000000000", chunk.chunk_id), data)
    return int(counts.num_rows)
