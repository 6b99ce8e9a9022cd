"""`runs` and `status` as a person types them; `attach` is in the test of what it does."""

import json

from mycelium.store import LocalStore
from tests.coordinator.command_line import Cli


def test_runs_are_listed(filled: Cli) -> None:
    assert "iaf/gsm8k-aaaaaaaaaaaa" in filled("runs")[1]
    assert json.loads(filled("runs", "--json", "--dataset", "iaf")[1])[0]["chunks"] == 3
    LocalStore(filled.store).delete("manifests/iaf/gsm8k-aaaaaaaaaaaa.json")
    assert "no runs yet" in filled("runs")[1]


def test_status_of_a_run_that_was_killed_says_so(filled: Cli) -> None:
    filled("run-stage", "heartbeat", "--quiet")
    store = LocalStore(filled.store)
    (info,) = store.list("manifests/heartbeats/")
    store.delete(info.key)
    run = next(iter(store.list("heartbeats/"))).key.rpartition("/")[0]
    code, out, _ = filled("status", run)
    assert code == 1
    assert "cut off, 3 chunks written and no manifest; the same command carries on" in out
    assert json.loads(filled("status", run, "--json")[1])["chunks"] == 3
