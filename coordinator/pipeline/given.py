"""What the store gives to a pipeline: the problems, and what GPU machines have made of just these."""

from collections.abc import Collection, Sequence
from dataclasses import replace

from coordinator.lineage.walk import look_into, walk_back
from mycelium.errors import UserInputError
from mycelium.manifest import Manifest, find_run, list_runs, read_manifest
from mycelium.schema import Dataset
from mycelium.store import Store


class Given:
    """The runs that a pipeline starts from."""

    def __init__(
        self,
        store: Store,
        problems: Manifest,
        stage_names: Collection[str],
        chosen: Sequence[str] = (),
        limit: int | None = None,
    ) -> None:
        """Look around from a run of problems.

        Args:
            store: where the runs are.
            problems: the run of problems that all others must come from.
            stage_names: the stages; what these wrote is made by the pipeline itself, and never given.
            chosen: runs to take in place of the latest, by reference.
            limit: keep only the chunks of the first so many problems, the last chunk whole; None for all.

        Raises:
            UserInputError: a chosen run does not come from these problems.
        """
        self._store = store
        self._stage_names = stage_names
        self._look = look_into(store)
        self._found: dict[str, Manifest | None] = {}
        self.problems = cut_manifest(problems, _first_chunks(problems, limit)) if limit else problems
        self._chunk_ids = None if limit is None else {outcome.chunk_id for outcome in self.problems.outcomes}
        self._found["problems"] = self.problems
        for reference in chosen:
            self._choose(reference)

    def has(self, dataset: Dataset) -> bool:
        """Whether there is a run of a dataset that the pipeline need not make."""
        return self._find(dataset.name) is not None

    def manifest(self, dataset: Dataset) -> Manifest:
        """Return the run of a dataset that `has` has found, cut to the chunks of the pipeline."""
        found = self._find(dataset.name)
        if found is None:
            raise UserInputError(f"there is no run of {dataset.name} for these problems")
        return found

    def runs(self) -> list[str]:
        """Return what was taken from the store, as ``dataset/run id``."""
        return [f"{name}/{manifest.run_id}" for name, manifest in self._found.items() if manifest is not None]

    def _choose(self, reference: str) -> None:
        manifest = find_run(self._store, reference)
        if not self._comes_from_problems(manifest):
            raise UserInputError(
                f"run {reference} was not made of the problems {self.problems.run_id}: choose those with --problems"
            )
        for name in {ref.dataset for outcome in manifest.outcomes for ref in outcome.outputs}:
            self._found[name] = self._cut(manifest)

    def _find(self, dataset: str) -> Manifest | None:
        if dataset not in self._found:
            manifests = [read_manifest(self._store, *run) for run in list_runs(self._store, dataset)]
            fit = [
                manifest
                for manifest in manifests
                if manifest.complete and manifest.stage not in self._stage_names and self._comes_from_problems(manifest)
            ]
            latest = max(fit, key=lambda manifest: (manifest.finished_s, manifest.run_id), default=None)
            self._found[dataset] = None if latest is None else self._cut(latest)
        return self._found[dataset]

    def _cut(self, manifest: Manifest) -> Manifest:
        return manifest if self._chunk_ids is None else cut_manifest(manifest, self._chunk_ids)

    def _comes_from_problems(self, manifest: Manifest) -> bool:
        """Whether all that a run was made of leads back to the problems."""
        origin = f"problems/{self.problems.run_id}"
        before = dict(walk_back(manifest, self._look))
        others = (found for name, found in before.items() if name != origin)
        return origin in before and all(found is not None and found.parents for found in others)


def cut_manifest(manifest: Manifest, chunk_ids: Collection[str]) -> Manifest:
    """Return a run's manifest as if it had only some chunks; its other facts are the whole run's."""
    outcomes = tuple(outcome for outcome in manifest.outcomes if outcome.chunk_id in chunk_ids)
    return replace(manifest, outcomes=outcomes, n_chunks=len(outcomes))


def _first_chunks(problems: Manifest, limit: int) -> set[str]:
    chunk_ids, seen = set(), 0
    for outcome in sorted(problems.outcomes, key=lambda outcome: outcome.chunk_id):
        if seen >= limit:
            break
        chunk_ids.add(outcome.chunk_id)
        seen += outcome.n_problems
    return chunk_ids
