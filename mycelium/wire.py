"""What goes over the wire between a coordinator and a function: the events, the answers, and their limits.

Bytes travel as base64 in JSON. A part that would not fit goes to the store, and its key travels in its place.
"""

from dataclasses import dataclass

import msgspec

from mycelium.errors import ChunkDamagedError
from mycelium.manifest import Outcome
from mycelium.store import Store
from mycelium.task import Task, TaskResult

MAX_EVENT_BYTES = 6_291_556
"""The most that a synchronous Lambda invocation takes, and the most that it answers."""

MAX_INLINE_PART = 2 << 20
"""Bytes of the largest part that travels inline: as base64 it fits into an answer, and two into one event."""

MAX_INLINE_ANSWER = 128 << 10
"""Bytes of the largest answer to a question of a fit that travels inline, in a run of very many chunks."""

PART_PREFIX = "parts/"

WORK_PREFIX = "work/"
"""Where a state machine's lists of items lie, and what its maps and failed tasks say."""


@dataclass(frozen=True, slots=True)
class TaskCall:
    """The event that runs one task.

    Attributes:
        task: which chunk of which run.
        source_uri: the store to read.
        target_uri: the store to write.
        leave_at: where in the target store the outcome is left if the chunk fails, for a caller that does not wait for
            the answer; None for one that does. A state machine's step may answer no more than 256 KB, so then the
            answer has no part.
        max_inline: bytes of the largest part that the answer may hold; a larger one goes to the store.
        trace_id: the command that causes it, for the logs; nothing that is written depends on it.
    """

    task: Task
    source_uri: str
    target_uri: str
    leave_at: str | None = None
    max_inline: int = MAX_INLINE_PART
    trace_id: str = ""


@dataclass(frozen=True, slots=True)
class ReduceCall:
    """The event that reduces some parts to one.

    Attributes:
        stage: the stage whose reduce it is.
        parts: each one a key in the store, below ``parts/``, or the part itself as base64. An Arrow stream's base64
            begins with a slash, and no key does.
        source_uri: the store that holds the keys.
        out_key: where the result goes if it is too large for the answer.
        asks: whether the parts are answers to a question of the stage's fit.
    """

    stage: str
    parts: tuple[str, ...]
    source_uri: str
    out_key: str
    asks: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """What a function answers.

    Attributes:
        outcome: what became of the chunk; None from a reduce.
        part: the part; None if the chunk failed, if it was not wanted, or if it is in the store.
        part_key: where in the store the part is.
    """

    outcome: Outcome | None = None
    part: bytes | None = None
    part_key: str | None = None


def part_key(run_id: str, name: str) -> str:
    """Return the key of a part, ``parts/gsm8k-0123456789ab/00042.arrow``."""
    return f"{PART_PREFIX}{run_id}/{name}.arrow"


def name_part(task: Task) -> str:
    """Return the name of a task's part; an answer's is of its question, too, lest one round take another's."""
    asked = task.broadcast.sha256[:12] if task.asks and task.broadcast else ""
    return f"{asked}-{task.chunk_id}" if asked else task.chunk_id


def answer_task(call: TaskCall, result: TaskResult, store: Store) -> Answer:
    """Return what a function answers to a call; what does not fit into the answer is put into the store."""
    if call.leave_at is None:
        key = part_key(call.task.run_id, name_part(call.task))
        return answer_part(result.part, key, store, result.outcome, call.max_inline)
    if result.outcome.status == "failed":
        store.put(call.leave_at, msgspec.json.encode(result.outcome), mode="overwrite")
    return Answer(result.outcome)


def answer_part(
    part: bytes | None, key: str, store: Store, outcome: Outcome | None = None, max_inline: int = MAX_INLINE_PART
) -> Answer:
    """Return an answer that holds a part, or the key under which the part was stored."""
    if part is None or len(part) <= max_inline:
        return Answer(outcome, part)
    store.put(key, part, mode="overwrite")  # the same part has the same key: a retry writes the same bytes
    return Answer(outcome, part_key=key)


def is_part_key(text: str) -> bool:
    """Return whether an item of `ReduceCall.parts` is a key."""
    return text.startswith(PART_PREFIX)


def decode_answer(data: bytes) -> Answer:
    """Read a function's answer.

    Raises:
        ChunkDamagedError: it is none.
    """
    try:
        return msgspec.json.decode(data, type=Answer)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ChunkDamagedError(f"the function's answer can't be read: {error}") from error
