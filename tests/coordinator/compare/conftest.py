"""Runs of templates beside each other."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from coordinator.executors.local import LocalExecutor
from lambdas.stages.templates import STAGE
from mycelium.manifest import Manifest
from mycelium.plan import plan_run
from mycelium.run import run_plan
from mycelium.store import LocalStore, Store
from mycelium.templates.params import TemplatesParams
from tests.mycelium.templates.world import PARAMS, Tables, build_world, make_chunk

CHUNKS = [make_chunk(i) for i in range(6)]


def run(store: Store, chunks: Sequence[Tables], name: str, params: TemplatesParams = PARAMS) -> Manifest:
    runs = build_world(store, chunks, name)
    plan = plan_run(store, store, STAGE, params, list(runs.values()))
    return run_plan(store, plan, LocalExecutor(1), quiet=True)


@pytest.fixture(scope="package")
def store(tmp_path_factory: pytest.TempPathFactory) -> LocalStore:
    """A store with a run over all, one over a part, and one with fewer templates."""
    made = LocalStore(tmp_path_factory.mktemp("runs"))
    run(made, CHUNKS, "whole")
    run(made, CHUNKS[:5], "part")
    run(made, CHUNKS, "coarse", replace(PARAMS, k=3))
    return made
