"""Runs of several inputs: which are read, what they must share, what is done about a chunk that one of them lacks."""

import gc
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mycelium import manifest as manifests
from mycelium import plan as plans
from mycelium.errors import WrongDatasetError
from mycelium.manifest import Manifest, ObjectRef, Outcome, put_manifest
from mycelium.plan import plan_run
from mycelium.run import run_plan
from mycelium.schema import Column, Dataset, Provenance, Result, decode_chunk
from mycelium.stage import Stage
from mycelium.store import MemoryStore, ObjectInfo
from mycelium.store.base import PAGE_SIZE
from mycelium.task import Task, TaskResult, run_task
from tests.builders import build_run

BEFORE = Provenance("gsm8k", "GSM8K")
TAUGHT = Provenance("gsm8k", "GSM8K", "teacher@0123456789ab")


def _dataset(name: str) -> Dataset:
    columns = (Column("problem_id", pa.string(), "an id"), Column("value", pa.int64(), "a number"))
    return Dataset(name, 1, "a row", columns)


ONE, TWO, BEATS, SUMS, TOTAL = (_dataset(name) for name in ("one", "two", "beats", "sums", "total"))


@dataclass(frozen=True, slots=True)
class Params:
    """Which inputs there are."""

    beats: bool = field(default=False, metadata={"help": "Read beats."})


def _choose(params: Params) -> tuple[Dataset, ...]:
    return (ONE, TWO, BEATS) if params.beats else (ONE, TWO)


def _add(tables: Sequence[pa.Table], params: Params) -> list[pa.Table]:
    assert len(tables) == len(_choose(params))
    return [pa.concat_tables([table.select(["problem_id", "value"]) for table in tables])]


def _total(tables: Sequence[pa.Table]) -> pa.Table:
    value = pc.sum(pa.concat_tables(tables)["value"]).as_py() or 0
    return pa.table({"problem_id": ["all"], "value": [value]}, schema=TOTAL.arrow_schema())


STAGE = Stage(
    name="sums",
    version=1,
    summary="add",
    reads=(ONE, TWO, BEATS),
    writes=(SUMS,),
    params=Params(),
    map=_add,
    summarize=_total,
    reduce=_total,
    conclude=lambda total, _params: {"totals": [{"value": total["value"][0].as_py()}]},
    choose=_choose,
    optional=(BEATS,),
    gathers=TOTAL,
    gather=lambda total, _params: total,
)


class Inline:
    """Runs tasks in this process."""

    name = "inline"

    def __init__(self, store: MemoryStore, stage: Stage[Any] = STAGE) -> None:
        self.store, self.stage = store, stage

    def run(self, tasks: Sequence[Task], source_uri: str, target_uri: str) -> Iterator[TaskResult]:
        for task in tasks:
            yield run_task(task, self.stage, Params(**task.params), self.store, self.store)  # type: ignore[arg-type]


def rows(*values: int) -> pa.Table:
    return pa.table({"problem_id": [f"q{value}" for value in values], "value": list(values)})


def build(store: MemoryStore, dataset: Dataset, tables: Sequence[pa.Table], of: Provenance = BEFORE) -> Manifest:
    return build_run(store, tables, dataset, f"gsm8k-{dataset.name}", provenance=of).manifest


def total(store: MemoryStore, params: Params, inputs: Sequence[Manifest]) -> Manifest:
    return run_plan(store, plan_run(store, store, STAGE, params, inputs), Inline(store), quiet=True)


def test_what_is_read_follows_from_the_parameters() -> None:
    store = MemoryStore()
    inputs = [build(store, ONE, [rows(1)]), build(store, TWO, [rows(10)]), build(store, BEATS, [rows(100)])]
    without, with_beats = total(store, Params(), inputs[:2]), total(store, Params(beats=True), inputs)
    assert (without.result["totals"], without.inputs) == ([{"value": 11}], ("one/gsm8k-one", "two/gsm8k-two"))
    assert (with_beats.result["totals"], len(with_beats.inputs)) == ([{"value": 111}], 3)
    assert without.run_id != with_beats.run_id


def test_what_was_made_before_a_teacher_came_in_goes_with_any_teacher() -> None:
    store = MemoryStore()
    inputs = [build(store, ONE, [rows(1)]), build(store, TWO, [rows(10)]), build(store, BEATS, [rows(100)], TAUGHT)]
    manifest = total(store, Params(beats=True), inputs)
    assert manifest.complete
    assert manifest.provenance == TAUGHT


