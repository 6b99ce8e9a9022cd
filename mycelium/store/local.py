"""Objects in a folder."""

import contextlib
import os
import secrets
import time
from bisect import bisect
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from mycelium.errors import ObjectExistsError, ObjectNotFoundError, StoreError, StoreNotAvailableError
from mycelium.store.base import LISTED_TOGETHER, PAGE_SIZE, ObjectInfo, PutMode, check_key, check_range

_TEMPORARY_FOLDER = ".tmp"
_STALE_TEMPORARY_S = 3600.0
_MAX_PLAIN = 10_000
"""Folders that are remembered to be no links."""


class LocalStore:
    """Objects as files below a folder.

    A put writes a temporary file below ``.tmp`` in the same folder, syncs it, and links it to its name (create) or
    renames it over its name (overwrite): after `kill -9` or a power cut there is the old object, the new one, or none.
    Temporaries that a killed writer left are removed an hour later by the next process that writes.

    Symbolic links below the folder are neither listed nor followed, so that a folder from somewhere else leads nowhere
    else; the folder itself may be one.
    """

    def __init__(self, root: str | Path) -> None:
        """Take a folder as a store; the first put makes it."""
        self._root = Path(root).absolute()
        self._swept = False
        self._plain: set[Path] = {self._root}

    @property
    def uri(self) -> str:
        """The folder's absolute path."""
        return str(self._root)

    def get(self, key: str) -> bytes:
        """See `Store.get`."""
        with self._reading(key):
            return self._path(key).read_bytes()

    def get_range(self, key: str, start: int, length: int) -> bytes:
        """See `Store.get_range`."""
        check_range(start, length)
        with self._reading(key), self._path(key).open("rb") as file:
            file.seek(start)
            return file.read(length)

    def put(self, key: str, data: bytes, mode: PutMode = "create") -> None:
        """See `Store.put`."""
        self._write(key, (data,), mode)

    def put_pieces(self, key: str, pieces: Iterable[bytes]) -> None:
        """See `Store.put_pieces`."""
        self._write(key, pieces, "overwrite")

    def list(self, prefix: str = "", page_size: int = PAGE_SIZE, cuts: Sequence[str] = ()) -> Iterator[ObjectInfo]:
        """See `Store.list`; a folder is walked as the keys are asked for, so no page size applies."""
        del page_size, cuts
        return (
            ObjectInfo(key, stat.st_size, stat.st_mtime)
            for base, names in self._list_names(prefix)
            for key, stat in self._look(base, names)
        )

    def list_pages(self, prefix: str = "", cuts: Sequence[str] = (), *, sized: bool = True) -> Iterator[dict[str, int]]:
        """See `Store.list_pages`."""
        del cuts
        pages = self._list_names(prefix)
        if not sized:
            return (dict.fromkeys([base + name for name in names], 0) for base, names in pages)
        return ({key: stat.st_size for key, stat in self._look(base, names)} for base, names in pages)

    def delete(self, key: str) -> None:
        """See `Store.delete`."""
        try:
            self._path(key).unlink(missing_ok=True)
        except NotADirectoryError:
            return
        except OSError as error:
            raise StoreNotAvailableError(f"store {self.uri} can't be written: {error.strerror or error}") from error

    def _write(self, key: str, pieces: Iterable[bytes], mode: PutMode) -> None:
        path = self._path(key)
        temporary = self._root / _TEMPORARY_FOLDER / f"{os.getpid()}-{secrets.token_hex(8)}"
        self._refuse_link(temporary.parent)  # or stale files would be swept out of wherever it leads
        try:
            self._sweep_temporaries()
            temporary.parent.mkdir(parents=True, exist_ok=True)
            path.parent.mkdir(parents=True, exist_ok=True)
            with temporary.open("xb") as file:
                file.writelines(pieces)
                file.flush()
                os.fsync(file.fileno())
            if mode == "create":
                os.link(temporary, path)
            else:
                temporary.replace(path)
        except FileExistsError:
            if path.is_file():
                raise ObjectExistsError(f"object {key} is in {self.uri} already") from None
            # A folder can't hold both `a` and `a/b`, as a bucket can; no key of ours needs that.
            raise StoreNotAvailableError(f"in {self.uri} a file and a folder would both be called {key}") from None
        except OSError as error:
            raise StoreNotAvailableError(f"store {self.uri} can't be written: {error.strerror or error}") from error
        finally:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        path = self._root / check_key(key)
        self._refuse_link(path.parent)
        if path.is_symlink():
            raise StoreError(f"{key} in {self.uri} is a symbolic link, which no store follows")
        return path

    def _refuse_link(self, folder: Path) -> None:
        """Refuse a folder that is reached by a link; one that was found plain is not looked at again."""
        if folder in self._plain:
            return
        self._refuse_link(folder.parent)
        if folder.is_symlink():
            raise StoreError(f"{folder} is a symbolic link, which no store follows: name where it leads by --store")
        if folder.is_dir() and len(self._plain) < _MAX_PLAIN:
            self._plain.add(folder)

    @contextlib.contextmanager
    def _reading(self, key: str) -> Iterator[None]:
        try:
            yield
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            raise ObjectNotFoundError(f"no object {key} in {self.uri}") from None
        except OSError as error:
            raise StoreError(f"object {key} in {self.uri} can't be read: {error.strerror or error}") from error

    def _list_names(self, prefix: str) -> Iterator[tuple[str, Sequence[str]]]:
        if not self._root.is_dir():
            raise StoreNotAvailableError(f"there is no store at {self.uri}")
        return self._walk(self._root, "", prefix)

    def _walk(self, folder: Path, base: str, prefix: str) -> Iterator[tuple[str, Sequence[str]]]:
        """Yield the keys below a folder that begin with a prefix: many at a time, what they begin with apart."""
        rest = prefix[len(base) :]  # what is left of it to begin with here
        files, folders = self._scan(folder)
        if rest:
            files = [name for name in files if name.startswith(rest)]
            folders = [name for name in folders if name.startswith(rest) or rest.startswith(name)]
        done = 0
        for name in (*folders, None):
            before = len(files) if name is None else bisect(files, name, done)
            for i in range(done, before, LISTED_TOGETHER):
                yield base, files[i : min(i + LISTED_TOGETHER, before)]
            if name is not None:
                yield from self._walk(folder / name, base + name, prefix)
            done = before

    def _scan(self, folder: Path) -> tuple[Sequence[str], Sequence[str]]:
        """Return the names of the files and, with a slash, of the folders in a folder, in the order of their keys.

        A folder sorts as its name and a slash, which is how the keys below it compare with those of its siblings. Code
        points sort as their UTF-8 does. Names alone are held: a million entries of the system are 900 MB.
        """
        files, folders = [], []
        try:
            with os.scandir(folder) as scan:
                for entry in scan:
                    name = entry.name
                    if entry.is_symlink() or name[0] == ".":
                        continue
                    if entry.is_dir():
                        folders.append(name + "/")
                    else:
                        files.append(name)
        except FileNotFoundError:  # removed since its parent was read
            return (), ()
        except OSError as error:
            raise StoreNotAvailableError(f"store {self.uri} can't be read: {error.strerror or error}") from error
        files.sort()
        folders.sort()
        return files, folders

    def _look(self, base: str, names: Sequence[str]) -> Iterator[tuple[str, os.stat_result]]:
        """Yield the keys of files in one folder, with what the system says of each; a path for each would be slower."""
        try:
            folder = os.open(self._root / base, os.O_RDONLY | os.O_DIRECTORY)
        except (FileNotFoundError, NotADirectoryError):  # removed since it was read
            return
        try:
            for name in names:
                try:
                    yield base + name, os.stat(name, dir_fd=folder)
                except FileNotFoundError:  # removed since its folder was read
                    continue
        finally:
            os.close(folder)

    def _sweep_temporaries(self) -> None:
        if self._swept:
            return
        self._swept = True
        before = time.time() - _STALE_TEMPORARY_S
        with contextlib.suppress(OSError):
            for stale in (self._root / _TEMPORARY_FOLDER).iterdir():
                if stale.stat().st_mtime < before:
                    stale.unlink(missing_ok=True)
