"""Tasks on this machine's cores: workers that raise, die, and are orphaned; and a coordinator that does it itself."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from coordinator.executors import hands
from coordinator.executors.choose import choose_executor
from coordinator.executors.local import LocalExecutor
from coordinator.executors.pace import Pace
from coordinator.executors.worker import Bench, Worker
from lambdas.stages import find_stage
from lambdas.stages.heartbeat import STAGE, HeartbeatParams
from mycelium.errors import StoreNotAvailableError
from mycelium.events import Observer
from mycelium.manifest import Manifest, read_manifest, strip_times
from mycelium.plan import plan_run
from mycelium.run import run_plan
from mycelium.store import LocalStore
from mycelium.task import Task, TaskResult
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


def test_who_watches_sees_how_many_tasks_run_and_none_after_the_end(tmp_path: Path) -> None:
    store, source = make(tmp_path)
    observer = Observer()
    chosen = choose_executor(
        "local", STAGE, "mycelium", max_workers=2, max_concurrency=None, observer=observer
    ).executor
    plan = plan_run(store, store, STAGE, HeartbeatParams(), [source])
    seen = [observer.traffic.in_flight for _ in chosen.run(plan.tasks, store.uri, store.uri)]
    assert set(seen) <= {0, 1, 2}  # as many as there are workers, however many batches wait
    assert any(seen)
    assert observer.traffic.in_flight is None


def test_the_rounds_of_a_fit_share_their_workers_and_the_map_lets_them_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = watch_workers(monkeypatch)
    store = LocalStore(tmp_path)
    runs = build_world(store, [make_chunk(i) for i in range(4)])
    executor = LocalExecutor(2)
    plan = plan_run(store, store, find_stage("templates"), PARAMS, list(runs.values()))
    assert run_plan(store, plan, executor, quiet=True).complete
    assert len(made) == 2
    assert executor._kept is None


def test_workers_that_died_between_two_rounds_are_replaced(tmp_path: Path) -> None:
    store, source = make(tmp_path, 4)
    executor = LocalExecutor(2)
    plan = plan_run(store, store, STAGE, HeartbeatParams(), [source])
    asked = [replace(task, asks=True) for task in plan.tasks]
    assert len(list(executor.run(asked, store.uri, store.uri))) == 4
    assert executor._kept is not None
    for worker in executor._kept[1]:
        os.kill(worker.pid, signal.SIGKILL)
    assert {r.outcome.error for r in executor.run(plan.tasks, store.uri, store.uri)} == {None}
    assert executor._kept is None


def left_to_itself(folder: Path, memory_mb: float = 1e6, cores: int = 2) -> LocalExecutor:
    return LocalExecutor(cores=lambda: cores, available_mb=lambda: memory_mb, marks=folder / "marks")


def watch_workers(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    made: list[int] = []

    class Watched(Worker):
        def __init__(self, task: Task, stores: tuple[str, str]) -> None:
            super().__init__(task, stores)
            made.append(self.pid)

    monkeypatch.setattr(hands, "Worker", Watched)
    return made


def watch_benches(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    computed: list[int] = []

    class Watched(Bench):
        def run_all(self, tasks: Sequence[Task]) -> list[TaskResult]:
            computed.append(len(tasks))
            return super().run_all(tasks)

    monkeypatch.setattr(hands, "Bench", Watched)
    return computed


def marks_in(folder: Path) -> list[Path]:
    return [path for path in folder.glob("*") if path.suffix != ".journal"]


def check_all_done_once(manifest: Manifest, store: LocalStore, folder: Path) -> None:
    assert {outcome.status for outcome in manifest.outcomes} == {"done"}
    assert manifest.complete
    one, source = make(folder / "one", manifest.n_chunks)
    alone = run(one, source, 1)
    assert [strip_times(o) for o in alone.outcomes] == [strip_times(o) for o in manifest.outcomes]
    assert alone.result == manifest.result
    for ref in alone.chunks("heartbeats").values():
        assert one.get(ref.key) == store.get(ref.key)


def run_with(executor: LocalExecutor, store: LocalStore, source: Manifest) -> Manifest:
    return run_plan(store, plan_run(store, store, STAGE, HeartbeatParams(), [source]), executor, quiet=True)


@pytest.mark.parametrize("cores", [1, 2])
def test_what_is_small_is_done_here_and_starts_no_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cores: int
) -> None:
    made, computed = watch_workers(monkeypatch), watch_benches(monkeypatch)
    monkeypatch.setattr(hands, "PATIENCE_S", 1e6)
    monkeypatch.setattr(hands, "workers_pay", lambda *_: False)
    store, source = make(tmp_path / "store")
    check_all_done_once(run_with(left_to_itself(tmp_path, cores=cores), store, source), store, tmp_path)
    assert made == []
    assert sum(computed) == 12
    assert computed[0] == 1
    assert list((tmp_path / "marks").iterdir()) == []  # nor a journal


def test_where_workers_pay_they_are_started_while_this_process_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, computed = watch_workers(monkeypatch), watch_benches(monkeypatch)
    monkeypatch.setattr(hands, "workers_pay", lambda *_: True)
    store, source = make(tmp_path / "store", 30)
    check_all_done_once(run_with(left_to_itself(tmp_path), store, source), store, tmp_path)
    assert len(made) == 2
    assert 1 <= sum(computed) < 30  # the workers' first task is kept for them
    assert list((tmp_path / "marks").iterdir()) == []  # nor a journal


def test_a_task_that_takes_long_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done_elsewhere = threading.Event()

    class Slow(Bench):
        def run_all(self, tasks: Sequence[Task]) -> list[TaskResult]:
            assert done_elsewhere.wait(300)
            return super().run_all(tasks)

    class Tells(Worker):
        def run_all(self, tasks: Sequence[Task]) -> list[TaskResult]:
            results = super().run_all(tasks)
            done_elsewhere.set()
            return results

    monkeypatch.setattr(hands, "Bench", Slow)
    monkeypatch.setattr(hands, "Worker", Tells)
    monkeypatch.setattr(hands, "PATIENCE_S", 0.0)
    store, source = make(tmp_path / "store")
    check_all_done_once(run_with(left_to_itself(tmp_path), store, source), store, tmp_path)
    assert done_elsewhere.is_set()


def test_as_many_workers_as_fit_into_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = watch_workers(monkeypatch)
    monkeypatch.setattr(hands, "workers_pay", lambda *_: True)
    store, source = make(tmp_path / "store")
    check_all_done_once(
        run_with(left_to_itself(tmp_path, 3.5 * STAGE.memory_mb, cores=8), store, source), store, tmp_path
    )
    assert len(made) == 3


def test_a_task_that_leaves_no_room_for_another_is_not_done_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, computed = watch_workers(monkeypatch), watch_benches(monkeypatch)
    store, source = make(tmp_path / "store", 3)
    manifest = run_with(left_to_itself(tmp_path, 1.9 * STAGE.memory_mb, cores=8), store, source)
    assert manifest.complete
    assert len(made) == 1
    assert computed == []


def test_rounds_that_each_are_small_get_workers_once_they_add_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, spent = watch_workers(monkeypatch), []

    def pays(pace: Pace, n_left: int, n_workers: int, spent_s: float) -> bool:
        spent.append(spent_s)
        return spent_s > 0 and n_left > 0

    monkeypatch.setattr(hands, "PATIENCE_S", 1e6)
    monkeypatch.setattr(hands, "workers_pay", pays)
    store, source = make(tmp_path / "store", 4)
    executor = left_to_itself(tmp_path)
    plan = plan_run(store, store, STAGE, HeartbeatParams(), [source])
    asked = [replace(task, asks=True) for task in plan.tasks]
    assert len(list(executor.run(asked, store.uri, store.uri))) == 4
    assert made == []
    assert len(list(executor.run(asked, store.uri, store.uri))) == 4
    assert {r.outcome.error for r in executor.run(plan.tasks, store.uri, store.uri)} == {None}
    assert len(made) == 2
    assert executor._kept is None
    assert spent[0] == 0 < max(spent)


@pytest.mark.parametrize("workers", [2, None])
def test_a_run_that_is_left_early_leaves_nothing_behind(tmp_path: Path, workers: int | None) -> None:
    store, source = make(tmp_path / "store")
    plan = plan_run(store, store, STAGE, HeartbeatParams(), [source])
    before = threading.active_count()
    executor = LocalExecutor(workers, cores=lambda: 2, marks=tmp_path / "marks")
    results = executor.run(plan.tasks, store.uri, store.uri)
    assert next(results).outcome.status == "done"
    results.close()  # type: ignore[attr-defined]
    assert threading.active_count() == before
    assert executor._kept is None
    assert marks_in(tmp_path / "marks") == []
    assert run_with(left_to_itself(tmp_path), store, source).complete


def test_a_failing_chunk_fails_alone(tmp_path: Path) -> None:
    store, source = make(tmp_path)
    key = source.chunks("iaf")["00004"].key
    data = bytearray(store.get(key))
    data[50] ^= 1
    store.put(key, bytes(data), mode="overwrite")
    manifest = run(store, source, 2)
    assert [o.chunk_id for o in manifest.failed] == ["00004"]
    assert sum(o.status == "done" for o in manifest.outcomes) == 11


STAGES = '''
"""Stages that end their own process, or say what they map."""
import os, signal
from dataclasses import replace
from lambdas.stages.heartbeat import STAGE as HEARTBEAT, map_layers

mapped = []

def map_or_die(tables, params):
    if tables[0]["problem_id"][0].as_py() in {"p3-0", "p8-0"}:
        os.kill(os.getpid(), signal.SIGKILL)
    return map_layers(tables, params)

def map_one(tables, params):
    mapped.append(1)
    if len(mapped) > 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return map_layers(tables, params)

def map_and_say(tables, params):
    with open(os.path.join(os.path.dirname(__file__), "mapped"), "a") as file:
        file.write(tables[0]["problem_id"][0].as_py() + " ")
    return map_layers(tables, params)

STAGE = replace(HEARTBEAT, name="NAME", map=MAP)
'''

SCRIPT = """
import os, signal, sys
import lambdas.stages
lambdas.stages.__path__.append(STAGES)
from pathlib import Path
from coordinator.executors import hands, local
from coordinator.executors.choose import choose_executor
from lambdas.stages import find_stage
from lambdas.stages.heartbeat import HeartbeatParams
from mycelium.manifest import read_manifest
from mycelium.plan import plan_run
from mycelium.run import run_plan
from mycelium.store import LocalStore

