"""Fits: rounds of questions to all chunks, an artifact that every task gets, and carrying on after an interruption."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from mycelium.datasets import PROBLEMS
from mycelium.errors import FitError, UserInputError
from mycelium.fit import MAX_ROUNDS, Rounds, fit_key, look_for_artifact
from mycelium.manifest import Manifest, Outcome, read_manifest
from mycelium.plan import Plan, plan_run
from mycelium.reduce import Group, Part, StoredPart, reduce_encoded
from mycelium.run import Until, run_plan
from mycelium.schema import Column, Dataset, Result, decode_chunk
from mycelium.stage import MADE_BY, Ask, Fit, Stage
from mycelium.store import LocalStore, MemoryStore, Store
from mycelium.task import Task, TaskResult, decode_part, encode_part, run_task
from mycelium.wire import TaskCall, answer_task, name_part
from tests.builders import build_run, make_problems

RANKS = Dataset(
    "ranks",
    1,
    "a problem beside the mean of all",
    (Column("problem_id", pa.string(), "as in `problems`"), Column("above", pa.bool_(), "longer than the mean")),
)
N_CHUNKS = 5


@dataclass(frozen=True, slots=True)
class Params:
    """How often the same is asked, each time in other words."""

    rounds: int = field(default=3, metadata={"help": "Rounds."})


def one(**columns: Any) -> pa.Table:
    """Make a table of one row."""
    return pa.table({name: [value] for name, value in columns.items()})


def find(ask: Ask, params: Params) -> pa.Table:
    """Ask for the texts' lengths, in several rounds; the artifact is their mean."""
    total = one(length=0, n=0)
    for number in range(params.rounds):
        total = ask(one(number=number, before=total["length"][0].as_py()))
    if total["n"][0].as_py() == 0:
        raise UserInputError("there are no problems")
    return one(mean=total["length"][0].as_py() / total["n"][0].as_py())


def answer(tables: Sequence[pa.Table], params: Params) -> pa.Table:
    problems, question = tables
    assert question.column_names == ["number", "before"]
    assert b"test v1" in problems.schema.metadata[MADE_BY]
    lengths = pc.utf8_length(problems["chain_of_thought"])
    return one(length=pc.sum(lengths).as_py() or 0, n=problems.num_rows)


def add(parts: Sequence[pa.Table]) -> pa.Table:
    return one(**{name: sum(part[name][0].as_py() for part in parts) for name in parts[0].column_names})


def rank(tables: Sequence[pa.Table], params: Params) -> list[pa.Table]:
    problems, artifact = tables
    above = pc.greater(pc.utf8_length(problems["chain_of_thought"]), artifact["mean"][0])
    return [pa.table({"problem_id": problems["problem_id"], "above": above})]


def conclude_fit(artifact: pa.Table, params: Params) -> Result:
    return {"mean": artifact.to_pylist()}


STAGE: Stage[Params] = Stage(
    name="rank",
    version=1,
    summary="rank",
    reads=(PROBLEMS,),
    writes=(RANKS,),
    params=Params(),
    map=rank,
    summarize=lambda tables: one(above=pc.sum(tables[0]["above"]).as_py() or 0),
    reduce=add,
    conclude=lambda total, _: {"above": total.to_pylist()},
    fit=Fit(find=find, answer=answer, reduce=add, conclude=conclude_fit),
)


class Inline:
    """Runs tasks here, remembers them, and can fail or stop at one."""

    name = "inline"

    def __init__(self, store: Store, spoil: Callable[[int, Task], None] | None = None) -> None:
        self.store, self.spoil = store, spoil
        self.tasks: list[Task] = []

    def run(self, tasks: Sequence[Task], source_uri: str, target_uri: str) -> Iterator[TaskResult]:
        for task in tasks:
            if self.spoil is not None:
                self.spoil(len(self.tasks), task)
            self.tasks.append(task)
            yield run_task(task, STAGE, Params(**task.params), self.store, self.store)  # type: ignore[arg-type]

    def run_all(self, tasks: Sequence[Task]) -> Iterator[TaskResult]:
        return self.run(tasks, "", "")

    @property
    def n_asked(self) -> int:
        return sum(task.asks for task in self.tasks)


