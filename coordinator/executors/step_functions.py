"""Tasks as one execution of a Step Functions Distributed Map: for runs that outlive the laptop.

The item list goes to the store, the execution is started, and from then on the coordinator only looks: at the store,
for outputs, and at the execution, for its end. What the map says of its items is never asked: the output of a chunk is
its completion mark, and a chunk without one when the execution has ended has failed. A failed task leaves its outcome
beside the item list, so that the report has the chunk's own error.

Who is killed meanwhile loses nothing: the record `work/<run id>/run.json` names the execution, and `attach`, or the
same command again, follows it.
"""

import json
import re
import time
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

import msgspec

from coordinator.deployment import Deployment
from coordinator.executors.adopt import ADOPT_HERE, adopt_outputs
from lambdas.stages import find_stage
from mycelium.aws import calling_aws
from mycelium.errors import ChunkDamagedError, DeploymentError, InvocationError, ObjectNotFoundError, UserInputError
from mycelium.lookup import Lookup
from mycelium.manifest import ObjectRef, Outcome, digest
from mycelium.run import Executor
from mycelium.schema import Row, chunk_key
from mycelium.store import Store, open_store
from mycelium.task import Task, TaskResult
from mycelium.tasks import Changed, Some, choose_found
from mycelium.wire import WORK_PREFIX, TaskCall

FIRST_POLL_S = 1.0
LONGEST_POLL_S = 30.0
MAX_POLLS = 1_100_000
"""A year of polls: an execution lives no longer."""

MAX_ATTEMPTS = 1000
"""Executions of one run over the same missing chunks."""

_TOGETHER = 10_000
"""Chunks that are looked for together."""

_ENDED = {"SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"}


@dataclass(frozen=True, slots=True)
class RunRecord:
    """What is needed to follow a run that someone else started.

    Attributes:
        execution: ARN of the execution.
        deployment: the deployment that it belongs to.
        stage: the stage that runs.
        params: its parameters.
        inputs: the runs that it reads, as ``dataset/run id``.
        source_uri: the store that holds them.
        n_items: chunks that the execution does.
        fit: the artifact that the run maps with, where its stage has a fit.
        trace_id: the command that started it; what the functions log bears it.
    """

    execution: str
    deployment: str
    stage: str
    params: Row
    inputs: tuple[str, ...]
    source_uri: str
    n_items: int
    fit: ObjectRef | None = None
    trace_id: str = ""

    @property
    def region(self) -> str:
        """The region of the execution."""
        return self.execution.split(":")[3]


def work_key(run_id: str, name: str) -> str:
    """Return the key of a run's working file."""
    return f"{WORK_PREFIX}{run_id}/{name}"


def read_record(store: Store, run_id: str) -> RunRecord | None:
    """Read who is at work on a run; None if no execution was ever started for it.

    Raises:
        ChunkDamagedError: the record can't be read.
    """
    key = work_key(run_id, "run.json")
    try:
        return msgspec.json.decode(store.get(key), type=RunRecord)
    except ObjectNotFoundError:
        return None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ChunkDamagedError(f"{key} in {store.uri} can't be read: {error}; delete it and run again") from error


def describe_execution(client: Any, arn: str) -> str | None:  # noqa: ANN401 - boto3 makes its clients at run time
    """Return the state of an execution, ``RUNNING``, say; None if there is none of that name."""
    try:
        return str(client.describe_execution(executionArn=arn)["status"])
    except client.exceptions.ExecutionDoesNotExist:
        return None


