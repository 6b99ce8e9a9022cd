"""Are the bytes of a run still those that its manifest names?"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice
from typing import Final

from mycelium.errors import ObjectNotFoundError
from mycelium.manifest import Manifest, ObjectRef
from mycelium.store import Store

N_THREADS: Final = 8
TOGETHER: Final = 4096
"""Objects that are handed to the threads together: a pool takes all that it is given at once, and a run has a million.
"""
PIECE: Final = 8 << 20
"""Bytes read at a time: an object may be larger than memory."""


@dataclass(frozen=True, slots=True)
class Damage:
    """An object that is not what its manifest says.

    Attributes:
        chunk_id: the chunk, or ``fit`` for the artifact of a fit.
        key: the object.
        what: what is wrong with it.
    """

    chunk_id: str
    key: str
    what: str


def verify_run(store: Store, manifest: Manifest, advance: Callable[[ObjectRef], None]) -> Iterator[Damage]:
    """Read every object that a manifest names, and yield those that are missing or have other bytes.

    Args:
        store: where they are.
        manifest: the run.
        advance: called with each object when it was read.
    """
    refs = manifest.each_object()
    with ThreadPoolExecutor(N_THREADS) as pool:
        while some := list(islice(refs, TOGETHER)):
            found = pool.map(lambda ref: examine(store, ref), [ref for _, ref in some])
            for (chunk_id, ref), what in zip(some, found, strict=True):
                advance(ref)
                if what is not None:
                    yield Damage(chunk_id, ref.key, what)


def examine(store: Store, ref: ObjectRef) -> str | None:
    """Return what is wrong with an object; None if nothing is."""
    total, position = sha256(), 0
    try:
        # One byte more than there should be, so that an object that grew is noticed.
        while position <= ref.size:
            piece = store.get_range(ref.key, position, min(PIECE, ref.size + 1 - position))
            if not piece:
                break
            total.update(piece)
            position += len(piece)
    except ObjectNotFoundError:
        return "it is gone"
    if position > ref.size:
        return f"it has more than its {ref.size} bytes"
    if position < ref.size:
        return f"it has only {position} of its {ref.size} bytes"
    return None if total.hexdigest() == ref.sha256 else "its bytes have another SHA-256 than its manifest says"


def drop_damaged(store: Store, manifest: Manifest, damages: list[Damage]) -> int:
    """Delete every object of the chunks that are damaged, so that the run's own command makes them anew.

    Returns:
        How many objects were deleted.
    """
    chunk_ids = {damage.chunk_id for damage in damages}
    keys = [ref.key for chunk_id, ref in manifest.each_object() if chunk_id in chunk_ids]
    for key in reversed(keys):  # the completion mark, last among them, first: a chunk half deleted is one not done
        store.delete(key)
    return len(keys)
