"""Traces found: the values, tokens and phases of the right problems."""

import pytest

from mycelium.errors import UserInputError
from mycelium.explore.signal import read_signal
from mycelium.explore.trace import Rule, find_traces
from mycelium.store import MemoryStore
from tests.mycelium.explore.sample_run import build_drawn_run


def test_one_problem_of_each_level_by_level_and_none_that_was_skipped() -> None:
    store = MemoryStore()
    traces = find_traces(store, build_drawn_run(store), 1, 2)
    assert [(trace.problem_id, trace.level) for trace in traces] == [("p0-2", 1), ("p0-0", 2), ("p0-1", None)]


def test_a_trace_has_its_own_values_tokens_and_phases() -> None:
    store = MemoryStore()
    manifest = build_drawn_run(store)
    (trace,) = find_traces(store, manifest, 1, 2, "p1-1", Rule(0.4, 3))
    values = read_signal(store, "iaf/gsm8k", layer=1, head=2).numpy()["p1-1"]
    assert trace.iaf == [round(float(value), 4) for value in values]
    assert trace.tokens == [f" w{t}\n" for t in range(40)]
    assert trace.phases
    for phase in trace.phases:
        assert phase.end - phase.start >= 3
        assert all((value >= 0.4) == phase.reading for value in values[phase.start : phase.end])
    edges = [edge for phase in trace.phases for edge in (phase.start, phase.end)]
    assert edges == sorted(edges)


def test_a_problem_that_is_not_there_is_one_line() -> None:
    store = MemoryStore()
    with pytest.raises(UserInputError, match="no problem 'zzz' in iaf/gsm8k-aaaaaaaaaaaa"):
        find_traces(store, build_drawn_run(store), 0, 0, "zzz")


def test_without_tokens_there_is_nothing_to_draw() -> None:
    store = MemoryStore()
    assert find_traces(store, build_drawn_run(store, tokens=False), 0, 0) == []
