"""An executor that runs every task here, over the test's own store."""

from collections.abc import Iterator, Sequence

from lambdas.stages import find_stage
from mycelium.store import MemoryStore
from mycelium.task import Task, TaskResult, run_task


class Inline:
    """Runs tasks in this process."""

    name = "inline"

    def __init__(self, store: MemoryStore) -> None:
        self.store = store

    def run(self, tasks: Sequence[Task], source_uri: str, target_uri: str) -> Iterator[TaskResult]:
        del source_uri, target_uri
        for task in tasks:
            stage = find_stage(task.stage)
            yield run_task(task, stage, stage.params, self.store, self.store)
