"""`python -m gpu_workers work` as a process: four at one queue, killed, told to stop, given notice."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from coordinator.merge.whole import merge_run
from gpu_workers.cli import gpu_workers
from gpu_workers.teacher import load_teacher
from gpu_workers.work.shard_reader import ShardReader
from mycelium.command import call_command
from mycelium.datasets import IAF
from mycelium.fleet.records import Claim, Job, ShardCall, ShardMark, WorkerStatus, job_key, list_records, read_record
from mycelium.manifest import read_manifest
from mycelium.store import LocalStore, S3Store
from tests.gpu_workers.work.conftest import Queues, build_job, build_problems
from tests.gpu_workers.work.metadata import FakeMetadata

ROOT = Path(__file__).parents[3]
LEASE_S = 6
PATIENCE_S = 600.0
"""How long a process may take on a machine that is busy; nothing is measured by it."""

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(queues: Queues, s3: S3Store) -> Iterator[Start]:
    """Start workers as processes; whatever a test leaves of them is killed."""
    started: list[subprocess.Popen[str]] = []

    def start_one(name: str, *words: str) -> "subprocess.Popen[str]":
        command = [sys.executable, "-m", "gpu_workers", "work", "--queue", queues.url, "--store", s3.uri]
        command += ["--device", "cpu", "--name", name, "--lease", str(LEASE_S), "--metadata", "http://127.0.0.1:9"]
        process = subprocess.Popen(
            [*command, *words],
            cwd=ROOT,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        started.append(process)
        return process

    yield start_one
    for process in started:
        process.kill()
        process.communicate()


def wait_until(is_so: Callable[[], bool]) -> None:
    """Wait for something to become true; a test fails if it never does."""
    end = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.02)


def reading(store: S3Store, job: Job) -> dict[str, ShardMark]:
    """Return what each worker is reading, by worker."""
    marks = list_records(store, f"fleet/{job.name}/shards/", ShardMark)
    return {mark.worker: mark for mark in marks if mark.state == "reading" and mark.chunk_id}


def kill_in_mid_shard(store: S3Store, job: Job, workers: "dict[str, subprocess.Popen[str]]") -> None:
    """Kill one of some workers with -9 while it is at a shard: stop it first, and see that it still is."""
    while True:
        wait_until(lambda: any(workers[name].poll() is None for name in reading(store, job)))
        for name in reading(store, job):
            worker = workers[name]
            if worker.poll() is not None:
                continue
            worker.send_signal(signal.SIGSTOP)
            if name in reading(store, job):
                worker.kill()
                worker.wait()
                return
            worker.send_signal(signal.SIGCONT)


def test_four_workers_two_of_them_killed_and_the_merge_is_exact(
    queues: Queues, s3: S3Store, model: str, start: Start, tmp_path: Path
) -> None:
    problems = build_problems(s3, 80, chunk_size=1)
    job, calls = build_job(s3, problems, model, 4)
    queues.send(*calls)
    workers = {name: start(name) for name in ("a", "b", "c", "d")}
    for _ in range(2):
        kill_in_mid_shard(s3, job, workers)
    for name, worker in workers.items():
        out, _ = worker.communicate(timeout=PATIENCE_S)
        assert worker.returncode in {0, -signal.SIGKILL}, f"{name}: {out}"
    assert sum(worker.returncode == 0 for worker in workers.values()) == 2
    assert (queues.count(), queues.count(queues.dead)) == ((0, 0), (0, 0))

    merge = merge_run(s3, job.name, quiet=True)
    assert (merge.faults, merge.n_problems, merge.n_chunks) == ([], 80, 80)
    assert merge.manifest is not None
    assert read_manifest(s3, IAF.name, merge.run_id) == merge.manifest
    # What one machine makes of it is the same, byte for byte.
    alone = LocalStore(tmp_path / "alone")
    build_problems(alone, 80, chunk_size=1)
    build_job(alone, problems, model, 1)
    reader = ShardReader(alone, job, load_teacher(model, device="cpu"))
    end = reader.read(ShardCall(job.name, 0, 0, 79), 1, lambda: False, lambda *_: None, lambda _: None)
    assert (end.is_complete, reader.claim.run_id) == (True, merge.run_id)
    expected = merge_run(alone, job.name, quiet=True).manifest
    assert expected is not None
    assert merge.manifest.result == expected.result
    for dataset in ("tokens", "iaf"):
        assert merge.manifest.chunks(dataset) == expected.chunks(dataset)


@pytest.fixture
def own_signals() -> Iterator[None]:
    """Put back what `work` sets."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("how", ["SIGTERM", "spot notice"])
