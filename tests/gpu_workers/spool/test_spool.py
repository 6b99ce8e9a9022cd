"""The folder and its account: atomic, bounded, and true after any crash."""

import errno
import fcntl
import hashlib
import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gpu_workers.spool.names import Waiting
from gpu_workers.spool.spool import (
    CONFLICT,
    OWN_BYTES,
    REFUSED,
    Level,
    Spool,
    why_wait,
)
from gpu_workers.spool.state import State
from mycelium.errors import ObjectExistsError, StoreNotAvailableError, UserInputError
from tests.gpu_workers.spool.chaos import Sampler

ROOT = Path(__file__).parents[3]
SHA = "0" * 64
WRITER = (
    "import sys\nfrom gpu_workers.spool import Spool\nspool = Spool(sys.argv[1])\n"
    "print('ready', flush=True)\ni = 0\n"
    "while True:\n    spool.publish(f'k/{i}', bytes([i % 256]) * 300_000)\n    i += 1\n"
)


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    made = Spool(tmp_path / "spool")
    made.write_state(State(target="s3://b", budget=1_000_000, cap=1_000_000))
    return made


def test_what_is_published_waits_whole_under_its_key_and_digest(spool: Spool) -> None:
    data = os.urandom(10_000)
    chunk = spool.publish("iaf/run-1/00000.parquet", data)
    assert spool.waiting() == [chunk]
    assert chunk == Waiting(chunk.name, "iaf/run-1/00000.parquet", hashlib.sha256(data).hexdigest(), 10_000)
    assert spool.path(chunk).read_bytes() == data
    assert spool.find("iaf/run-1/00000.parquet") == spool.path(chunk)
    assert spool.find("iaf/run-1/00000") is None
    assert spool.level() == Level(OWN_BYTES + 10_000, 0, 1)
    spool.remove(chunk)
    assert (spool.waiting(), spool.level().bytes) == ([], OWN_BYTES)


def test_an_empty_chunk_is_a_chunk(spool: Spool) -> None:
    assert spool.path(spool.publish("a", b"")).read_bytes() == b""


def test_the_oldest_comes_first(spool: Spool) -> None:
    chunks = [spool.publish(key, b"x") for key in ("z", "m", "a")]
    for age, chunk in enumerate(chunks):
        os.utime(spool.path(chunk), ns=(age, age))
    assert [chunk.key for chunk in spool.waiting()] == ["z", "m", "a"]


def test_a_key_is_in_the_spool_once(spool: Spool) -> None:
    spool.publish("a/b", b"first")
    for data in (b"first", b"second"):
        with pytest.raises(ObjectExistsError, match="chunk a/b is in spool .* already"):
            spool.publish("a/b", data)
    assert len(spool.waiting()) == 1


def test_a_key_too_long_for_a_file_name_is_refused(spool: Spool) -> None:
    spool.publish("k" * 190, b"")
    with pytest.raises(UserInputError, match="at most 190 characters; got 191"):
        spool.publish("k" * 191, b"")