def make(n: int = N_CHUNKS) -> tuple[MemoryStore, Manifest]:
    store = MemoryStore()
    return store, build_run(store, [make_problems(i + 1) for i in range(n)], PROBLEMS).manifest


def plan(store: Store, source: Manifest, params: Params | None = None) -> Plan:
    return plan_run(store, store, STAGE, params or Params(), [source])


def outputs(store: Store, manifest: Manifest) -> list[bytes]:
    return [store.get(ref.key) for ref in manifest.chunks("ranks").values()]


def stop_at(number: int) -> Callable[[int, Task], None]:
    def spoil(count: int, task: Task) -> None:
        if count == number:
            raise KeyboardInterrupt

    return spoil


def test_every_chunk_is_asked_in_every_round_and_mapped_with_the_artifact() -> None:
    store, source = make()
    executor = Inline(store)
    manifest = run_plan(store, plan(store, source), executor, quiet=True)
    assert manifest.complete
    assert executor.n_asked == 3 * N_CHUNKS
    assert len(executor.tasks) == 4 * N_CHUNKS
    lengths = [len(f"chain of thought {i} " * (i + 1)) for n in range(N_CHUNKS) for i in range(n + 1)]
    mean = sum(lengths) / len(lengths)
    assert manifest.result == {"mean": [{"mean": mean}], "above": [{"above": sum(x > mean for x in lengths)}]}
    assert manifest.fit is not None
    assert decode_part(store.get(manifest.fit.key)).to_pylist() == [{"mean": mean}]
    assert read_manifest(store, "ranks", manifest.run_id) == manifest


def test_an_output_says_which_artifact_it_was_made_with() -> None:
    store, source = make()
    manifest = run_plan(store, plan(store, source), Inline(store), quiet=True)
    _, header = decode_chunk(outputs(store, manifest)[0], RANKS)
    assert manifest.fit is not None
    assert header.inputs[manifest.fit.key] == manifest.fit.sha256


