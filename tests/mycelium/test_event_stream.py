"""Where events go: whole lines, from any thread, and nothing that happens there breaks the run."""

import errno
import io
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mycelium.errors import UserInputError
from mycelium.event_stream import EventStream, observing
from mycelium.events import RunStarted, decode_event
from mycelium.store import LocalStore
from mycelium.tracing import is_trace_id
from tests.builders import build_run, make_iaf

ROOT = Path(__file__).parents[2]


def make_event(run_id: str = "r") -> RunStarted:
    return RunStarted(time="t", trace_id="", run_id=run_id, stage="s", executor="local", stage_version=1)


class Broken:
    """A sink that fails after some writes."""

    def __init__(self, error: OSError, after: int = 0) -> None:
        self.error, self.left = error, after
        self.taken: list[bytes] = []

    def write(self, data: bytes, /) -> int:
        if not self.left:
            raise self.error
        self.left -= 1
        self.taken.append(data)
        return len(data)


def test_a_reader_that_goes_away_ends_the_stream_in_silence() -> None:
    said: list[str] = []
    sink = Broken(BrokenPipeError(errno.EPIPE, "Broken pipe"), after=1)
    stream = EventStream(sink, said.append)
    for _ in range(5):
        stream.hear(make_event())
    assert len(sink.taken) == 1
    assert said == []


def test_a_disk_that_is_full_ends_the_stream_and_is_said_once() -> None:
    said: list[str] = []
    stream = EventStream(Broken(OSError(errno.ENOSPC, "No space left on device")), said.append)
    for _ in range(5):
        stream.hear(make_event())
    assert said == ["no more events are written: No space left on device; the run goes on"]


def test_a_sink_that_takes_a_few_bytes_at_a_time_gets_them_all() -> None:
    class Slow(io.BytesIO):
        def write(self, data: bytes, /) -> int:  # type: ignore[override]
            return super().write(data[:7])

    sink = Slow()
    EventStream(sink, pytest.fail).hear(make_event("a-run"))
    assert decode_event(sink.getvalue()) == make_event("a-run")


def test_lines_of_many_threads_and_of_two_commands_are_whole(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"

    def tell(name: str) -> None:
        with observing(str(path)) as observer, ThreadPoolExecutor(4) as pool:
            for n in range(200):
                pool.submit(observer.hear, make_event(f"{name}-{n}"))

    commands = [threading.Thread(target=tell, args=(name,)) for name in ("one", "other")]
    for command in commands:
        command.start()
    for command in commands:
        command.join()
    read = {decode_event(line).run_id for line in path.read_bytes().splitlines()}
    assert read == {f"{name}-{n}" for name in ("one", "other") for n in range(200)}


def test_every_command_has_a_trace_id_of_its_own_heard_or_not(tmp_path: Path) -> None:
    with observing(None) as silent, observing(str(tmp_path / "e")) as told, observing("-") as shown:
        ids = {silent.trace_id, told.trace_id, shown.trace_id, told.of_another_run().trace_id}
    assert len(ids) == 3
    assert all(map(is_trace_id, ids))
    assert (silent.owns_stdout, told.owns_stdout, shown.owns_stdout) == (False, False, True)


def test_a_file_that_cannot_be_opened_is_the_user_s_mistake(tmp_path: Path) -> None:
    with pytest.raises(UserInputError, match="--events .*: Is a directory"), observing(str(tmp_path)):
        pass
    with (
        pytest.raises(UserInputError, match="^~no-such-user-/e: nobody here has a home of that name"),
        observing("~no-such-user-/e"),
    ):
        pass


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    """Five chunks."""
    opened = LocalStore(tmp_path / "store")
    build_run(opened, [make_iaf(seed=i) for i in range(5)])
    return opened


def start(store: LocalStore, *words: str) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "coordinator", "run-stage", "heartbeat", "--max-workers", "1", "--quiet", *words]
    environment = {**os.environ, "MYCELIUM_STORE": store.uri}
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_a_run_whose_reader_goes_away_at_once_is_done_to_its_end(store: LocalStore) -> None:
    process = start(store, "--events", "-")
    assert process.stdout is not None
    process.stdout.close()  # nobody reads a single line
    assert process.stderr is not None
    said = process.stderr.read()
    process.stderr.close()
    assert (process.wait(120), said) == (0, b"")
    assert len([info for info in store.list("heartbeats/") if info.key.endswith(".parquet")]) == 5


def test_standard_output_holds_events_and_nothing_else(store: LocalStore) -> None:
    process = start(store, "--events", "-")
    out, err = process.communicate(timeout=120)
    events = [decode_event(line) for line in out.splitlines()]
    kinds = [str(event.__struct_config__.tag) for event in events]
    assert kinds == ["run-started", "run-planned", *["chunk-done"] * 5, "run-finished"]
    assert err == b""


def test_two_things_that_want_standard_output_are_refused(store: LocalStore) -> None:
    process = start(store, "--events", "-", "--json")
    out, err = process.communicate(timeout=120)
    assert (process.returncode, out) == (2, b"")
    assert b"give --events a FILE" in err
