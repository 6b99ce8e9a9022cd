"""What a run was made of, followed back from manifest to manifest: the one walk that all who ask for it share."""

from collections.abc import Callable, Iterator
from functools import cache

from mycelium.errors import ObjectNotFoundError
from mycelium.manifest import Manifest, read_manifest
from mycelium.store import Store

Look = Callable[[str], Manifest | None]
"""Returns the manifest of ``dataset/run id``; None if there is none."""


def walk_back(manifest: Manifest, look: Look) -> Iterator[tuple[str, Manifest | None]]:
    """Yield every run that a run was made of, once: parents first, then theirs.

    Manifests that name each other in a circle end the walk like any that were met before.

    Args:
        manifest: where to start; it is not yielded.
        look: finds manifests.

    Yields:
        ``dataset/run id`` and its manifest; None in its place if it is gone, and with it what it was made of.
    """
    met: set[str] = set()
    waiting = list(manifest.parents)
    while waiting:
        following: list[str] = []
        for name in waiting:
            if name in met:
                continue
            met.add(name)
            found = look(name)
            yield name, found
            following.extend(() if found is None else found.parents)
        waiting = following


def look_into(store: Store) -> Look:
    """Return a look into a store that reads no manifest twice."""

    @cache
    def look(name: str) -> Manifest | None:
        dataset, _, run_id = name.rpartition("/")
        try:
            return read_manifest(store, dataset, run_id)
        except ObjectNotFoundError:
            return None

    return look
