"""Tasks on AWS Lambda: one invocation for each chunk, a thousand in flight.

The coordinator retries, and nothing below it does. Whatever an invocation did before it failed does no harm: the
chunk's output is written whole and once, by whoever comes first.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar

import msgspec

from coordinator.executors.adopt import ADOPT_HERE, adopt_outputs, yield_beside
from coordinator.executors.backup import BackupRule, Backups
from coordinator.executors.fan_out import Call, Crew, FanOut
from coordinator.executors.invoke import Reply, judge_reply
from coordinator.executors.retry import RETRY_TABLE, Failure, Kind, Table
from mycelium.errors import ChunkDamagedError, DeploymentError, InvocationError, StoreNotAvailableError
from mycelium.events import Observer
from mycelium.manifest import ARCHITECTURE, Outcome
from mycelium.reduce import MANY_PARTS, Group, Part, StoredPart
from mycelium.schema import Row
from mycelium.task import Task, TaskResult
from mycelium.tasks import choose_found
from mycelium.wire import MAX_INLINE_ANSWER, MAX_INLINE_PART, Answer, ReduceCall, TaskCall, decode_answer

T = TypeVar("T")
R = TypeVar("R")

MAX_CONCURRENCY = 1000
"""Invocations in flight: what an account may have before it asks for more."""


class Invokes(Protocol):
    """Invokes functions: a `Flyer` over sockets, an `Invoker` over threads where there is a proxy, or a test's."""

    def fly(self, function: str, encode: Callable[[T], bytes], land: Callable[[Reply], R]) -> Crew[T, R]:
        """Return a crew that invokes a function with each item's event; every failure lands as a reply."""
        ...


@dataclass(frozen=True, slots=True)
class _Landed:
    """An invocation's reply, judged, and its answer read."""

    reply: Reply
    failure: Failure | None
    answer: Answer | None = None


_Invocation = Call[Task, _Landed]


class LambdaExecutor:
    """Runs each task as one invocation of its stage's function."""

    name = "lambda"

    def __init__(  # noqa: PLR0913 - all but four by name, each of another kind
        self,
        invoker: Invokes,
        function: str,
        reduce_function: str,
        max_concurrency: int = MAX_CONCURRENCY,
        *,
        table: Table = RETRY_TABLE,
        backups: BackupRule | None = None,
        sleep: Callable[[float], None] = time.sleep,
        observer: Observer | None = None,
        architecture: str = "",
    ) -> None:
        """Take the functions.

        Args:
            invoker: who invokes them.
            function: the stage's.
            reduce_function: the one that reduces parts.
            max_concurrency: the most invocations in flight.
            table: which failures are tried again.
            backups: when an invocation that takes long is made a second time; None for never.
            sleep: waits between them.
            observer: is told of retries and of what is in flight, and knows the trace id.
            architecture: the functions' processor, for the manifest, whose cost depends on it; empty if nobody says.
        """
        self._invoker, self._function, self._reduce_function = invoker, function, reduce_function
        self._max_concurrency, self._architecture = max_concurrency, architecture
        self._backups, self._observer = Backups(backups), observer or Observer()
        self._more: dict[str, Any] = {"table": table, "backups": self._backups, "sleep": sleep}

    def run(self, tasks: Sequence[Task], source_uri: str, target_uri: str) -> Iterator[TaskResult]:
        """See `mycelium.run.Executor.run`.

        Raises:
            DeploymentError: the function is gone, or may not be invoked.
        """
        found = choose_found(tasks, found=True)
        if not found or len(found) > ADOPT_HERE:
            yield from self._invoke(tasks, source_uri, target_uri)
            return
        missing = choose_found(tasks, found=False)
        yield from yield_beside(
            self._invoke(missing, source_uri, target_uri), adopt_outputs(found, source_uri, target_uri)
        )

    def _invoke(self, tasks: Sequence[Task], source_uri: str, target_uri: str) -> Iterator[TaskResult]:
        """Invoke the function for each task."""
        if not tasks:
            return
        # Parts by the thousand are not fetched: they are reduced where they lie. But a fit has hundreds of rounds, and
        # a small answer that travels is cheaper than a PUT.
        max_inline = MAX_INLINE_PART if len(tasks) <= MANY_PARTS else MAX_INLINE_ANSWER if tasks[0].asks else 0

        def encode(task: Task) -> bytes:
            trace_id = self._observer.trace_id
            return msgspec.json.encode(TaskCall(task, source_uri, target_uri, None, max_inline, trace_id))

        for invocation, landed in self._fan_out(self._function, tasks, encode, self._tell_retry):
            yield _conclude(invocation, landed)

    def _tell_retry(self, call: _Invocation, failure: Failure, wait_s: float) -> None:
        task = call.item
        self._observer.traffic.throttled += failure.kind is Kind.THROTTLED
        self._observer.retried(task.run_id, task.stage, task.chunk_id, failure.error_kind, call.attempts, wait_s)

    def reduce_groups(self, stage: str, groups: Sequence[Group], store_uri: str) -> Iterator[Part]:
        """See `mycelium.reduce.Reducer.reduce_groups`."""

        def encode(group: Group) -> bytes:
            return msgspec.json.encode(ReduceCall(stage, group.keys, store_uri, group.out_key, group.asks))

        for call, landed in self._fan_out(self._reduce_function, groups, encode):
            answer = landed.answer
            if landed.failure is not None or answer is None:
                raise InvocationError(f"reduce of {len(call.item.keys)} parts of {stage}: {landed.failure}")
            if answer.part is not None:
                yield answer.part
            elif answer.part_key is not None:
                yield StoredPart(answer.part_key)
            else:
                raise InvocationError(f"reduce of {len(call.item.keys)} parts of {stage} answered no part")

    def notes(self) -> Row:
        """See `mycelium.run.Watch.notes`: the functions' processor, and how many backups started and won, if any."""
        backups = self._backups
        notes: Row = {ARCHITECTURE: self._architecture} if self._architecture else {}
        started: Row = {"backups_started": backups.started, "backups_won": backups.won} if backups.started else {}
        return notes | started

    def describe(self) -> str:
        """See `mycelium.run.Watch.describe`."""
        return f"{self._backups.started} backups" if self._backups.started else ""

    def _fan_out(
        self,
        function: str,
        items: Sequence[T],
        encode: Callable[[T], bytes],
        retried: Callable[[Call[T, _Landed], Failure, float], None] | None = None,
    ) -> Iterator[tuple[Call[T, _Landed], _Landed]]:
        """Invoke a function for each item.

        A fit's questions and a reduce's groups have backups as chunks have: each of their rounds waits for its slowest,
        and what they answer is the same, whoever does.
        """
        crew = self._invoker.fly(function, encode, _land)
        fan_out = FanOut(crew, _get_failure, min(self._max_concurrency, len(items)), **self._more)
        if retried is not None:
            fan_out.traffic, fan_out.retried = self._observer.traffic, retried
        return fan_out.run(items)