class Dies(local.LocalExecutor):
    "A coordinator that is sent a signal when it has seen so many results."
    after, by = 0, signal.SIGKILL

    def run(self, *given):
        for n, result in enumerate(super().run(*given), 1):
            if n == self.after:
                os.kill(os.getpid(), self.by)
            yield result

if __name__ == "__main__":
    store = LocalStore(STORE)
    plan = plan_run(store, store, find_stage(NAME), HeartbeatParams(), [read_manifest(store, "iaf", RUN)])
    executor = Dies(None, cores=lambda: 2, marks=Path(STORE + "-marks"))
    CHANGE
    for o in run_plan(store, plan, executor, quiet=True).outcomes:
        print(o.chunk_id, o.status, o.error_kind)
"""
ALONE = "hands.PATIENCE_S = 1e6; hands.workers_pay = lambda *_: False"
"""What makes a coordinator do everything itself, however slow the machine is."""

TWO = "executor.max_workers = 2; hands.choose_batch = lambda *_: 1"
"""What makes two workers take tasks one by one, so that they are never far ahead of what the coordinator has seen."""


class Case:
    """A coordinator in a process of its own, at a stage of a package path of its own, so that workers find it."""

    def __init__(self, folder: Path, name: str, mapper: str, n: int = 12) -> None:
        self.name, self.stages = name, folder / "extra" / "lambdas" / "stages"
        self.stages.mkdir(parents=True)
        text = STAGES.replace("NAME", name).replace("MAP", mapper)
        (self.stages / f"{name}.py").write_text(text)
        self.store, self.source = make(folder / "store", n)
        self.script = folder / "script.py"

    def run(self, change: str) -> "subprocess.CompletedProcess[str]":
        names = {"STAGES": str(self.stages), "STORE": self.store.uri, "NAME": self.name, "RUN": self.source.run_id}
        text = SCRIPT.replace("CHANGE", change)
        for name, value in names.items():
            text = text.replace(name, repr(value))
        self.script.write_text(text)
        return subprocess.run(
            [sys.executable, str(self.script)],
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )

    def statuses(self, change: str) -> list[str]:
        answer = self.run(change)
        assert answer.returncode == 0, answer.stderr
        return [" ".join(line.split()[1:]) for line in answer.stdout.splitlines()]

    def written(self) -> set[str]:
        return {Path(info.key).stem for info in self.store.list("heartbeats/")}


DIED = "failed WorkerDied"


@pytest.mark.parametrize("n_together", [1, 6])
def test_a_dying_worker_takes_only_its_own_chunk_however_many_went_together(tmp_path: Path, n_together: int) -> None:
    case = Case(tmp_path, "deadly", "map_or_die")
    change = f"executor.max_workers = 2; hands.choose_batch = lambda pace, left, n: min({n_together}, left)"
    found = case.statuses(change)
    assert [i for i, status in enumerate(found) if status == DIED] == [3, 8]
    # A task that was in flight beside the dying worker is run again, and may find what it wrote before.
    assert {status for status in found if status != DIED} <= {"done None", "found None"}
    assert case.written() == {f"{i:05d}" for i in range(12) if i not in {3, 8}}


def test_a_task_that_dies_of_what_others_left_in_its_process_is_no_culprit(tmp_path: Path) -> None:
    case = Case(tmp_path, "lonely", "map_one", 4)
    found = case.statuses("executor.max_workers = 2; hands.choose_batch = lambda pace, left, n: left")
    assert set(found) <= {"done None", "found None"}
    assert len(case.written()) == len(found) == 4


def test_a_coordinator_that_dies_of_its_own_task_loses_nothing_and_is_not_killed_by_it_again(tmp_path: Path) -> None:
    case = Case(tmp_path, "deadly", "map_or_die")
    answer = case.run(ALONE)
    assert answer.returncode == -signal.SIGKILL
    assert case.written() == {"00000", "00001", "00002"}
    (mark,) = marks_in(tmp_path / "store-marks")
    found = case.statuses("")
    assert found[:4] == ["found None"] * 3 + [DIED]
    assert [i for i, status in enumerate(found) if status == DIED] == [3, 8]
    assert not mark.exists()


SCRIPT_OF_A_USER = """
import sys
from coordinator.executors.local import LocalExecutor
from lambdas.stages.heartbeat import STAGE, HeartbeatParams
from mycelium.manifest import read_manifest
from mycelium.plan import plan_run
from mycelium.run import run_plan
from mycelium.store import LocalStore

