"""Manifests: written, read, and refused when they are not ours."""

import contextlib
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import mycelium.manifest as manifest_module
from mycelium.datasets import IAF, TOKENS
from mycelium.errors import ChunkDamagedError, ObjectNotFoundError
from mycelium.manifest import (
    find_run,
    latest_run,
    list_runs,
    list_volumes,
    manifest_key,
    read_manifest,
    write_manifest,
)
from mycelium.store import LocalStore, MemoryStore, PutMode, Store
from mycelium.volumes import Volumes
from tests.builders import build_run, make_iaf

ROOT = Path(__file__).parents[2]


def test_a_manifest_comes_back_as_it_was(store: Store) -> None:
    manifest = build_run(store, [make_iaf(), make_iaf(seed=1)]).manifest
    assert read_manifest(store, "iaf", manifest.run_id) == manifest
    assert set(manifest.chunks("iaf")) == {"00000", "00001"}
    assert manifest.chunks("tokens") == {}


def test_it_stands_beside_each_dataset_and_is_listed(store: Store) -> None:
    manifest = build_run(store, [make_iaf()]).manifest
    write_manifest(store, manifest, (TOKENS, IAF))
    assert list(list_runs(store)) == [("iaf", manifest.run_id), ("tokens", manifest.run_id)]
    assert list(list_runs(store, "tokens")) == [("tokens", manifest.run_id)]


def test_a_missing_manifest_is_not_found() -> None:
    with pytest.raises(ObjectNotFoundError):
        read_manifest(MemoryStore(), "iaf", "x-000000000000")


@given(st.one_of(st.binary(max_size=60), st.sampled_from([b"{}", b"[]", b'{"run_id": 3}', b"null"])))
def test_what_is_no_manifest_is_damaged(data: bytes) -> None:
    store = MemoryStore()
    store.put(manifest_key("iaf", "x-000000000000"), data)
    with pytest.raises(ChunkDamagedError, match="manifest manifests/iaf/x-000000000000.json in .* can't be read"):
        read_manifest(store, "iaf", "x-000000000000")


def test_a_manifest_nested_too_deep_is_damaged() -> None:
    store = MemoryStore()
    store.put(manifest_key("iaf", "x-000000000000"), b'{"unknown":' + b"[" * 100_000 + b"]" * 100_000 + b"}")
    with pytest.raises(ChunkDamagedError, match="can't be read: maximum recursion depth"):
        read_manifest(store, "iaf", "x-000000000000")


