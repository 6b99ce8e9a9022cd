"""`logs RUN`: the lines of the command that wrote the run's manifest."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.stub import ANY, Stubber

from coordinator.cli import coordinator
from mycelium.command import call_command
from mycelium.manifest import Manifest, write_manifest
from mycelium.store import LocalStore
from tests.builders import build_run, make_iaf
from tests.coordinator.logs.test_search import TRACE, make_client, make_page


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    """A store."""
    return LocalStore(tmp_path / "store")


def write_run(store: LocalStore, executor: str, trace_id: str) -> Manifest:
    """Write a manifest that says where a run ran and for whom."""
    manifest = build_run(store, [make_iaf()]).manifest
    manifest = replace(manifest, stage="heartbeat", executor=executor, trace_id=trace_id, finished_s=0x5759E988 + 9.0)
    from mycelium.datasets import IAF  # noqa: PLC0415 - beside its use

    write_manifest(store, manifest, (IAF,))
    return manifest


@pytest.fixture
def _deployed(monkeypatch: pytest.MonkeyPatch) -> None:
    found = SimpleNamespace(bucket="b", region="us-east-1", function="mycelium-heartbeat")
    clients: dict[str, Any] = {name: make_client(name) for name in ("lambda", "logs")}
    for client, action, answer in (
        (clients["lambda"], "get_function_configuration", {"LoggingConfig": {"LogGroup": "group"}}),
        (clients["logs"], "filter_log_events", make_page("00003", "00004")),
    ):
        stub = Stubber(client)
        given = {"FunctionName": "mycelium-heartbeat"} if action.startswith("get") else dict.fromkeys(ASKED, ANY)
        stub.add_response(action, answer, given)
        stub.activate()
    monkeypatch.setattr("coordinator.deployment.find_deployment", lambda _name, _stage: found)
    monkeypatch.setattr("mycelium.aws.make_client", lambda name, _region: clients[name])


ASKED = ("logGroupName", "filterPattern", "startTime", "endTime")


@pytest.mark.usefixtures("_deployed")
def test_the_lines_are_printed_as_they_were_logged(store: LocalStore, capsys: pytest.CaptureFixture[str]) -> None:
    run = write_run(store, "lambda", TRACE).run_id
    assert call_command(coordinator, "coordinator", ["logs", run, "--store", store.uri]) == 0
    logged = [event["message"] for event in make_page("00003", "00004")["events"]]
    assert capsys.readouterr().out == "".join(logged)


@pytest.mark.parametrize(("executor", "trace_id"), [("local", TRACE), ("lambda", "")])
def test_a_run_that_logged_nothing_is_said_to_have(
    store: LocalStore, capsys: pytest.CaptureFixture[str], executor: str, trace_id: str
) -> None:
    run = write_run(store, executor, trace_id).run_id
    assert call_command(coordinator, "coordinator", ["logs", run, "--store", store.uri]) == 2
    assert "logged nothing" in capsys.readouterr().err
