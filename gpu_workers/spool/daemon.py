"""The uploader: takes finished chunks out of the spool and into S3, until it is told to stop.

One thread decides; a pool of them sends. A chunk leaves the spool when S3 has confirmed its bytes, and at no other
time, so the process can be killed at any moment: the next one sends the chunk again, or finds that S3 has it.
"""

import hashlib
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from gpu_workers.spool.answers import DigestRefusedError
from gpu_workers.spool.backoff import draw_wait
from gpu_workers.spool.door import Upload
from gpu_workers.spool.line import TIMEOUT_S, Sent
from gpu_workers.spool.meter import Counts, Meter, choose_cap
from gpu_workers.spool.names import Waiting
from gpu_workers.spool.spool import CONFLICT, READY, REFUSED, Level, Spool
from gpu_workers.spool.state import State
from gpu_workers.spool.watch import waking
from mycelium.errors import ConflictError, StoreError, UploadError

RESCAN_S = 5.0
"""How often the spool is looked at although the file system said nothing."""

TELL_S = 1.0
_SCAN_SHARE = 10.0
"""A spool of very many files is looked at again only after so many times what looking at it takes."""

DRAIN_TRIES = 12
CONCURRENCY = 16
DRAIN_S = 90.0
_MAGIC = b"PAR1"


class Sender(Protocol):
    """What uploads a file; see `gpu_workers.spool.door.Door.upload`."""

    def upload(self, upload: Upload, sent: Sent) -> bool:
        """Upload a file and return once it is confirmed."""
        ...

    def close(self) -> None:
        """Break off what is on its way."""
        ...


@dataclass(frozen=True, slots=True)
class Look:
    """How the uploader stands at one moment.

    Attributes:
        counts: what it has done.
        level: how full the spool is.
        waiting: chunks in the spool.
        in_flight: of these, those on their way.
        budget: bytes the spool may hold.
        cap: bytes it may hold at the link's present speed.
        rate: what the link carries, bytes per second; 0 for not known yet.
        elapsed_s: seconds since the uploader began.
        last: whether this is the last look.
    """

    counts: Counts
    level: Level
    waiting: int
    in_flight: int
    budget: int
    cap: int
    rate: float
    elapsed_s: float
    last: bool = False


class Tell(Protocol):
    """Shows people or machines what happens."""

    def look(self, look: Look) -> None:
        """Show how the uploader stands; called about once a second."""
        ...

    def event(self, kind: str, line: str) -> None:
        """Say what happened: ``retry``, ``conflict``, ``refused``, ``swept``."""
        ...


@dataclass(frozen=True, slots=True)
class Options:
    """How the uploader works.

    Attributes:
        target: where to, for the state file.
        budget: bytes that the spool may hold.
        drain: upload all and end, in place of waiting for more.
        concurrency: chunks on their way at once.
        drain_s: seconds within which a full spool must be carried away, or it is made smaller; 0 for no such bound.
        timeout_s: a connection on which nothing moves for so long is given up.
    """

    target: str
    budget: int
    drain: bool = False
    concurrency: int = CONCURRENCY
    drain_s: float = DRAIN_S
    timeout_s: float = TIMEOUT_S


