"""Which runs of pairs are exported together, and what they must share.

Pairs of different collections are not mixed unless that is said, collection by collection. Whatever would change what a
class or a target means, taxonomy, tokenizer, end of sequence, must be the same in all.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from lambdas.stages.c2_pairs import C2_PAIRS, SPLITS_OF_GROUPS
from lambdas.stages.c3_pairs import C3_PAIRS
from lambdas.stages.templates import ASSIGNMENTS
from mycelium.errors import ChunkDamagedError, UserInputError
from mycelium.hint import say_command
from mycelium.manifest import Manifest, ObjectRef, digest, find_run, list_runs, read_manifest
from mycelium.pairs.taxonomy import name_template
from mycelium.schema import Dataset, check_provenance, decode_chunk
from mycelium.store import Store

KINDS = {C2_PAIRS.name: C2_PAIRS, C3_PAIRS.name: C3_PAIRS}
_SAME = ("taxonomy", "tokenizer", "eos")


@dataclass(frozen=True, slots=True)
class Source:
    """One run of pairs and the run that says its splits.

    Attributes:
        pairs: the run of pairs.
        splits: the run of `c2_pairs` whose splits they take; the same run for C2.
    """

    pairs: Manifest
    splits: Manifest


def find_sources(store: Store, references: Sequence[str], allow_mix: Sequence[str] = ()) -> list[Source]:
    """Find the runs that are named, and refuse a mixture that was not asked for.

    Args:
        store: where they are.
        references: runs of `c2_pairs`, or of `c3_pairs`.
        allow_mix: the origins that may stand side by side.

    Raises:
        UserInputError: the runs are of several origins that were not all allowed, of both kinds, of several taxonomies,
            tokenizers or ends of sequence; one is not complete; or there are no splits for one.
    """
    manifests = [_find_pairs(store, reference) for reference in references]
    check_mix(sorted({manifest.provenance.origin for manifest in manifests}), allow_mix)
    kinds = {manifest.stage for manifest in manifests}
    if len(kinds) > 1:
        raise UserInputError("one export is of c2_pairs or of c3_pairs, and these runs are of both")
    for name in _SAME:
        values = {manifest.params.get(name) for manifest in manifests}
        if len(values) > 1:
            raise UserInputError(f"one export has one {name}, and these runs have {sorted(map(str, values))}")
    fits = {fit_of(store, manifest) for manifest in manifests}
    if len(fits) > 1:
        raise UserInputError(
            "one export has one set of templates, and these runs have several: `run-stage templates --fit-of RUN` "
            "assigns the steps of one run to the templates of another"
        )
    if len({manifest.run_id for manifest in manifests}) < len(manifests):
        raise UserInputError("the same run is named twice")
    return [Source(manifest, _find_splits(store, manifest)) for manifest in manifests]


def check_mix(origins: Sequence[str], allow_mix: Sequence[str]) -> None:
    """Refuse several origins unless every one of them is allowed.

    Raises:
        UserInputError: one is not.
    """
    allowed = {name.casefold() for name in allow_mix}
    if len(origins) > 1 and not {origin.casefold() for origin in origins} <= allowed:
        wanted = ",".join(origin.lower() for origin in origins)
        raise UserInputError(
            f"this would mix pairs of {' and '.join(origins)}; if that is meant, say --allow-mix {wanted}"
        )


def _find_pairs(store: Store, reference: str) -> Manifest:
    manifest = find_run(store, reference)
    if manifest.stage not in KINDS:
        raise UserInputError(
            f"pairs are exported from runs of {' or '.join(KINDS)}, and {reference} is one of {manifest.stage}; "
            f"say c2_pairs/{reference} or c3_pairs/{reference}"
        )
    if not manifest.complete:
        raise UserInputError(
            f"run {manifest.run_id} of {manifest.stage} is not complete ({len(manifest.failed)} chunks failed); "
            f"run the stage again first"
        )
    return manifest


def _find_splits(store: Store, pairs: Manifest) -> Manifest:
    """Return the latest complete run of `c2_pairs` that was made of the same problems."""
    if pairs.stage == C2_PAIRS.name:
        return pairs
    problems = problems_of(pairs)
    runs = [read_manifest(store, *run) for run in list_runs(store, C2_PAIRS.name)]
    fit = [run for run in runs if run.complete and run.gathered and problems_of(run) == problems]
    same = [run for run in fit if run.params.get("taxonomy") == pairs.params.get("taxonomy")]
    if not same:
        raise UserInputError(
            f"C3 pairs are split as C2 pairs are, and there is no complete run of c2_pairs of {problems} with taxonomy "
            f"{pairs.params.get('taxonomy')}: `{say_command('coordinator run-stage c2_pairs')}` makes one"
        )
    return max(same, key=lambda run: (run.finished_s, run.run_id))


def problems_of(manifest: Manifest) -> str:
    """Return the run of problems that pairs were made of, as ``problems/run id``."""
    return next((name for name in manifest.inputs if name.startswith("problems/")), "")


def fit_of(store: Store, pairs: Manifest) -> str:
    """Return the digest of the templates that a run's classes are of; of operators nothing."""
    assigned = _find_assignments(store, pairs)
    return assigned.fit.sha256 if assigned is not None and assigned.fit is not None else ""


def read_names(store: Store, pairs: Manifest) -> dict[str, str]:
    """Return what each class is called in words: of templates, what their run called them; of operators nothing."""
    assigned = _find_assignments(store, pairs)
    rows = [] if assigned is None else assigned.result.get("templates", [])
    return {name_template(int(str(row["template"]))): str(row["name"]) for row in rows}


def _find_assignments(store: Store, pairs: Manifest) -> Manifest | None:
    name = next((name for name in pairs.inputs if name.startswith(f"{ASSIGNMENTS.name}/")), None)
    return None if name is None else find_run(store, name, ASSIGNMENTS.name)


def read_splits(store: Store, manifest: Manifest) -> dict[int, str]:
    """Return the split of each group of twins.

    Raises:
        ChunkDamagedError: the table of splits is not what the run wrote.
    """
    ref = next((ref for ref in manifest.gathered if ref.dataset == SPLITS_OF_GROUPS.name), None)
    if ref is None:
        raise ChunkDamagedError(f"run {manifest.run_id} of c2_pairs has no splits")
    table = read_object(store, ref, SPLITS_OF_GROUPS, manifest)
    return dict(zip(table["group"].to_pylist(), table["split"].to_pylist(), strict=True))


def read_object(store: Store, ref: ObjectRef, dataset: Dataset, manifest: Manifest) -> pa.Table:
    """Read one object of a run, and refuse one that is not what the manifest says.

    Raises:
        ChunkDamagedError: it is gone, or has another digest.
        WrongDatasetError: it is of another origin.
    """
    data = store.get(ref.key)
    if digest(data) != ref.sha256:
        raise ChunkDamagedError(f"{ref.key}: its bytes have another SHA-256 than the manifest says")
    table, header = decode_chunk(data, dataset)
    check_provenance(header, manifest.provenance)
    return table
