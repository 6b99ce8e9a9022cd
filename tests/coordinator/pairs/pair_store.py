"""A store with runs of pairs in it, made by the stages themselves."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import msgspec

from lambdas.stages import find_stage
from lambdas.stages.templates import ASSIGNMENTS
from mycelium.datasets import PROBLEMS
from mycelium.manifest import Manifest, ObjectRef, read_manifest, write_manifest
from mycelium.plan import plan_run
from mycelium.run import run_plan
from mycelium.schema import Provenance
from mycelium.store import Store
from mycelium.task import Task, TaskResult, run_task
from tests.builders import build_run
from tests.lambdas.stages.pair_chunks import assign, make_chunk

NAMES = ("Tom", "Ann", "Bob", "Eve", "Ida", "Leo", "Mia", "Max", "Pia", "Sam", "Una", "Vic")


class Inline:
    """Runs the tasks of one stage in this process."""

    name = "inline"

    def __init__(self, store: Store) -> None:
        self._store = store

    def run(self, tasks: Sequence[Task], source_uri: str, target_uri: str) -> Iterator[TaskResult]:
        for task in tasks:
            stage = find_stage(task.stage)
            params = msgspec.convert(task.params, type(stage.params))
            yield run_task(task, stage, params, self._store, self._store)


def run(store: Store, name: str, inputs: Sequence[Manifest], **params: Any) -> Manifest:
    """Run one stage."""
    stage = find_stage(name)
    plan = plan_run(store, store, stage, type(stage.params)(**params), inputs)
    return run_plan(store, plan, Inline(store), quiet=True)


def problems_of(origin: str, n_chunk: int = 2) -> list[list[tuple[str, str]]]:
    """Make problems and solutions; the first of the second chunk is a twin of the first of the first."""
    chunks = []
    for chunk in range(n_chunk):
        rows = []
        for i, name in enumerate(NAMES):
            who = name if chunk == 0 or i == 0 else f"{name}a"
            a, b = 2 + i + 10 * chunk, 3 + i
            text = f"{who} of {origin} has {a} apples and buys {b} more, and sells them in boxes of 2. How many boxes?"
            total = a + b
            rows.append((text, f"There are $ {a} + {b} = {total} $ apples, so $ {total} / 2 = {total / 2} $ boxes."))
        chunks.append(rows)
    chunks[-1].append((f"What of {origin}?", "Nobody knows."))
    return chunks


def fill(
    store: Store, name: str = "gsm8k", origin: str = "GSM8K", *, held_out: float = 0.2, **c3: Any
) -> dict[str, Manifest]:
    """Make problems and run every stage up to the pairs."""
    provenance = Provenance(name, origin)
    tables = [make_chunk(rows, levels=(1, 2, 3), first=100 * i).problems for i, rows in enumerate(problems_of(origin))]
    problems = build_run(store, tables, PROBLEMS, f"{name}-aaaaaaaaaaaa", provenance=provenance).manifest
    steps = run(store, "steps", [problems])
    labels = run(store, "labels", [steps])
    c2 = run(store, "c2_pairs", [problems, steps, labels], validation=held_out, test=held_out)
    return {
        "problems": problems,
        "steps": steps,
        "labels": labels,
        "c2_pairs": c2,
        "c3_pairs": run(store, "c3_pairs", [problems, steps, labels], **c3),
    }


def fill_templates(store: Store, name: str, origin: str, names: Sequence[str], fit: str = "f") -> dict[str, Manifest]:
    """Make problems, and pairs whose classes are templates that have these names."""
    provenance = Provenance(name, origin)
    chunks = [make_chunk(rows, first=100 * i) for i, rows in enumerate(problems_of(origin))]
    problems = build_run(
        store, [one.problems for one in chunks], PROBLEMS, f"{name}-aaaaaaaaaaaa", provenance=provenance
    )
    steps = run(store, "steps", [problems.manifest])
    tables = [assign(chunk, len(names)) for chunk in chunks]
    built = build_run(store, tables, ASSIGNMENTS, f"{name}-bbbbbbbbbbbb", provenance=provenance)
    assigned = replace(
        built.manifest,
        stage="templates",
        fit=ObjectRef("fit", "fits/x", 1, fit),
        result={"templates": [{"template": i, "name": word} for i, word in enumerate(names)]},
    )
    write_manifest(store, assigned, (ASSIGNMENTS,))
    inputs = [problems.manifest, steps, assigned]
    return {stage: run(store, stage, inputs, taxonomy="templates") for stage in ("c2_pairs", "c3_pairs")}


def reread(store: Store, manifest: Manifest) -> Manifest:
    """Read a run's manifest as whoever comes later does."""
    return read_manifest(store, find_stage(manifest.stage).writes[-1].name, manifest.run_id)
