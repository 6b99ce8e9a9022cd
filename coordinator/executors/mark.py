"""The mark of a coordinator that computes tasks itself: a file that is left behind only by one that died of it.

A task that crashes in native code, or is killed for its memory, takes its process along. In a worker that costs one
chunk; in the coordinator it costs the run, and the same command would die of the same chunk again. So a mark is made
before the first task is computed here and removed after the last, and says which chunks are in hand. Where a dead
coordinator left one, those chunks go to a worker, and the others are computed here. The chunks that were done lie in
the store in any case.
"""

import os
from collections.abc import Iterable
from pathlib import Path

from coordinator.executors.private import make_private, name_file


class Mark:
    """The mark of one run on this machine."""

    def __init__(self, run_id: str, target_uri: str, folder: Path | None = None) -> None:
        """Name the mark of a run; nothing is made yet.

        Args:
            run_id: the run.
            target_uri: the store that it writes.
            folder: where marks are; None for this user's own.
        """
        self.path = name_file(run_id, target_uri, folder)

    def make(self) -> frozenset[str] | None:
        """Make the mark, or take over that of a coordinator that is dead.

        Returns:
            The chunks that the dead one had in hand, and this process is not to compute; none if there was no mark.
            None if this process may not compute at all: no mark can be made, or another process is at the same run, or
            nobody knows what left the mark.
        """
        try:
            make_private(self.path.parent)
            with self.path.open("x") as file:
                file.write(f"{os.getpid()}\n")
        except FileExistsError:
            return self._take_over() if self.path.parent.is_dir() else None
        except OSError:
            return None
        return frozenset()

    def hold(self, chunk_ids: Iterable[str]) -> None:
        """Say which chunks are in hand, before they are computed."""
        fresh = self.path.with_name(f"{self.path.name}-{os.getpid()}")
        try:
            fresh.write_text("\n".join([str(os.getpid()), *chunk_ids, ""]))
            fresh.replace(self.path)  # at no time half of it
        except OSError:
            return  # the mark names those before; a coordinator that dies now is known all the same

    def _take_over(self) -> frozenset[str] | None:
        try:
            owner, *chunk_ids = self.path.read_text().splitlines()
            if _is_alive(int(owner)):
                return None
        except (OSError, ValueError):
            return None
        self.hold(chunk_ids)
        return frozenset(chunk_ids)

    def remove(self) -> None:
        """Remove the mark, whoever made it: the run has come past what it warned of."""
        try:
            self.path.unlink(missing_ok=True)
        except OSError:
            return  # it stays, and the next run of this identity begins with workers


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
