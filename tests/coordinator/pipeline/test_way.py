"""The way: in order, nothing twice, and what is missing is named with its maker."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.pipeline.way import find_way
from mycelium.errors import UserInputError
from mycelium.schema import Column, Dataset
from mycelium.stage import Stage


@dataclass(frozen=True, slots=True)
class NoParams:
    """Nothing to set."""


def dataset(name: str) -> Dataset:
    return Dataset(name, 1, "a row", (Column("x", pa.int64(), "a number"),))


def stage(name: str, reads: Sequence[str], writes: Sequence[str]) -> Stage[NoParams]:
    return Stage(
        name=name,
        version=1,
        summary="a stage",
        reads=tuple(map(dataset, reads)),
        writes=tuple(map(dataset, writes)),
        params=NoParams(),
        map=lambda tables, _: tables,
        summarize=lambda tables: tables[0],
        reduce=lambda parts: parts[0],
        conclude=lambda _total, _params: {},
    )


STAGES = {
    one.name: one
    for one in (
        stage("steps", ["problems"], ["chains", "steps"]),
        stage("labels", ["steps"], ["labels"]),
        stage("heartbeat", ["iaf"], ["heartbeats"]),
        stage("iaf", ["attention"], ["iaf"]),
        stage("pairs", ["problems", "labels", "heartbeats"], ["pairs"]),
    )
}

PARAMS = dict.fromkeys(STAGES, NoParams())


def names(targets: Sequence[str], have: set[str]) -> list[str]:
    return [step.stage.name for step in find_way(targets, STAGES, PARAMS, lambda one: one.name in have)]


def test_a_stage_comes_after_all_that_it_reads() -> None:
    assert names(["pairs"], {"problems", "iaf"}) == ["steps", "labels", "heartbeat", "pairs"]


def test_what_is_given_is_not_made() -> None:
    assert names(["heartbeat"], {"attention"}) == ["iaf", "heartbeat"]
    assert names(["heartbeat"], {"attention", "iaf"}) == ["heartbeat"]


def test_parameters_may_decide_what_is_read() -> None:
    pairs = replace(STAGES["pairs"], choose=lambda _: (dataset("problems"), dataset("labels")))
    way = find_way(["pairs"], STAGES | {"pairs": pairs}, PARAMS, lambda one: one.name == "problems")
    assert [step.stage.name for step in way] == ["steps", "labels", "pairs"]
    assert [one.name for one in way[-1].reads] == ["problems", "labels"]


def test_two_targets_share_their_way() -> None:
    assert names(["labels", "pairs", "labels"], {"problems", "iaf"}) == ["steps", "labels", "heartbeat", "pairs"]


def test_each_source_is_a_run_or_a_stage() -> None:
    way = find_way(["pairs"], STAGES, PARAMS, lambda one: one.name in {"problems", "iaf"})
    assert way[-1].sources == (None, "labels", "heartbeat")
    assert way[-1].after == {"labels", "heartbeat"}
    assert way[0].after == frozenset()


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("heartbeat", "stage iaf reads attention, .* `python -m gpu_workers extract --signals raw` makes it"),
        ("labels", "stage steps reads problems, .* `python -m coordinator ingest` makes it"),
    ],
)
def test_what_nobody_makes_is_named_with_its_maker(target: str, said: str) -> None:
    with pytest.raises(UserInputError, match=said):
        names([target], set())


def test_stages_that_need_each_other_are_no_endless_way() -> None:
    stages = {one.name: one for one in (stage("a", ["b"], ["a"]), stage("b", ["a"], ["b"]))}
    with pytest.raises(UserInputError, match="stage b reads a"):
        find_way(["a"], stages, dict.fromkeys("ab", NoParams()), lambda _: False)


@given(st.sets(st.sampled_from(["problems", "iaf", "steps", "labels", "heartbeats"])))
def test_whatever_is_given_every_source_stands_before_its_reader(have: set[str]) -> None:
    seen: set[str] = set()
    for step in find_way(["pairs"], STAGES, PARAMS, lambda one: one.name in have | {"problems", "attention"}):
        assert step.after <= seen
        assert step.stage.name not in seen
        seen.add(step.stage.name)
    assert "pairs" in seen
