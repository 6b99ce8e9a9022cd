"""An executor beside the model that a stage holds: one task after another, in this process."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from mycelium.stage import Stage
from mycelium.store import Store
from mycelium.task import Task, TaskResult, run_task


class InProcessExecutor:
    """Runs the tasks one after another beside the model that their stage holds."""

    name = "gpu_worker"

    def __init__(self, stage: Stage[Any], open_store: Callable[[str], Store]) -> None:
        """Take the stage that holds its model."""
        self._stage = stage
        self._open_store = open_store

    def run(self, tasks: Sequence[Task], source_uri: str, target_uri: str) -> Iterator[TaskResult]:
        """See `mycelium.run.Executor.run`."""
        source, target = self._open_store(source_uri), self._open_store(target_uri)
        for task in tasks:
            yield run_task(task, self._stage, self._stage.params, source, target)