def _land(reply: Reply) -> _Landed:
    failure = judge_reply(reply)
    if failure is not None:
        return _Landed(reply, failure)
    try:
        answer = decode_answer(reply.body)
    except ChunkDamagedError as error:
        return _Landed(reply, Failure(Kind.HANDLER, str(error)))
    # The body has been read into the answer; a thousand of them are worth their memory.
    return _Landed(replace(reply, body=b""), _judge_outcome(answer.outcome), answer)


def _get_failure(landed: _Landed) -> Failure | None:
    return landed.failure


def _judge_outcome(outcome: Outcome | None) -> Failure | None:
    if outcome is None or outcome.status != "failed":
        return None
    # The stage's own error is final; the store's may pass.
    kind = Kind.STORE if outcome.error_kind == "StoreError" else Kind.STAGE
    return Failure(kind, outcome.error or "", outcome.error_kind)


def _conclude(invocation: _Invocation, landed: _Landed) -> TaskResult:
    failure, answer = landed.failure, landed.answer
    if answer is not None and answer.outcome is not None:
        return TaskResult(_add_costs(answer.outcome, invocation, landed), answer.part, answer.part_key)
    if failure is None:
        failure = Failure(Kind.HANDLER, "the function answered without an outcome")
    if failure.kind is Kind.STORE:
        raise StoreNotAvailableError(f"{failure.message}; the same command carries on from here")
    if failure.kind is Kind.REFUSED:
        raise DeploymentError(f"Lambda refuses: {failure.message}; the same command carries on from here")
    tried = f" (tried {invocation.attempts} times)" if invocation.attempts > 1 else ""
    outcome = Outcome(
        invocation.item.chunk_id, "failed", error=f"{failure.message}{tried}", error_kind=failure.error_kind
    )
    return TaskResult(_add_costs(outcome, invocation, landed))


def _add_costs(outcome: Outcome, invocation: _Invocation, landed: _Landed) -> Outcome:
    reports = [each.reply.report for each in (*invocation.failed, landed)]
    return replace(
        outcome,
        attempts=invocation.attempts,
        backups=invocation.backups,
        cold=any(report.init_ms > 0 for report in reports),
        init_ms=sum(report.init_ms for report in reports),
        # A call that was dropped goes on where it is, and is billed to its end: at least what it had taken by then.
        billed_ms=sum(report.billed_ms for report in reports) + round(invocation.dropped_s * 1000),
        memory_mb=max(report.memory_mb for report in reports),
    )