class TestBudget:
    """Bytes that are there, being written or kept are all counted, before they are there."""

    def test_a_writer_waits_until_there_is_room_and_says_so(self, tmp_path: Path) -> None:
        spool = Spool(tmp_path)
        spool.write_state(State(budget=1_000_000, cap=1_000_000))
        first = spool.publish("a", bytes(600_000))
        said: list[str | None] = []

        def on_wait(note: str | None) -> None:
            said.append(note)
            if note is not None:
                spool.remove(first)

        spool.publish("b", bytes(600_000), on_wait)
        assert said[0] is not None
        assert "the spool is full: 1 of 1 MB; no uploader is running" in said[0]
        assert said[1:] == [None]
        assert [chunk.key for chunk in spool.waiting()] == ["b"]

    def test_a_chunk_larger_than_the_budget_is_refused_in_one_line(self, spool: Spool) -> None:
        with pytest.raises(
            StoreNotAvailableError, match="a chunk has 1,000,000 bytes and the spool's whole budget is 1,000,000"
        ):
            spool.publish("a", bytes(1_000_000))
        assert spool.level().bytes == OWN_BYTES

    def test_writers_pause_while_the_uploader_has_stopped_for_good(self, spool: Spool) -> None:
        said: list[str | None] = []
        spool.report("the credentials are refused")

        def on_wait(note: str | None) -> None:
            said.append(note)
            if note is not None:
                spool.write_state(replace(spool.read_state(), error=None))

        spool.publish("a", b"x", on_wait)
        assert said[0] is not None
        assert "paused: the uploader stopped: the credentials are refused" in said[0]

    def test_kept_chunks_count_and_are_named_as_the_reason(self, spool: Spool) -> None:
        chunk = spool.publish("a", bytes(900_000))
        spool.set_aside(chunk.name, CONFLICT)
        reason = why_wait(spool.read_state(), spool.level(), 200_000)
        assert reason == "the spool is full: 1 of 1 MB, 1 of them in conflict or refused"

    def test_a_slow_link_s_cap_lets_one_chunk_in_at_a_time(self) -> None:
        state = State(budget=1_000_000, cap=100_000)
        assert why_wait(state, Level(OWN_BYTES, 0, 0), 900_000) is None
        assert why_wait(state, Level(OWN_BYTES + 50_000, 0, 1), 900_000) == (
            "the spool is full: 0 of 0 MB (of 1: the link is slow)"
        )

    @settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        sizes=st.lists(st.integers(0, 120_000), min_size=1, max_size=30),
        leaves=st.lists(st.booleans(), min_size=30, max_size=30),
    )
    def test_the_level_never_passes_the_budget(self, tmp_path: Path, sizes: list[int], leaves: list[bool]) -> None:
        folder = tmp_path / os.urandom(8).hex()
        budget = 200_000 + OWN_BYTES
        made = Spool(folder, sleep=lambda _: _leave(made))
        made.write_state(State(budget=budget, cap=budget))
        for number, (size, leave) in enumerate(zip(sizes, leaves, strict=False)):
            made.publish(f"k/{number}", bytes(size))
            assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) <= budget
            if leave:
                _leave(made)

    def test_many_writers_together_stay_within_it(self, tmp_path: Path) -> None:
        budget = 1_000_000
        spool = Spool(tmp_path, sleep=lambda _: _leave(spool))
        spool.write_state(State(budget=budget, cap=budget))

        def write(writer: int) -> None:
            mine = Spool(tmp_path, sleep=lambda _: _leave(mine))
            for number in range(10):
                mine.publish(f"w{writer}/{number}", bytes(300_000))

        threads = [threading.Thread(target=write, args=(writer,)) for writer in range(6)]
        with Sampler(tmp_path, pause_s=0.0001, lock=tmp_path / "account.lock") as sampler:
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert 300_000 <= sampler.peak <= budget


def _leave(spool: Spool) -> None:
    """Remove the oldest, as an uploader would."""
    for chunk in spool.waiting()[:1]:
        spool.remove(chunk)


