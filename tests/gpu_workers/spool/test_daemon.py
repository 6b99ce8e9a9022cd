"""The uploader: what it removes, what it keeps, what it tries again, and when it ends."""

import threading
from pathlib import Path

import pytest

from gpu_workers.spool import daemon
from gpu_workers.spool.answers import DigestRefusedError
from gpu_workers.spool.daemon import Options, Uploader, look_at_chunk
from gpu_workers.spool.door import Upload
from gpu_workers.spool.line import Sent
from gpu_workers.spool.names import Waiting
from gpu_workers.spool.spool import CONFLICT, REFUSED, Spool
from mycelium.errors import UploadError, UploadRefusedError
from mycelium.store import MemoryStore
from tests.gpu_workers.spool.conftest import StoreSender, Tape, uploading

PATIENCE_S = 60.0


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "spool")


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture(autouse=True)
def _no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(daemon, "draw_wait", lambda _: 0.0)


class FailingSender(StoreSender):
    """Fails in ways that the test lists, then uploads."""

    def __init__(self, store: MemoryStore, failures: list[Exception]) -> None:
        super().__init__(store)
        self.failures, self.tries, self.closed = failures, 0, False

    def upload(self, upload: Upload, sent: Sent) -> bool:
        """Fail, or upload."""
        self.tries += 1
        if self.failures:
            sent(upload.size)
            raise self.failures.pop(0)
        return super().upload(upload, sent)

    def close(self) -> None:
        """Remember it."""
        self.closed = True


def drain(spool: Spool, sender: StoreSender, tape: Tape | None = None) -> dict[str, str]:
    with spool.tend():
        return Uploader(spool, sender, Options("memory://", 1_000_000, drain=True), tape or Tape()).run()


def put(spool: Spool, *keys: str) -> list[Waiting]:
    return [spool.publish(key, key.encode() * 10) for key in keys]


def test_draining_uploads_all_and_ends(spool: Spool, store: MemoryStore) -> None:
    keys = [f"iaf/{number:03d}" for number in range(60)]
    put(spool, *keys)
    tape = Tape()
    assert drain(spool, StoreSender(store), tape) == {}
    assert [info.key for info in store.list()] == keys
    assert store.get("iaf/007") == b"iaf/007" * 10
    assert (spool.waiting(), tape.looks[-1].counts.files, tape.looks[-1].counts.bytes) == ([], 60, 4200)
    assert spool.read_state().files == 60


