"""What a command tells of its runs, for machines: one JSON object a line, each of a kind that is declared here.

Every run tells, in this order: ``run-started``, ``run-planned``, any number of ``fit-round`` and of events of its
chunks, and ``run-finished``. docs/events.md is made from these types, and every event that a test sees is
decoded by them.
"""

import time as clocks
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from mycelium.logs import format_time
from mycelium.manifest import Outcome
from mycelium.outcome import count_written
from mycelium.plan import Plan
from mycelium.progress import Traffic


class Event(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="event"):
    """What every event says."""

    time: Annotated[str, Meta(description="when, RFC 3339, UTC")]
    trace_id: Annotated[str, Meta(description="the command that tells it")]
    run_id: Annotated[str, Meta(description="the run")]
    stage: Annotated[str, Meta(description="its stage")]


class RunStarted(Event, frozen=True, kw_only=True, tag="run-started"):
    """A run is taken up."""

    executor: Annotated[str, Meta(description="where its tasks run")]
    stage_version: Annotated[int, Meta(description="the stage's version")]


class RunPlanned(Event, frozen=True, kw_only=True, tag="run-planned"):
    """It is known what there is to do."""

    chunks: Annotated[int, Meta(description="chunks of the input")]
    found: Annotated[int, Meta(description="those whose output is there already")]
    lost: Annotated[int, Meta(description="those whose input is lost; each is a `chunk-failed`, too")]
    bytes_to_read: Annotated[int, Meta(description="bytes of the objects that the others read")]


class FitRound(Event, frozen=True, kw_only=True, tag="fit-round"):
    """Every chunk was asked a question of the stage's fit."""

    round: Annotated[int, Meta(description="which round of the fit, from 1; one that the store answers is not told")]
    chunks: Annotated[int, Meta(description="chunks asked")]
    failed: Annotated[int, Meta(description="those that could not answer; each is a `chunk-failed`, too")]
    wall_s: Annotated[float, Meta(description="how long the round took, seconds")]


class ChunkRetried(Event, frozen=True, kw_only=True, tag="chunk-retried"):
    """An attempt at a chunk failed, and another follows. Only executors in the cloud tell this."""

    chunk_id: Annotated[str, Meta(description="the chunk")]
    attempt: Annotated[int, Meta(description="which attempt failed, from 1")]
    error_kind: Annotated[str, Meta(description="how it failed; `Throttled` if it never ran")]
    wait_s: Annotated[float, Meta(description="how long the next attempt waits, seconds")]


class ChunkDone(Event, frozen=True, kw_only=True, tag="chunk-done"):
    """A chunk has its output."""

    chunk_id: Annotated[str, Meta(description="the chunk")]
    found: Annotated[bool, Meta(description="whether it was there already")]
    attempts: Annotated[int, Meta(description="how often it was tried; 0 where another process did it")]
    task_s: Annotated[float, Meta(description="how long its task took, seconds")]
    bytes_read: Annotated[int, Meta(description="bytes of input")]
    bytes_written: Annotated[int, Meta(description="bytes of output; 0 for what was found")]
    problems: Annotated[int, Meta(description="problems in the output")]
    billed_ms: Annotated[int, Meta(description="what the platform bills, milliseconds; 0 on this machine")]


class ChunkFailed(Event, frozen=True, kw_only=True, tag="chunk-failed"):
    """A chunk failed, and is not tried again."""

    chunk_id: Annotated[str, Meta(description="the chunk")]
    attempts: Annotated[int, Meta(description="how often it was tried")]
    task_s: Annotated[float, Meta(description="how long its task took, seconds")]
    error_kind: Annotated[str, Meta(description="the error's class")]
    error: Annotated[str, Meta(description="the error in one line, of at most 500 characters; it may quote the data")]


End = Literal["done", "failed", "gave-up", "interrupted", "error"]


class RunFinished(Event, frozen=True, kw_only=True, tag="run-finished"):
    """The run has ended, in whatever way but `kill -9`."""

    end: Annotated[
        End,
        Meta(
            description="`done`: every chunk has its output; `failed`: some have not; `gave-up`: too many failed, or "
            "all alike; `interrupted`: Ctrl-C; `error`: the store or the deployment can't be used, or nothing be fitted"
        ),
    ]
    reason: Annotated[str, Meta(description="why, for `gave-up` and `error`; else empty")]
    before: Annotated[bool, Meta(description="whether the run was complete before, so that nothing was done")]
    chunks: Annotated[int, Meta(description="chunks of the input")]
    done: Annotated[int, Meta(description="chunks computed")]
    found: Annotated[int, Meta(description="chunks that were there already")]
    failed: Annotated[int, Meta(description="chunks that failed")]
    wall_s: Annotated[float, Meta(description="how long the run took, seconds")]
    task_s: Annotated[float, Meta(description="how long its tasks took, together, seconds")]
    bytes_read: Annotated[int, Meta(description="bytes of input, of all tasks")]
    bytes_written: Annotated[int, Meta(description="bytes of output, of all tasks")]


AnyEvent = RunStarted | RunPlanned | FitRound | ChunkRetried | ChunkDone | ChunkFailed | RunFinished
"""Every kind of event, in the order in which a run first tells them."""

