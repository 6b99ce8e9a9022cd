"""The only door to objects: get, get_range, put, list, delete.

Three stores stand behind one Protocol, and one contract suite (tests/mycelium/test_store.py) holds them to it:

- `MemoryStore`, for tests;
- `LocalStore`, a folder;
- `S3Store`, a bucket and a prefix, on AWS or on anything that speaks S3 over HTTP.

What every store promises:

- An object is whole or it is not there. A reader never sees a part of one, whenever the writer was killed.
- `put(mode="create")` stores the object only where none has that key, atomically: of any number of writers one
  succeeds, and the others get `ObjectExistsError`. So a retry, a duplicate or a second coordinator does no harm.
- `list` yields keys in the order of their UTF-8 bytes, each once, fetching page after page.
- A key is a relative path of plain segments. It can't leave its store.
"""

from urllib.parse import unquote, urlsplit

from mycelium.errors import UserInputError
from mycelium.settings import expand_home
from mycelium.store.base import ObjectInfo, PutMode, RangeReader, Store, check_key
from mycelium.store.local import LocalStore
from mycelium.store.memory import MemoryStore
from mycelium.store.s3 import S3Store

__all__ = [
    "LocalStore",
    "MemoryStore",
    "ObjectInfo",
    "PutMode",
    "RangeReader",
    "S3Store",
    "Store",
    "check_key",
    "open_store",
]


def open_store(uri: str) -> Store:
    """Open the store that a URI names: a path, ``file:///path`` or ``s3://bucket/prefix``.

    Raises:
        UserInputError: the URI is of another scheme, or names no bucket.
    """
    if "://" not in uri:
        if not uri:
            raise UserInputError("a store is a path, file:///path or s3://bucket/prefix; got nothing")
        return LocalStore(expand_home(uri))
    parts = urlsplit(uri)
    if parts.scheme == "file" and parts.netloc in {"", "localhost"} and parts.path:
        return LocalStore(unquote(parts.path))
    if parts.scheme == "s3" and parts.netloc:
        return S3Store(parts.netloc, parts.path.strip("/"))
    raise UserInputError(f"a store is a path, file:///path or s3://bucket/prefix; got {uri!r}")