class TestCrashes:
    """Half-written chunks, full disks, dead writers."""

    def test_after_kill_9_there_are_whole_chunks_and_temporaries_that_go(self, tmp_path: Path) -> None:
        for attempt in range(4):
            folder = tmp_path / str(attempt)
            process = subprocess.Popen([sys.executable, "-c", WRITER, str(folder)], stdout=subprocess.PIPE, cwd=ROOT)
            assert process.stdout is not None
            process.stdout.readline()
            spool = Spool(folder)
            while len(spool.waiting()) <= attempt * 3:
                pass
            process.send_signal(signal.SIGKILL)
            process.wait()
            process.stdout.close()
            spool.sweep()
            assert list((folder / "writing").iterdir()) == []
            for chunk in spool.waiting():
                assert hashlib.sha256(spool.path(chunk).read_bytes()).hexdigest() == chunk.sha256
            assert spool.level().bytes == OWN_BYTES + 300_000 * len(spool.waiting())

    def test_the_temporary_of_a_living_writer_stays(self, spool: Spool) -> None:
        dead, living = spool.folder / "writing" / "dead", spool.folder / "writing" / "living"
        dead.write_bytes(b"half")
        with living.open("wb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            assert spool.sweep() == 1
            assert (dead.exists(), living.exists()) == (False, True)
        assert spool.sweep() == 1

    def test_a_full_disk_is_waited_for_while_the_spool_can_empty(
        self, spool: Spool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first = spool.publish("a", b"x")
        full = [True]
        real = os.posix_fallocate

        def refuse(descriptor: int, start: int, size: int) -> None:
            if full[0]:
                raise OSError(errno.ENOSPC, "No space left on device")
            real(descriptor, start, size)

        monkeypatch.setattr(os, "posix_fallocate", refuse)
        said: list[str | None] = []

        def on_wait(note: str | None) -> None:
            said.append(note)
            if note is not None:
                spool.remove(first)
                full[0] = False

        spool.publish("b", b"y", on_wait)
        assert said[0] is not None
        assert said[0].startswith("the disk is full")
        full[0] = True
        spool.remove(spool.waiting()[0])
        with pytest.raises(StoreNotAvailableError, match="can't be written: No space left on device"):
            spool.publish("c", b"z")
        assert spool.level().bytes == OWN_BYTES

    def test_a_disk_that_fills_while_it_writes_leaves_nothing(
        self, spool: Spool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(_: int) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(os, "fsync", refuse)
        with pytest.raises(StoreNotAvailableError, match="No space left on device"):
            spool.publish("a", b"x")
        assert spool.level() == Level(OWN_BYTES, 0, 0)

    def test_a_file_system_that_can_not_reserve_is_used_all_the_same(
        self, spool: Spool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(*_: int) -> None:
            raise OSError(errno.EOPNOTSUPP, "not supported")

        monkeypatch.setattr(os, "posix_fallocate", refuse)
        assert spool.path(spool.publish("a", b"abc")).read_bytes() == b"abc"


class TestBadFolders:
    """Each is one line."""

    def test_a_part_on_another_file_system_is_refused(self, tmp_path: Path) -> None:
        elsewhere = Path("/dev/shm")  # noqa: S108 - another file system is the point
        if not elsewhere.is_dir() or elsewhere.stat().st_dev == tmp_path.stat().st_dev:
            pytest.skip("needs two file systems")
        (tmp_path / "ready").symlink_to(elsewhere)
        with pytest.raises(UserInputError, match="ready/ is on another file system"):
            Spool(tmp_path)

    def test_a_file_is_no_folder(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(StoreNotAvailableError, match="can't be used"):
            Spool(tmp_path / "file")

    def test_a_spool_has_one_uploader(self, spool: Spool) -> None:
        assert not spool.is_tended()
        with spool.tend():
            assert spool.is_tended()
            other = Spool(spool.folder, sleep=lambda _: None)
            with pytest.raises(UserInputError, match="has an uploader already"), other.tend():
                pass
        assert not spool.is_tended()
        with spool.tend():
            pass

    def test_a_spool_that_holds_chunks_empties_into_one_store(self, spool: Spool) -> None:
        spool.claim("s3://b")
        chunk = spool.publish("a", b"x")
        with pytest.raises(UserInputError, match="empties into s3://b; got s3://c"):
            spool.claim("s3://c")
        spool.remove(chunk)
        spool.claim("s3://c")
        assert spool.read_state().target == "s3://c"

    def test_what_is_no_chunk_is_a_stranger(self, spool: Spool) -> None:
        ready = spool.folder / "ready"
        (ready / "notes.txt").write_text("hello")
        (ready / f"folder,{SHA}").mkdir()
        os.mkfifo(ready / f"pipe,{SHA}")
        assert spool.strangers() == [f"folder,{SHA}", "notes.txt", f"pipe,{SHA}"]
        assert spool.waiting() == []
        kept = spool.set_aside("notes.txt", REFUSED)
        assert kept.read_text() == "hello"
        assert spool.level().kept == 5


def test_a_spool_in_a_home_that_is_not_here_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserInputError, match="nobody here has a home of that name"):
        Spool("~no-such-user-/spool")
    assert list(tmp_path.iterdir()) == []
