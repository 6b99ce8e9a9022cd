"""The spool: a bounded folder between a GPU that makes chunks and a link that carries them away.

A machine that may hold 500 MB makes 33 GB. The extractor puts each finished chunk into a folder (`Spool`,
`SpoolStore`); a process of its own, the uploader (`daemon`), carries it to S3 and removes it once S3 has confirmed it.
What holds, whenever either of the two is killed:

- The bytes in the folder, half-written ones and those in flight included, stay within the budget. A writer that would
  go beyond it waits, and says so.
- A chunk in `ready/` is whole. It stays there until S3 has said that it holds the same bytes; so a chunk that the spool
  no longer holds is confirmed.
- Nothing is replaced: another object with that key is a conflict, and both are kept.

ADR 0060 has the decisions; docs/spool.md is for those who run it.
"""

import sys
import threading
import time
from collections.abc import Callable

from gpu_workers.spool.names import Waiting
from gpu_workers.spool.spool import Level, Spool
from gpu_workers.spool.state import DEFAULT_BUDGET, State
from gpu_workers.spool.store import SpoolStore
from mycelium.errors import StoreNotAvailableError
from mycelium.progress import PLAIN_EVERY_S, note_progress
from mycelium.store import Store, open_store

__all__ = ["DEFAULT_BUDGET", "Level", "Spool", "SpoolStore", "State", "Waiting", "open_spooled"]


class _Note:
    """Says what a writer waits for: in the progress line, or, where there is none, in a line of its own at times."""

    def __init__(self, is_over: Callable[[], bool]) -> None:
        self._is_over = is_over
        self._said_s = float("-inf")

    def __call__(self, note: str | None) -> None:
        # Ctrl-C reaches the main thread alone; the others would wait for as long as the spool is full.
        if threading.current_thread() is not threading.main_thread() and self._is_over():
            raise StoreNotAvailableError("the run was ended while a chunk waited for room in the spool")
        if not note_progress(note) and note and time.monotonic() - self._said_s >= PLAIN_EVERY_S:
            self._said_s = time.monotonic()
            sys.stderr.write(f"{note}\n")


def open_spooled(folder: str | None, is_over: Callable[[], bool] = lambda: False) -> Callable[[str], Store]:
    """Return what opens stores by their URIs, with a spool before each; without a folder, stores as they are.

    What a writer waits for is shown in the progress line of its run.

    Args:
        folder: the spool's.
        is_over: whether the run has ended, so that no thread beside the main one need wait any longer.
    """
    if folder is None:
        return open_store
    spool = Spool(folder)
    opened: dict[str, SpoolStore] = {}

    def open_one(uri: str) -> Store:
        target = open_store(uri)
        if target.uri not in opened:  # one object for each store: a manifest waits for the chunks that its object put
            opened[target.uri] = SpoolStore(target, spool, _Note(is_over))
        return opened[target.uri]

    return open_one