class Uploader:
    """Empties one spool into one door."""

    def __init__(
        self, spool: Spool, sender: Sender, options: Options, tell: Tell, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Take a spool that nobody else tends (see `Spool.tend`)."""
        self._spool, self._sender, self._options, self._tell, self._clock = spool, sender, options, tell, clock
        self._meter = Meter(clock)
        self._wake = threading.Event()
        self._draining, self._arrived = options.drain, False
        self._queue: dict[str, Waiting] = {}
        self._flying: dict[str, tuple[Waiting, Future[bool]]] = {}
        self._failures: dict[str, int] = {}
        self._due: dict[str, float] = {}
        self._given_up: dict[str, str] = {}
        self._began_s = self._told_s = clock()
        self._scanned_s, self._scan_s = clock() - RESCAN_S, 0.0

    def drain(self) -> None:
        """Upload what is there and end; for a signal handler, so it takes no lock and is noticed within a second."""
        self._draining = True

    def run(self) -> dict[str, str]:
        """Upload until there is nothing left to do.

        Returns:
            The chunks that were given up, with the reason of each; only where the uploader drains.

        Raises:
            UploadRefusedError: S3 refuses for good; the state file says so, and writers wait.
        """
        self._show(None)
        with ThreadPoolExecutor(self._options.concurrency, thread_name_prefix="upload") as pool:
            try:
                with waking(self._spool.folder / READY, self._wake_for_arrival):
                    self._loop(pool)
            except StoreError as error:
                self._show(str(error), last=True)
                raise
            finally:
                if self._flying:
                    self._sender.close()
        self._show(None, last=True)
        return dict(self._given_up)

    def _loop(self, pool: ThreadPoolExecutor) -> None:
        while True:
            self._wake.clear()
            self._land()
            self._scan_if_due()
            self._start(pool)
            self._show_sometimes()
            if self._draining and not self._queue and not self._flying:
                self._sweep()
                self._scan()
                if not self._queue:
                    return
            now = self._clock()
            due = [self._scanned_s + RESCAN_S, self._told_s + TELL_S, *self._due.values()]
            self._wake.wait(max(0.0, min(due) - now))

    def _wake_for_arrival(self) -> None:
        self._arrived = True
        self._wake.set()

    def _scan_if_due(self) -> None:
        now = self._clock()
        if now - self._scanned_s >= RESCAN_S:
            self._sweep()
            self._scan()
        elif self._arrived and now - self._scanned_s >= _SCAN_SHARE * self._scan_s:
            self._scan()

    def _sweep(self) -> None:
        swept = self._spool.sweep()
        if swept:
            self._tell.event("swept", f"removed {swept} half-written chunks of writers that are gone")

    def _scan(self) -> None:
        """Look at what is in the spool; oldest first."""
        self._arrived, self._scanned_s = False, self._clock()
        for name in self._spool.strangers():
            self._refuse(name, "it is not named as a chunk")
        self._queue = {
            chunk.name: chunk
            for chunk in self._spool.waiting()
            if chunk.name not in self._flying and chunk.name not in self._given_up
        }
        self._scan_s = self._clock() - self._scanned_s

    def _start(self, pool: ThreadPoolExecutor) -> None:
        now = self._clock()
        for name, chunk in list(self._queue.items()):
            if len(self._flying) >= self._options.concurrency:
                return
            if self._due.get(name, now) > now:
                continue
            self._due.pop(name, None)
            del self._queue[name]
            future = pool.submit(self._carry, chunk)
            self._flying[name] = (chunk, future)
            future.add_done_callback(lambda _: self._wake.set())

    def _carry(self, chunk: Waiting) -> bool:
        """Upload one chunk; in a thread of the pool."""
        path = self._spool.path(chunk)
        reason = look_at_chunk(path, chunk)
        if reason is not None:
            raise _NoChunkError(reason)
        total = 0

        def sent(n_bytes: int) -> None:
            nonlocal total
            total += n_bytes
            self._meter.sent(n_bytes)

        self._meter.begin()
        try:
            return self._sender.upload(Upload(chunk.key, path, chunk.size, chunk.sha256), sent)
        except DigestRefusedError:
            self._meter.sent(-total)
            if _hash_file(path) != chunk.sha256:
                raise _NoChunkError("its bytes are not those that were written: the disk has damaged them") from None
            raise
        except StoreError:
            self._meter.sent(-total)
            raise
        finally:
            self._meter.end()

    def _land(self) -> None:
        """See what became of the uploads that have ended."""
        for name, (chunk, future) in list(self._flying.items()):
            if not future.done():
                continue
            del self._flying[name]
            try:
                was_sent = future.result()
            except UploadError as error:
                self._fail(chunk, str(error))
            except _NoChunkError as error:
                self._refuse(name, str(error))
            except ConflictError as error:
                kept = self._spool.set_aside(name, CONFLICT)
                self._meter.add(conflicts=1)
                self._tell.event("conflict", f"{error}; ours is kept as {kept}")
            except StoreError:
                raise
            except OSError as error:
                self._fail(chunk, f"its file can't be read: {error.strerror or error}")
            else:
                self._spool.remove(chunk)
                self._failures.pop(name, None)
                self._meter.add(files=1, bytes=chunk.size, found=int(not was_sent))

    def _fail(self, chunk: Waiting, reason: str) -> None:
        failures = self._failures.get(chunk.name, 0) + 1
        self._failures[chunk.name] = failures
        if self._draining and failures >= DRAIN_TRIES:
            self._given_up[chunk.name] = reason
            self._tell.event("given up", f"{chunk.key}: {reason}; it stays in the spool")
            return
        self._meter.add(retries=1)
        self._tell.event("retry", f"{chunk.key}: {reason}")
        self._due[chunk.name] = self._clock() + draw_wait(failures - 1)
        self._queue[chunk.name] = chunk

    def _refuse(self, name: str, reason: str) -> None:
        kept = self._spool.set_aside(name, REFUSED)
        self._meter.add(refused=1)
        self._tell.event("refused", f"{name}: {reason}; it is kept as {kept}")

    def _show_sometimes(self) -> None:
        if self._clock() - self._told_s >= TELL_S:
            self._show(None)

    def _show(self, error: str | None, *, last: bool = False) -> None:
        """Show how the uploader stands, and write it into the spool for the writers."""
        self._told_s = self._clock()
        options, counts, rate = self._options, self._meter.counts, self._meter.rate()
        cap = choose_cap(options.budget, rate, options.drain_s)
        self._spool.write_state(
            State(
                target=options.target,
                budget=options.budget,
                cap=cap,
                pid=os.getpid(),
                error=error,
                files=counts.files,
                bytes=counts.bytes,
                retries=counts.retries,
                rate=rate,
                written_s=time.time(),
            )
        )
        level = self._spool.level()
        elapsed_s = self._told_s - self._began_s
        flying = len(self._flying)
        waiting = flying + len(self._queue)
        self._tell.look(Look(counts, level, waiting, flying, options.budget, cap, rate, elapsed_s, last))


class _NoChunkError(Exception):
    """The file is no chunk, or not the one that its name says."""


def look_at_chunk(path: Path, chunk: Waiting) -> str | None:
    """Return why a file can't be the chunk that its name says, as far as a glance shows; None if it can.

    Whether its bytes have the digest that its name says, S3 sees.
    """
    if not chunk.key.endswith(".parquet"):
        return None
    with path.open("rb") as file:
        head = file.read(len(_MAGIC))
        file.seek(-min(len(_MAGIC), chunk.size), os.SEEK_END)
        tail = file.read()
    return None if head == tail == _MAGIC and chunk.size > 2 * len(_MAGIC) else "it is no Parquet file, so no chunk"


def _hash_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