@pytest.mark.parametrize("stopped_at", [0, 2, N_CHUNKS, 2 * N_CHUNKS + 3, 3 * N_CHUNKS, 3 * N_CHUNKS + 2])
def test_an_interrupted_fit_is_carried_on_in_the_round_where_it_stopped(stopped_at: int) -> None:
    store, source = make()
    with pytest.raises(KeyboardInterrupt):
        run_plan(store, plan(store, source), Inline(store, stop_at(stopped_at)), quiet=True)
    assert not read_manifest(store, "ranks", plan(store, source).run_id).complete
    executor = Inline(store)
    manifest = run_plan(store, plan(store, source), executor, quiet=True)
    done_rounds = min(stopped_at // N_CHUNKS, 3)
    assert executor.n_asked == (3 - done_rounds) * N_CHUNKS
    clean_store, other = make()
    clean = run_plan(clean_store, plan(clean_store, other), Inline(clean_store), quiet=True)
    assert manifest.complete
    assert manifest.result == clean.result
    assert outputs(store, manifest) == outputs(clean_store, clean)


def test_a_complete_run_asks_nothing_and_one_that_lost_its_manifest_asks_nothing_either() -> None:
    store, source = make()
    first = run_plan(store, plan(store, source), Inline(store), quiet=True)
    executor = Inline(store)
    assert run_plan(store, plan(store, source), executor, quiet=True) == first
    store.delete(f"manifests/ranks/{first.run_id}.json")
    again = run_plan(store, plan(store, source), executor, quiet=True)
    assert executor.n_asked == 0
    assert (again.result, again.fit) == (first.result, first.fit)


def test_an_artifact_that_was_deleted_is_found_again_and_no_chunk_is_mapped_again() -> None:
    store, source = make()
    first = run_plan(store, plan(store, source), Inline(store), quiet=True)
    assert first.fit is not None
    data = store.get(first.fit.key)
    store.delete(first.fit.key)
    again = run_plan(store, plan(store, source), Inline(store), quiet=True)
    assert store.get(first.fit.key) == data
    assert {outcome.status for outcome in again.outcomes} == {"found"}


def test_a_chunk_that_cannot_answer_is_named_and_nothing_is_mapped() -> None:
    store, source = make()
    lost = plan(store, source)
    key = lost.tasks[2].inputs[0].key
    data = store.get(key)
    store.delete(key)
    executor = Inline(store)
    manifest = run_plan(store, lost, executor, quiet=True)
    assert not manifest.complete
    assert [(o.chunk_id, o.error_kind) for o in manifest.failed] == [("00002", "ChunkDamagedError")]
    assert executor.n_asked == len(executor.tasks) == N_CHUNKS
    assert list(store.list("ranks/")) == []
    store.put(key, data)
    assert run_plan(store, plan(store, source), Inline(store), quiet=True).complete


def test_a_chunk_that_was_lost_before_is_named_and_nobody_is_asked() -> None:
    store, source = make()
    store.delete(source.chunks("problems")["00003"].key)
    executor = Inline(store)
    manifest = run_plan(store, plan(store, source), executor, quiet=True)
    assert [o.chunk_id for o in manifest.failed] == ["00003"]
    assert executor.tasks == []


def test_what_a_fit_says_of_its_data_is_the_command_s_error() -> None:
    store = MemoryStore()
    source = build_run(store, [make_problems(0)], PROBLEMS).manifest
    with pytest.raises(UserInputError, match="there are no problems"):
        run_plan(store, plan(store, source), Inline(store), quiet=True)


def test_a_fit_that_asks_for_ever_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mycelium.fit.MAX_ROUNDS", 4)
    store, source = make(1)
    with pytest.raises(FitError, match="ends within 4 rounds"):
        run_plan(store, plan(store, source, Params(rounds=5)), Inline(store), quiet=True)
    assert MAX_ROUNDS > 1000


def test_the_first_artifact_stays() -> None:
    store, source = make()
    planned = plan(store, source)
    mine = encode_part(one(mean=1e9))
    store.put(fit_key(planned.run_id, "artifact"), mine)
    manifest = run_plan(store, planned, Inline(store), quiet=True)
    assert manifest.result == {"mean": [{"mean": 1e9}], "above": [{"above": 0}]}
    other = MemoryStore()
    store.delete(fit_key(planned.run_id, "artifact"))
    fit = Fit(find=write_first(store, planned.run_id, mine), answer=answer, reduce=add, conclude=conclude_fit)
    late = dataclasses.replace(STAGE, fit=fit)
    rounds = Rounds(store, late, planned.tasks, Inline(store).run_all, quiet=True)
    assert store.get(rounds.find_artifact(Params()).key) == mine
    assert look_for_artifact(other, planned.run_id) is None


def write_first(store: Store, run_id: str, data: bytes) -> Callable[[Ask, Params], pa.Table]:
    """Find an artifact, and be overtaken by another coordinator on the way."""

    def overtaken(ask: Ask, params: Params) -> pa.Table:
        found = find(ask, params)
        store.put(fit_key(run_id, "artifact"), data)
        return found

    return overtaken


def test_another_run_s_artifact_is_mapped_with_and_is_part_of_the_run_s_identity(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    first = build_run(store, [make_problems(4)], PROBLEMS).manifest
    fitted = run_plan(store, plan(store, first), Inline(store), quiet=True)
    new = build_run(store, [make_problems(2), make_problems(1)], PROBLEMS, "gsm8k-cccccccccccc").manifest
    applied = plan_run(store, store, STAGE, Params(), [new], fit=fitted.fit)
    assert applied.run_id != plan(store, new).run_id
    executor = Inline(store)
    manifest = run_plan(store, applied, executor, quiet=True)
    assert executor.n_asked == 0
    assert manifest.complete
    assert manifest.result["mean"] == fitted.result["mean"]
    assert manifest.fit is not None
    assert fitted.fit is not None
    assert manifest.fit.sha256 == fitted.fit.sha256
    assert manifest.fit.key == fit_key(applied.run_id, "artifact")


def test_a_stage_without_a_fit_cannot_be_fitted() -> None:
    store = MemoryStore()
    with pytest.raises(TypeError, match="has no fit"):
        Rounds(store, dataclasses.replace(STAGE, fit=None), [], Inline(store).run_all).find_artifact(Params())


def test_answers_in_the_store_are_reduced_there_by_the_fit_s_own_reduce() -> None:
    store, source = make()

    class Remote(Inline):
        """Leaves every part in the store, as a function does with one too large to answer."""

        def run(self, tasks: Sequence[Task], source_uri: str, target_uri: str) -> Iterator[TaskResult]:
            for result, task in zip(super().run(tasks, source_uri, target_uri), tasks, strict=True):
                call = TaskCall(task, source_uri, target_uri, max_inline=0)
                answered = answer_task(call, result, self.store)
                yield TaskResult(result.outcome, answered.part, answered.part_key)

        def reduce_groups(self, stage: str, groups: Sequence[Group], store_uri: str) -> Iterator[Part]:
            for group in groups:
                asked.append(group.asks)
                data = reduce_encoded(STAGE, map(self.store.get, group.keys), asks=group.asks)
                self.store.put(group.out_key, data, mode="overwrite")
                yield StoredPart(group.out_key)

    asked: list[bool] = []
    remote = Remote(store)
    manifest = run_plan(store, plan(store, source), remote, reducer=remote, quiet=True)
    clean_store, other = make()
    clean = run_plan(clean_store, plan(clean_store, other), Inline(clean_store), quiet=True)
    assert manifest.result == clean.result
    assert asked == [True, True, True, False]


def test_the_answers_of_two_rounds_have_two_names() -> None:
    store, source = make()
    executor = Inline(store)
    run_plan(store, plan(store, source), executor, quiet=True)
    assert len({name_part(task) for task in executor.tasks}) == len(executor.tasks)


class Allows:
    """Allows so many tasks in all."""

    def __init__(self, n_tasks: int) -> None:
        self.left = n_tasks

    def take(self, outcome: Outcome) -> None:
        self.left -= 1

    def allow(self, n_waiting: int) -> int:
        return min(n_waiting, self.left)

    def describe(self) -> str:
        return "no more are allowed"


@pytest.mark.parametrize(("allowed", "n_asked"), [(N_CHUNKS - 1, 0), (2 * N_CHUNKS + 1, 2 * N_CHUNKS)])
def test_a_round_is_started_only_if_all_of_it_is_allowed_and_a_higher_limit_carries_on(
    allowed: int, n_asked: int
) -> None:
    store, source = make()
    executor = Inline(store)
    manifest = run_plan(store, plan(store, source), executor, quiet=True, until=Until(allowance=Allows(allowed)))
    assert (executor.n_asked, len(executor.tasks)) == (n_asked, n_asked)
    assert (manifest.complete, manifest.notes) == (False, {"stopped": "no more are allowed"})
    executor = Inline(store)
    enough = Until(allowance=Allows(4 * N_CHUNKS))
    assert run_plan(store, plan(store, source), executor, quiet=True, until=enough).complete
    assert executor.n_asked == 3 * N_CHUNKS - n_asked


def test_what_the_rounds_were_billed_is_in_the_notes() -> None:
    store, source = make()

    class Billed(Inline):
        def run(self, tasks: Sequence[Task], source_uri: str, target_uri: str) -> Iterator[TaskResult]:
            for result in super().run(tasks, source_uri, target_uri):
                yield dataclasses.replace(result, outcome=dataclasses.replace(result.outcome, attempts=2, billed_ms=7))

    manifest = run_plan(store, plan(store, source), Billed(store), quiet=True)
    assert manifest.notes == {"fit_attempts": 3 * N_CHUNKS * 2, "fit_billed_ms": 3 * N_CHUNKS * 7}
