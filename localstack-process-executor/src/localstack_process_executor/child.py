"""One child process with its Runtime API and its log, from start to end; it is never started twice."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from queue import Empty, SimpleQueue

from localstack_process_executor.events import Event, Exited, Invocation, OutOfMemory
from localstack_process_executor.memory import MEMORY_WATCH, Watched
from localstack_process_executor.runtime_api import RuntimeApi


class Child:
    """A running handler.

    Args:
        command: What to run.
        env: Its whole environment, but for the address of the Runtime API.
        cwd: Where it runs.
        log: The file to which its output is appended.
        memory_bytes: What it may hold.
        max_response_bytes: The largest answer that is let through.
    """

    def __init__(
        self,
        command: list[str],
        *,
        env: Mapping[str, str],
        cwd: Path,
        log: Path,
        memory_bytes: int,
        max_response_bytes: int,
    ) -> None:
        self._events: SimpleQueue[Event] = SimpleQueue()
        self._api = RuntimeApi(self._events, max_response_bytes=max_response_bytes)
        try:
            with log.open("ab") as output:
                # Its own session, so that whatever it starts can be ended with it. Its stdin stays open for
                # as long as this process lives: bootstrap.py says what for.
                self._process = subprocess.Popen(  # noqa: S603 - running the user's handler is what this is for
                    command,
                    env={**env, "AWS_LAMBDA_RUNTIME_API": self._api.address},
                    cwd=cwd,
                    stdin=subprocess.PIPE,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
        except OSError:
            self._api.close()
            raise
        self.pid = self._process.pid
        self._watched = Watched(self.pid, memory_bytes, lambda: self._events.put(OutOfMemory()))
        threading.Thread(target=self._reap, name=f"lambda-reap-{self.pid}", daemon=True).start()

    @property
    def peak_bytes(self) -> int:
        """The most memory that it was seen to hold."""
        return self._watched.peak_bytes

    def wait(self, timeout_s: float) -> Event | None:
        """The next thing that happens to it; None when nothing does in time."""
        try:
            return self._events.get(timeout=max(0.0, timeout_s))
        except Empty:
            return None

    def offer(self, invocation: Invocation) -> None:
        """Gives it an invocation."""
        self._api.offer(invocation)

    def watch_memory(self) -> None:
        """Starts to sample its memory, which is done only while it works."""
        MEMORY_WATCH.add(self._watched)

    def exceeded_memory(self) -> bool:
        """Ends the sampling with a last look.

        Returns:
            Whether it ever held more than it may.
        """
        MEMORY_WATCH.remove(self._watched)
        return self._watched.sample()

    def kill(self) -> None:
        """Ends it and all it started, at once; harmless when it has ended."""
        MEMORY_WATCH.remove(self._watched)
        self._kill_group()
        self._api.close()

    def _kill_group(self) -> None:
        # Until `_reap` has collected the leader, no other group can have got this number.
        if self._process.returncode is None:
            try:
                os.killpg(self.pid, signal.SIGKILL)
            except ProcessLookupError:
                return

    def _reap(self) -> None:
        if sys.platform == "linux":
            # Wait without collecting: what it started is ended while the group's number is still its own.
            os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
            self._kill_group()
        status = self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._api.close()
        self._events.put(Exited(status))
