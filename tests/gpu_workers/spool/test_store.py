"""A store behind a spool is a store; and what it promises beyond that."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gpu_workers.spool import Spool, SpoolStore, open_spooled
from gpu_workers.spool.spool import CONFLICT, REFUSED
from mycelium.errors import ConflictError, ObjectExistsError, StoreError, UserInputError
from mycelium.store import LocalStore, MemoryStore, ObjectInfo, Store
from tests.gpu_workers.spool.conftest import StoreSender, uploading
from tests.mycelium import test_store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A store behind a spool, which is being emptied all the time."""
    target, spool = MemoryStore(), Spool(tmp_path / "spool")
    with uploading(spool, StoreSender(target), target.uri):
        yield SpoolStore(target, spool)


class TestSpoolStoreIsAStore(test_store.TestEveryStore):
    """The contract of every store, as it is."""


@pytest.fixture
def target() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def still(target: MemoryStore, tmp_path: Path) -> SpoolStore:
    """A store behind a spool that nobody empties."""
    return SpoolStore(target, Spool(tmp_path / "spool"))


def test_what_waits_is_read_and_listed_with_what_is_stored(still: SpoolStore, target: MemoryStore) -> None:
    target.put("a/1", b"stored")
    target.put("a/3", b"stored")
    still.put("a/2", b"waits")
    still.put("a/0", b"waits too")
    assert list(target.list()) == [ObjectInfo("a/1", 6), ObjectInfo("a/3", 6)]
    assert [info.key for info in still.list("a/")] == ["a/0", "a/1", "a/2", "a/3"]
    assert still.get("a/2") == b"waits"
    assert still.get_range("a/0", 6, 3) == b"too"
    assert list(still.list("b")) == []


def test_what_is_in_both_is_listed_once_as_the_store_has_it(still: SpoolStore, target: MemoryStore) -> None:
    still.put("k", b"ours")
    target.put("k", b"another's")
    assert list(still.list()) == [ObjectInfo("k", 9)]


def test_what_the_store_has_is_not_put_again(still: SpoolStore, target: MemoryStore) -> None:
    target.put("k", b"there")
    with pytest.raises(ObjectExistsError):
        still.put("k", b"ours")
    assert still.spool.waiting() == []


def test_waiting_ends_at_its_timeout_and_names_what_waits(still: SpoolStore) -> None:
    still.put("a", b"x")
    still.put("b", b"x")
    still.spool.remove(still.spool.waiting()[0])
    assert still.wait_confirmed(timeout_s=0.0) == frozenset({"b"})
    assert still.wait_confirmed(["a"]) == frozenset()
    assert still.wait_confirmed([], look=True) == frozenset()


def test_what_left_the_spool_by_another_way_than_s3_is_noticed(still: SpoolStore) -> None:
    still.put("a/b", b"x")
    still.spool.remove(still.spool.waiting()[0])
    with pytest.raises(StoreError, match="a/b left spool .* does not hold it"):
        still.wait_confirmed(look=True)


@pytest.mark.parametrize(
    ("folder", "said"), [(CONFLICT, "holds another object k"), (REFUSED, "the uploader refused k")]
)
def test_a_chunk_that_was_set_aside_is_an_error_that_names_it(still: SpoolStore, folder: str, said: str) -> None:
    still.put("k", b"x")
    (chunk,) = still.spool.waiting()
    still.spool.set_aside(chunk.name, folder)
    with pytest.raises(ConflictError, match=f"{said}; ours is kept as .*/{folder}/k,"):
        still.wait_confirmed()
    assert still.wait_confirmed(["other"]) == frozenset()


def test_a_manifest_comes_after_every_chunk_also_those_of_an_earlier_process(tmp_path: Path) -> None:
    target, spool = MemoryStore(), Spool(tmp_path / "spool")
    SpoolStore(target, spool).put("iaf/1", b"left by an earlier process")
    said: list[str | None] = []
    sleeps: list[float] = []
    sender = StoreSender(target)

    def carry(pause_s: float) -> None:
        sleeps.append(pause_s)
        for chunk in spool.waiting():
            sender.store.put(chunk.key, spool.path(chunk).read_bytes())
            spool.remove(chunk)

    store = SpoolStore(target, spool, said.append, sleep=carry)
    store.put("iaf/2", b"new")
    store.put("manifests/iaf/run.json", b"{}", mode="overwrite")
    assert [info.key for info in target.list()] == ["iaf/1", "iaf/2", "manifests/iaf/run.json"]
    assert len(sleeps) == 1
    assert said[0] is not None
    assert said[0].startswith("waiting for S3 to confirm 2 chunks; no uploader is running")
    assert said[-1] is None


def test_the_uploader_s_refusal_is_in_what_is_said(still: SpoolStore, target: MemoryStore) -> None:
    still.spool.report("no rights")
    assert still._describe_wait({"a"}) == (
        "waiting for S3 to confirm 1 chunks; paused: the uploader stopped: no rights"
    )


def test_a_spool_of_another_store_is_refused(still: SpoolStore, tmp_path: Path) -> None:
    still.put("k", b"x")
    with pytest.raises(UserInputError, match="empties into memory://; got"):
        SpoolStore(LocalStore(tmp_path / "other"), still.spool)


def test_stores_are_opened_as_they_are_without_a_folder_and_once_each_with_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    uri = str(tmp_path / "store")
    assert isinstance(open_spooled(None)(uri), LocalStore)
    opened = open_spooled(str(tmp_path / "spool"))
    store = opened(uri)
    assert isinstance(store, SpoolStore)
    assert opened(uri) is store
    assert opened(f"file://{uri}/") is store
    (tmp_path / "store").mkdir()
    store.put("k", b"x")
    assert store.wait_confirmed(timeout_s=0.0) == {"k"}
    store._on_wait("waiting")  # type: ignore[misc]
    store._on_wait("waiting")  # type: ignore[misc]
    assert capsys.readouterr().err == "waiting\n"
