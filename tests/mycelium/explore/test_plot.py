"""A trace drawn in a notebook: of the head, threshold and problem that the run says or that were asked for."""

import json
import sys
from pathlib import Path

import pytest

from coordinator.executors.local import LocalExecutor
from lambdas.stages.heartbeat import STAGE, HeartbeatParams
from mycelium.datasets import PROBLEMS
from mycelium.errors import MissingPackageError, ObjectNotFoundError, UserInputError
from mycelium.explore.chart import chart_traces
from mycelium.explore.plot import plot_trace
from mycelium.explore.trace import Rule, find_traces
from mycelium.plan import plan_run
from mycelium.run import run_plan
from mycelium.store import LocalStore, MemoryStore
from tests.builders import build_run, make_problems
from tests.mycelium.explore.sample_run import build_drawn_run


def test_a_run_of_heartbeats_says_head_threshold_and_shortest_run(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    source = build_drawn_run(store)
    beats = run_plan(
        store, plan_run(store, store, STAGE, HeartbeatParams(0.4, 3), [source]), LocalExecutor(1), quiet=True
    )
    (head,) = beats.result["computing_head"]
    where = int(str(head["layer"])), int(str(head["head"]))
    wanted = chart_traces(find_traces(store, source, *where, None, Rule(0.4, 3)), 0.4).to_dict()
    assert plot_trace(store, "heartbeats/gsm8k").to_dict() == wanted
    other = chart_traces(find_traces(store, source, 0, 1, "p1-2", Rule(0.4, 3)), 0.4).to_dict()
    assert plot_trace(store, "heartbeats/gsm8k", "p1-2", layer=0, head=1).to_dict() == other
    assert json.dumps(other) != json.dumps(wanted)
    store.delete(f"manifests/iaf/{source.run_id}.json")
    with pytest.raises(ObjectNotFoundError, match="manifests/iaf"):
        plot_trace(store, "heartbeats/gsm8k")


def test_a_run_of_iaf_wants_layer_and_head() -> None:
    store = MemoryStore()
    source = build_drawn_run(store)
    wanted = chart_traces(find_traces(store, source, 1, 0), 0.5).to_dict()
    assert plot_trace(store, "iaf/gsm8k", layer=1, head=0).to_dict() == wanted
    with pytest.raises(UserInputError, match="iaf/gsm8k names no computing head: say layer and head"):
        plot_trace(store, "iaf/gsm8k", layer=1)


def test_what_can_not_be_drawn_is_one_line() -> None:
    store = MemoryStore()
    build_drawn_run(store, tokens=False)
    with pytest.raises(UserInputError, match="no text of tokens"):
        plot_trace(store, "iaf/gsm8k", layer=1, head=0)
    build_run(store, [make_problems()], PROBLEMS)
    with pytest.raises(UserInputError, match="of iaf or heartbeats; got problems/gsm8k"):
        plot_trace(store, "problems/gsm8k", layer=1, head=0)


def test_without_altair_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "altair", None)
    with pytest.raises(MissingPackageError, match="pip install altair"):
        plot_trace(MemoryStore(), "iaf/gsm8k")
