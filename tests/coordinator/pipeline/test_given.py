"""What is given: only what these problems led to, by however many runs between."""

from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest

from coordinator.pipeline.given import Given, cut_manifest
from mycelium.datasets import IAF, PROBLEMS
from mycelium.errors import UserInputError
from mycelium.manifest import Manifest, write_manifest
from mycelium.schema import Dataset
from mycelium.store import MemoryStore, Store
from tests.builders import build_run, make_computing_problems, make_iaf

STAGES = {"heartbeat", "steps"}


def add(
    store: Store, dataset: Dataset, run_id: str, tables: list[pa.Table], *, stage: str = "extract", **more: Any
) -> Manifest:
    """Write a run as some stage would have."""
    built = build_run(store, tables, dataset, run_id)
    manifest = replace(built.manifest, stage=stage, **more)
    write_manifest(store, manifest, (dataset,))
    return manifest


@pytest.fixture
def store() -> Store:
    return MemoryStore()


@pytest.fixture
def problems(store: Store) -> Manifest:
    tables = [make_computing_problems(4, first=4 * i) for i in range(3)]
    return add(store, PROBLEMS, "gsm8k-000000000001", tables, stage="ingest")


def iaf(store: Store, run_id: str, inputs: tuple[str, ...], **more: Any) -> Manifest:
    return add(store, IAF, run_id, [make_iaf(seed=i) for i in range(3)], inputs=inputs, **more)


def test_the_latest_run_that_these_problems_led_to_is_given(store: Store, problems: Manifest) -> None:
    of = (f"problems/{problems.run_id}",)
    iaf(store, "gsm8k-00000000000a", of, finished_s=1.0)
    iaf(store, "gsm8k-00000000000b", of, finished_s=2.0)
    iaf(store, "gsm8k-00000000000c", ("problems/gsm8k-fffffffffffff",), finished_s=3.0)
    iaf(store, "gsm8k-00000000000d", of, finished_s=4.0, complete=False)
    iaf(store, "gsm8k-00000000000e", of, finished_s=5.0, stage="heartbeat")  # the pipeline makes that itself
    given = Given(store, problems, STAGES)
    assert given.has(IAF)
    assert given.manifest(IAF).run_id == "gsm8k-00000000000b"
    assert given.runs() == ["problems/gsm8k-000000000001", "iaf/gsm8k-00000000000b"]


def test_a_run_of_no_known_origin_is_not_given(store: Store, problems: Manifest) -> None:
    iaf(store, "gsm8k-00000000000a", ())
    assert not Given(store, problems, STAGES).has(IAF)


def test_runs_between_are_followed_back(store: Store, problems: Manifest) -> None:
    between = iaf(store, "gsm8k-00000000000a", (f"problems/{problems.run_id}",), stage="steps")
    iaf(store, "gsm8k-00000000000b", (f"iaf/{between.run_id}",))
    assert Given(store, problems, STAGES).manifest(IAF).run_id == "gsm8k-00000000000b"


def test_manifests_that_name_each_other_end(store: Store, problems: Manifest) -> None:
    iaf(store, "gsm8k-00000000000a", ("iaf/gsm8k-00000000000b",))
    iaf(store, "gsm8k-00000000000b", ("iaf/gsm8k-00000000000a",))
    assert not Given(store, problems, STAGES).has(IAF)


def test_a_chosen_run_is_taken_in_place_of_the_latest(store: Store, problems: Manifest) -> None:
    of = (f"problems/{problems.run_id}",)
    iaf(store, "gsm8k-00000000000a", of, finished_s=1.0)
    iaf(store, "gsm8k-00000000000b", of, finished_s=2.0)
    given = Given(store, problems, STAGES, ["iaf/gsm8k-00000000000a"])
    assert given.manifest(IAF).run_id == "gsm8k-00000000000a"


def test_a_chosen_run_of_other_problems_is_refused(store: Store, problems: Manifest) -> None:
    iaf(store, "gsm8k-00000000000a", ("problems/other-000000000000",))
    with pytest.raises(UserInputError, match="was not made of the problems gsm8k-000000000001"):
        Given(store, problems, STAGES, ["iaf/gsm8k-00000000000a"])


@pytest.mark.parametrize(("limit", "chunks"), [(1, 1), (4, 1), (5, 2), (12, 3), (99, 3)])
def test_a_limit_keeps_whole_chunks(store: Store, problems: Manifest, limit: int, chunks: int) -> None:
    iaf(store, "gsm8k-00000000000a", (f"problems/{problems.run_id}",))
    given = Given(store, problems, STAGES, limit=limit)
    assert given.problems.n_chunks == chunks
    assert sorted(given.manifest(IAF).chunks("iaf")) == [f"{i:05d}" for i in range(chunks)]


def test_a_cut_keeps_the_runs_name(problems: Manifest) -> None:
    cut = cut_manifest(problems, {"00001"})
    assert (cut.run_id, cut.n_chunks, list(cut.chunks("problems"))) == (problems.run_id, 1, ["00001"])
