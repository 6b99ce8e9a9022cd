"""The folder: its parts, its locks, and the account of its bytes.

    DIR/writing/     temporaries, each of its full size from the start, locked by the process that writes it
    DIR/ready/       finished chunks, waiting for S3 or on their way there
    DIR/conflict/    chunks whose key in S3 has other bytes; kept for a person to look at
    DIR/refused/     files that are no chunks, or whose bytes are not those that were written; kept as well
    DIR/state.json   what the uploader says
    DIR/account.lock taken for a moment by whoever changes the sum of bytes upward, or moves a chunk to `ready/`
    DIR/publish.lock taken while a writer sees that neither spool nor store has its key, and publishes
    DIR/daemon.lock  held by the one uploader for as long as it lives

The folder itself is the account: the sum of the sizes of its files is the level, and nothing is remembered beside it
that a crash could make untrue. A writer makes its temporary at full size under the account's lock, so what it is going
to write counts before the first byte is there.
"""

import contextlib
import errno
import fcntl
import hashlib
import os
import secrets
import stat
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from gpu_workers.spool.names import Waiting, file_name, parse_name
from gpu_workers.spool.state import State, read_state, write_state
from mycelium.errors import ObjectExistsError, StoreError, StoreNotAvailableError, UserInputError
from mycelium.hint import say_command
from mycelium.settings import expand_home
from mycelium.store import check_key

OWN_BYTES = 1 << 14
"""Set aside of every budget for the spool's own files."""

READY, WRITING, CONFLICT, REFUSED = "ready", "writing", "conflict", "refused"
FOLDERS = (WRITING, READY, CONFLICT, REFUSED)  # in the order in which a file can move: a sum misses none that moves
_PAUSE_S = 0.05
SAY_EVERY_S = 1.0
"""How often a wait is said again."""


OnWait = Callable[[str | None], None]
"""Told, in words, what a writer waits for, about once a second; and None when it goes on."""


@dataclass(frozen=True, slots=True)
class Level:
    """How full the spool is.

    Attributes:
        bytes: all of it.
        kept: of these, bytes in conflict or refused, which go only when a person removes them.
        files: chunks written or being written.
    """

    bytes: int
    kept: int
    files: int


