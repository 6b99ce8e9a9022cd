"""A function's zip file holds its code and what its stage requires, and works."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import msgspec
import pytest

from infra import packaging
from infra.cloud_stack import REDUCE, plan_reduce, plan_stage
from infra.packaging import CACHE, CODE, MAX_BYTES, ROOT, Asset, Target, build_asset, check_size, find_interpreter, pin
from infra.task_function import FunctionPlan
from lambdas.stages import find_stage, stage_names
from mycelium.errors import UserInputError
from mycelium.plan import plan_run
from mycelium.store import LocalStore
from tests.builders import build_run, make_iaf

HOST = Target.of_this_machine()
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="the wheels are Linux's")

STAGES = [find_stage(name) for name in stage_names()]
PLANS = [*map(plan_stage, STAGES), plan_reduce(STAGES)]

IMPORT = """
import importlib, sys
sys.path.insert(0, sys.argv[1])
module, name = sys.argv[2].rsplit(".", 1)
assert callable(getattr(importlib.import_module(module), name))
stages = importlib.import_module("lambdas.stages")
for stage in sys.argv[3:]:
    stages.find_stage(stage)
"""

CALL = """
import json, sys
sys.path.insert(0, sys.argv[1])
from lambdas.handler import handle_task
print(json.dumps(handle_task(json.load(sys.stdin), None)["outcome"]))
"""


@pytest.fixture(scope="module")
def asset() -> Asset:
    """The heartbeat's, for this machine; built once and found again, like any other."""
    return build_asset("heartbeat", find_stage("heartbeat").requires, HOST, CACHE)


@on_linux
@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: plan.name)
def test_each_asset_holds_its_handler_and_all_that_it_imports(plan: FunctionPlan, tmp_path: Path) -> None:
    made = build_asset(plan.name, plan.requires, HOST, CACHE)
    with zipfile.ZipFile(made.path) as archive:
        archive.extractall(tmp_path)
    stages = stage_names() if plan.name == REDUCE else [plan.name]
    command = [sys.executable, "-I", "-S", "-c", IMPORT, str(tmp_path), plan.handler, *stages]
    asked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (asked.returncode, asked.stderr) == (0, "")


@on_linux
def test_the_handler_runs_a_task_from_its_asset_and_nothing_else(asset: Asset, tmp_path: Path) -> None:
    with zipfile.ZipFile(asset.path) as archive:
        archive.extractall(tmp_path / "task")
    (tmp_path / "store").mkdir()
    store = LocalStore(tmp_path / "store")
    stage = find_stage("heartbeat")
    run = plan_run(store, store, stage, stage.params, [build_run(store, [make_iaf()]).manifest])
    event = {"task": msgspec.to_builtins(run.tasks[0]), "source_uri": store.uri, "target_uri": store.uri}
    asked = subprocess.run(
        [sys.executable, "-I", "-S", "-c", CALL, str(tmp_path / "task")],
        input=json.dumps(event),
        capture_output=True,
        text=True,
        check=False,
    )
    assert not asked.stderr
    logged, outcome = map(json.loads, asked.stdout.splitlines())
    assert (logged["stage"], logged["status"]) == ("heartbeat", "done")
    assert (outcome["status"], outcome["error"]) == ("done", None)
    assert len(list(store.list("heartbeats/"))) == 1


@on_linux
def test_an_asset_holds_our_code_and_no_more_of_us(asset: Asset) -> None:
    with zipfile.ZipFile(asset.path) as archive:
        names = archive.namelist()
    ours = {name for name in names if name.split("/")[0] in CODE and name.endswith(".py")}
    written = {path.relative_to(ROOT).as_posix() for code in CODE for path in (ROOT / code).rglob("*.py")}
    assert ours == written
    assert not [name for name in names if name.startswith(("coordinator/", "gpu_workers/", "infra/", "tests/"))]


@on_linux
def test_an_asset_holds_no_package_that_its_stage_does_not_require(asset: Asset) -> None:
    with zipfile.ZipFile(asset.path) as archive:
        found = {name.split("-")[0] for name in archive.namelist() if ".dist-info/" in name}
    assert found == {*find_stage("heartbeat").requires, "mycelium"}


@on_linux
def test_what_no_function_needs_is_left_out_and_all_fits(asset: Asset) -> None:
    with zipfile.ZipFile(asset.path) as archive:
        names = archive.namelist()
        n_bytes = sum(info.file_size for info in archive.infolist())
    assert not [name for name in names if "flight" in name or "/tests/" in name or name.endswith((".h", ".pyi"))]
    assert asset.n_bytes == n_bytes < MAX_BYTES
    assert f"{n_bytes / (1 << 20):.1f} MB unzipped of 250" in asset.describe("heartbeat")


@on_linux
def test_the_same_code_and_packages_give_the_same_bytes(asset: Asset, tmp_path: Path) -> None:
    requires = ("msgspec",)
    once, again = (build_asset("x", requires, HOST, tmp_path / name) for name in ("once", "again"))
    assert once.path.read_bytes() == again.path.read_bytes()
    assert build_asset("x", requires, HOST, tmp_path / "once") == once


@on_linux
def test_a_package_with_no_wheel_for_the_target_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packaging, "pin", lambda _name, _requires: ["msgspec==0.0.1"])
    with pytest.raises(UserInputError, match=r"function x can't be installed for .*manylinux.*msgspec"):
        build_asset("x", ["msgspec"], HOST, tmp_path)
    assert not list(tmp_path.iterdir())  # nothing half made is left


def test_versions_are_those_installed_here() -> None:
    (pinned,) = pin("x", ["numpy"])
    assert pinned == f"numpy=={__import__('numpy').__version__}"


def test_a_package_that_is_not_here_is_named() -> None:
    with pytest.raises(UserInputError, match="function x requires no-such-thing, which is not installed here"):
        pin("x", ["no-such-thing"])


def test_a_function_too_large_for_lambda_is_refused_with_what_to_do() -> None:
    check_size("x", MAX_BYTES, ["numpy==2"])
    with pytest.raises(UserInputError, match=r"function x has 250\.0 MB unzipped.*take a package out.*numpy==2"):
        check_size("x", MAX_BYTES + 1, ["numpy==2"])


def test_an_interpreter_that_is_not_there_is_not_found() -> None:
    assert find_interpreter("2.0") is None
    assert find_interpreter(HOST.python) == Path(sys.executable)


def test_a_file_that_another_deploy_takes_away_meanwhile_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "function-0.zip").symlink_to(tmp_path / "taken away")
    packaging.remove_unused(tmp_path)


def test_what_was_not_used_for_a_week_goes(tmp_path: Path) -> None:
    old, new = tmp_path / "function-old.zip", tmp_path / "function-new.zip"
    for path in (old, new):
        path.touch()
    os.utime(old, (0, 0))
    packaging.remove_unused(tmp_path)
    assert list(tmp_path.iterdir()) == [new]
