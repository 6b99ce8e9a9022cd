"""Which runs a stage reads: those that are of the same steps, followed back through the manifests."""

from collections.abc import Sequence
from typing import Any

from coordinator.lineage.walk import Look, look_into, walk_back
from lambdas.stages import find_stage, stage_names
from mycelium.datasets import GPU_WRITTEN, PROBLEMS
from mycelium.errors import UnknownRunError, UserInputError
from mycelium.hint import say_command
from mycelium.manifest import Manifest, ObjectRef, find_run, latest_run, list_runs, read_manifest
from mycelium.schema import Dataset
from mycelium.stage import Stage
from mycelium.store import Store

Lineage = dict[str, str]
"""Run ids by dataset: a run, what it read, what that read, and so on."""


def find_inputs(store: Store, stage: Stage[Any], reads: Sequence[Dataset], reference: str | None) -> list[Manifest]:
    """Find the runs that a stage is to read.

    Of several datasets the last names the others: the run asked for, or the latest complete one, wrote some of them
    itself, or leads back to them; of the rest the latest complete runs are taken that lead back to the same runs.

    Args:
        store: where to look.
        stage: the stage that is to run.
        reads: what it reads, with its parameters.
        reference: a run of one of its datasets, or the name given at ingest; None for the latest.

    Returns:
        A manifest for each of `reads`, in order.

    Raises:
        UnknownRunError: there is none; the message says what makes it.
    """
    if len(reads) == 1:
        (only,) = reads
        return [find_run(store, reference, only.name) if reference else latest_run(store, only)]
    anchor, named = _find_anchor(store, stage, reads, reference)
    # What the run itself wrote besides, too: `tokens` beside `attention`.
    look = look_into(store)
    lineage = _trace(anchor, look) | dict.fromkeys(_written(anchor), anchor.run_id) | {named.name: anchor.run_id}
    return [anchor if dataset is named else _find_relative(store, stage, dataset, lineage, look) for dataset in reads]


def find_datasets(store: Store) -> set[str]:
    """Return the names of all datasets: those that something here writes, and those that the store has runs of."""
    stages = [find_stage(name) for name in stage_names()]
    written = {dataset.name for stage in stages for dataset in (*stage.writes, *filter(None, [stage.gathers]))}
    return written | GPU_WRITTEN.keys() | {PROBLEMS.name} | {dataset for dataset, _ in list_runs(store)}


def find_fit(store: Store, stage: Stage[Any], reference: str) -> ObjectRef:
    """Return the artifact of another run of a stage.

    Raises:
        UnknownRunError: no such run, or it found none.
        UserInputError: another version of the stage found it.
    """
    manifest = find_run(store, reference, stage.writes[-1].name)
    if manifest.fit is None:
        raise UnknownRunError(f"run {manifest.run_id} of {manifest.stage} has no fit: it was not complete")
    if manifest.stage_version != stage.version:
        raise UserInputError(
            f"the fit of run {manifest.run_id} was found by {stage.name} v{manifest.stage_version}, and this is "
            f"v{stage.version}: run it again"
        )
    return manifest.fit


def _find_anchor(
    store: Store, stage: Stage[Any], reads: Sequence[Dataset], reference: str | None
) -> tuple[Manifest, Dataset]:
    """Return the run that names the others, and the dataset that it is of: the last that answers to the reference."""
    said: UnknownRunError | None = None
    for dataset in reversed(reads):
        try:
            found = find_run(store, reference, dataset.name) if reference else latest_run(store, dataset)
        except UnknownRunError as error:
            said = said or error
            if reference is None:
                break
        else:
            return found, dataset
    raise UnknownRunError(f"{said}; {_what_makes(stage)}") from None


def _find_relative(store: Store, stage: Stage[Any], dataset: Dataset, lineage: Lineage, look: Look) -> Manifest:
    """Return the run of a dataset that a lineage names, or the latest complete one that agrees with it."""
    if dataset.name in lineage:
        return read_manifest(store, dataset.name, lineage[dataset.name])
    manifests = [read_manifest(store, *run) for run in list_runs(store, dataset.name)]
    related = [found for found in manifests if found.complete and _agrees(_trace(found, look), lineage)]
    if not related:
        of = ", ".join(f"{name}/{run_id}" for name, run_id in sorted(lineage.items()))
        raise UnknownRunError(f"no complete run of dataset {dataset.name} goes with {of}; {_what_makes(stage)}")
    return max(related, key=lambda found: (found.finished_s, found.run_id))


def _written(manifest: Manifest) -> set[str]:
    return {ref.dataset for outcome in manifest.outcomes for ref in outcome.outputs}


def _what_makes(stage: Stage[Any]) -> str:
    return f"`{say_command(f'coordinator run-pipeline --to {stage.name}')}` makes what is missing"


def _agrees(one: Lineage, other: Lineage) -> bool:
    """Whether two lineages have a dataset in common, and in every such dataset the same run."""
    both = one.keys() & other.keys()
    return bool(both) and all(one[name] == other[name] for name in both)


def _trace(manifest: Manifest, look: Look) -> Lineage:
    """Follow a run back: what it read, what that read, as far as there are manifests; the nearest of each dataset."""
    lineage: Lineage = {}
    for name, _ in walk_back(manifest, look):
        dataset, _, run_id = name.rpartition("/")
        lineage.setdefault(dataset, run_id)
    return lineage
