"""Volumes: the outcomes of a large run, in objects of their own.

    manifests/<dataset>/<run id>.json                        names the volumes, with counts and digests
    manifests/<dataset>/<run id>/<digest>.msgpack.zst        outcomes, as MessagePack compressed by zstd

A million outcomes are 460 MB of JSON, and 71 MB in a hundred volumes. Who needs only what the manifest says of the run
as a whole reads none of them.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import TypeVar

from mycelium.errors import ChunkDamagedError, ObjectNotFoundError
from mycelium.outcome import ObjectRef, Outcome, digest
from mycelium.packed import Blocks, pack, unpack
from mycelium.store import Store

VOLUME_SUFFIX = ".msgpack.zst"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Volume:
    """Some outcomes of a run, as one object.

    Attributes:
        key: where they are.
        size: bytes of the object.
        sha256: the digest of those, hexadecimal.
        n_bytes: bytes of what is compressed in it.
        n_outcomes: how many outcomes it holds.
        n_failed: how many of them failed.
        last: the chunk of the last.
    """

    key: str
    size: int
    sha256: str
    n_bytes: int
    n_outcomes: int
    n_failed: int
    last: str


@dataclass(frozen=True, slots=True)
class Named:
    """As much of an outcome as a plan needs.

    Attributes:
        chunk_id: the chunk.
        outputs: the objects written or found.
    """

    chunk_id: str
    outputs: tuple[ObjectRef, ...] = ()


class Volumes(Blocks[Outcome]):
    """The outcomes of a run, read from its volumes, one of them at a time."""

    def __init__(self, store: Store, volumes: Sequence[Volume]) -> None:
        """Take the volumes of a manifest; nothing is read yet."""
        super().__init__()
        self.volumes, self._store = tuple(volumes), store
        for volume in self.volumes:
            self._ends.append(len(self) + volume.n_outcomes)

    @property
    def n_failed(self) -> int:
        """How many outcomes are failures."""
        return sum(volume.n_failed for volume in self.volumes)

    @property
    def cuts(self) -> tuple[str, ...]:
        """The last chunk of every volume but the last."""
        return tuple(volume.last for volume in self.volumes[:-1])

    def each_named(self) -> Iterator[list[Named]]:
        """Yield the outcomes of each volume, of each no more than its chunk and objects: a fifth of the time."""
        return (read_volume(self._store, volume, Named) for volume in self.volumes)

    def each_of_failed(self) -> Iterator[Outcome]:
        """Yield the outcomes of the volumes that hold failures."""
        return chain.from_iterable(
            read_volume(self._store, volume, Outcome) for volume in self.volumes if volume.n_failed
        )

    def _unpack(self, number: int) -> Sequence[Outcome]:
        return read_volume(self._store, self.volumes[number], Outcome)


def put_volumes(store: Store, outcomes: Iterable[Outcome], prefix: str, n_each: int) -> tuple[Volume, ...]:
    """Write outcomes as volumes; what is there already stays as it is, since its name is its digest.

    Args:
        store: where to.
        outcomes: in the order of their chunks.
        prefix: what their keys begin with, without a slash at the end.
        n_each: outcomes in each volume but the last.
    """
    waiting, volumes = iter(outcomes), []
    while some := tuple(islice(waiting, n_each)):
        data, n_bytes = pack(some)
        sha256 = digest(data)
        n_failed = sum(outcome.status == "failed" for outcome in some)
        key = f"{prefix}/{sha256[:32]}{VOLUME_SUFFIX}"
        volume = Volume(key, len(data), sha256, n_bytes, len(some), n_failed, some[-1].chunk_id)
        store.put(volume.key, data, mode="overwrite")
        volumes.append(volume)
    return tuple(volumes)


def read_volume(store: Store, volume: Volume, kind: type[T]) -> list[T]:
    """Read the outcomes of a volume, or as much of each as `kind` has of it.

    Raises:
        ChunkDamagedError: it is gone, or is not what its manifest says.
    """
    try:
        data = store.get(volume.key)
    except ObjectNotFoundError as error:
        raise ChunkDamagedError(f"volume {volume.key} in {store.uri} is gone, though its manifest names it") from error
    if digest(data) != volume.sha256:
        raise ChunkDamagedError(f"volume {volume.key} in {store.uri} has another SHA-256 than its manifest says")
    try:
        found = unpack(data, volume.n_bytes, kind)
    except ValueError as error:
        raise ChunkDamagedError(f"volume {volume.key} in {store.uri} can't be read: {error}") from error
    if len(found) != volume.n_outcomes:
        raise ChunkDamagedError(
            f"volume {volume.key} in {store.uri} holds {len(found)} outcomes, and its manifest says {volume.n_outcomes}"
        )
    return found