class StepFunctionsExecutor:
    """Runs the tasks of a run as the items of one Distributed Map."""

    name = "step-functions"

    def __init__(
        self,
        client: Any,  # noqa: ANN401 - boto3 makes its clients at run time
        deployment: Deployment,
        max_concurrency: int,
        *,
        adopter: Executor | None = None,
        may_start: bool = True,
        sleep: Callable[[float], None] = time.sleep,
        trace_id: str = "",
    ) -> None:
        """Take the state machine.

        Args:
            client: a boto3 client of Step Functions.
            deployment: where the state machine and the stage's function are.
            max_concurrency: items that run at a time.
            adopter: who reads the outputs when they come by the thousand; None for the coordinator.
            may_start: whether an execution may be started; if not, one that runs is followed, and that is all.
            sleep: waits between looks.
            trace_id: the command's. It goes with each item, and not into the execution's input, which two coordinators
                that start the same chunks must have alike.
        """
        self._client, self._deployment, self._max_concurrency = client, deployment, max_concurrency
        self._adopter, self._may_start, self._sleep = adopter, may_start, sleep
        self._trace_id = trace_id

    def run(self, tasks: Sequence[Task], source_uri: str, target_uri: str) -> Iterator[TaskResult]:
        """See `mycelium.run.Executor.run`.

        Raises:
            DeploymentError: the state machine is gone, or may not be started.
        """
        if tasks and tasks[0].asks:  # as all of them do then
            yield from self._ask(tasks, source_uri, target_uri)
            return
        found, missing = choose_found(tasks, found=True), _Missing(choose_found(tasks, found=False))
        yield from self._adopt(found, source_uri, target_uri)
        if not missing.tasks:
            return
        store = open_store(target_uri)
        arn = self._find_running(store, missing.tasks[0].run_id)
        if arn is None:
            # An execution that ended since the plan was made has left its outputs: they need no other.
            yield from self._take_over(missing.take_landed(store), source_uri, target_uri)
            if not missing.tasks:
                return
            arn = self._start(missing.tasks, source_uri, store)
        for landed in self._follow(arn, missing, store):
            yield from self._take_over(landed, source_uri, target_uri)
        for task in missing.tasks:
            yield TaskResult(_read_failure(store, task, arn))

    def _ask(self, tasks: Sequence[Task], source_uri: str, target_uri: str) -> Iterator[TaskResult]:
        """Let chunks answer a question of a fit: its next question waits for the answers, so the coordinator does."""
        if self._adopter is None:
            raise UserInputError(f"the fit of stage {tasks[0].stage} needs an executor that answers")
        yield from self._adopter.run(tasks, source_uri, target_uri)

    def _take_over(self, tasks: Sequence[Task], source_uri: str, target_uri: str) -> Iterator[TaskResult]:
        """Adopt outputs that the plan did not find: they were done while this run was on."""
        for result in self._adopt(tasks, source_uri, target_uri):
            yield replace(result, outcome=_as_done(result.outcome))

    def _find_running(self, store: Store, run_id: str) -> str | None:
        """Return the execution that is at work on this run already, or that may only be followed."""
        record = read_record(store, run_id)
        if record is None:
            if not self._may_start:
                raise UserInputError(f"no execution was started for run {run_id} in {store.uri}")
            return None
        running = self._describe(record.execution) == "RUNNING"
        return record.execution if running or not self._may_start else None

    def _start(self, tasks: Sequence[Task], source_uri: str, store: Store) -> str:
        """Start an execution over some tasks, under the first name for them that is not used up."""
        base = _name_execution(tasks)
        for attempt in range(1, MAX_ATTEMPTS + 1):
            name = f"{base}-{attempt}"
            arn = f"{self._deployment.state_machine.replace(':stateMachine:', ':execution:', 1)}:{name}"
            state = self._describe(arn)
            if state == "RUNNING":
                return arn
            if state is not None:
                continue
            key = _write_items(store, tasks, source_uri, name, self._trace_id)
            self._record(store, tasks, source_uri, arn)
            if self._start_execution(name, _full_key(store, key)):
                return arn
        raise InvocationError(f"run {tasks[0].run_id} was started {MAX_ATTEMPTS} times over the same chunks")

    def _start_execution(self, name: str, bucket_and_key: tuple[str, str]) -> bool:
        """Start an execution; False if another coordinator has used the name up meanwhile."""
        bucket, key = bucket_and_key
        given = {
            "bucket": bucket,
            "items_key": key,
            "function": self._deployment.function,
            "max_concurrency": self._max_concurrency,
        }
        machine = self._deployment.state_machine
        with calling_aws(f"deployment {self._deployment.name!r}"):
            try:
                # With the name and input of an execution under way, this answers that execution and starts nothing.
                self._client.start_execution(stateMachineArn=machine, name=name, input=json.dumps(given))
            except self._client.exceptions.ExecutionAlreadyExists:
                return False
            except self._client.exceptions.StateMachineDoesNotExist:
                raise DeploymentError(f"state machine {machine} is gone: run `cdk deploy`") from None
        return True

    def _describe(self, arn: str) -> str | None:
        with calling_aws(f"deployment {self._deployment.name!r}"):
            return describe_execution(self._client, arn)

    def _record(self, store: Store, tasks: Sequence[Task], source_uri: str, arn: str) -> None:
        # An input's key is dataset/run/chunk.
        inputs = tuple(ref.key.rpartition("/")[0] for ref in tasks[0].inputs)
        first = tasks[0]
        name, fit = self._deployment.name, first.broadcast
        record = RunRecord(
            arn, name, first.stage, first.params, inputs, source_uri, len(tasks), fit, trace_id=self._trace_id
        )
        store.put(work_key(first.run_id, "run.json"), msgspec.json.encode(record), mode="overwrite")

    def _follow(self, arn: str, missing: "_Missing", store: Store) -> Iterator[Sequence[Task]]:
        """Yield the tasks whose outputs have come, until the execution ends; they are taken out of `missing`."""
        pause_s = FIRST_POLL_S
        for _ in range(MAX_POLLS):
            ended = self._describe(arn) in {*_ENDED, None}
            # Listed after the execution was seen to have ended: nothing is written later.
            landed = missing.take_landed(store)
            if landed:
                yield landed
            if ended or not missing.tasks:
                return
            self._sleep(pause_s)
            pause_s = min(LONGEST_POLL_S, pause_s * 1.5)

    def _adopt(self, tasks: Sequence[Task], source_uri: str, target_uri: str) -> Iterator[TaskResult]:
        if self._adopter is not None and len(tasks) > ADOPT_HERE:
            there = Changed(tasks, lambda task: replace(task, found=True))
            return self._adopter.run(there, source_uri, target_uri)
        return adopt_outputs(tasks, source_uri, target_uri)


