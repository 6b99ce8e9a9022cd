"""Tasks on this machine's cores: workers that raise, die, and are orphaned."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from coordinator.executors import local
from coordinator.executors.local import LocalExecutor
from lambdas.stages import find_stage
from lambdas.stages.heartbeat import STAGE, HeartbeatParams
from mycelium.errors import StoreNotAvailableError
from mycelium.manifest import Manifest, strip_times
from mycelium.plan import plan_run
from mycelium.run import run_plan
from mycelium.store import LocalStore
from mycelium.task import Task
from tests.builders import build_run, make_iaf
from tests.mycelium.templates.world import PARAMS, build_world, make_chunk

ROOT = Path(__file__).parents[3]


def make(tmp_path: Path, n: int = 12) -> tuple[LocalStore, Manifest]:
    store = LocalStore(tmp_path)
    return store, build_run(store, [make_iaf(seed=i) for i in range(n)]).manifest


def run(store: LocalStore, source: Manifest, workers: int) -> Manifest:
    return run_plan(
        store, plan_run(store, store, STAGE, HeartbeatParams(), [source]), LocalExecutor(workers), quiet=True
    )


def test_one_process_and_many_write_the_same_bytes(tmp_path: Path) -> None:
    one, alone = make(tmp_path / "one")
    many, together = make(tmp_path / "many")
    first, second = run(one, alone, 1), run(many, together, 3)
    assert first.complete
    assert [strip_times(o) for o in first.outcomes] == [strip_times(o) for o in second.outcomes]
    assert first.result == second.result
    for ref in first.chunks("heartbeats").values():
        assert one.get(ref.key) == many.get(ref.key)


def test_the_rounds_of_a_fit_share_their_workers_and_the_map_lets_them_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []
    make_pool = local._make_pool

    def counting(n_workers: int, task: Task, stores: tuple[str, str]) -> ProcessPoolExecutor:
        made.append(n_workers)
        return make_pool(n_workers, task, stores)

    monkeypatch.setattr(local, "_make_pool", counting)
    store = LocalStore(tmp_path)
    runs = build_world(store, [make_chunk(i) for i in range(4)])
    executor = LocalExecutor(2)
    plan = plan_run(store, store, find_stage("templates"), PARAMS, list(runs.values()))
    assert run_plan(store, plan, executor, quiet=True).complete
    assert made == [2]
    assert executor._kept is None


def test_workers_that_died_between_two_rounds_are_replaced(tmp_path: Path) -> None:
    store, source = make(tmp_path, 4)
    executor = LocalExecutor(2)
    plan = plan_run(store, store, STAGE, HeartbeatParams(), [source])
    asked = [replace(task, asks=True) for task in plan.tasks]
    assert len(list(executor.run(asked, store.uri, store.uri))) == 4
    assert executor._kept is not None
    for worker in list(executor._kept[1]._processes.values()):
        worker.kill()
        worker.join()
    assert {r.outcome.error for r in executor.run(plan.tasks, store.uri, store.uri)} == {None}
    assert executor._kept is None


def test_a_failing_chunk_fails_alone(tmp_path: Path) -> None:
    store, source = make(tmp_path)
    key = source.chunks("iaf")["00004"].key
    data = bytearray(store.get(key))
    data[50] ^= 1
    store.put(key, bytes(data), mode="overwrite")
    manifest = run(store, source, 2)
    assert [o.chunk_id for o in manifest.failed] == ["00004"]
    assert sum(o.status == "done" for o in manifest.outcomes) == 11


DEADLY = '''
"""A stage whose map kills its own process on chunk 3."""
import os, signal
from dataclasses import replace
from lambdas.stages.heartbeat import STAGE as HEARTBEAT, map_layers

def map_or_die(tables, params):
    if tables[0]["problem_id"][0].as_py() == "p3-0":
        os.kill(os.getpid(), signal.SIGKILL)
    return map_layers(tables, params)

STAGE = replace(HEARTBEAT, name="deadly", map=map_or_die)
'''


def test_a_dying_worker_takes_only_its_own_chunk(tmp_path: Path) -> None:
    # In a process and a package path of its own, so that the workers find the stage that kills them.
    stages = tmp_path / "extra" / "lambdas" / "stages"
    stages.mkdir(parents=True)
    (stages / "deadly.py").write_text(DEADLY)
    store, source = make(tmp_path / "store")
    code = f"""
