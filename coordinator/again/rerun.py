"""A run done again: its failed chunks, or one chunk here and now, to see what is wrong with it."""

from dataclasses import dataclass, replace
from typing import Any

import msgspec
import pyarrow as pa

from lambdas.stages import find_stage
from mycelium.errors import UnknownRunError, UserInputError
from mycelium.hint import say_command
from mycelium.manifest import Manifest, find_run, list_runs, read_manifest
from mycelium.plan import Plan, plan_run
from mycelium.stage import Stage
from mycelium.store import Store
from mycelium.task import Task, map_chunk


@dataclass(frozen=True, slots=True)
class OneTask:
    """One chunk of a run, ready to be done in this process.

    Attributes:
        task: the task.
        stage: its stage.
        params: the run's parameters.
    """

    task: Task
    stage: Stage[Any]
    params: Any


def plan_again(store: Store, manifest: Manifest) -> Plan:
    """Plan a run a second time, from its manifest alone.

    Raises:
        UserInputError: the code or the inputs are no longer what they were, so it would be another run.
    """
    stage = find_stage(manifest.stage)
    params = msgspec.convert(manifest.params, type(stage.params), strict=False)
    inputs = [
        find_run(store, reference, dataset.name)
        for reference, dataset in zip(manifest.inputs, stage.inputs(params), strict=True)
    ]
    plan = plan_run(store, store, stage, params, inputs)
    if plan.run_id != manifest.run_id and manifest.fit is not None:  # it may map with another run's artifact
        plan = plan_run(store, store, stage, params, inputs, fit=manifest.fit)
    if plan.run_id != manifest.run_id:
        why = f"stage {stage.name} is now version {stage.version}" if stage.version != manifest.stage_version else None
        raise UserInputError(
            f"run {manifest.run_id} can't be done again, {why or 'its inputs were written anew'}: "
            f"`{say_command(f'coordinator run-stage {stage.name}')}` starts a new run"
        )
    return plan


def find_task(store: Store, stage_name: str, chunk_id: str, run: str | None) -> OneTask:
    """Find one chunk of a run.

    Args:
        store: where the run is.
        stage_name: the stage.
        chunk_id: the chunk; its leading zeros may be left out.
        run: the run, or None for the stage's latest, complete or not.

    Raises:
        UserInputError: the run is another stage's, or has no such chunk.
    """
    stage = find_stage(stage_name)
    dataset = stage.writes[-1].name
    manifest = find_run(store, run, dataset) if run else _latest_tried(store, dataset)
    if manifest.stage != stage_name:
        raise UserInputError(f"run {manifest.run_id} is one of stage {manifest.stage}")
    plan = plan_again(store, manifest)
    by_id = {task.chunk_id: task for task in plan.tasks}
    for outcome in plan.lost:
        if outcome.chunk_id == chunk_id.zfill(5):
            raise UserInputError(f"chunk {outcome.chunk_id} can't be read: {outcome.error}")
    task = by_id.get(chunk_id.zfill(5))
    if task is None:
        raise UserInputError(f"run {plan.run_id} has no chunk {chunk_id}: its chunks are {_span(by_id)}")
    return OneTask(replace(task, broadcast=manifest.fit), plan.stage, plan.params)


def do_task(store: Store, one: OneTask) -> list[pa.Table]:
    """Read and map a chunk in this process, and write nothing; every error is raised as it is.

    Returns:
        The tables of the stage's `writes`.
    """
    return map_chunk(one.task, one.stage, one.params, store, store)


def _latest_tried(store: Store, dataset: str) -> Manifest:
    """Return the run that ended last, complete or not: the one that somebody now asks about."""
    manifests = [read_manifest(store, *run) for run in list_runs(store, dataset)]
    if not manifests:
        raise UnknownRunError(f"no run of dataset {dataset} in {store.uri}")
    return max(manifests, key=lambda manifest: manifest.finished_s)


def _span(chunk_ids: dict[str, Task]) -> str:
    names = sorted(chunk_ids)
    return f"{names[0]} to {names[-1]}" if names else "none"