Hear = Callable[[AnyEvent], None]
"""Takes an event, from any thread."""


def decode_event(line: str | bytes) -> AnyEvent:
    """Read one line.

    Raises:
        msgspec.DecodeError: it is no event.
    """
    event: AnyEvent = msgspec.json.decode(line, type=AnyEvent)
    return event


def _hear_nothing(event: AnyEvent) -> None:
    del event


@dataclass(slots=True)
class Observer:
    """Tells one run's events, and holds what is seen of it as it goes.

    Attributes:
        trace_id: the command's.
        hear: who is told.
        clock: seconds since the epoch.
        traffic: what the executor has in flight, kept by the executor.
        owns_stdout: whether the events are the command's whole output.
        owns_terminal: whether they are on a terminal, which progress would draw over.
        price: returns what a task cost, US dollars, or None if its platform does not say; None where nothing is paid.
    """

    trace_id: str = ""
    hear: Hear = _hear_nothing
    clock: Callable[[], float] = clocks.time
    traffic: Traffic = field(default_factory=Traffic)
    owns_stdout: bool = False
    owns_terminal: bool = False
    price: Callable[[Outcome], float | None] | None = None

    def of_another_run(self) -> "Observer":
        """Return an observer of another run of the same command."""
        return replace(self, traffic=Traffic())

    def started(self, plan: Plan, executor: str) -> None:
        """Tell that a run is taken up, and what it has to do."""
        if self.hear is _hear_nothing:
            return
        head = self._head(plan.run_id, plan.stage.name)
        self.hear(RunStarted(**head, executor=executor, stage_version=plan.stage.version))
        size = sum(ref.size for task in plan.tasks if not task.found for ref in task.inputs)
        self.hear(RunPlanned(**head, chunks=plan.n_chunks, found=plan.n_found, lost=len(plan.lost), bytes_to_read=size))

    def asked(self, plan: Plan, n_round: int, n_failed: int, wall_s: float) -> None:
        """Tell that a round of the fit is over."""
        head = self._head(plan.run_id, plan.stage.name)
        self.hear(FitRound(**head, round=n_round, chunks=len(plan.tasks), failed=n_failed, wall_s=wall_s))

    def ended(self, plan: Plan, outcome: Outcome) -> None:
        """Tell what became of a chunk."""
        if self.hear is _hear_nothing:  # a million times to nobody would be seconds
            return
        head = self._head(plan.run_id, plan.stage.name)
        if outcome.status == "failed":
            self.hear(
                ChunkFailed(
                    **head,
                    chunk_id=outcome.chunk_id,
                    attempts=outcome.attempts,
                    task_s=outcome.wall_s,
                    error_kind=outcome.error_kind or "",
                    error=outcome.error or "",
                )
            )
            return
        self.hear(
            ChunkDone(
                **head,
                chunk_id=outcome.chunk_id,
                found=outcome.status == "found",
                attempts=outcome.attempts,
                task_s=outcome.wall_s,
                bytes_read=outcome.bytes_read,
                bytes_written=count_written(outcome),
                problems=outcome.n_problems,
                billed_ms=outcome.billed_ms,
            )
        )

    def retried(self, run_id: str, stage: str, chunk_id: str, error_kind: str, attempt: int, wait_s: float) -> None:
        """Tell that an attempt at a chunk has failed and another follows."""
        self.traffic.retries += 1
        head = self._head(run_id, stage)
        self.hear(ChunkRetried(**head, chunk_id=chunk_id, attempt=attempt, error_kind=error_kind, wait_s=wait_s))

    def finished(self, plan: Plan, outcomes: Iterable[Outcome], wall_s: float, end: End, reason: str = "") -> None:
        """Tell how a run has ended."""
        if self.hear is _hear_nothing:
            return
        count, task_s, bytes_read, bytes_written = Counter[str](), 0.0, 0, 0
        for outcome in outcomes:  # once: those of a large run are unpacked as they go by
            count[outcome.status] += 1
            task_s += outcome.wall_s
            bytes_read += outcome.bytes_read
            bytes_written += count_written(outcome)
        self.hear(
            RunFinished(
                **self._head(plan.run_id, plan.stage.name),
                end=end,
                reason=reason,
                before=False,
                chunks=plan.n_chunks,
                done=count["done"],
                found=count["found"],
                failed=count["failed"],
                wall_s=wall_s,
                task_s=task_s,
                bytes_read=bytes_read,
                bytes_written=bytes_written,
            )
        )

    def was_finished(self, plan: Plan) -> None:
        """Tell that a run was complete before it was asked for."""
        self.hear(
            RunFinished(
                **self._head(plan.run_id, plan.stage.name),
                end="done",
                reason="",
                before=True,
                chunks=plan.n_chunks,
                done=0,
                found=plan.n_chunks,
                failed=0,
                wall_s=0.0,
                task_s=0.0,
                bytes_read=0,
                bytes_written=0,
            )
        )

    def _head(self, run_id: str, stage: str) -> dict[str, str]:
        return {"time": format_time(self.clock()), "trace_id": self.trace_id, "run_id": run_id, "stage": stage}
