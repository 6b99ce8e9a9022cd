"""What became of one chunk."""

import hashlib
from dataclasses import dataclass, replace
from typing import Literal


@dataclass(frozen=True, slots=True)
class ObjectRef:
    """One object of a run.

    Attributes:
        dataset: the dataset it is a chunk of.
        key: its key.
        size: its bytes.
        sha256: the digest of its bytes, hexadecimal.
    """

    dataset: str
    key: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one chunk.

    Attributes:
        chunk_id: the chunk.
        status: ``done``: computed in this run; ``found``: there already; ``failed``: see `error`.
        outputs: the objects written or found.
        error: for a failed chunk, its error in one line.
        error_kind: for a failed chunk, the error's class.
        n_input: rows read.
        n_output: rows written to the last dataset.
        n_problems: problems among them.
        bytes_read: bytes of input.
        started_s: when the task began, seconds since the epoch.
        wall_s: how long it took.
        peak_mb: the largest resident memory of the process until then, MiB.
        attempts: how often the chunk was tried, the last time included; 0 where another process ran it, or nobody.
        cold: whether its function had to be started for it.
        init_ms: how long that start took.
        billed_ms: what the platform bills, for all attempts together; of one that was dropped, since a backup answered
            first, what it had taken by then: it is billed to its end, of which nobody hears.
        memory_mb: the largest memory that the function has used, as the platform says, MB.
        backups: how many of the attempts were backups: started beside another that took long.
    """

    chunk_id: str
    status: Literal["done", "found", "failed"]
    outputs: tuple[ObjectRef, ...] = ()
    error: str | None = None
    error_kind: str | None = None
    n_input: int = 0
    n_output: int = 0
    n_problems: int = 0
    bytes_read: int = 0
    started_s: float = 0.0
    wall_s: float = 0.0
    peak_mb: float = 0.0
    attempts: int = 1
    cold: bool = False
    init_ms: float = 0.0
    billed_ms: int = 0
    memory_mb: int = 0
    backups: int = 0


def strip_times(outcome: Outcome) -> Outcome:
    """Return what two executors must agree on: all but when, how long, and what it took and cost."""
    return replace(
        outcome,
        bytes_read=0,
        started_s=0.0,
        wall_s=0.0,
        peak_mb=0.0,
        attempts=1,
        cold=False,
        init_ms=0.0,
        billed_ms=0,
        memory_mb=0,
        backups=0,
    )


def count_written(outcome: Outcome) -> int:
    """Return the bytes that a task has written; what it found was another's."""
    return sum(ref.size for ref in outcome.outputs) if outcome.status == "done" else 0


def digest(data: bytes) -> str:
    """Return the SHA-256 of some bytes, hexadecimal."""
    return hashlib.sha256(data).hexdigest()
