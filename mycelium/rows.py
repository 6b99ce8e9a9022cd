"""Read JSON Lines or a JSON array, gzipped or not, as a stream: one row in memory at a time.

Files come from anywhere. What can't be read becomes a `Reject` with file, line and reason, and reading goes on as far
as the format lets it: past a bad line always, past the break of a truncated gzip stream or JSON array never.
"""

import gzip
import json
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

import ijson

from mycelium.errors import UserInputError

MAX_ROW_BYTES = 16 << 20
"""A longer line is rejected; the longest real chain of thought is some tens of kilobytes."""

GZIP_MAGIC = b"\x1f\x8b"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a row stands.

    Attributes:
        file: the file's path.
        line: the line, from 1; in a JSON array, the element.
    """

    file: str
    line: int


@dataclass(frozen=True, slots=True)
class Reject:
    """A row that can't be used, and why."""

    place: Place
    reason: str


@dataclass(frozen=True, slots=True)
class RawRow:
    """A row as it was in the file: a JSON object."""

    place: Place
    values: dict[str, object]


def read_rows(path: Path, watch: Callable[[int], None] = lambda _: None) -> Iterator[RawRow | Reject]:
    """Yield the rows of a file, and what could not be read.

    Args:
        path: JSON Lines (one object a line) or one JSON array of objects; either may be gzipped, whatever its name.
        watch: called with the bytes of the file that have been read so far, now and then.

    Raises:
        UserInputError: the file is not there, not readable, or empty.
    """
    with ExitStack() as stack:
        try:
            raw = stack.enter_context(path.open("rb"))
            start = raw.read(2)
        except OSError as error:
            raise UserInputError(f"{path} can't be read: {error.strerror or error}") from None
        if not start:
            raise UserInputError(f"{path} is empty")
        raw.seek(0)
        text: IO[bytes] = raw
        if start == GZIP_MAGIC:
            text = cast("IO[bytes]", stack.enter_context(gzip.GzipFile(fileobj=raw)))
        place = Place(str(path), 1)
        try:
            first = _first_byte(text)
            rows = _read_array(text, path) if first == b"[" else _read_lines(text, path)
            for count, row in enumerate(rows):
                place = Place(str(path), row.place.line + 1)
                if count % 256 == 0:
                    watch(raw.tell())
                yield row
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            yield Reject(place, f"the gzip stream breaks off here ({error}); what follows is lost")
        watch(raw.tell())


def _first_byte(text: IO[bytes]) -> bytes:
    byte = text.read(1)
    while byte and byte.isspace():
        byte = text.read(1)
    text.seek(0)
    return byte


def _read_lines(text: IO[bytes], path: Path) -> Iterator[RawRow | Reject]:
    number = 0
    while line := text.readline(MAX_ROW_BYTES + 1):
        number += 1
        place = Place(str(path), number)
        if len(line) > MAX_ROW_BYTES:
            while line and not line.endswith(b"\n"):
                line = text.readline(MAX_ROW_BYTES)
            yield Reject(place, f"the line is longer than {MAX_ROW_BYTES >> 20} MiB")
        elif line.strip():
            yield _parse_line(line, place)


def _parse_line(line: bytes, place: Place) -> RawRow | Reject:
    try:
        values = json.loads(line)
    except RecursionError:
        return Reject(place, "not JSON: nested too deep")
    except ValueError as error:  # malformed JSON, bytes that are no UTF-8, a number of too many digits
        return Reject(place, f"not JSON: {error}")
    if not isinstance(values, dict):
        return Reject(place, f"a row is a JSON object; got {type(values).__name__}")
    return RawRow(place, values)


def _read_array(text: IO[bytes], path: Path) -> Iterator[RawRow | Reject]:
    number = 0
    try:
        for values in ijson.items(text, "item", use_float=True):
            number += 1
            place = Place(str(path), number)
            if isinstance(values, dict):
                yield RawRow(place, values)
            else:
                yield Reject(place, f"a row is a JSON object; got {type(values).__name__}")
    except (ijson.JSONError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())[:200]
        yield Reject(Place(str(path), number + 1), f"the JSON array breaks off here ({reason}); what follows is lost")
