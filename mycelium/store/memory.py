"""Objects in memory."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence

from mycelium.errors import ObjectExistsError, ObjectNotFoundError
from mycelium.store.base import PAGE_SIZE, ObjectInfo, PutMode, check_key, check_range


class MemoryStore:
    """Objects in a dictionary, for tests; safe between threads."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        """Make an empty store; the clock says when an object was written."""
        self._objects: dict[str, bytes] = {}
        self._written_s: dict[str, float] = {}
        self._clock = clock
        self._lock = threading.Lock()

    @property
    def uri(self) -> str:
        """No other process can open it."""
        return "memory://"

    def get(self, key: str) -> bytes:
        """See `Store.get`."""
        try:
            return self._objects[check_key(key)]
        except KeyError:
            raise ObjectNotFoundError(f"no object {key} in {self.uri}") from None

    def get_range(self, key: str, start: int, length: int) -> bytes:
        """See `Store.get_range`."""
        check_range(start, length)
        return self.get(key)[start : start + length]

    def put(self, key: str, data: bytes, mode: PutMode = "create") -> None:
        """See `Store.put`."""
        check_key(key)
        with self._lock:
            if mode == "create" and key in self._objects:
                raise ObjectExistsError(f"object {key} is in {self.uri} already")
            self._objects[key] = bytes(data)
            self._written_s[key] = self._clock()

    def put_pieces(self, key: str, pieces: Iterable[bytes]) -> None:
        """See `Store.put_pieces`."""
        self.put(key, b"".join(pieces), "overwrite")

    def list(self, prefix: str = "", page_size: int = PAGE_SIZE, cuts: Sequence[str] = ()) -> Iterator[ObjectInfo]:
        """See `Store.list`."""
        del page_size, cuts  # a dictionary needs no pages
        with self._lock:
            found = [
                ObjectInfo(key, len(data), self._written_s[key])
                for key, data in self._objects.items()
                if key.startswith(prefix)
            ]
        yield from sorted(found, key=lambda info: info.key.encode())

    def list_pages(self, prefix: str = "", cuts: Sequence[str] = (), *, sized: bool = True) -> Iterator[dict[str, int]]:
        """See `Store.list_pages`."""
        yield {info.key: info.size if sized else 0 for info in self.list(prefix, cuts=cuts)}

    def delete(self, key: str) -> None:
        """See `Store.delete`."""
        with self._lock:
            self._objects.pop(check_key(key), None)
