"""What the uploader says to the writers, through one small file in the spool."""

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

import msgspec

DEFAULT_BUDGET = 500_000_000
"""Bytes that a spool may hold, where nobody says otherwise."""

FILE = "state.json"


@dataclass(frozen=True, slots=True)
class State:
    """How the uploader stands; written by it alone, except for the first, which whoever comes first writes.

    Attributes:
        target: the URI of the store that the spool empties into; None if nobody has said yet.
        budget: bytes that the spool may hold.
        cap: bytes that it may hold at the link's present speed; at most the budget.
        pid: the uploader's process; None if none has run.
        error: why the uploader stopped for good, in one line; writers wait until another one starts.
        files: chunks confirmed by this uploader.
        bytes: their bytes.
        retries: attempts that failed and were made again.
        rate: what the link carries, bytes per second; 0 if not known yet.
        written_s: when this was written, seconds since the epoch.
    """

    target: str | None = None
    budget: int = DEFAULT_BUDGET
    cap: int = DEFAULT_BUDGET
    pid: int | None = None
    error: str | None = None
    files: int = 0
    bytes: int = 0
    retries: int = 0
    rate: float = 0.0
    written_s: float = 0.0


def read_state(folder: Path) -> State:
    """Return what the spool's state file says; the defaults where there is none, or none that can be read."""
    try:
        return msgspec.json.decode((folder / FILE).read_bytes(), type=State)
    except (FileNotFoundError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return State()


def write_state(folder: Path, state: State) -> None:
    """Replace the spool's state file, whole; on a full disk the old one stays."""
    temporary = folder / f".{FILE}.{os.getpid()}"
    try:
        with contextlib.suppress(OSError):
            temporary.write_bytes(msgspec.json.encode(state))
            temporary.replace(folder / FILE)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