def test_told_to_stop_it_finishes_the_chunk_gives_the_shard_back_and_exits_with_0(
    how: str,
    queues: Queues,
    s3: S3Store,
    model: str,
    own_signals: None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("gpu_workers.work.notice.NOTICE_EVERY_S", 0.02)
    job, calls = build_job(s3, build_problems(s3, 150, chunk_size=1), model, 1)
    queues.send(*calls)
    with FakeMetadata(instance="i-0123", lifecycle="spot") as metadata:

        def tell_to_stop() -> None:
            wait_until(lambda: bool(reading(s3, job)))
            os.kill(os.getpid(), signal.SIGTERM) if how == "SIGTERM" else metadata.give_notice()

        teller = threading.Thread(target=tell_to_stop)
        teller.start()
        words = ["--queue", queues.url, "--store", s3.uri, "--device", "cpu", "--metadata", metadata.url]
        code = call_command(gpu_workers, "gpu_workers", ["work", *words])
        teller.join()
    out, err = capsys.readouterr()
    assert code == 0, err
    assert f"i-0123: {how}" in out
    assert queues.count() == (1, 0)
    (mark,) = list_records(s3, f"fleet/{job.name}/shards/", ShardMark)
    assert mark.state == "returned"
    run = read_record(s3, job_key(job.name, "run"), Claim)
    there = [info.key.rpartition("/")[2] for info in s3.list(f"iaf/{run.run_id}/")]
    assert f"{mark.chunk_id}.parquet" in there  # the chunk in hand was finished
    assert 0 < len(there) < 150


def test_through_a_spool_a_shard_is_acknowledged_when_the_uploader_has_carried_it_on(
    queues: Queues,
    s3: S3Store,
    model: str,
    own_signals: None,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    job, calls = build_job(s3, build_problems(s3, 6), model, 2)
    queues.send(*calls)
    spool = str(tmp_path / "spool")
    upload = [sys.executable, "-m", "gpu_workers", "upload", "--spool", spool, "--to", s3.uri, "--no-cloudwatch"]
    uploader = subprocess.Popen(upload, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    try:
        words = ["--queue", queues.url, "--store", s3.uri, "--spool", spool, "--device", "cpu", "--name", "one"]
        code = call_command(gpu_workers, "gpu_workers", ["work", *words, "--metadata", "http://127.0.0.1:9"])
    finally:
        uploader.send_signal(signal.SIGTERM)
        _, said = uploader.communicate(timeout=PATIENCE_S)
    assert code == 0, capsys.readouterr().err
    assert uploader.returncode == 0, said
    assert queues.count() == (0, 0)
    merge = merge_run(s3, job.name, quiet=True)
    assert (merge.faults, merge.n_problems, merge.hashed) == ([], 12, 0)
    status = read_record(s3, job_key(job.name, "workers", "one"), WorkerStatus)
    assert (status.state, status.problems, status.spool_budget) == ("stopped", 12, 500_000_000)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--queue", "nonsense"], "--queue is a URL such as"),
        (
            ["--queue", "https://sqs.eu-west-1.amazonaws.com/1/q"],
            "the queue is in eu-west-1, and AWS_REGION is us-east-1",
        ),
        (["--queue", "{queue}-not"], "there is no queue"),
        (["--store", "/no/such/store"], "there is no store at /no/such/store"),
        (["--lease", "1"], "is not in the range"),
    ],
)
def test_mistakes_are_one_line(
    queues: Queues,
    s3: S3Store,
    words: list[str],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    given = {"--queue": queues.url, "--store": s3.uri, "--metadata": "http://127.0.0.1:9"}
    given |= {words[0]: words[1].format(queue=queues.url)}
    assert call_command(gpu_workers, "gpu_workers", ["work", *(w for pair in given.items() for w in pair)]) == 2
    err = capsys.readouterr().err
    assert said in err
    assert (err.startswith("error: "), err.count("\n")) == (True, 1)


def test_help_does_not_wait_for_torch() -> None:
    code = (
        "import sys\nfrom gpu_workers.cli import gpu_workers\nfrom mycelium.command import call_command\n"
        "call_command(gpu_workers, 'x', ['work', '--help'])\nprint({'torch', 'boto3'} & set(sys.modules))"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert answer.stdout.splitlines()[-1] == "set()"
