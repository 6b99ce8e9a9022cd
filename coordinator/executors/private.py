"""A folder of this user's alone among the temporary files, where a run leaves word to the next command on this machine.

What lies there is believed: a journal's parts go into a result. On a machine of many users anybody may make a folder of
that name first, so one that is somebody else's, or that others may write, is not used.
"""

import os
import stat
import tempfile
from pathlib import Path

from mycelium.manifest import digest

_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


def find_private() -> Path:
    """Return where this user's folder is, or would be."""
    owner = os.getuid() if hasattr(os, "getuid") else "all"
    return Path(tempfile.gettempdir()) / f"mycelium-computing-{owner}"


def name_file(run_id: str, target_uri: str, folder: Path | None = None) -> Path:
    """Return where a file about a run into a store is, or would be.

    Args:
        run_id: the run.
        target_uri: the store that it writes; its path may be of bytes that are no text.
        folder: the folder that it is in; None for this user's own.
    """
    return (folder or find_private()) / digest(os.fsencode(f"{target_uri}\n{run_id}"))[:24]


def make_private(folder: Path) -> None:
    """Make the folder, if it is not there.

    Raises:
        OSError: it can't be made, or it is not this user's alone.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    check_private(folder)


def check_private(folder: Path) -> None:
    """See to it that nobody else can write into a folder.

    Raises:
        OSError: it is not there, not a folder but a link, somebody else's, or others may write into it.
    """
    found = folder.lstat()
    is_ours = not hasattr(os, "getuid") or found.st_uid == os.getuid()
    if not stat.S_ISDIR(found.st_mode) or not is_ours or found.st_mode & _OTHERS_WRITE:
        raise PermissionError(f"{folder} is not this user's alone")
