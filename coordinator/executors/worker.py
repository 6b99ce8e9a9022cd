"""Worker processes: what they keep between tasks, and what goes to them and back.

Batches go as MessagePack: 5 µs for a task there and back, where pickle takes 40.
"""

import os
import select
import socket
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from coordinator.executors.nursery import NURSERY, receive_frame, send_frame
from lambdas.stages import find_stage
from mycelium import errors
from mycelium.stage import Stage
from mycelium.store import Store, open_store
from mycelium.task import Task, TaskResult, describe_error, keep_heap, run_task

Stores = tuple[str, str]
"""URIs of the store that is read and the store that is written."""

_tasks = msgspec.msgpack.Decoder(list[Task])
_results = msgspec.msgpack.Decoder(list[TaskResult])
_RESULTS, _ERROR = b"r", b"e"


@dataclass(frozen=True, slots=True)
class Work:
    """What workers have in hand, which they keep while it stays the same.

    Attributes:
        stage: the stage's name.
        params: its parameters, as text.
        stores: where it reads and writes.
        n_workers: how many are at it.
    """

    stage: str
    params: str
    stores: Stores
    n_workers: int


class Bench:
    """What a process keeps between tasks."""

    def __init__(self, task: Task, stores: Stores) -> None:
        """Open the stores and find the stage, for all tasks that are like this one."""
        keep_heap()
        self.source: Store = open_store(stores[0])
        self.target: Store = open_store(stores[1])
        self.stage: Stage[Any] = find_stage(task.stage)
        self.params = msgspec.convert(task.params, type(self.stage.params))

    def run(self, task: Task) -> TaskResult:
        """Run a task."""
        return run_task(task, self.stage, self.params, self.source, self.target)

    def run_all(self, tasks: Sequence[Task]) -> list[TaskResult]:
        """Run tasks one after another."""
        return [self.run(task) for task in tasks]


class WorkerDiedError(Exception):
    """A worker process is gone, and what it had in hand with it."""


class Worker:
    """The coordinator's hold on a worker process; used by one thread at a time."""

    def __init__(self, task: Task, stores: Stores) -> None:
        """Start a worker for tasks that are like this one, and wait until it is there.

        Raises:
            WorkerDiedError: it has died as it started.
            OSError: no process can be started.
        """
        self._channel = NURSERY.fork(f"{__name__}:be_worker", task.stage)
        try:
            self.pid = int.from_bytes(self._exchange(msgspec.msgpack.encode((task, stores))), "little")
        except BaseException:
            self._channel.close()
            raise

    def run_all(self, tasks: Sequence[Task]) -> list[TaskResult]:
        """Have tasks run one after another, and wait for what becomes of them.

        Raises:
            WorkerDiedError: the worker has died of one of them, or was killed.
            Exception: what a worker raises that is no task's failure: a store that can't be used, say.
        """
        answer = self._exchange(msgspec.msgpack.encode(list(tasks)))
        if answer[:1] == _ERROR:
            raise _read_error(answer[1:])
        return _results.decode(memoryview(answer)[1:])

    def close(self) -> None:
        """Let the worker go, and wait until it is gone."""
        try:
            send_frame(self._channel, b"")
            receive_frame(self._channel)
        except OSError:
            pass
        finally:
            self._channel.close()

    def _exchange(self, data: bytes) -> bytes:
        try:
            send_frame(self._channel, data)
            answer = receive_frame(self._channel)
        except OSError as error:
            raise WorkerDiedError from error
        if answer is None:
            raise WorkerDiedError
        return answer


def be_worker(channel: socket.socket) -> None:
    """Be a worker: run what comes, until nothing more is to come or nobody waits for it."""
    threading.Thread(target=_die_with_coordinator, args=(channel,), daemon=True).start()
    task, stores = msgspec.msgpack.decode(receive_frame(channel) or b"", type=tuple[Task, Stores])
    send_frame(channel, os.getpid().to_bytes(8, "little"))
    bench: Bench | None = None
    while data := receive_frame(channel):
        try:
            bench = bench or Bench(task, stores)
            answer = _RESULTS + msgspec.msgpack.encode(bench.run_all(_tasks.decode(data)))
        except Exception as error:  # noqa: BLE001 - whatever it is, the coordinator raises it
            answer = _ERROR + _write_error(error)
        send_frame(channel, answer)


def _write_error(error: Exception) -> bytes:
    return msgspec.msgpack.encode((type(error).__name__, describe_error(error)))


def _read_error(data: bytes) -> Exception:
    """Return an error like the one that a worker met: of ours where it is one of ours."""
    name, said = msgspec.msgpack.decode(data, type=tuple[str, str])
    kind = getattr(errors, name, None)
    if isinstance(kind, type) and issubclass(kind, errors.MyceliumError):
        return kind(said)
    return RuntimeError(f"a worker met {name}: {said}")


def _die_with_coordinator(channel: socket.socket) -> None:
    """End this worker when the coordinator is gone, as after `kill -9`: in the middle of a task, too."""
    poll = select.poll()
    poll.register(channel, getattr(select, "POLLRDHUP", 0))
    poll.poll()
    os._exit(1)
