"""The commands that keep a store in order, against S3 over HTTP, killed with -9 in the middle."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from coordinator.storekeeping.verify import verify_run
from mycelium.datasets import IAF, PROBLEMS
from mycelium.manifest import INGEST, list_runs, read_manifest, write_manifest
from mycelium.store import S3Store
from tests.builders import build_run, make_computing_problems, make_iaf

ROOT = Path(__file__).parents[3]
KILLED = -9
PROGRAM = """
import os, sys, threading
from coordinator.cli import coordinator
from mycelium.command import call_command
from mycelium.store import S3Store

left, lock = [int(sys.argv[2])], threading.Lock()
change = getattr(S3Store, sys.argv[1])

def change_or_die(*given, **named):
    with lock:
        left[0] -= 1
        if left[0] < 0:
            os.kill(os.getpid(), 9)
        return change(*given, **named)

setattr(S3Store, sys.argv[1], change_or_die)
sys.exit(call_command(coordinator, "python -m coordinator", sys.argv[3:]))
"""
"""A command that dies before its n-th put or delete."""


def run(verb: str, after: int, *words: str) -> int:
    command = [sys.executable, "-c", PROGRAM, verb, str(after), *words]
    return subprocess.run(command, cwd=ROOT, env=dict(os.environ), capture_output=True, check=False).returncode


def make_store(bucket: str) -> S3Store:
    """Write problems, signals of them, a run that was cut off, and things of other people."""
    store = S3Store(bucket, "from")
    problems = build_run(store, [make_computing_problems(2)], PROBLEMS, "gsm8k-000000000001").manifest
    write_manifest(store, replace(problems, stage=INGEST), (PROBLEMS,))
    made = build_run(store, [make_iaf(seed=i) for i in range(3)], run_id="gsm8k-000000000002").manifest
    write_manifest(store, replace(made, inputs=("problems/gsm8k-000000000001",)), (IAF,))
    for key in ("iaf/gsm8k-000000000003/00000.parquet", "iaf/gsm8k-000000000003/00001.parquet"):
        store.put(key, b"")  # as an upload that was cut short by some other tool
    for key in ("iaf/holiday/00000.parquet", "iaf/gsm8k-000000000003/notes.txt", "iaf/x", "photos/iaf/1.parquet"):
        store.put(key, b"mine")
    return store


def check_whole(store: S3Store) -> list[str]:
    """Hold every run that can be seen to its digests, and to having what it was made of; return their names."""
    runs = list(list_runs(store))
    for dataset, run_id in runs:
        manifest = read_manifest(store, dataset, run_id)
        assert list(verify_run(store, manifest, lambda _: None)) == []
        assert {tuple(parent.split("/")) for parent in manifest.parents} <= set(runs)
    return [f"{dataset}/{run_id}" for dataset, run_id in runs]


@pytest.mark.parametrize("after", [0, 2, 4, 5])
def test_an_export_that_is_killed_shows_whole_runs_and_goes_on(bucket: str, after: int) -> None:
    store, target = make_store(bucket), S3Store(bucket, "to")
    words = ["export", "iaf/gsm8k-000000000002", "--store", store.uri, "--to", target.uri, "--with-inputs", "--quiet"]
    assert run("put", after, *words) == KILLED
    assert check_whole(target) == ([] if after < 5 else ["problems/gsm8k-000000000001"])
    assert run("put", 1000, *words) == 0
    assert check_whole(target) == ["iaf/gsm8k-000000000002", "problems/gsm8k-000000000001"]


@pytest.mark.parametrize("after", [0, 1])
def test_a_gc_that_is_killed_has_taken_nothing_that_anybody_needs(bucket: str, after: int) -> None:
    store = make_store(bucket)
    before = {info.key for info in store.list()}
    words = ["gc", "--yes", "--older-than", "0", "--store", store.uri]
    assert run("delete", after, *words) == KILLED
    assert len(check_whole(store)) == 2
    assert run("delete", 1000, *words) == 0
    assert len(check_whole(store)) == 2
    litter = {f"iaf/gsm8k-000000000003/0000{i}.parquet" for i in range(2)}
    assert before - {info.key for info in store.list()} == litter
