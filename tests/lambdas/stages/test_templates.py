"""The stage that groups steps into templates, from chunks in a store to the manifest."""

from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pytest

from coordinator.executors.local import LocalExecutor
from lambdas.stages.templates import ASSIGNMENTS, STAGE, map_steps
from mycelium.bottleneck.information import divergence
from mycelium.datasets import EMBEDDINGS
from mycelium.errors import UserInputError, WrongDatasetError
from mycelium.manifest import Manifest, ObjectRef, digest, write_manifest
from mycelium.plan import Plan, plan_run
from mycelium.run import run_plan
from mycelium.schema import decode_chunk, encode_chunk
from mycelium.store import LocalStore, Store
from mycelium.task import decode_part
from mycelium.templates.chunks import read_chunk
from mycelium.templates.find import find_templates
from mycelium.templates.fitted import Fitted
from mycelium.templates.params import TemplatesParams
from tests.builders import make_header
from tests.mycelium.templates.world import KINDS, PARAMS, Tables, ask_here, build_world, make_chunk, set_vectors

CHUNKS = [make_chunk(i, blank=0.05) for i in range(6)]


def plan(store: Store, chunks: list[Tables], params: TemplatesParams = PARAMS, name: str = "math") -> Plan:
    runs = build_world(store, chunks, name)
    return plan_run(store, store, STAGE, params, list(runs.values()))


def run(store: Store, planned: Plan, workers: int = 1) -> Manifest:
    return run_plan(store, planned, LocalExecutor(workers), quiet=True)


def read(store: Store, manifest: Manifest) -> pa.Table:
    return pa.concat_tables(
        decode_chunk(store.get(ref.key), ASSIGNMENTS)[0] for ref in manifest.chunks("assignments").values()
    )


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A folder: the worker processes must reach it."""
    return LocalStore(tmp_path / "store")


def test_a_run_fits_assigns_and_describes(store: Store) -> None:
    manifest = run(store, plan(store, CHUNKS))
    assert manifest.complete
    table = read(store, manifest)
    assert table.num_rows == 288
    assert table["label"].to_pylist() == [label for c in CHUNKS for label in c[2]["primary"].to_pylist()]
    templates = manifest.result["templates"]
    assert sorted(str(row["name"]) for row in templates) == list(KINDS)
    assert sum(int(row["steps"] or 0) for row in templates) == 288
    for row in templates:
        members = table.filter(pa.compute.equal(table["template"], row["template"]))
        assert members.num_rows == row["steps"]
        nearest = min(members["divergence"].to_pylist())
        (first,) = [e for e in manifest.result["examples"] if (e["template"], e["rank"]) == (row["template"], 1)]
        assert first["divergence"] == nearest
    assert {"fit", "curve", "gains", "tree", "templates", "histogram", "examples"} == manifest.result.keys()


def test_one_worker_or_two_rows_gathered_or_summed_the_bytes_are_the_same(tmp_path: Path) -> None:
    outputs = []
    for place, workers in enumerate((1, 2)):
        store = LocalStore(tmp_path / str(place))
        manifest = run(store, plan(store, CHUNKS, replace(PARAMS, sample=100, in_memory=0, k_max=5)), workers)
        assert manifest.complete
        objects = {ref.key: store.get(ref.key) for o in manifest.outcomes for ref in o.outputs}
        outputs.append((objects, manifest.result, store.get(manifest.fit.key) if manifest.fit else b""))
    assert outputs[0] == outputs[1]


def test_a_step_goes_to_the_nearest_template() -> None:
    table = find_templates(ask_here(CHUNKS), PARAMS)
    fitted, chunk = Fitted.from_table(table), read_chunk(CHUNKS[2])
    (assigned,) = map_steps([*CHUNKS[2], table], PARAMS)
    bits = divergence(fitted.rows(chunk)[:, None, :], fitted.centroids[None])
    np.testing.assert_array_equal(assigned["template"].to_numpy(), bits.argmin(axis=1))
    np.testing.assert_allclose(assigned["divergence"].to_numpy(), bits.min(axis=1), atol=2e-5)
    assert assigned["subject"].to_pylist()[::6] == ["Algebra", "Geometry"] * 4


def test_a_chunk_without_steps_is_assigned(store: Store) -> None:
    empty = [CHUNKS[0][0], *(table.slice(0, 0) for table in CHUNKS[0][1:])]
    manifest = run(store, plan(store, [*CHUNKS, empty]))
    assert manifest.complete
    assert read(store, manifest).num_rows == 288


def test_another_run_s_templates_are_applied_to_new_steps(store: Store) -> None:
    fitted = run(store, plan(store, CHUNKS))
    new = build_world(store, [make_chunk(50 + i) for i in range(2)], "new")
    applied = run(store, plan_run(store, store, STAGE, PARAMS, list(new.values()), fit=fitted.fit))
    assert applied.complete
    assert applied.result["curve"] == fitted.result["curve"]
    assert fitted.fit is not None
    artifact = Fitted.from_table(decode_part(store.get(fitted.fit.key)))
    rows = artifact.estimator.predict(np.concatenate([read_chunk(make_chunk(50 + i)).features for i in range(2)]))
    assert read(store, applied)["template"].to_pylist() == artifact.assign(rows).tolist()


def test_a_chunk_with_an_embedding_that_is_nan_is_named_and_the_run_is_not_complete(store: Store) -> None:
    vectors = CHUNKS[1][3]["embedding"].to_pylist()
    vectors[3] = [float("nan")] * 6
    manifest = run(store, plan(store, [CHUNKS[0], set_vectors(CHUNKS[1], vectors), *CHUNKS[2:]]))
    assert not manifest.complete
    (failed,) = manifest.failed
    assert (failed.chunk_id, failed.error_kind) == ("00001", "BadSignalError")
    assert "the embedding of step 3 of problem q8 is not finite" in str(failed.error)


def test_a_run_whose_chunks_were_embedded_by_two_models_is_refused(store: Store) -> None:
    runs = build_world(store, CHUNKS)
    manifest = runs["embeddings"]
    ref = manifest.chunks("embeddings")["00002"]
    table, _ = decode_chunk(store.get(ref.key), EMBEDDINGS)
    header = replace(make_header(EMBEDDINGS, "00002", manifest.provenance), params={"model": "another"})
    data = encode_chunk(EMBEDDINGS, table, header)
    store.put(ref.key, data, mode="overwrite")
    changed = ObjectRef("embeddings", ref.key, len(data), digest(data))
    outcomes = [replace(o, outputs=(changed,)) if o.chunk_id == "00002" else o for o in manifest.outcomes]
    runs["embeddings"] = replace(manifest, outcomes=tuple(outcomes))
    write_manifest(store, runs["embeddings"], (EMBEDDINGS,))
    with pytest.raises(
        WrongDatasetError, match=r"made by one model; got test v1 \(\) in 5 chunks; .*another.* in 1 chunks"
    ):
        run(store, plan_run(store, store, STAGE, PARAMS, list(runs.values())))


def test_one_label_is_the_command_s_error_and_nothing_is_written(store: Store) -> None:
    with pytest.raises(UserInputError, match="at least two different labels"):
        run(store, plan(store, CHUNKS, replace(PARAMS, label="root")))
    assert list(store.list("assignments/")) == []


def test_the_artifact_is_small(store: Store) -> None:
    manifest = run(store, plan(store, CHUNKS))
    assert manifest.fit is not None
    assert manifest.fit.size < 64_000
    assert msgspec.json.encode(manifest.result)