def test_a_chunk_without_the_teacher_that_its_run_has_is_refused() -> None:
    store = MemoryStore()
    beats = build_run(store, [rows(100)], BEATS, provenance=TAUGHT, chunk_provenance=lambda _: BEFORE).manifest
    inputs = [build(store, ONE, [rows(1)]), build(store, TWO, [rows(10)]), beats]
    (outcome,) = total(store, Params(beats=True), inputs).outcomes
    assert "of teacher 'teacher@0123456789ab', and the chunk is of teacher None" in (outcome.error or "")


@pytest.mark.parametrize(
    "other",
    [Provenance("math", "GSM8K"), Provenance("gsm8k", "MATH"), Provenance("gsm8k", "GSM8K", "someone else")],
    ids=["name", "origin", "teacher"],
)
def test_inputs_of_several_places_are_refused(other: Provenance) -> None:
    store = MemoryStore()
    inputs = [build(store, ONE, [rows(1)], TAUGHT), build(store, TWO, [rows(10)], other)]
    turned = replace(STAGE, choose=lambda _: (TWO, ONE))
    for stage, ordered in ((STAGE, inputs), (turned, inputs[::-1])):
        with pytest.raises(WrongDatasetError, match="come from one place"):
            plan_run(store, store, stage, Params(), ordered)


def test_a_chunk_that_an_input_lacks_fails_by_name_and_is_not_dropped() -> None:
    store = MemoryStore()
    inputs = [build(store, ONE, [rows(1), rows(2)]), build(store, TWO, [rows(10)])]
    manifest = total(store, Params(), inputs)
    assert (manifest.complete, manifest.n_chunks) == (False, 2)
    (failed,) = manifest.failed
    assert failed.chunk_id == "00001"
    assert "chunk 00001 is not in two/gsm8k-two" in (failed.error or "")


def test_a_chunk_that_an_optional_input_lacks_is_read_as_empty() -> None:
    store = MemoryStore()
    inputs = [
        build(store, ONE, [rows(1), rows(2)]),
        build(store, TWO, [rows(10), rows(20)]),
        build(store, BEATS, [rows(100)]),
    ]
    manifest = total(store, Params(beats=True), inputs)
    assert manifest.complete
    assert manifest.result["totals"] == [{"value": 133}]


def test_a_task_that_names_too_few_inputs_fails() -> None:
    store = MemoryStore()
    inputs = [build(store, ONE, [rows(1)]), build(store, TWO, [rows(10)])]
    (task,) = plan_run(store, store, STAGE, Params(), inputs).tasks
    result = run_task(replace(task, inputs=task.inputs[:1]), STAGE, Params(), store, store)
    assert "chunk 00000 of two is read here, and the task names none" in (result.outcome.error or "")


def test_what_the_last_part_becomes_is_written_and_recorded() -> None:
    store = MemoryStore()
    inputs = [build(store, ONE, [rows(1), rows(2)]), build(store, TWO, [rows(10), rows(20)])]
    manifest = total(store, Params(), inputs)
    (ref,) = manifest.gathered
    assert ref.key == f"total/{manifest.run_id}/00000.parquet"
    table, header = decode_chunk(store.get(ref.key), TOTAL)
    assert table["value"].to_pylist() == [33]
    assert (header.stage, header.provenance) == ("sums v1", BEFORE)


def test_what_parameters_leave_open_is_settled_by_what_the_inputs_concluded() -> None:
    store = MemoryStore()
    inputs = [build(store, ONE, [rows(1)], BEFORE), build(store, TWO, [rows(10)], BEFORE)]
    inputs[1] = replace(inputs[1], result={"totals": [{"value": 10}]})
    settled: list[str] = []

    def settle(params: Params, results: Mapping[str, Result]) -> Params:
        settled.append(" ".join(results))
        return replace(params, beats=bool(results["two"].get("totals")))

    # Whatever was settled is part of the run's identity and of its record, as if it had been asked for.
    plan = plan_run(store, store, replace(STAGE, settle=settle, choose=lambda _: (ONE, TWO)), Params(), inputs)
    assert settled == ["one two"]
    assert plan.params == Params(beats=True)
    assert plan.tasks[0].params == {"beats": True}
    assert (
        plan.run_id
        == plan_run(store, store, replace(STAGE, choose=lambda _: (ONE, TWO)), Params(beats=True), inputs).run_id
    )


