"""Manifests: written, read, and refused when they are not ours."""

from dataclasses import replace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mycelium.datasets import IAF, TOKENS
from mycelium.errors import ChunkDamagedError, ObjectNotFoundError
from mycelium.manifest import digest, list_runs, manifest_key, read_manifest, write_manifest
from mycelium.store import MemoryStore, Store
from tests.builders import build_run, make_iaf


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


def test_a_digest_is_sha256() -> None:
    assert digest(b"") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
