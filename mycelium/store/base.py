"""What a store is: the Protocol, its keys, and an object read as a file."""

import io
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

from mycelium.errors import UserInputError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

PutMode = Literal["create", "overwrite"]

PAGE_SIZE = 1000
"""Keys fetched by one listing request: the most that S3 gives."""

LISTED_TOGETHER = 10_000
"""Keys of a folder that are handed over together."""

_SEGMENT = re.compile(r"[A-Za-z0-9_=@+~-][A-Za-z0-9._=@+~-]*")


@dataclass(frozen=True, slots=True, order=True)
class ObjectInfo:
    """What a listing says of one object.

    Attributes:
        key: its key, relative to the store.
        size: its bytes.
        modified_s: when it was written, seconds since the epoch; two listings are equal whatever it says.
    """

    key: str
    size: int
    modified_s: float = field(default=0.0, compare=False)


class Store(Protocol):
    """A place that holds objects under keys; the module's docstring says what it promises."""

    @property
    def uri(self) -> str:
        """The URI that `open_store` opens this store from, in any process."""
        ...

    def get(self, key: str) -> bytes:
        """Return a whole object.

        Raises:
            ObjectNotFoundError: no object has this key.
        """
        ...

    def get_range(self, key: str, start: int, length: int) -> bytes:
        """Return up to `length` bytes from byte `start`; fewer, or none, where the object ends before.

        Raises:
            ObjectNotFoundError: no object has this key.
        """
        ...

    def put(self, key: str, data: bytes, mode: PutMode = "create") -> None:
        """Store a whole object, atomically.

        Raises:
            ObjectExistsError: the mode is ``create`` and an object with this key is there.
            StoreNotAvailableError: the store can't be written: missing, forbidden or full.
        """
        ...

    def put_pieces(self, key: str, pieces: Iterable[bytes]) -> None:
        """Store an object that is made piece by piece, atomically, in the place of any other: it need fit nowhere.

        Raises:
            StoreNotAvailableError: the store can't be written: missing, forbidden or full.
        """
        ...

    def list(self, prefix: str = "", page_size: int = PAGE_SIZE, cuts: Sequence[str] = ()) -> Iterator[ObjectInfo]:
        """Yield the objects whose keys begin with `prefix`, in key order.

        Args:
            prefix: what their keys begin with.
            page_size: keys fetched by one request.
            cuts: keys, in order, at which a long listing may be cut, so that several pages are fetched at a time. They
                need not be there. What is yielded is the same without them.

        Raises:
            StoreNotAvailableError: there is no such store.
        """
        ...

    def list_pages(self, prefix: str = "", cuts: Sequence[str] = (), *, sized: bool = True) -> Iterator[dict[str, int]]:
        """Yield what `list` does, as keys with their bytes and many at a time: what looks through a million asks this.

        Args:
            prefix: what their keys begin with.
            cuts: see `list`.
            sized: whether the bytes are wanted; if not they are 0, and a folder is not asked about each of its files.

        Raises:
            StoreNotAvailableError: there is no such store.
        """
        ...

    def delete(self, key: str) -> None:
        """Remove an object; one that is not there is no error, as on S3."""
        ...


def check_key(key: str) -> str:
    """Return `key` if it is a relative path of plain segments, so that it can't leave its store.

    Raises:
        UserInputError: a segment is empty, begins with a dot, or has a character outside ``A-Z a-z 0-9 . _ = @ + ~ -``.
    """
    if len(key) <= 1024 and all(_SEGMENT.fullmatch(segment) for segment in key.split("/")):
        return key
    raise UserInputError(
        f"an object's key is letters, digits and . _ = @ + ~ - between slashes, "
        f"no segment empty or beginning with a dot, at most 1,024 characters; got {key[:80]!r}"
    )


def check_range(start: int, length: int) -> None:
    """Refuse a range that begins before an object or has less than no length.

    Raises:
        ValueError: `start` or `length` is negative.
    """
    if start < 0 or length < 0:
        raise ValueError(f"a range begins at 0 or later and has a length of 0 or more; got {start}, {length}")


class RangeReader(io.RawIOBase):
    """An object as a seekable file, whose every read is one `get_range`: what reads a Parquet file in part."""

    def __init__(self, store: Store, key: str, size: int) -> None:
        """Open an object of a known size."""
        super().__init__()
        self._store, self._key, self._size = store, key, size
        self._position = 0
        self.bytes_read = 0

    def readable(self) -> bool:
        """Reading is what it is for."""
        return True

    def seekable(self) -> bool:
        """Any position can be read."""
        return True

    def tell(self) -> int:
        """Return the position of the next read."""
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move the position; no request is made."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def readinto(self, buffer: "WriteableBuffer") -> int:
        """Fill the buffer by one ranged request."""
        view = memoryview(buffer).cast("B")
        data = self._store.get_range(self._key, self._position, len(view))
        view[: len(data)] = data
        self._position += len(data)
        self.bytes_read += len(data)
        return len(data)


class PieceReader(io.RawIOBase):
    """Pieces as a file that is read once."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        """Take the pieces; each is asked for when those before it have been read."""
        super().__init__()
        self._pieces, self._left = iter(pieces), memoryview(b"")

    def readable(self) -> bool:
        """Reading is what it is for."""
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        """Fill the buffer, or as much of it as the piece in hand does; 0 at the end."""
        while not self._left:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._left = memoryview(piece)
        view = memoryview(buffer).cast("B")
        n = min(len(view), len(self._left))
        view[:n] = self._left[:n]
        self._left = self._left[n:]
        return n
