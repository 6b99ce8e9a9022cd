"""A journal of finished work: lines appended as they come, a whole file in the end, whatever dies in between.

While work goes on, lines are appended to ``FILE.part``, each batch at once and flushed to the disk. A process that is
killed leaves at worst one line without its end, which is cut off when the work is taken up again. When all is done the
lines are written to FILE, whole and in the order asked for, and the part is removed. One process at a time may write.
"""

import fcntl
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from mycelium.errors import StoreNotAvailableError, UserInputError


class Journal:
    """Lines of JSON, one for each piece of work, by its name; use it as a context manager.

    Attributes:
        done: the lines there are, by name.
    """

    def __init__(self, path: Path, key: str, owner: Mapping[str, object]) -> None:
        """Take the file, the field that names a piece of work, and what every line must say of who did it."""
        self.done: dict[str, bytes] = {}
        self._path, self._key, self._owner = path, key, owner
        self._part: IO[bytes] | None = None

    @property
    def part_path(self) -> Path:
        """Where lines are while the work goes on."""
        return self._path.with_name(self._path.name + ".part")

    def __enter__(self) -> Self:
        """Take up the work where it stands.

        Raises:
            UserInputError: there are lines of other work, or another process is at it.
            StoreNotAvailableError: the file can't be written.
        """
        try:
            if self._path.exists():
                self._take(self._path, self._path.read_bytes())
            self._part = self.part_path.open("a+b")
            self._lock(self._part)
            self._part.seek(0)
            content = self._part.read()
            whole = content.rfind(b"\n") + 1
            self._take(self.part_path, content[:whole])
            self._part.truncate(whole)
        except OSError as error:
            self._close()
            raise StoreNotAvailableError(f"{self._path} can't be written: {error.strerror or error}") from None
        except UserInputError:
            self._close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let go of the file; the part stays, unless `finish` removed it."""
        self._close()

    def append(self, rows: Iterable[Mapping[str, object]]) -> None:
        """Write some lines, and return when they are on the disk.

        Raises:
            StoreNotAvailableError: the disk is full, say.
        """
        lines = {str(row[self._key]): json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows}
        if self._part is None:
            raise ValueError("a journal is written within its `with`")
        try:
            self._part.write(b"".join(lines.values()))
            self._part.flush()
            os.fsync(self._part.fileno())
        except OSError as error:
            raise StoreNotAvailableError(f"{self.part_path} can't be written: {error.strerror or error}") from None
        self.done.update(lines)

    def finish(self, order: Sequence[str]) -> None:
        """Write the file, whole: the lines of these names in this order, then the others; and remove the part."""
        names = [*(name for name in order if name in self.done), *sorted(set(self.done) - set(order))]
        temporary = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        try:
            with temporary.open("wb") as file:
                file.writelines(self.done[name] for name in names)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self._path)
            self.part_path.unlink()
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise StoreNotAvailableError(f"{self._path} can't be written: {error.strerror or error}") from None

    def _take(self, path: Path, content: bytes) -> None:
        for number, line in enumerate(content.splitlines(keepends=True), 1):
            try:
                row = json.loads(line)
                name = row[self._key]
                other = next((field for field, value in self._owner.items() if row.get(field) != value), None)
            except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
                raise UserInputError(
                    f"{path}, line {number}, is no line of a journal; give another file, or remove it"
                ) from None
            if other is not None:
                raise UserInputError(
                    f"{path}, line {number}, has {other} {row.get(other)!r}, and this run's is {self._owner[other]!r}; "
                    f"give another file"
                )
            self.done[str(name)] = line if line.endswith(b"\n") else line + b"\n"

    def _lock(self, file: IO[bytes]) -> None:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserInputError(f"another process is writing {self.part_path}") from None

    def _close(self) -> None:
        if self._part is not None:
            self._part.close()
            self._part = None
