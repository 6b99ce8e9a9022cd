"""The journal of a run on this machine: what became of its tasks, for the same command after `kill -9`.

Outputs are in the store and are found there; but what the reduce needs of each, its part, is made by reading it again,
and that takes a tenth to a half of computing it. So results are kept in a file as they come, and a coordinator that
starts again takes them from there. It is a cache: nothing is synced, and what is cut off, damaged or gone is read from
the store as if there had been no journal. It is removed when its run is over.
"""

import struct
import zlib
from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path

import msgspec

from coordinator.executors.private import check_private, make_private, name_file
from mycelium.errors import MyceliumError
from mycelium.store import Store
from mycelium.task import TaskResult

FLUSH_BYTES = 1 << 14
MOST_BYTES = 256 << 20
"""A longer run goes on without: what it did after so much is read from the store."""

WORTH_S = 0.001
"""A task that took less is as soon done again as looked up."""

_HEAD = struct.Struct("<II")
_END = b"PAR1"


class Journal:
    """The results of one run, in a file that one user can read."""

    def __init__(self, run_id: str, target_uri: str, folder: Path | None = None) -> None:
        """Name the journal of a run; nothing is made yet.

        Args:
            run_id: the run.
            target_uri: the store that it writes.
            folder: where journals are; None for this user's own.
        """
        self.path = name_file(run_id, target_uri, folder).with_suffix(".journal")
        self._waiting = bytearray()

    def add(self, result: TaskResult) -> None:
        """Keep a result, if it is worth that; it is in the file after some more of them, or `flush`."""
        outcome = result.outcome
        if outcome.status == "failed" or not outcome.outputs or outcome.wall_s < WORTH_S or result.part is None:
            return
        data = msgspec.msgpack.encode(result)
        self._waiting += _HEAD.pack(len(data), zlib.crc32(data)) + data
        if len(self._waiting) >= FLUSH_BYTES:
            self.flush()

    def flush(self) -> None:
        """Write what waits, in one piece, so that another coordinator at the same run does not come in between."""
        waiting, self._waiting = self._waiting, bytearray()
        if not waiting:
            return
        try:
            make_private(self.path.parent)
            with self.path.open("ab", buffering=0) as file:
                if file.tell() < MOST_BYTES:
                    file.write(waiting)
        except OSError:
            return  # it will be read from the store

    def read(self, found: Collection[str], store: Store) -> Iterator[TaskResult]:
        """Yield the results of chunks whose outputs are there, each once.

        Args:
            found: chunks of which the last output was seen in the store.
            store: where they are; each output is asked for its end, so that none which was cut off is taken for whole.
        """
        seen: set[str] = set()
        for data in self._frames():
            try:
                result = msgspec.msgpack.decode(data, type=TaskResult)
            except (msgspec.MsgspecError, UnicodeDecodeError):
                continue
            chunk_id = result.outcome.chunk_id
            if chunk_id in found and chunk_id not in seen and _is_whole(result, store):
                seen.add(chunk_id)
                yield replace(result, outcome=replace(result.outcome, status="found", bytes_read=0, wall_s=0.0))

    def remove(self) -> None:
        """Remove the journal: its run is over."""
        self._waiting = bytearray()
        try:
            self.path.unlink(missing_ok=True)
        except OSError:
            return

    def _frames(self) -> Iterator[bytes]:
        try:
            check_private(self.path.parent)
            with self.path.open("r+b") as file:
                whole = 0
                while len(head := file.read(_HEAD.size)) == _HEAD.size:
                    length, check = _HEAD.unpack(head)
                    data = file.read(min(length, MOST_BYTES))
                    if len(data) != length or zlib.crc32(data) != check:
                        break  # cut off, or damaged: nothing after it can be told apart
                    whole = file.tell()
                    yield data
                file.truncate(whole)  # so that what is added now can be
        except OSError:
            return


def _is_whole(result: TaskResult, store: Store) -> bool:
    try:
        return all(
            store.get_range(ref.key, max(0, ref.size - len(_END)), len(_END) + 1) == _END
            for ref in result.outcome.outputs
        )
    except MyceliumError:
        return False