@pytest.mark.parametrize("run_id", ["../../.ssh/x", "gsm8k-bbbbbbbbbbbb", ""])
def test_a_manifest_of_another_name_than_its_key_s_is_damaged(run_id: str) -> None:
    store = MemoryStore()
    manifest = build_run(store, [make_iaf()]).manifest
    data = msgspec.json.encode(replace(manifest, run_id=run_id))
    store.put(manifest_key("iaf", manifest.run_id), data, mode="overwrite")
    with pytest.raises(ChunkDamagedError, match="is of another run"):
        read_manifest(store, "iaf", manifest.run_id)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Manifests of more than two outcomes stand in volumes of two."""
    monkeypatch.setattr(manifest_module, "IN_ONE", 2)


def test_many_outcomes_stand_in_volumes_and_come_back_as_they_were(store: Store, small: None) -> None:
    manifest = build_run(store, [make_iaf(seed=i) for i in range(5)]).manifest
    assert isinstance(manifest.outcomes, tuple)  # as it was before it was written
    read = read_manifest(store, "iaf", manifest.run_id)
    assert isinstance(read.outcomes, Volumes)
    assert [volume.n_outcomes for volume in read.outcomes.volumes] == [2, 2, 1]
    assert read.outcomes == manifest.outcomes
    assert replace(read, outcomes=manifest.outcomes, version=1) == manifest
    assert read.chunks("iaf") == manifest.chunks("iaf")
    assert list(read.each_chunk("iaf")) == list(manifest.each_chunk("iaf")) == sorted(manifest.chunks("iaf").items())
    assert list(read.each_object()) == list(manifest.each_object())
    assert (manifest.cuts, read.cuts) == ((), ("00001", "00003"))


def test_a_run_in_volumes_is_still_one_name(store: Store, small: None) -> None:
    manifest = build_run(store, [make_iaf(seed=i) for i in range(5)]).manifest
    assert list(list_runs(store)) == [("iaf", manifest.run_id)]
    assert find_run(store, "gsm8k").run_id == manifest.run_id
    assert latest_run(store, IAF).run_id == manifest.run_id
    assert len(list(list_volumes(store))) == 3


def test_what_is_said_of_a_whole_run_reads_no_volume(small: None) -> None:
    store = MemoryStore()
    manifest = build_run(store, [make_iaf(seed=i) for i in range(5)]).manifest
    failed = replace(manifest.outcomes[3], status="failed", outputs=(), error="no", error_kind="KeyError")
    outcomes = (*manifest.outcomes[:3], failed, manifest.outcomes[4])
    write_manifest(store, replace(manifest, outcomes=outcomes), (IAF,))
    read = read_manifest(store, "iaf", manifest.run_id)
    assert read.failed == (failed,)
    volumes = [info.key for info in list_volumes(store)]
    for key in volumes:
        store.delete(key)
    assert (read.n_failed, len(read.outcomes), latest_run(store, IAF).complete) == (1, 5, True)
    with pytest.raises(ChunkDamagedError, match="volume manifests/iaf/.* is gone, though its manifest names it"):
        list(read.outcomes)


def test_a_small_manifest_has_the_bytes_that_it_always_had(store: Store) -> None:
    manifest = build_run(store, [make_iaf()]).manifest
    data = store.get(manifest_key("iaf", manifest.run_id))
    assert data == msgspec.json.format(msgspec.json.encode(manifest), indent=1)
    assert b"volumes" not in data
    assert manifest.version == 1


def test_volumes_out_of_order_are_damaged(small: None) -> None:
    store = MemoryStore()
    manifest = build_run(store, [make_iaf(seed=i) for i in range(4)]).manifest
    write_manifest(store, replace(manifest, outcomes=manifest.outcomes[::-1]), (IAF,))
    with pytest.raises(ChunkDamagedError, match="volumes of run .* are out of order, at or after chunk 00003"):
        list(read_manifest(store, "iaf", manifest.run_id).each_chunk("iaf"))


class Killed(Exception):  # noqa: N818 - what kill -9 would be, could a test raise it
    """The writer is gone."""


class KilledStore(MemoryStore):
    """A store whose writer is killed at one of its puts: before it, or just after."""

    puts_left = 1 << 30

    def put(self, key: str, data: bytes, mode: PutMode = "create") -> None:
        if not self.puts_left:
            raise Killed
        self.puts_left -= 1
        super().put(key, data, mode)


@pytest.mark.parametrize("n_puts", range(7))
def test_a_writer_killed_at_any_volume_leaves_the_old_manifest_or_the_new_one(small: None, n_puts: int) -> None:
    store = KilledStore()
    old = build_run(store, [make_iaf(seed=i) for i in range(5)]).manifest
    new = replace(old, outcomes=tuple(replace(outcome, n_problems=77) for outcome in old.outcomes), complete=False)
    store.puts_left = n_puts
    with contextlib.suppress(Killed):
        write_manifest(store, new, (TOKENS, IAF))
    read = read_manifest(store, "iaf", old.run_id)
    assert read.outcomes == old.outcomes  # of three volumes and a head for each dataset, that of iaf is the eighth put
    assert read.complete
    store.puts_left = 8
    write_manifest(store, new, (TOKENS, IAF))
    assert read_manifest(store, "iaf", old.run_id).outcomes == new.outcomes


@pytest.mark.parametrize("killed_after_s", [0.0, 0.02, 0.05, 0.1])
def test_kill_9_among_volumes_leaves_a_manifest_that_can_be_read(tmp_path: Path, killed_after_s: float) -> None:
    writer = """
import sys
from dataclasses import replace
import mycelium.manifest as m
from mycelium.datasets import IAF
from mycelium.store import LocalStore
from tests.builders import build_run, make_iaf
m.IN_ONE = 10
store = LocalStore(sys.argv[1])
manifest = build_run(store, [make_iaf((7,), layers=1)]).manifest
round = 0
while True:
    one = manifest.outcomes[0]
    outcomes = tuple(replace(one, chunk_id=f"{i:05d}", n_problems=round) for i in range(95))
    m.write_manifest(store, replace(manifest, outcomes=outcomes, n_chunks=round), (IAF,))
    print(round, flush=True)
    round += 1
"""
    process = subprocess.Popen([sys.executable, "-c", writer, str(tmp_path)], stdout=subprocess.PIPE, cwd=ROOT)
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(killed_after_s)  # whenever it is killed, what follows holds
    process.kill()
    process.wait()
    process.stdout.close()
    read = read_manifest(LocalStore(tmp_path), "iaf", "gsm8k-aaaaaaaaaaaa")
    assert [outcome.chunk_id for outcome in read.outcomes] == [f"{i:05d}" for i in range(95)]
    assert {outcome.n_problems for outcome in read.outcomes} == {read.n_chunks}
