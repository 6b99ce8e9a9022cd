"""Read JSON Lines or a JSON array, gzipped or not, as a stream: one row in memory at a time.

Files come from anywhere. What can't be read becomes a `Reject` with file, line and reason, and reading goes on as far
as the format lets it: past a bad line always, past the break of a truncated gzip stream or JSON array never.
"""

import codecs
import gzip
import json
import re
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from mycelium.errors import UserInputError

MAX_ROW_BYTES = 16 << 20
"""A longer line or element is rejected; the longest real chain of thought is some tens of kilobytes."""

BLOCK_BYTES = 1 << 16
"""What is read of an array at a time."""

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
        for values in _read_elements(text):
            number += 1
            place = Place(str(path), number)
            if isinstance(values, dict):
                yield RawRow(place, values)
            elif isinstance(values, Reject):
                yield Reject(place, values.reason)
            else:
                yield Reject(place, f"a row is a JSON object; got {type(values).__name__}")
    except RecursionError:
        yield Reject(Place(str(path), number + 1), "not JSON: nested too deep; what follows is lost")
    except ValueError as error:  # malformed JSON, bytes that are no UTF-8, an element that is too long
        reason = " ".join(str(error).split())[:200]
        yield Reject(Place(str(path), number + 1), f"the JSON array breaks off here ({reason}); what follows is lost")


class _Window:
    """The text of a file from a place on, as much of it as is needed at a time."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._decode = file, codecs.getincrementaldecoder("utf-8")().decode
        self._text, self._at = "", 0

    def peek(self) -> str:
        """Return the next character that is no space, or nothing at the end."""
        while True:
            self._at = cast("re.Match[str]", _SPACES.match(self._text, self._at)).end()
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._read_on():
                return ""

    def take(self, wanted: str) -> None:
        """Go past one of some characters.

        Raises:
            ValueError: another one is there.
        """
        found = self.peek()
        if not found or found not in wanted:
            raise ValueError(f"{' or '.join(wanted)} is expected; got {found or 'the end'}")
        self._at += 1

    def take_value(self) -> object:
        """Go past one JSON value and return it; a `Reject` for one whose number has too many digits.

        Raises:
            ValueError: it is no JSON, or too long.
            RecursionError: it is nested too deep.
        """
        while True:
            try:
                value, end = self._parse()
            except json.JSONDecodeError as error:
                if not self._may_be_cut_off(error):
                    raise
                if self._is_too_long():
                    raise ValueError(f"an element is longer than {MAX_ROW_BYTES >> 20} MiB") from None
                if not self._read_on():
                    raise
            else:
                # A number may go on in what was not read yet: of 0. and of 1e- the parser takes 0 and 1.
                if not _NUMBER.fullmatch(self._text, end) or self._is_too_long() or not self._read_on():
                    self._at = end
                    return value

    def _may_be_cut_off(self, error: json.JSONDecodeError) -> bool:
        """Whether more text could mend it: a string without end, or a mistake where what was read so far ends."""
        return error.msg.startswith("Unterminated string") or len(self._text) - error.pos < _LONGEST_WORD

    def _is_too_long(self) -> bool:
        return len(self._text) - self._at > MAX_ROW_BYTES

    def _parse(self) -> tuple[object, int]:
        try:
            return _DECODER.raw_decode(self._text, self._at)
        except json.JSONDecodeError:
            raise
        except ValueError as error:
            return Reject(Place("", 0), f"not JSON: {error}"), _ANY_DIGITS.raw_decode(self._text, self._at)[1]

    def _read_on(self) -> bool:
        """Read as much again as there is, so that an element is not parsed more often than its length doubles."""
        rest = self._text[self._at :]
        data = self._file.read(max(BLOCK_BYTES, len(rest)))
        self._text, self._at = rest + self._decode(data, not data), 0
        return bool(data)


_NUMBER = re.compile(r"[-+.0-9eE]*")
_LONGEST_WORD = 16
"""No word of JSON that is not a string is longer; the longest are -Infinity and an escaped surrogate pair."""
_SPACES = re.compile(r"[ \t\n\r]*")
_DECODER = json.JSONDecoder()
_ANY_DIGITS = json.JSONDecoder(parse_int=str)


def _read_elements(file: IO[bytes]) -> Iterator[object]:
    """Yield the elements of a JSON array, one in memory at a time."""
    text = _Window(file)
    text.take("[")
    if text.peek() == "]":
        text.take("]")
    else:
        is_more = True
        while is_more:
            text.peek()
            yield text.take_value()
            is_more = text.peek() == ","
            text.take(",]")
    if text.peek():
        raise ValueError(f"the file goes on after the array: {text.peek()}")