class Spool:
    """A folder that holds finished chunks, within a budget, until they are in S3; processes and threads share it."""

    def __init__(self, folder: str | Path, sleep: Callable[[float], None] = time.sleep) -> None:
        """Open a spool, or make one.

        Raises:
            UserInputError: its folders are not on one file system, so that nothing can be renamed between them.
            StoreNotAvailableError: it can't be made or locked.
        """
        self.folder = expand_home(folder).absolute()
        self._sleep = sleep
        try:
            for part in FOLDERS:
                (self.folder / part).mkdir(parents=True, exist_ok=True)
            devices = {part: (self.folder / part).stat().st_dev for part in FOLDERS}
            with self._accounting():
                pass
        except OSError as error:
            raise StoreNotAvailableError(f"spool {self.folder} can't be used: {error.strerror or error}") from error
        here = self.folder.stat().st_dev
        for part, device in devices.items():
            if device != here:
                raise UserInputError(
                    f"spool {self.folder}: {part}/ is on another file system, and a chunk is finished by renaming it; "
                    "give a folder that is whole on one"
                )

    def claim(self, target: str) -> None:
        """Say where this spool empties into; writers and uploader must agree.

        Raises:
            UserInputError: it holds chunks for another store.
        """
        with self._accounting():
            state = read_state(self.folder)
            if state.target not in {None, target} and (self.is_tended() or any(self.waiting())):
                raise UserInputError(f"spool {self.folder} empties into {state.target}; got {target}")
            if state.target != target:  # else the uploader's words stand
                write_state(self.folder, replace(state, target=target))

    def read_state(self) -> State:
        """Return what the uploader said last."""
        return read_state(self.folder)

    def write_state(self, state: State) -> None:
        """Say how the uploader stands; for the uploader."""
        write_state(self.folder, state)

    def report(self, error: str) -> None:
        """Say that the uploader stopped for good, so that writers wait."""
        write_state(self.folder, replace(read_state(self.folder), error=error))

    def publish(
        self,
        key: str,
        data: bytes,
        on_wait: OnWait | None = None,
        is_stored: Callable[[], bool] = lambda: False,
    ) -> Waiting:
        """Put a finished chunk into the spool; wait for room first.

        Args:
            key: the key of the object that it becomes.
            data: its bytes.
            on_wait: told what is waited for.
            is_stored: says whether the store has this key already; asked last, after the spool was looked at: what is
                not in the spool by then, and ever was, is in the store.

        Raises:
            ObjectExistsError: the spool, or the store, holds a chunk of that key.
            UserInputError: its key is too long.
            StoreNotAvailableError: the folder can't be written, or the chunk is larger than the whole budget.
        """
        sha256 = hashlib.sha256(data).hexdigest()
        name = file_name(key, sha256)
        try:
            with self._reserve(key, len(data), on_wait) as (descriptor, temporary):
                _write_all(descriptor, data)
                os.fsync(descriptor)
                with self._locking("publish.lock"):  # not the account's: asking the store can take long
                    self._refuse_second(key, is_stored)
                    with self._accounting():
                        temporary.rename(self.folder / READY / name)
        except StoreError:
            raise
        except OSError as error:
            raise StoreNotAvailableError(f"spool {self.folder} can't be written: {error.strerror or error}") from error
        return Waiting(name, key, sha256, len(data))

    def waiting(self) -> list[Waiting]:
        """Return the finished chunks, oldest first; files that are none are left out."""
        found = []
        for name, status in self._scan(READY):
            parsed = parse_name(name)
            if parsed is not None and stat.S_ISREG(status.st_mode):
                found.append((status.st_mtime_ns, Waiting(name, *parsed, status.st_size, status.st_mtime)))
        return [chunk for _, chunk in sorted(found, key=lambda pair: (pair[0], pair[1].name))]

    def strangers(self) -> list[str]:
        """Return the names of what is in `ready/` and is no file named as a chunk."""
        return sorted(
            name for name, status in self._scan(READY) if parse_name(name) is None or not stat.S_ISREG(status.st_mode)
        )

    def kept(self, folder: str = CONFLICT) -> list[Waiting]:
        """Return the chunks in conflict, or those refused, by name."""
        named = ((name, parse_name(name), status.st_size) for name, status in self._scan(folder))
        return sorted((Waiting(name, *parsed, size) for name, parsed, size in named if parsed), key=lambda w: w.name)

    def find(self, key: str) -> Path | None:
        """Return the file of a chunk that is waiting; None if there is none. It may go at any time."""
        start = check_key(key).replace("/", ",") + ","
        for name, _ in self._scan(READY):
            if name.startswith(start) and len(name) == len(start) + 64:
                return self.folder / READY / name
        return None

    def path(self, chunk: Waiting) -> Path:
        """Return the file of a waiting chunk."""
        return self.folder / READY / chunk.name

    def remove(self, chunk: Waiting) -> None:
        """Remove a chunk that S3 has confirmed; for the uploader."""
        self.path(chunk).unlink(missing_ok=True)

    def set_aside(self, name: str, folder: str) -> Path:
        """Move a file out of `ready/` to where it is kept, and return where; for the uploader."""
        kept = self.folder / folder / name
        (self.folder / READY / name).replace(kept)
        return kept

    def level(self) -> Level:
        """Return how full the spool is."""
        total, kept, files = OWN_BYTES, 0, 0
        for part in FOLDERS:
            for _, status in self._scan(part):
                total += status.st_size
                if part in {CONFLICT, REFUSED}:
                    kept += status.st_size
                else:
                    files += 1
        return Level(total, kept, files)

    def sweep(self) -> int:
        """Remove the temporaries of writers that are dead, and return how many; a living one locks its own."""
        swept = 0
        with self._accounting():
            for name, _ in self._scan(WRITING):
                path = self.folder / WRITING / name
                with contextlib.suppress(OSError):
                    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
                    try:
                        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                        path.unlink()
                        swept += 1
                    finally:
                        os.close(descriptor)
        return swept

    @contextlib.contextmanager
    def tend(self) -> Iterator[None]:
        """Be this spool's one uploader.

        Raises:
            UserInputError: another one is.
        """
        descriptor = os.open(self.folder / "daemon.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            if not _lock_patiently(descriptor, self._sleep):
                pid = read_state(self.folder).pid
                raise UserInputError(
                    f"spool {self.folder} has an uploader already (process {pid}); a spool is emptied by one"
                )
            yield
        finally:
            os.close(descriptor)

    def is_tended(self) -> bool:
        """Return whether an uploader is at this spool."""
        descriptor = os.open(self.folder / "daemon.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False

    def _accounting(self) -> contextlib.AbstractContextManager[None]:
        return self._locking("account.lock")

    @contextlib.contextmanager
    def _locking(self, name: str) -> Iterator[None]:
        """Hold a lock; it is of this open file, so threads of one process exclude each other as well."""
        descriptor = os.open(self.folder / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _scan(self, part: str) -> Iterator[tuple[str, os.stat_result]]:
        with os.scandir(self.folder / part) as entries:
            for entry in entries:
                with contextlib.suppress(FileNotFoundError):  # it went since the folder was read
                    yield entry.name, entry.stat(follow_symlinks=False)

    @contextlib.contextmanager
    def _reserve(self, key: str, size: int, on_wait: OnWait | None) -> Iterator[tuple[int, Path]]:
        """Wait until a chunk fits, and make its temporary at full size; it goes with the block that it is for."""
        descriptor, temporary = self._wait_for_room(key, size, on_wait)
        try:
            yield descriptor, temporary
        finally:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
            os.close(descriptor)

    def _wait_for_room(self, key: str, size: int, on_wait: OnWait | None) -> tuple[int, Path]:
        said, said_s = False, 0.0
        while True:
            with self._accounting():
                self._refuse_second(key)
                state, level = read_state(self.folder), self.level()
                reason = why_wait(state, level, size)
                if reason is None:
                    reason, made = self._make_temporary(size, level)
                    if made is not None:
                        break
            if on_wait is not None and time.monotonic() - said_s >= SAY_EVERY_S:
                said, said_s = True, time.monotonic()
                untended = (
                    "" if self.is_tended() else f"; no uploader is running: `{say_command('gpu_workers upload')}`"
                )
                on_wait(f"{reason}{untended}")
            self._sleep(_PAUSE_S)
        if said and on_wait is not None:
            on_wait(None)
        return made

    def _make_temporary(self, size: int, level: Level) -> tuple[str, tuple[int, Path] | None]:
        path = self.folder / WRITING / f"{os.getpid()}-{secrets.token_hex(8)}"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            _claim_blocks(descriptor, size)
        except OSError as error:
            path.unlink(missing_ok=True)
            os.close(descriptor)
            if error.errno not in {errno.ENOSPC, errno.EDQUOT} or not level.files:
                raise
            return "the disk is full", None
        return "", (descriptor, path)

    def _refuse_second(self, key: str, is_stored: Callable[[], bool] = lambda: False) -> None:
        if self.find(key) is not None:
            raise ObjectExistsError(f"chunk {key} is in spool {self.folder} already")
        if is_stored():
            raise ObjectExistsError(f"object {key} is in {read_state(self.folder).target} already")


def why_wait(state: State, level: Level, size: int) -> str | None:
    """Return why a chunk of that size has to wait, in words; None if it fits.

    Raises:
        StoreNotAvailableError: it will never fit, and so would end this run at any time.
    """
    if size + OWN_BYTES > state.budget:
        raise StoreNotAvailableError(
            f"a chunk has {size:,} bytes and the spool's whole budget is {state.budget:,} (with {OWN_BYTES:,} for its "
            "own files): start the uploader with a larger --max-spool, or make smaller chunks at ingest"
        )
    if state.error is not None:
        return f"paused: the uploader stopped: {state.error}"
    total = level.bytes + size
    if total <= min(state.cap, state.budget) or (not level.files and total <= state.budget):
        return None
    kept = f", {level.kept / 1e6:,.0f} of them in conflict or refused" if level.kept else ""
    slow = f" (of {state.budget / 1e6:,.0f}: the link is slow)" if state.cap < state.budget else ""
    return f"the spool is full: {level.bytes / 1e6:,.0f} of {state.cap / 1e6:,.0f} MB{slow}{kept}"


def _claim_blocks(descriptor: int, size: int) -> None:
    """Make a file as large as it is going to be, so that a full disk is met here and not half way."""
    if size and hasattr(os, "posix_fallocate"):  # macOS has it not
        try:
            os.posix_fallocate(descriptor, 0, size)
        except OSError as error:
            if error.errno not in {errno.EOPNOTSUPP, errno.EINVAL}:
                raise
        else:
            return
    os.ftruncate(descriptor, size)


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _lock_patiently(descriptor: int, sleep: Callable[[float], None]) -> bool:
    """Take a lock; a writer that looks whether it is taken holds it for a moment, so try for a second."""
    for attempt in range(20):
        if attempt:
            sleep(_PAUSE_S)
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
    return False
