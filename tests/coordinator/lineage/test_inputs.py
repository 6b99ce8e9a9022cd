"""A stage that reads several datasets gets those that are of the same steps."""

from dataclasses import replace

import pytest

from coordinator.lineage.inputs import find_fit, find_inputs
from lambdas.stages.heartbeat import STAGE as HEARTBEAT
from lambdas.stages.labels import LABELS
from lambdas.stages.templates import STAGE
from mycelium.datasets import EMBEDDINGS
from mycelium.errors import UnknownRunError, UserInputError
from mycelium.manifest import Manifest, ObjectRef, write_manifest
from mycelium.store import MemoryStore
from tests.builders import build_run, make_iaf
from tests.mycelium.templates.world import build_world, make_chunk

CHUNKS = [make_chunk(0)]


def add(store: MemoryStore, manifest: Manifest, dataset: str, **changes: object) -> None:
    """Write a changed copy of a manifest."""
    write_manifest(store, replace(manifest, **changes), (EMBEDDINGS if dataset == "embeddings" else LABELS,))  # type: ignore[arg-type]


def ids(found: list[Manifest]) -> list[str]:
    return [manifest.run_id for manifest in found]


def test_one_dataset_is_the_run_named_or_the_latest() -> None:
    store = MemoryStore()
    build_run(store, [make_iaf()], run_id="gsm8k-000000000001", finished_s=1)
    build_run(store, [make_iaf()], run_id="gsm8k-000000000002", finished_s=2)
    assert ids(find_inputs(store, HEARTBEAT, HEARTBEAT.reads, None)) == ["gsm8k-000000000002"]
    assert ids(find_inputs(store, HEARTBEAT, HEARTBEAT.reads, "gsm8k-000000000001")) == ["gsm8k-000000000001"]


@pytest.mark.parametrize("reference", [None, "math", "embeddings/math-dddddddddddd", "labels/math-cccccccccccc"])
def test_several_datasets_are_found_by_what_they_were_made_of(reference: str | None) -> None:
    store = MemoryStore()
    build_world(store, CHUNKS, "other") if reference else None
    runs = build_world(store, CHUNKS)
    assert find_inputs(store, STAGE, STAGE.reads, reference) == list(runs.values())


def test_labels_of_other_steps_are_passed_over_though_they_are_later() -> None:
    store = MemoryStore()
    runs = build_world(store, CHUNKS)
    other = {"run_id": "math-eeeeeeeeeeee", "inputs": ("steps/math-ffffffffffff",), "finished_s": 9.0}
    add(store, runs["labels"], "labels", **other)
    assert find_inputs(store, STAGE, STAGE.reads, None)[2].run_id == "math-cccccccccccc"
    add(store, runs["labels"], "labels", run_id="math-eeeeeeeeeeee", finished_s=9.0)
    assert find_inputs(store, STAGE, STAGE.reads, None)[2].run_id == "math-eeeeeeeeeeee"


def test_what_is_missing_is_named_with_the_command_that_makes_it() -> None:
    store = MemoryStore()
    runs = build_world(store, CHUNKS)
    store.delete("manifests/embeddings/math-dddddddddddd.json")
    words = r"embeddings.*`python -m coordinator run-pipeline --to templates` makes what is missing"
    for reference in (None, "math"):
        with pytest.raises(UnknownRunError, match=words):
            find_inputs(store, STAGE, STAGE.reads, reference)
    store.delete("manifests/labels/math-cccccccccccc.json")
    write_manifest(store, runs["embeddings"], (EMBEDDINGS,))
    with pytest.raises(UnknownRunError, match="no complete run of dataset labels goes with embeddings/math-ddd"):
        find_inputs(store, STAGE, STAGE.reads, None)


def test_a_circle_of_manifests_is_walked_once() -> None:
    store = MemoryStore()
    runs = build_world(store, CHUNKS)
    add(store, runs["labels"], "labels", inputs=("steps/math-bbbbbbbbbbbb", "labels/math-cccccccccccc"))
    assert find_inputs(store, STAGE, STAGE.reads, "labels/math")[2].run_id == "math-cccccccccccc"


def test_a_fit_is_found_by_its_run() -> None:
    store = MemoryStore()
    manifest = build_world(store, CHUNKS)["labels"]
    ref = ObjectRef("fits", "fits/x/artifact.arrow", 1, "0" * 64)
    fitted = replace(manifest, stage="templates", stage_version=STAGE.version, fit=ref)
    write_manifest(store, fitted, STAGE.writes)
    assert find_fit(store, STAGE, "math") == ref
    write_manifest(store, replace(fitted, stage_version=STAGE.version + 1), STAGE.writes)
    with pytest.raises(UserInputError, match="was found by templates v2, and this is v1: run it again"):
        find_fit(store, STAGE, "math")
    write_manifest(store, replace(fitted, fit=None), STAGE.writes)
    with pytest.raises(UnknownRunError, match="has no fit"):
        find_fit(store, STAGE, "math")
