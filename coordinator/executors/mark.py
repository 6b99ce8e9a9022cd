"""The mark of a coordinator that computes tasks itself: a file that is left behind only by one that died of it.

A task that crashes in native code, or is killed for its memory, takes its process along. In a worker that costs one
chunk; in the coordinator it costs the run, and the same command would die of the same chunk again. So a mark is made
before the first task is computed here and removed after the last, and where there is one already every task goes to a
worker. The chunks that were done lie in the store in any case.
"""

import os
import tempfile
from pathlib import Path

from mycelium.manifest import digest


class Mark:
    """The mark of one run on this machine."""

    def __init__(self, run_id: str, target_uri: str, folder: Path | None = None) -> None:
        """Name the mark of a run; nothing is made yet.

        Args:
            run_id: the run.
            target_uri: the store that it writes.
            folder: where marks are; None for this user's, below the system's folder of temporary files.
        """
        owner = os.getuid() if hasattr(os, "getuid") else "all"
        self._folder = folder or Path(tempfile.gettempdir()) / f"mycelium-computing-{owner}"
        self.path = self._folder / digest(f"{target_uri}\n{run_id}".encode())[:24]

    def make(self) -> bool:
        """Make the mark; return whether this process may compute: there was none, and it could be made."""
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with self.path.open("x") as file:
                file.write(str(os.getpid()))
        except OSError:
            return False
        return True

    def remove(self) -> None:
        """Remove the mark, whoever made it: the run has come past what it warned of."""
        try:
            self.path.unlink(missing_ok=True)
        except OSError:
            return  # it stays, and the next run of this identity begins with workers
