"""What a function logs: one JSON line for each task, which is its metrics, too.

CloudWatch reads metrics out of a logged line that says so ("embedded metric format"), so a task sends nothing to be
counted: it prints. Run, chunk and trace id are fields of the line and no dimensions, because every value of a dimension
is a metric of its own, and paid for; fields are free to search. docs/events.md is made from the types here.

A line holds numbers, names and identifiers. It never holds a text: neither a problem's nor an error's, which may quote
one. The error's text goes to the coordinator, in the answer.
"""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from mycelium import errors
from mycelium.manifest import Outcome
from mycelium.outcome import count_written
from mycelium.settings import Settings, read_settings
from mycelium.wire import TaskCall

NAMESPACE = "Mycelium"
DIMENSIONS = ("deployment", "stage")
FAILURE_DIMENSIONS = (*DIMENSIONS, "failure")
OTHER_FAILURE = "Other"
NO_DEPLOYMENT = "none"
"""A dimension has a value: that of a handler which was not deployed."""

METRICS = {
    "task_s": "Seconds",
    "bytes_read": "Bytes",
    "bytes_written": "Bytes",
    "problems": "Count",
    "failures": "Count",
}
"""The metrics of every stage of a deployment, with CloudWatch's names for their units."""

FAILURES = frozenset(
    name for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, errors.MyceliumError)
) | {"MemoryError"}
"""The failures that have a metric each; all others are `OTHER_FAILURE`, so that no bug can make metrics without end."""


class Metric(msgspec.Struct, frozen=True, rename="pascal"):
    """One metric of a directive."""

    name: str
    unit: str


class Directive(msgspec.Struct, frozen=True, rename="pascal"):
    """Which fields of the line are metrics, and by which other fields they are told apart."""

    namespace: str
    dimensions: tuple[tuple[str, ...], ...]
    metrics: tuple[Metric, ...]


class Directives(msgspec.Struct, frozen=True, rename="pascal"):
    """What the line says to CloudWatch."""

    timestamp: int
    cloud_watch_metrics: tuple[Directive, ...]


class TaskLine(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a function logs of one task."""

    time: Annotated[str, Meta(description="when the task ended, RFC 3339, UTC")]
    level: Annotated[Literal["INFO", "ERROR"], Meta(description="`ERROR` if the task failed")]
    trace_id: Annotated[str, Meta(description="the command that caused it; empty if the caller gave none")]
    request_id: Annotated[str, Meta(description="Lambda's id of the invocation, which its own lines bear, too")]
    deployment: Annotated[str, Meta(description="the deployment that the function belongs to")]
    stage: Annotated[str, Meta(description="the stage")]
    run_id: Annotated[str, Meta(description="the run")]
    chunk_id: Annotated[str, Meta(description="the chunk")]
    asks: Annotated[bool, Meta(description="whether the chunk answered a question of a fit, and was not mapped")]
    status: Annotated[
        Literal["done", "found", "failed", "raised"],
        Meta(description="as in the manifest; `raised`: the invocation itself failed, so the task may be tried again"),
    ]
    error_kind: Annotated[str | None, Meta(description="the class of the error, of a task that failed")]
    failure: Annotated[
        str | UnsetType, Meta(description="the error as a metric counts it; only if the task failed")
    ] = UNSET
    task_s: Annotated[float, Meta(description="how long the task took, seconds")]
    bytes_read: Annotated[int, Meta(description="bytes of input")]
    bytes_written: Annotated[int, Meta(description="bytes of output; 0 for what was found")]
    problems: Annotated[int, Meta(description="problems in the output")]
    failures: Annotated[int, Meta(description="1 if the task failed, else 0")]
    peak_mb: Annotated[float, Meta(description="the largest memory of the process until then, MiB")]
    aws: Annotated[Directives, Meta(description="which fields are metrics: CloudWatch's embedded metric format")] = (
        msgspec.field(name="_aws")
    )


@dataclass(slots=True)
class TaskLog:
    """What is known so far of a task that is to be logged."""

    outcome: Outcome | None = None

    def finish(self, outcome: Outcome) -> None:
        """Take what became of the task."""
        self.outcome = outcome


@contextlib.contextmanager
def log_task(
    call: TaskCall,
    context: object,
    clock: Callable[[], float] = time.time,
    write: Callable[[str], object] | None = None,
) -> Iterator[TaskLog]:
    """Log one task when the block ends, however it does.

    Args:
        call: what the function was called with.
        context: the platform's, which knows the request's id; None outside.
        clock: seconds since the epoch.
        write: takes the line; by default, standard output does, which is what CloudWatch is given.

    Yields:
        What is to be told of the outcome.
    """
    started_s, log, raised = clock(), TaskLog(), ""
    try:
        yield log
    except BaseException as error:
        raised = type(error).__name__
        raise
    finally:
        outcome = log.outcome or Outcome(call.task.chunk_id, "failed", error_kind=raised, wall_s=clock() - started_s)
        settings = read_settings()
        if outcome.status == "failed" or settings.logs_all:
            line = describe_task(call, outcome, settings, clock(), raised=bool(raised), context=context)
            (write or sys.stdout.write)(msgspec.json.encode(line).decode() + "\n")
            sys.stdout.flush()


def describe_task(
    call: TaskCall,
    outcome: Outcome,
    settings: Settings,
    now_s: float,
    *,
    raised: bool = False,
    context: object = None,
) -> TaskLine:
    """Return what is logged of a task."""
    task, failed = call.task, outcome.status == "failed"
    return TaskLine(
        time=format_time(now_s),
        level="ERROR" if failed else "INFO",
        trace_id=call.trace_id,
        request_id=str(getattr(context, "aws_request_id", "")),
        deployment=settings.deployment or NO_DEPLOYMENT,
        stage=task.stage,
        run_id=task.run_id,
        chunk_id=task.chunk_id,
        asks=task.asks,
        status="raised" if raised else outcome.status,
        error_kind=outcome.error_kind,
        failure=name_failure(outcome.error_kind) if failed else UNSET,
        task_s=outcome.wall_s,
        bytes_read=outcome.bytes_read,
        bytes_written=count_written(outcome),
        problems=outcome.n_problems,
        failures=int(failed),
        peak_mb=outcome.peak_mb,
        aws=Directives(int(now_s * 1000), _direct(failed=failed)),
    )


def name_failure(error_kind: str | None) -> str:
    """Return the name under which a failure is counted: one of `FAILURES`, or `OTHER_FAILURE`."""
    return error_kind if error_kind in FAILURES else OTHER_FAILURE


def format_time(seconds: float) -> str:
    """Return a time since the epoch as RFC 3339 with milliseconds, ``2026-11-20T16:45:39.000Z``."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _direct(*, failed: bool) -> tuple[Directive, ...]:
    always = Directive(NAMESPACE, (DIMENSIONS,), tuple(Metric(name, unit) for name, unit in METRICS.items()))
    by_kind = Directive(NAMESPACE, (FAILURE_DIMENSIONS,), (Metric("failures", METRICS["failures"]),))
    return (always, by_kind) if failed else (always,)