print("run", __name__)
store = LocalStore(STORE)
plan = plan_run(store, store, STAGE, HeartbeatParams(), [read_manifest(store, "iaf", RUN)])
manifest = run_plan(store, plan, LocalExecutor(2), quiet=True)
print(manifest.complete, "multiprocessing" in sys.modules)
"""


def test_a_script_without_a_guard_of_its_main_part_is_run_once_and_works(tmp_path: Path) -> None:
    store, source = make(tmp_path / "store")
    script = tmp_path / "script.py"
    script.write_text(SCRIPT_OF_A_USER.replace("STORE", repr(store.uri)).replace("RUN", repr(source.run_id)))
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-W", "error", str(script)]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, env=environment)
    assert (answer.returncode, answer.stderr) == (0, "")
    assert answer.stdout == "run __main__\nTrue False\n"


@pytest.mark.parametrize("change", [ALONE, TWO], ids=["here", "workers"])
def test_after_kill_9_at_half_no_finished_task_is_run_again(tmp_path: Path, change: str) -> None:
    case = Case(tmp_path, "saying", "map_and_say", 40)
    said = case.stages / "mapped"
    answer = case.run(f"{change}; executor.after = 20")
    assert answer.returncode == -signal.SIGKILL
    _wait_until_nobody_maps(said)
    finished = case.written()
    assert 20 <= len(finished) < 40
    said.write_text("")
    found = case.statuses(change)
    again = [f"{int(name.removeprefix('p').partition('-')[0]):05d}" for name in said.read_text().split()]
    assert sorted(again) == sorted({f"{i:05d}" for i in range(40)} - finished)
    assert found.count("found None") == len(finished)
    assert found.count("done None") == 40 - len(finished)


def test_ctrl_c_while_this_process_computes_leaves_whole_chunks_a_manifest_and_no_mark(tmp_path: Path) -> None:
    case = Case(tmp_path, "deadly", "map_layers", 40)
    answer = case.run(f"{ALONE}; executor.after = 20; executor.by = signal.SIGINT")
    assert answer.returncode != 0
    assert "KeyboardInterrupt" in answer.stderr
    assert marks_in(tmp_path / "store-marks") == []
    (record,) = case.store.list("manifests/heartbeats/")
    manifest = read_manifest(case.store, "heartbeats", Path(record.key).stem)
    assert not manifest.complete
    assert 19 <= len(manifest.outcomes) < 40
    written = case.written()
    found = case.statuses(ALONE)
    assert found.count("found None") == len(written)
    assert found.count("done None") == 40 - len(written) > 0


@pytest.mark.parametrize("change", [ALONE, TWO], ids=["here", "workers"])
def test_what_the_journal_knows_after_kill_9_is_what_reading_it_again_would_say(tmp_path: Path, change: str) -> None:
    case = Case(tmp_path, "heartbeat_again", "map_layers", 40)
    worth = "from coordinator.executors import journal; journal.WORTH_S = journal.FLUSH_BYTES = 0"
    assert case.run(f"{change}; {worth}; executor.after = 20").returncode == -signal.SIGKILL
    (journal,) = (tmp_path / "store-marks").glob("*.journal")
    kept = journal.read_bytes()
    assert len(kept) > 19 * 500
    said = case.stages / "read"
    looks = f"executor._run = lambda tasks, *given, of=executor._run: open({str(said)!r}, 'w').write("
    looks += "' '.join(task.chunk_id for task in tasks)) and of(tasks, *given)"
    found = case.statuses(f"{change}; {looks}")
    assert not journal.exists()
    assert len(said.read_text().split()) <= 40 - 19  # the others were taken from the journal
    assert set(found) == {"found None", "done None"}
    (record,) = case.store.list("manifests/heartbeats/")
    manifest = read_manifest(case.store, "heartbeats", Path(record.key).stem)
    case.store.delete(record.key)
    case.statuses(change)  # everything is read from the store
    again = read_manifest(case.store, "heartbeats", Path(record.key).stem)
    assert manifest.result == again.result
    assert [replace(strip_times(o), status="found") for o in manifest.outcomes] == list(
        map(strip_times, again.outcomes)
    )


def _wait_until_nobody_maps(said: Path) -> None:
    """Wait until the workers of a dead coordinator are gone: those whose command line has its script."""
    folder = str(said.parents[3]).encode()
    for _ in range(6000):
        if not any(folder in line for line in _command_lines()):
            return
        time.sleep(0.02)
    raise AssertionError("workers outlived their coordinator")


def _command_lines() -> Iterator[bytes]:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # it has ended
            yield path.read_bytes()


def test_an_unusable_store_ends_the_run(tmp_path: Path) -> None:
    store, source = make(tmp_path)
    plan = plan_run(store, store, STAGE, HeartbeatParams(), [source])
    (tmp_path / "file").write_text("")
    for workers in (1, 2, None):
        with pytest.raises(StoreNotAvailableError):
            list(LocalExecutor(workers, marks=tmp_path).run(plan.tasks, store.uri, str(tmp_path / "file" / "below")))


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