class CountingStore(MemoryStore):
    """Counts what S3 would be asked: a LIST for every 1,000 keys, and every GET."""

    def __init__(self) -> None:
        super().__init__()
        self.lists: list[str] = []
        self.gets: list[str] = []

    def list(self, prefix: str = "", page_size: int = PAGE_SIZE, cuts: Sequence[str] = ()) -> Iterator[ObjectInfo]:
        self.lists.append(prefix)
        for number, info in enumerate(super().list(prefix, page_size, cuts)):
            if number and number % page_size == 0:
                self.lists.append(prefix)
            yield info

    def get(self, key: str) -> bytes:
        self.gets.append(key)
        return super().get(key)


def test_a_run_that_was_cut_off_is_planned_by_one_listing_for_every_thousand_keys_and_maps_what_is_missing() -> None:
    store, n = CountingStore(), 2500
    inputs = [build(store, ONE, [rows(1)]), build(store, TWO, [rows(10)])]
    for i, manifest in enumerate(inputs):  # 2,500 chunks, all of the same bytes
        (outcome,) = manifest.outcomes
        (ref,) = outcome.outputs
        data, folder = store.get(ref.key), ref.key.rpartition("/")[0]
        refs = [replace(ref, key=f"{folder}/{number:05d}.parquet") for number in range(n)]
        for one in refs[1:]:
            store.put(one.key, data)
        outcomes = tuple(replace(outcome, chunk_id=f"{j:05d}", outputs=(one,)) for j, one in enumerate(refs))
        inputs[i] = replace(manifest, outcomes=outcomes, n_chunks=n)
    run_id = plan_run(store, store, STAGE, Params(), inputs).run_id
    for number in range(1250):
        store.put(f"sums/{run_id}/{number:05d}.parquet", b"written before the coordinator was killed")
    store.lists, store.gets = [], []
    plan = plan_run(store, store, STAGE, Params(), inputs)
    assert (plan.n_chunks, plan.n_found, len(plan.lost)) == (n, 1250, 0)
    assert Counter(store.lists) == {"one/gsm8k-one/": 3, "two/gsm8k-two/": 3, f"sums/{run_id}/": 2}
    assert store.gets == []


def test_a_stage_without_parameters_for_it_reads_all() -> None:
    assert replace(STAGE, choose=None).inputs(Params()) == STAGE.reads


def test_what_the_last_part_became_is_one_of_the_runs_objects_and_made_anew_if_it_is_lost() -> None:
    store = MemoryStore()
    inputs = [build(store, ONE, [rows(1), rows(2)]), build(store, TWO, [rows(10), rows(20)])]
    first = total(store, Params(), inputs)
    (ref,) = first.gathered
    assert ("gathered", ref) in list(first.each_object())
    store.delete(ref.key)
    again = total(store, Params(), inputs)
    assert again.gathered == first.gathered
    assert decode_chunk(store.get(ref.key), TOTAL)[0]["value"].to_pylist() == [33]
    assert {outcome.status for outcome in again.outcomes} == {"found"}


@pytest.mark.parametrize("enabled", [True, False])
def test_the_collector_is_left_as_it_was(enabled: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bool] = []
    store = MemoryStore()
    inputs = [build(store, ONE, [rows(1)]), build(store, TWO, [rows(10)])]

    listed = store.list_pages

    def list_pages(*args: Any, sized: bool = True) -> Iterator[dict[str, int]]:
        if not sized:
            seen.append(gc.isenabled())
        return listed(*args, sized=sized)

    monkeypatch.setattr(store, "list_pages", list_pages)
    before = gc.isenabled()
    try:
        gc.enable() if enabled else gc.disable()
        plan_run(store, store, STAGE, Params(), inputs)
        assert (seen, gc.isenabled()) == ([False], enabled)
        with pytest.raises(WrongDatasetError):
            plan_run(store, store, STAGE, Params(), inputs[::-1])
        assert gc.isenabled() == enabled
    finally:
        gc.enable() if before else gc.disable()


CHUNKS = st.dictionaries(st.text("0189", min_size=1, max_size=3), st.sampled_from([0, 1, 5]), max_size=12)
"""Chunks of one input, and the bytes that its manifest says of each."""


