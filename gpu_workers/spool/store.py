"""A store whose new objects go through the spool: what the extractor writes to."""

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice

from gpu_workers.spool.spool import CONFLICT, REFUSED, SAY_EVERY_S, OnWait, Spool
from mycelium.errors import ConflictError, StoreError
from mycelium.hint import say_command
from mycelium.store import ObjectInfo, PutMode, Store, check_key
from mycelium.store.base import PAGE_SIZE, check_range

_PAUSE_S = 0.05


class SpoolStore:
    """Objects in a store, the newest of them still in the spool.

    `put` in mode ``create`` goes into the spool and returns; the uploader carries it on. Reads and listings see both
    places. `put` in mode ``overwrite`` (a manifest) waits until all that this object put is confirmed, and then goes
    straight to the store: so a manifest never names a chunk that S3 does not hold.
    """

    def __init__(
        self,
        target: Store,
        spool: Spool,
        on_wait: OnWait | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Put a spool before a store.

        Args:
            target: the store that the uploader empties the spool into.
            spool: the spool.
            on_wait: told, in words, what a put waits for, about once a second; and None when it goes on.
            clock: seconds from any start.
            sleep: waits.

        Raises:
            UserInputError: the spool empties into another store.
        """
        spool.claim(target.uri)
        self.spool = spool
        self._target, self._on_wait, self._clock, self._sleep = target, on_wait, clock, sleep
        self._put: dict[str, None] = {}

    @property
    def uri(self) -> str:
        """The store's own; what is waiting is seen through this object alone."""
        return self._target.uri

    def get(self, key: str) -> bytes:
        """See `Store.get`."""
        # The spool first: what leaves it is in the store by then.
        path = self.spool.find(key)
        if path is not None:
            with contextlib.suppress(FileNotFoundError):
                return path.read_bytes()
        return self._target.get(key)

    def get_range(self, key: str, start: int, length: int) -> bytes:
        """See `Store.get_range`."""
        check_range(start, length)
        path = self.spool.find(key)
        if path is not None:
            with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
                file.seek(start)
                return file.read(length)
        return self._target.get_range(key, start, length)

    def put(self, key: str, data: bytes, mode: PutMode = "create") -> None:
        """See `Store.put`; waits for room in the spool, or, to overwrite, for all that was put before."""
        if mode == "overwrite":
            # What an earlier process left is named by this manifest as well.
            self.wait_confirmed([*self._put, *(chunk.key for chunk in self.spool.waiting())])
            self._target.put(key, data, mode)
            return
        self.spool.publish(key, data, self._on_wait, lambda: self._is_in_target(key))
        self._put[key] = None

    def put_pieces(self, key: str, pieces: Iterable[bytes]) -> None:
        """See `Store.put_pieces`."""
        self.put(key, b"".join(pieces), "overwrite")

    def list(self, prefix: str = "", page_size: int = PAGE_SIZE, cuts: Sequence[str] = ()) -> Iterator[ObjectInfo]:
        """See `Store.list`."""
        # What is confirmed between these two lines is seen by both, and counted once.
        waiting = {chunk.key: ObjectInfo(chunk.key, chunk.size, chunk.modified_s) for chunk in self.spool.waiting()}
        stored = self._target.list(prefix, page_size, cuts)
        return _merge(stored, [info for key, info in waiting.items() if key.startswith(prefix)])

    def list_pages(self, prefix: str = "", cuts: Sequence[str] = (), *, sized: bool = True) -> Iterator[dict[str, int]]:
        """See `Store.list_pages`."""
        infos = self.list(prefix, cuts=cuts)
        while page := {info.key: info.size if sized else 0 for info in islice(infos, PAGE_SIZE)}:
            yield page

    def delete(self, key: str) -> None:
        """See `Store.delete`; what is waiting is uploaded first, since nothing leaves the spool unconfirmed."""
        self.wait_confirmed([key])
        self._target.delete(key)

    def wait_confirmed(
        self, keys: Iterable[str] | None = None, timeout_s: float | None = None, *, look: bool = False
    ) -> frozenset[str]:
        """Wait until S3 has confirmed some chunks.

        Args:
            keys: their keys; None for all that this object has put.
            timeout_s: how long to wait; None for as long as it takes.
            look: list the store afterwards, and see that they are there: for who is about to say so to others.

        Returns:
            The keys that are still waiting; none, if there was time enough.

        Raises:
            ConflictError: the store holds another object of one of these keys, or the chunk's bytes were damaged in
                the spool; the message names it and says where the chunk is kept.
            StoreError: a chunk left the spool and is not in the store (only with `look`).
        """
        wanted = set(self._put if keys is None else map(check_key, keys))
        end, said = None if timeout_s is None else self._clock() + timeout_s, False
        said_s = float("-inf")
        while True:
            left = wanted & {chunk.key for chunk in self.spool.waiting()}
            self._refuse_conflicts(wanted)
            if not left:
                break
            if end is not None and self._clock() >= end:
                return frozenset(left)
            if self._on_wait is not None and self._clock() - said_s >= SAY_EVERY_S:
                said, said_s = True, self._clock()
                self._on_wait(self._describe_wait(left))
            self._sleep(_PAUSE_S)
        if said and self._on_wait is not None:
            self._on_wait(None)
        if look:
            self._look(wanted)
        for key in wanted:
            self._put.pop(key, None)
        return frozenset()

    def _describe_wait(self, left: set[str]) -> str:
        error = self.spool.read_state().error
        paused = f"; paused: the uploader stopped: {error}" if error else ""
        untended = (
            ""
            if paused or self.spool.is_tended()
            else f"; no uploader is running: `{say_command('gpu_workers upload')}`"
        )
        return f"waiting for S3 to confirm {len(left)} chunks{paused}{untended}"

    def _refuse_conflicts(self, wanted: set[str]) -> None:
        for folder, why in ((CONFLICT, f"{self.uri} holds another object"), (REFUSED, "the uploader refused")):
            for chunk in self.spool.kept(folder):
                if chunk.key in wanted:
                    raise ConflictError(f"{why} {chunk.key}; ours is kept as {self.spool.folder}/{folder}/{chunk.name}")

    def _look(self, wanted: set[str]) -> None:
        for folder in sorted({key.rpartition("/")[0] for key in wanted}):
            there = {info.key for info in self._target.list(f"{folder}/" if folder else "")}
            for key in sorted(wanted):
                if key.rpartition("/")[0] == folder and key not in there:
                    raise StoreError(f"{key} left spool {self.spool.folder}, and {self.uri} does not hold it")

    def _is_in_target(self, key: str) -> bool:
        try:
            self._target.get_range(key, 0, 1)
        except StoreError:  # not there; or not to be reached now, and then the uploader will see
            return False
        return True


def _merge(stored: Iterator[ObjectInfo], waiting: list[ObjectInfo]) -> Iterator[ObjectInfo]:
    """Yield both in the order of their keys' bytes, each key once; the store's where both have it."""
    rest = sorted(waiting, key=lambda info: info.key.encode(), reverse=True)
    for info in stored:
        while rest and rest[-1].key.encode() < info.key.encode():
            yield rest.pop()
        if rest and rest[-1].key == info.key:
            rest.pop()
        yield info
    yield from reversed(rest)