import sys
import lambdas.stages
lambdas.stages.__path__.append({str(stages)!r})
from coordinator.executors import local
from lambdas.stages import find_stage
from mycelium.manifest import read_manifest
from mycelium.plan import plan_run
from mycelium.run import run_plan
from mycelium.store import LocalStore
from lambdas.stages.heartbeat import HeartbeatParams

if __name__ == "__main__":
    store = LocalStore({store.uri!r})
    source = read_manifest(store, "iaf", {source.run_id!r})
    plan = plan_run(store, store, find_stage("deadly"), HeartbeatParams(), [source])
    manifest = run_plan(store, plan, local.LocalExecutor(2), quiet=True)
    for o in manifest.outcomes:
        print(o.chunk_id, o.status, o.error_kind)
"""
    script = tmp_path / "script.py"
    script.write_text(code)
    # The fork server's workers import the main module again, and with it the longer path.
    answer = subprocess.run(
        [sys.executable, str(script)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert answer.returncode == 0, answer.stderr
    lines = answer.stdout.split("\n")[:12]
    assert lines[3] == "00003 failed WorkerDied"
    # A task that was in flight beside the dying worker is run again, and may find what it wrote before.
    assert all(line.split()[1] in {"done", "found"} for line in lines[:3] + lines[4:])


def test_an_unusable_store_ends_the_run(tmp_path: Path) -> None:
    store, source = make(tmp_path)
    plan = plan_run(store, store, STAGE, HeartbeatParams(), [source])
    (tmp_path / "file").write_text("")
    for workers in (1, 2):
        with pytest.raises(StoreNotAvailableError):
            list(LocalExecutor(workers).run(plan.tasks, store.uri, str(tmp_path / "file" / "below")))


def test_no_tasks_start_no_worker(tmp_path: Path) -> None:
    assert list(LocalExecutor(4).run([], str(tmp_path), str(tmp_path))) == []


def _start_slow_run(store: LocalStore) -> subprocess.Popen[str]:
    command = [
        sys.executable,
        "-m",
        "coordinator",
        "run-stage",
        "heartbeat",
        "--store",
        store.uri,
        "--max-workers",
        "2",
    ]
    return subprocess.Popen(
        command, cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    )


def _wait_for_outputs(store: LocalStore, n: int) -> int:
    for _ in range(600):
        found = sum(1 for _ in store.list("heartbeats/"))
        if found >= n:
            return found
        time.sleep(0.01)
    raise AssertionError("no output in time")


def _children_of(pid: int) -> list[int]:
    answer = subprocess.run(["ps", "-o", "pid=,ppid=", "-A"], capture_output=True, text=True, check=True)
    pairs = [tuple(map(int, line.split())) for line in answer.stdout.splitlines()]
    below, found = [pid], []
    while below:
        parent = below.pop()
        children = [child for child, of in pairs if of == parent]
        found += children
        below += children
    return found


def test_kill_9_leaves_no_orphan_and_the_same_command_carries_on(tmp_path: Path) -> None:
    store, _ = make(tmp_path, 150)
    process = _start_slow_run(store)
    _wait_for_outputs(store, 3)
    children = _children_of(process.pid)
    process.kill()
    process.communicate()
    written = {info.key: store.get(info.key) for info in store.list("heartbeats/")}
    assert 3 <= len(written) < 150
    assert children
    for _ in range(500):
        if not any(Path(f"/proc/{pid}").exists() and _is_running(pid) for pid in children):
            break
        time.sleep(0.02)
    else:
        raise AssertionError(f"workers {children} outlived their coordinator")
    after = {info.key for info in store.list("heartbeats/")}
    process = _start_slow_run(store)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert f"({len(after)} there before)" in out
    assert all(store.get(key) == data for key, data in written.items())


def _is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_ctrl_c_exits_with_130_and_the_same_command_carries_on(tmp_path: Path) -> None:
    store, _ = make(tmp_path, 150)
    process = _start_slow_run(store)
    _wait_for_outputs(store, 3)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert "the same command carries on" in err
    process = _start_slow_run(store)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert "150 of 150 chunks" in out


def test_a_plan_may_have_fewer_tasks_than_workers(tmp_path: Path) -> None:
    store, source = make(tmp_path, 2)
    plan = plan_run(store, store, STAGE, HeartbeatParams(), [source])
    results = list(LocalExecutor(8).run(plan.tasks, store.uri, store.uri))
    assert sorted(result.outcome.chunk_id for result in results) == ["00000", "00001"]
    assert replace(results[0].outcome, chunk_id="") != results[0].outcome
