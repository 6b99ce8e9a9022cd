"""The names of chunks in the spool: a key, with commas for slashes, and the digest of the bytes."""

import re
from dataclasses import dataclass, field

from mycelium.errors import UserInputError
from mycelium.store import check_key

_NAME = re.compile(r"(?P<key>[^,/]+(?:,[^,/]+)*),(?P<sha256>[0-9a-f]{64})")
_MAX_NAME = 255


@dataclass(frozen=True, slots=True)
class Waiting:
    """A finished chunk in the spool.

    Attributes:
        name: its file's name: key, with commas for slashes, and digest.
        key: the key of the object that it becomes.
        sha256: the digest of its bytes, hexadecimal.
        size: its bytes.
        modified_s: when it was finished, seconds since the epoch; 0 where that is not known.
    """

    name: str
    key: str
    sha256: str
    size: int
    modified_s: float = field(default=0.0, compare=False)


def file_name(key: str, sha256: str) -> str:
    """Return the file name of a chunk in the spool.

    Raises:
        UserInputError: the key is none, or too long for a file name.
    """
    name = f"{check_key(key).replace('/', ',')},{sha256}"
    if len(name) > _MAX_NAME:
        raise UserInputError(f"a spooled key has at most {_MAX_NAME - 65} characters; got {len(key)}: {key[:80]}…")
    return name


def parse_name(name: str) -> tuple[str, str] | None:
    """Return key and digest of a file name; None if it is not one of ours."""
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    key = found["key"].replace(",", "/")
    try:
        return check_key(key), found["sha256"]
    except UserInputError:
        return None
