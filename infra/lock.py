"""The lock: every file of every package that the coordinator, the functions and the deployment install, by its digest.

`make lock` writes it from pyproject.toml and constraints.txt. It names no index: a mirror does as well, since the
digests are those of the files.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from mycelium.extras import normalise_package

LOCK = Path(__file__).resolve().parent.parent / "requirements.lock"

_PINNED = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", re.MULTILINE)
_HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")


def read_lock(text: str) -> dict[str, tuple[str, ...]]:
    """Return what pip and uv check, by ``name==version``: ``--hash=sha256:…`` for each file of that version."""
    found = {}
    for entry in re.split(r"\n(?=[A-Za-z0-9])", text):
        pinned = _PINNED.match(entry)
        if pinned is not None:
            found[f"{normalise_package(pinned[1])}=={pinned[2]}"] = tuple(_HASH.findall(entry))
    return found


def with_hashes(pins: list[str], lock: Mapping[str, tuple[str, ...]]) -> list[str]:
    """Return pins with the digests of their files, where the lock has that very version; the others as they are."""
    lines = []
    for pin in pins:
        name, _, version = pin.partition("==")
        lines.append(" ".join([pin, *lock.get(f"{normalise_package(name)}=={version}", ())]))
    return lines