def test_a_chunk_that_comes_later_wakes_it(spool: Spool, store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(daemon, "RESCAN_S", 10 * PATIENCE_S)  # only the file system can wake it
    arrived = threading.Event()

    class Sender(StoreSender):
        def upload(self, upload: Upload, sent: Sent) -> bool:
            done = super().upload(upload, sent)
            arrived.set()
            return done

    with uploading(spool, Sender(store), "memory://"):
        while not spool.read_state().pid:
            pass
        for key in ("a", "b"):
            put(spool, key)
            assert arrived.wait(PATIENCE_S)
            arrived.clear()
    assert [info.key for info in store.list()] == ["a", "b"]


def test_a_chunk_the_file_system_did_not_tell_of_is_found_by_looking(
    spool: Spool, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(daemon, "RESCAN_S", 0.05)
    monkeypatch.setattr(Uploader, "_wake_for_arrival", lambda _: None)
    with uploading(spool, StoreSender(store), "memory://"):
        put(spool, "a")
        while spool.waiting():
            pass
    assert store.get("a") == b"a" * 10


def test_what_can_heal_is_tried_again_and_counted(spool: Spool, store: MemoryStore) -> None:
    put(spool, "a")
    tape = Tape()
    sender = FailingSender(store, [UploadError("503"), UploadError("the connection broke"), DigestRefusedError("bad")])
    assert drain(spool, sender, tape) == {}
    assert (sender.tries, tape.looks[-1].counts.retries) == (4, 3)
    assert [kind for kind, _ in tape.events] == ["retry"] * 3
    assert store.get("a") == b"a" * 10


def test_draining_gives_up_in_the_end_and_keeps_the_chunk(spool: Spool, store: MemoryStore) -> None:
    put(spool, "a", "b")

    class Sender(StoreSender):
        def upload(self, upload: Upload, sent: Sent) -> bool:
            if upload.key == "a":
                raise UploadError("503 again")
            return super().upload(upload, sent)

    tape = Tape()
    left = drain(spool, Sender(store), tape)
    assert list(left.values()) == ["503 again"]
    assert [chunk.key for chunk in spool.waiting()] == ["a"]
    assert tape.looks[-1].counts.retries == daemon.DRAIN_TRIES - 1
    assert store.get("b") == b"b" * 10


def test_a_refusal_stops_it_at_once_and_the_writers_hear_why(spool: Spool, store: MemoryStore) -> None:
    put(spool, *"abc")
    sender = FailingSender(store, [UploadRefusedError("no rights")] * 3)
    with pytest.raises(UploadRefusedError, match="no rights"):
        drain(spool, sender)
    assert spool.read_state().error == "no rights"
    assert len(spool.waiting()) == 3
    assert drain(spool, StoreSender(store)) == {}
    assert spool.read_state().error is None
    assert spool.waiting() == []


def test_a_conflict_is_kept_and_named_and_the_rest_goes_on(spool: Spool, store: MemoryStore) -> None:
    store.put("a", b"another's")
    put(spool, "a", "b")
    tape = Tape()
    assert drain(spool, StoreSender(store), tape) == {}
    (kept,) = spool.kept(CONFLICT)
    assert (kept.key, store.get("a"), store.get("b")) == ("a", b"another's", b"b" * 10)
    ((kind, line),) = tape.events
    assert kind == "conflict"
    assert line.startswith("another object a; ours is kept as ")
    assert Path(line.rpartition(" ")[2]).read_bytes() == b"a" * 10


def test_the_same_bytes_there_are_a_success(spool: Spool, store: MemoryStore) -> None:
    store.put("a", b"a" * 10)
    put(spool, "a")
    tape = Tape()
    assert drain(spool, StoreSender(store), tape) == {}
    assert (tape.looks[-1].counts.files, tape.looks[-1].counts.found, spool.waiting()) == (1, 1, [])


def test_what_is_no_chunk_is_refused_kept_and_named(spool: Spool, store: MemoryStore) -> None:
    (spool.folder / "ready" / "notes.txt").write_text("hello")
    spool.publish("iaf/r/0.parquet", b"not Parquet at all")
    spool.publish("iaf/r/1.parquet", b"PAR1")
    spool.publish("iaf/r/2.parquet", b"")
    spool.publish("iaf/r/3.parquet", b"PAR1 some columns PAR1")
    tape = Tape()
    assert drain(spool, StoreSender(store), tape) == {}
    assert [info.key for info in store.list()] == ["iaf/r/3.parquet"]
    assert [chunk.key for chunk in spool.kept(REFUSED)] == [f"iaf/r/{number}.parquet" for number in range(3)]
    assert (spool.folder / REFUSED / "notes.txt").exists()
    lines = [line for kind, line in tape.events if kind == "refused"]
    assert len(lines) == tape.looks[-1].counts.refused == 4
    assert any("notes.txt: it is not named as a chunk; it is kept as" in line for line in lines)


def test_bytes_that_the_disk_damaged_are_told_from_those_the_link_did(spool: Spool, store: MemoryStore) -> None:
    whole, damaged = put(spool, "whole", "damaged")
    spool.path(damaged).write_bytes(b"x" * damaged.size)
    sender = FailingSender(store, [DigestRefusedError("bad"), DigestRefusedError("bad")])
    tape = Tape()
    assert drain(spool, sender, tape) == {}
    assert [info.key for info in store.list()] == [whole.key]
    assert [chunk.key for chunk in spool.kept(REFUSED)] == ["damaged"]
    assert any("the disk has damaged them" in line for _, line in tape.events)


def test_a_file_that_vanishes_is_no_end(spool: Spool, store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    gone, _ = put(spool, "gone", "there")
    look = look_at_chunk

    def remove(path: Path, chunk: Waiting) -> str | None:
        if chunk.key == "gone":
            path.unlink(missing_ok=True)
            path.stat()
        return look(path, chunk)

    monkeypatch.setattr(daemon, "look_at_chunk", remove)
    drain(spool, StoreSender(store))
    assert [info.key for info in store.list()] == ["there"]
    assert gone not in spool.waiting()


def test_half_written_chunks_of_dead_writers_are_removed_at_the_start(spool: Spool, store: MemoryStore) -> None:
    (spool.folder / "writing" / "1-dead").write_bytes(b"half")
    tape = Tape()
    drain(spool, StoreSender(store), tape)
    assert list((spool.folder / "writing").iterdir()) == []
    assert tape.events == [("swept", "removed 1 half-written chunks of writers that are gone")]


def test_what_it_says_to_writers_follows_the_link(spool: Spool, store: MemoryStore) -> None:
    uploader = Uploader(spool, StoreSender(store), Options("memory://", 1_000_000, drain_s=90.0), Tape())
    uploader._meter.rate = lambda: 5_000.0  # type: ignore[method-assign]
    uploader._show(None)
    state = spool.read_state()
    assert (state.budget, state.cap, state.rate, state.target) == (1_000_000, 405_000, 5_000.0, "memory://")


def test_no_more_is_in_flight_than_was_said(spool: Spool, store: MemoryStore) -> None:
    put(spool, *(f"k{number}" for number in range(20)))
    together, most, lock = [0], [0], threading.Lock()
    barrier = threading.Barrier(3)

    class Sender(StoreSender):
        def upload(self, upload: Upload, sent: Sent) -> bool:
            with lock:
                together[0] += 1
                most[0] = max(most[0], together[0])
            barrier.wait(PATIENCE_S)  # nobody goes on before three are here
            with lock:
                together[0] -= 1
            return super().upload(upload, sent)

    with spool.tend():
        put(spool, "last")
        Uploader(spool, Sender(store), Options("memory://", 1_000_000, drain=True, concurrency=3), Tape()).run()
    assert most[0] == 3
    assert len(list(store.list())) == 21


def test_ctrl_c_breaks_off_what_is_on_its_way(
    spool: Spool, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(spool, "a")
    released = threading.Event()

    class Sender(StoreSender):
        def upload(self, upload: Upload, sent: Sent) -> bool:
            released.wait(PATIENCE_S)
            raise UploadError("the connection broke")

        def close(self) -> None:
            released.set()

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    uploader = Uploader(spool, Sender(store), Options("memory://", 1_000_000), Tape())
    monkeypatch.setattr(uploader, "_show_sometimes", interrupt)
    with pytest.raises(KeyboardInterrupt):
        uploader.run()
    assert released.is_set()
    assert [chunk.key for chunk in spool.waiting()] == ["a"]