def list_run(dataset: Dataset, chunks: Mapping[str, int]) -> Manifest:
    """Return the manifest of a run that wrote chunks of these sizes; a chunk of no bytes has failed."""
    run_id = f"gsm8k-{dataset.name}"
    refs = {
        chunk_id: ObjectRef(dataset.name, f"{dataset.name}/{run_id}/{chunk_id}.parquet", size, f"{size}-{chunk_id}")
        for chunk_id, size in chunks.items()
    }
    outcomes = [Outcome(chunk_id, "done", (ref,) if ref.size else ()) for chunk_id, ref in sorted(refs.items())]
    return Manifest(
        run_id=run_id,
        provenance=BEFORE,
        stage=dataset.name,
        stage_version=1,
        params={},
        commit="",
        executor="",
        inputs=(),
        finished_s=0.0,
        wall_s=0.0,
        complete=True,
        n_chunks=len(outcomes),
        outcomes=tuple(outcomes),
    )


def plan_naively(
    read: Sequence[Mapping[str, int]], there: Sequence[Mapping[str, int]], written: set[str]
) -> dict[str, tuple[str, int]]:
    """Return of each chunk whether it is lost, found or to do, and how many objects it reads; chunk by chunk."""
    became = {}
    for chunk_id, size in read[0].items():
        if not size:
            continue
        lacks = not read[1].get(chunk_id)
        in_all = [i for i in range(3) if read[i].get(chunk_id)]
        whole = all(there[i].get(chunk_id) == read[i][chunk_id] for i in in_all)
        state = "lost" if lacks else "found" if chunk_id in written else "to do" if whole else "lost"
        became[chunk_id] = (state, 0 if state == "lost" else len(in_all))
    return became


@settings(max_examples=150, deadline=None)
@given(
    read=st.tuples(CHUNKS, CHUNKS, CHUNKS),
    there=st.tuples(CHUNKS, CHUNKS, CHUNKS),
    keeps=st.booleans(),
    written=st.sets(st.text("0189", min_size=1, max_size=3), max_size=8),
    together=st.integers(1, 4),
)
def test_a_plan_is_what_looking_at_each_chunk_alone_says(
    read: tuple[dict[str, int], ...],
    there: tuple[dict[str, int], ...],
    keeps: bool,
    written: set[str],
    together: int,
) -> None:
    assume(all(any(one.values()) for one in read))
    if keeps:  # most of what the manifests say is there: else hardly a page is whole
        there = tuple({**one, **dict(list(lost.items())[:1])} for one, lost in zip(read, there, strict=True))
    for store in (MemoryStore(), PagedStore(together)):
        given_ = [list_run(dataset, one) for dataset, one in zip((ONE, TWO, BEATS), read, strict=True)]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(plans, "_TOGETHER", together)
            patch.setattr(manifests, "IN_ONE", 2 * together if isinstance(store, PagedStore) else manifests.IN_ONE)
            inputs = [put_manifest(store, one, one.stage) for one in given_]
            for one, lies in zip(given_, there, strict=True):
                for chunk_id, size in lies.items():
                    store.put(f"{one.stage}/{one.run_id}/{chunk_id}.parquet", b"x" * size)
            run_id = plan_run(store, store, STAGE, Params(beats=True), inputs).run_id
            for chunk_id in written:
                store.put(f"sums/{run_id}/{chunk_id}.parquet", b"")
            plan = plan_run(store, store, STAGE, Params(beats=True), inputs)
        found = {task.chunk_id: ("found" if task.found else "to do", len(task.inputs)) for task in plan.tasks}
        found |= {outcome.chunk_id: ("lost", 0) for outcome in plan.lost}
        wanted = plan_naively(read, there, written)
        assert found == wanted
        assert plan.n_chunks == len(wanted)
        assert [task.chunk_id for task in plan.tasks] == sorted(task.chunk_id for task in plan.tasks)


class PagedStore(MemoryStore):
    """A store whose pages are small."""

    def __init__(self, n: int) -> None:
        super().__init__()
        self._n = n

    def list_pages(self, prefix: str = "", cuts: Sequence[str] = (), *, sized: bool = True) -> Iterator[dict[str, int]]:
        pairs = [pair for page in super().list_pages(prefix, cuts, sized=sized) for pair in page.items()]
        return (dict(pairs[i : i + self._n]) for i in range(0, len(pairs), self._n))
