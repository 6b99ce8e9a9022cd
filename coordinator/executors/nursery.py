"""The nursery: one process that imports what workers need, and forks them from itself.

Starting an interpreter and importing NumPy, Arrow and a stage takes a fifth of a second of a core; a fork of a process
that has done so takes some milliseconds. The coordinator itself is not forked: it has threads, and what is forked in
the middle of another thread's lock finds it locked for ever. The nursery does nothing but import and fork. What threads
there are in it belong to OpenBLAS and to Arrow's jemalloc, and both prepare for a fork (pthread_atfork(3)).

Python's own fork server does the same, and has each worker import the caller's main script besides: one that lacks
``if __name__ == "__main__"`` is then run again by every worker. Nothing here needs to know of that script.
"""

import contextlib
import gc
import importlib
import os
import signal
import socket
import struct
import sys
import threading
import warnings
from dataclasses import dataclass
from typing import NoReturn

import msgspec

import lambdas.stages
from coordinator.executors.without_pandas import leave_pandas_out
from mycelium.settings import read_environment

_LENGTH = struct.Struct("<Q")
_SERVE = (
    f"import json, sys; sys.path[:] = json.loads(sys.argv[1]); from {__name__} import serve; serve(int(sys.argv[2]))"
)


@dataclass(frozen=True, slots=True)
class _Order:
    """What a worker is to be: which function it calls with its channel, for which stage, and where modules are."""

    function: str
    stage: str
    sys_path: list[str]
    stage_paths: list[str]


def send_frame(channel: socket.socket, data: bytes) -> None:
    """Send some bytes.

    Raises:
        OSError: the other side is gone.
    """
    channel.sendall(_LENGTH.pack(len(data)) + data)


def receive_frame(channel: socket.socket) -> bytes | None:
    """Return what `send_frame` has sent; None where the other side is gone."""
    head = _receive(channel, _LENGTH.size)
    return None if head is None else _receive(channel, *_LENGTH.unpack(head))


def _receive(channel: socket.socket, n_bytes: int) -> bytes | None:
    data = bytearray(n_bytes)
    view = memoryview(data)
    while view:
        try:
            n = channel.recv_into(view)
        except ConnectionError:
            n = 0
        if not n:
            return None
        view = view[n:]
    return bytes(data)


class Nursery:
    """The coordinator's end of a nursery, which is started when it is first needed, and ends with this process."""

    def __init__(self) -> None:
        """Start nothing yet."""
        self._lock = threading.Lock()
        self._control: socket.socket | None = None

    def fork(self, function: str, stage: str) -> socket.socket:
        """Have a worker forked, and return the channel to it.

        Args:
            function: what the worker calls with its end of the channel, ``module:function``.
            stage: the stage that it is for; imported before the fork, once for all workers.

        Raises:
            OSError: no process can be started.
        """
        order = msgspec.msgpack.encode(_Order(function, stage, sys.path, list(lambdas.stages.__path__)))
        with self._lock:
            try:
                return self._ask(order)
            except OSError:  # somebody killed it; what it had forked lives on
                self.forget()
                return self._ask(order)

    def forget(self) -> None:
        """Let go of the nursery, if there is one: the next worker gets a new one."""
        if self._control is not None:
            self._control.close()
        self._control = None

    def _ask(self, order: bytes) -> socket.socket:
        if self._control is None:
            self._control = _start()
        ours, theirs = socket.socketpair()
        with contextlib.ExitStack() as undo:
            undo.enter_context(ours)
            with theirs:
                send_frame(ours, order)  # the nursery reads it at the worker's end, and then forks
                socket.send_fds(self._control, [b"f"], [theirs.fileno()])
            if not self._control.recv(1):  # a process that is being killed takes what is sent, and does nothing with it
                raise BrokenPipeError("the nursery has ended")
            undo.pop_all()
        return ours


NURSERY = Nursery()
os.register_at_fork(after_in_child=NURSERY.forget)  # it serves the process that started it


def _start() -> socket.socket:
    """Start a nursery, and return the channel by which workers are asked of it."""
    ours, theirs = socket.socketpair()
    with theirs:
        theirs.set_inheritable(True)
        words = [sys.executable, "-c", _SERVE, msgspec.json.encode(sys.path).decode(), str(theirs.fileno())]
        # Ctrl-C reaches the whole process group, and is held back from the first instruction on.
        os.posix_spawn(sys.executable, words, read_environment(), setsigmask=[signal.SIGINT])
    return ours


def serve(control_fd: int) -> None:
    """Be the nursery: fork a worker for each channel that comes, until the coordinator is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the system then keeps no record of workers that have ended
    warnings.filterwarnings("ignore", "This process .* is multi-threaded, use of fork", DeprecationWarning)
    leave_pandas_out()
    with socket.socket(fileno=control_fd) as control:
        while True:
            flag, fds, _, _ = socket.recv_fds(control, 1, 1)
            if not flag or not fds:
                return
            with socket.socket(fileno=fds[0]) as channel:
                data = receive_frame(channel)
                if data is None:
                    continue
                order = msgspec.msgpack.decode(data, type=_Order)
                _import_for(order)
                if os.fork() == 0:
                    control.close()
                    _be_worker(order, channel)
            with contextlib.suppress(OSError):  # the coordinator is gone; the next look says so
                control.send(b"f")


def _import_for(order: _Order) -> None:
    sys.path[:] = order.sys_path
    lambdas.stages.__path__[:] = order.stage_paths
    with contextlib.suppress(Exception):  # the worker meets it again, and tells
        importlib.import_module(order.function.partition(":")[0])
        importlib.import_module(f"lambdas.stages.{order.stage}")
    gc.collect()
    gc.freeze()  # or the first collection in each worker would write to every page that they share


def _be_worker(order: _Order, channel: socket.socket) -> NoReturn:
    code = 1
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        module, _, name = order.function.partition(":")
        getattr(importlib.import_module(module), name)(channel)
        code = 0
    finally:
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)
