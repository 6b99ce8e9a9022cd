"""The nursery: workers that it forks, and what becomes of it."""

import contextlib
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.executors.nursery import Nursery, receive_frame, send_frame

ECHO = f"{__name__}:echo"


def echo(channel: socket.socket) -> None:
    """Be a worker that says who and whose it is, and then what it hears."""
    send_frame(channel, f"{os.getpid()} {os.getppid()}".encode())
    while data := receive_frame(channel):
        send_frame(channel, data)


@pytest.fixture
def nursery() -> Iterator[Nursery]:
    made = Nursery()
    yield made
    made.forget()


def ask(channel: socket.socket) -> tuple[int, int]:
    worker, parent = (receive_frame(channel) or b"").split()
    return int(worker), int(parent)


def wait_until_gone(pid: int) -> None:
    for _ in range(3000):
        with contextlib.suppress(OSError):
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return
        if not Path(f"/proc/{pid}").exists():
            return
        time.sleep(0.01)
    raise AssertionError(f"{pid} goes on")


@given(st.lists(st.binary(max_size=100_000), max_size=3))
def test_frames_arrive_as_they_were_sent(frames: list[bytes]) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        for frame in frames:
            send_frame(ours, frame)
            assert receive_frame(theirs) == frame
        ours.close()
        assert receive_frame(theirs) is None


def test_a_frame_that_is_cut_off_is_none() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(b"\x10" + bytes(7) + b"half")
        ours.close()
        assert receive_frame(theirs) is None


def test_workers_come_from_one_process_and_a_large_frame_goes_there_and_back(nursery: Nursery) -> None:
    with nursery.fork(ECHO, "heartbeat") as one, nursery.fork(ECHO, "heartbeat") as other:
        (first, parent), (second, same) = ask(one), ask(other)
        assert parent == same
        assert len({first, second, parent, os.getpid()}) == 4
        send_frame(one, b"x" * 5_000_000)
        assert receive_frame(one) == b"x" * 5_000_000
    for pid in (first, second):  # their channels are closed
        wait_until_gone(pid)


def test_a_nursery_that_was_killed_is_replaced_and_its_workers_live_on(nursery: Nursery) -> None:
    with nursery.fork(ECHO, "heartbeat") as one:
        _, parent = ask(one)
        os.kill(parent, signal.SIGKILL)
        wait_until_gone(parent)
        with nursery.fork(ECHO, "heartbeat") as other:
            assert ask(other)[1] != parent
        send_frame(one, b"still here")
        assert receive_frame(one) == b"still here"


def test_a_nursery_that_takes_an_order_and_is_killed_before_it_forks_is_replaced(nursery: Nursery) -> None:
    with nursery.fork(ECHO, "heartbeat") as one:
        _, parent = ask(one)
    os.kill(parent, signal.SIGSTOP)
    killer = threading.Timer(0.2, os.kill, (parent, signal.SIGKILL))
    killer.start()
    with nursery.fork(ECHO, "heartbeat") as other:
        assert ask(other)[1] != parent
    killer.join()


def test_a_nursery_ends_with_who_asks_of_it(nursery: Nursery) -> None:
    with nursery.fork(ECHO, "heartbeat") as one:
        _, parent = ask(one)
    nursery.forget()
    wait_until_gone(parent)


def test_a_function_or_stage_that_is_not_there_leaves_a_channel_without_an_answer(nursery: Nursery) -> None:
    with nursery.fork(f"{__name__}:nobody", "no_such_stage") as one:
        assert receive_frame(one) is None