def _as_done(outcome: Outcome) -> Outcome:
    return replace(outcome, status="done") if outcome.status == "found" else outcome


class _Missing:
    """The tasks whose outputs have not come yet; of each no more than its chunk and its number is held."""

    def __init__(self, tasks: Sequence[Task]) -> None:
        self._all, self._ids = tasks, [task.chunk_id for task in tasks]
        self.tasks: Sequence[Task] = tasks
        self._numbers = array("L", range(len(tasks)))

    def take_landed(self, store: Store) -> Sequence[Task]:
        """Return the tasks whose outputs have come since this was asked last."""
        if not self.tasks:
            return ()
        run_id, dataset = self.tasks[0].run_id, find_stage(self.tasks[0].stage).writes[-1]
        listed = Lookup(store.list_pages(f"{dataset.name}/{run_id}/", sized=False))
        landed, left = array("L"), array("L")
        for i in range(0, len(self._numbers), _TOGETHER):
            numbers = self._numbers[i : i + _TOGETHER]
            sizes = listed.take_each([chunk_key(dataset, run_id, self._ids[number]) for number in numbers])
            for number, size in zip(numbers, sizes, strict=True):
                (left if size is None else landed).append(number)
        self._numbers, self.tasks = left, Some(self._all, left)
        return Some(self._all, landed)


def _name_execution(tasks: Sequence[Task]) -> str:
    """Return a name that the same missing chunks of the same run have again: who starts twice starts once."""
    run = re.sub(r"[^A-Za-z0-9_-]", "-", tasks[0].run_id)[-48:]
    return f"{run}-{digest(' '.join(task.chunk_id for task in tasks).encode())[:12]}"


def _write_items(store: Store, tasks: Sequence[Task], source_uri: str, name: str, trace_id: str) -> str:
    run_id = tasks[0].run_id
    key = work_key(run_id, "items.json")

    def encode() -> Iterator[bytes]:
        before = b"["
        for task in tasks:  # a million of them are a gigabyte
            leave_at = work_key(run_id, f"{name}/{task.chunk_id}.json")
            call = TaskCall(task, source_uri, store.uri, leave_at=leave_at, trace_id=trace_id)
            yield before + msgspec.json.encode(call)
            before = b","
        yield b"]"

    store.put_pieces(key, encode())
    return key


def _full_key(store: Store, key: str) -> tuple[str, str]:
    """Return the bucket and the key in it of an object of an S3 store."""
    parts = urlsplit(store.uri)
    prefix = parts.path.strip("/")
    return parts.netloc, f"{prefix}/{key}" if prefix else key


def _read_failure(store: Store, task: Task, arn: str) -> Outcome:
    """Return why a chunk has no output: the outcome that its task left, or that it left none."""
    name = arn.rpartition(":")[2]
    try:
        data = store.get(work_key(task.run_id, f"{name}/{task.chunk_id}.json"))
        return msgspec.json.decode(data, type=Outcome)
    except ObjectNotFoundError:
        error = f"its task ended without output and without a word (crash, timeout, memory): see execution {name}"
        return Outcome(task.chunk_id, "failed", error=error, error_kind="NoOutput", attempts=0)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return Outcome(task.chunk_id, "failed", error=f"its outcome can't be read: {error}", error_kind="NoOutput")
