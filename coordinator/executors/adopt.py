"""Take over chunks whose output is in the store already: read it, and summarize it again.

No function is invoked for it while the chunks are few. Many are left to the functions, which sit beside the bucket.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import msgspec

from coordinator.executors.fan_out import FanOut, ThreadCrew
from lambdas.stages import find_stage
from mycelium.store import open_store
from mycelium.task import Task, TaskResult, run_task

ADOPT_HERE = 1000
"""Chunks read by the coordinator itself; more than these are left to the functions."""

READERS = 8
"""Chunks read at a time: boto3 keeps ten connections to a bucket."""


def adopt_outputs(tasks: Sequence[Task], source_uri: str, target_uri: str) -> Iterator[TaskResult]:
    """Yield what each task's output in the store says of it.

    Args:
        tasks: of one stage and one set of parameters.
        source_uri: the store that the tasks read; nothing is read there.
        target_uri: the store that holds the outputs.

    Raises:
        StoreNotAvailableError: the store can't be used.
    """
    if not tasks:
        return
    source, target = open_store(source_uri), open_store(target_uri)
    stage = find_stage(tasks[0].stage)
    params = msgspec.convert(tasks[0].params, type(stage.params))

    def adopt(task: Task) -> TaskResult:
        return run_task(replace(task, found=True), stage, params, source, target)

    for _, result in FanOut(ThreadCrew(adopt), lambda _: None, READERS).run(tasks):
        yield replace(result, outcome=replace(result.outcome, attempts=0))
