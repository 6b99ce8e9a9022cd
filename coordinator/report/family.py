"""The runs that a report is about: all that the store has of one collection of problems, one run of each stage."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from coordinator.lineage.inputs import find_datasets
from coordinator.lineage.walk import walk_back
from mycelium.errors import UnknownRunError
from mycelium.hint import say_command
from mycelium.manifest import INGEST, Manifest, list_runs, read_manifest
from mycelium.store import Store


@dataclass(frozen=True, slots=True)
class Family:
    """Runs that were made of the same problems.

    Attributes:
        of: the run that the report was asked for.
        by_stage: one run of each stage, that of the problems under ``ingest``, each after those it was made of.
        datasets: the datasets that each run wrote, by run id.
    """

    of: Manifest
    by_stage: Mapping[str, Manifest]
    datasets: Mapping[str, tuple[str, ...]]

    def result(self, stage: str, table: str) -> list[dict[str, object]]:
        """Return a table that a stage concluded; empty if the stage has no run here, or did not get so far."""
        manifest = self.by_stage.get(stage)
        return [] if manifest is None else [dict(row) for row in manifest.result.get(table, [])]

    @property
    def problems(self) -> Manifest | None:
        """The run of the problems, if the store still has it."""
        return self.by_stage.get(INGEST)


def latest_of_all(store: Store) -> Manifest:
    """Return the run that ended last, of whatever stage.

    Raises:
        UnknownRunError: the store has none.
    """
    manifests = [read_manifest(store, *run) for run in list_runs(store)]
    if not manifests:
        raise UnknownRunError(f"no runs in {store.uri}; `{say_command('coordinator ingest --help')}` begins")
    return max(manifests, key=lambda manifest: (manifest.finished_s, len(manifest.inputs), manifest.run_id))


def find_family(store: Store, of: Manifest) -> Family:
    """Return a run, all it was made of, and what else was made of the same problems.

    Of each stage there is one run: an ancestor of the one asked for; else the one that is made of runs chosen already,
    complete, and the latest. So the page never shows two sets of steps side by side as if they were one.

    Args:
        store: where the runs are.
        of: the run that is asked for.
    """
    runs: dict[str, Manifest] = {}
    datasets: dict[str, tuple[str, ...]] = {}
    for dataset, run_id in list_runs(store):
        runs.setdefault(run_id, read_manifest(store, dataset, run_id))
        datasets[run_id] = (*datasets.get(run_id, ()), dataset)
    runs[of.run_id] = of
    ancestors = _ancestors(of, runs)
    chosen = {runs[run_id].stage: runs[run_id] for run_id in ancestors}
    roots = {run_id for run_id in ancestors if not _parents(runs[run_id])}
    relatives = [manifest for manifest in runs.values() if roots & set(_ancestors(manifest, runs))]
    # In the order of generations, so that what a run was made of is chosen before it.
    for manifest in sorted(relatives, key=lambda one: (len(_ancestors(one, runs)), one.stage)):
        rivals = [one for one in relatives if one.stage == manifest.stage]
        chosen.setdefault(manifest.stage, max(rivals, key=lambda one: _fitness(one, chosen.values())))
    ordered = sorted(chosen.values(), key=lambda one: (len(_ancestors(one, runs)), one.stage))
    return Family(of, {manifest.stage: manifest for manifest in ordered}, datasets)


def _fitness(manifest: Manifest, chosen: Iterable[Manifest]) -> tuple[float, bool, float]:
    ids = {one.run_id for one in chosen}
    parents = _parents(manifest)
    return (sum(run_id in ids for run_id in parents) / max(len(parents), 1), manifest.complete, manifest.finished_s)


def _parents(manifest: Manifest) -> list[str]:
    return [name.rpartition("/")[2] for name in manifest.parents]


def _ancestors(manifest: Manifest, runs: Mapping[str, Manifest]) -> list[str]:
    """Return the ids of a run and of all it was made of that are known, the run itself first."""
    before = walk_back(manifest, lambda name: runs.get(name.rpartition("/")[2]))
    ids = [manifest.run_id, *(found.run_id for _, found in before if found is not None)]
    return list(dict.fromkeys(ids))  # a run may be met by the name of each dataset that it wrote


def count_under_way(store: Store, family: Family) -> list[tuple[str, int]]:
    """Return the runs that have written chunks and no manifest, by ``dataset/run id``, and how many chunks.

    Only of runs that bear the family's name: theirs are the digits that nobody knows before the first manifest.
    """
    name = family.of.provenance.name
    counts: dict[str, int] = {}
    for dataset in sorted(find_datasets(store)):
        for info in store.list(f"{dataset}/{name}-"):
            place = info.key.rpartition("/")[0]
            counts[place] = counts.get(place, 0) + 1
    return [(place, n) for place, n in counts.items() if place.rpartition("/")[2] not in family.datasets]
