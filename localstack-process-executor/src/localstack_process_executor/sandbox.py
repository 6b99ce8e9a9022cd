"""One execution environment of a function: loaded once, run many times, started afresh after a failure.

Source: AWS Lambda developer guide, "Understanding the Lambda execution environment lifecycle". As there:

- loading has its own limit (10 s); what did not load by then is loaded again, within the first invocation's
  time;
- after a timeout, a crash or too much memory the process is ended, and the next invocation starts another
  one in the same environment: same log stream, and the temporary folder is not emptied.

Unlike there, the process is not frozen between two invocations.
"""

import contextlib
import shutil
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from localstack_process_executor import report
from localstack_process_executor.child import Child
from localstack_process_executor.events import (
    Answered,
    AnswerTooLarge,
    Event,
    Exited,
    InitFailed,
    Invocation,
    OutOfMemory,
    Ready,
)

_MIB: Final = 1 << 20
# An answer is on its way to the caller as soon as the runtime asks for more; a runtime that does not is not
# waited for longer.
_READY_AFTER_ANSWER_S: Final = 2.0
# Of what a handler writes in one invocation the end is kept; the file is emptied once it has grown past the
# second.
_MAX_LOG_BYTES: Final = 1 << 20
_MAX_LOG_FILE_BYTES: Final = 16 << 20


@dataclass(frozen=True, slots=True)
class SandboxSettings:
    """What an environment needs to know of its function.

    Attributes:
        command: What runs the handler.
        env: The whole environment of the process.
        code: Where the unzipped code lies.
        directory: The environment's own folder, removed with it; `tmp` in it is what TMPDIR names.
        version: The function's version, as the log names it.
        runtime: The function's runtime, as the log names it.
        memory_mb: Its memory size.
        timeout_s: Its timeout.
        init_timeout_s: How long loading may take before the first invocation's own time is used.
        max_response_bytes: The largest answer that is let through.
    """

    command: list[str]
    env: Mapping[str, str]
    code: Path
    directory: Path
    version: str
    runtime: str
    memory_mb: int
    timeout_s: float
    init_timeout_s: float
    max_response_bytes: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an invocation came to.

    Attributes:
        payload: The JSON for the caller.
        is_error: Whether it is an error, the handler's or the platform's.
        logs: What was written, with the platform's own lines around it.
    """

    payload: bytes
    is_error: bool
    logs: str


@dataclass(frozen=True, slots=True)
class _Failure:
    """Why the handler did not answer: the platform's word, and what the runtime posted, if it did."""

    error: report.PlatformError
    body: bytes | None = None

    def payload(self, request_id: str) -> bytes:
        return self.body or self.error.payload(request_id)


class Sandbox:
    """An execution environment; one invocation at a time.

    Its child, when it has one between two calls, has loaded the handler and waits: every other child is
    ended.
    """

    def __init__(self, settings: SandboxSettings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._child: Child | None = None
        self._busy = False
        self._closed = False
        # What the first invocation still has to report of the loading before it.
        self._init_ms: float | None = None
        self._init_lines = f"INIT_START Runtime Version: {settings.runtime} (local process)\n"
        self._peak_bytes = 0
        self._log_position = 0
        self.temporary = settings.directory / "tmp"
        self.temporary.mkdir(parents=True, exist_ok=True)
        self._log = settings.directory / "log"
        self._log.touch()

    def initialise(self) -> bytes | None:
        """Loads the function, before any invocation.

        Returns:
            None, or why it did not load, as the JSON for a caller. The next invocation then tries again.
        """
        began = time.monotonic()
        failure = self._load(began + self._settings.init_timeout_s, self._settings.init_timeout_s)
        duration_ms = (time.monotonic() - began) * 1000
        self._init_lines += self._take_log()
        if failure is None:
            self._init_ms = duration_ms
            return None
        self._init_lines += report.init_report_line(duration_ms, failure.error)
        return failure.payload("")

    def invoke(self, invocation: Invocation) -> Outcome:
        """Runs the handler once.

        Args:
            invocation: What to run it on; its deadline is set here.

        Returns:
            What it came to; a failure of the function is an outcome, never an exception.
        """
        with self._lock:
            self._busy = True
        try:
            return self._invoke(invocation)
        finally:
            with self._lock:
                self._busy = False
                closed = self._closed
            if closed:
                self._discard()

    def close(self, *, at_once: bool = False) -> None:
        """Ends the environment: an invocation that is under way may finish first, unless `at_once`."""
        with self._lock:
            self._closed = True
            child, busy = self._child, self._busy
        if child is not None and (at_once or not busy):
            child.kill()
        if not busy:
            self._discard()

    def logs(self) -> str:
        """All that its processes have written since the file was last emptied."""
        with contextlib.suppress(OSError):
            return self._log.read_text(encoding="utf-8", errors="replace")
        return ""

    def _invoke(self, invocation: Invocation) -> Outcome:
        began = time.monotonic()
        deadline = began + self._settings.timeout_s
        invocation = replace(invocation, deadline_ms=int((time.time() + self._settings.timeout_s) * 1000))
        logs, self._init_lines = self._init_lines, ""
        init_ms, self._init_ms = self._init_ms, None
        logs += self._take_log() + report.start_line(invocation.request_id, self._settings.version)
        result = self._load(deadline, self._settings.timeout_s) or self._run(invocation, deadline)
        error = result.error if isinstance(result, _Failure) else None
        timed_out = error is not None and error.kind == report.TIMED_OUT
        figures = report.Report(
            request_id=invocation.request_id,
            duration_ms=(self._settings.timeout_s if timed_out else time.monotonic() - began) * 1000,
            init_ms=init_ms,
            memory_mb=self._settings.memory_mb,
            peak_bytes=self._peak_bytes,
            error=error,
        )
        logs += self._take_log() + figures.lines()
        if isinstance(result, _Failure):
            return Outcome(result.payload(invocation.request_id), is_error=True, logs=logs)
        return Outcome(result.body, result.is_error, logs)

    def _load(self, deadline: float, timeout_s: float) -> _Failure | None:
        """Has a child that waits for an invocation, starting one if there is none; says why if that fails."""
        if self._child is not None and self._child.wait(0) is None:
            return None
        self._end_child()
        child = self._start_child()
        if child is None:
            return _Failure(report.exited(0))
        child.watch_memory()
        event = child.wait(deadline - time.monotonic())
        failure = None if isinstance(event, Ready) else self._failure(event, timeout_s)
        if child.exceeded_memory() and not _is_timeout(failure):
            failure = _Failure(report.out_of_memory())
        self._peak_bytes = max(self._peak_bytes, child.peak_bytes)
        if failure is not None:
            self._end_child()
        return failure

    def _run(self, invocation: Invocation, deadline: float) -> Answered | _Failure:
        """Gives the waiting child the invocation, and waits for what comes of it."""
        child = self._child
        if child is None:
            return _Failure(report.exited(0))
        child.watch_memory()
        child.offer(invocation)
        event = child.wait(deadline - time.monotonic())
        result = event if isinstance(event, Answered) else self._failure(event, self._settings.timeout_s)
        # The runtime's question for more comes after all that the handler wrote: only then is its log whole.
        ready = isinstance(event, Answered | AnswerTooLarge) and isinstance(child.wait(_READY_AFTER_ANSWER_S), Ready)
        if child.exceeded_memory() and not _is_timeout(result):
            ready, result = False, _Failure(report.out_of_memory())
        self._peak_bytes = max(self._peak_bytes, child.peak_bytes)
        if not ready:
            self._end_child()
        return result

    @staticmethod
    def _failure(event: Event | None, timeout_s: float) -> _Failure:
        """What an event means to who waited for an answer, or for the handler to be loaded."""
        match event:
            case None:
                return _Failure(report.timed_out(timeout_s))
            case Exited(status):
                return _Failure(report.exited(status))
            case OutOfMemory():
                return _Failure(report.out_of_memory())
            case AnswerTooLarge(limit_bytes):
                return _Failure(report.response_too_large(limit_bytes))
            case InitFailed(body):
                return _Failure(report.posted(body), body)
            case _:
                return _Failure(report.exited(0))

    def _start_child(self) -> Child | None:
        """Starts a child, unless the environment is closed."""
        with self._lock:
            if self._closed:
                return None
            self._child = Child(
                self._settings.command,
                env=self._settings.env,
                cwd=self._settings.code,
                log=self._log,
                memory_bytes=self._settings.memory_mb * _MIB,
                max_response_bytes=self._settings.max_response_bytes,
            )
            return self._child

    def _end_child(self) -> None:
        with self._lock:
            child, self._child = self._child, None
        if child is not None:
            child.kill()

    def _take_log(self) -> str:
        """What was written since it was last asked, or the end of it."""
        try:
            with self._log.open("r+b") as file:
                size = file.seek(0, 2)
                file.seek(max(self._log_position, size - _MAX_LOG_BYTES))
                written = file.read(_MAX_LOG_BYTES)
                self._log_position = file.tell()
                if self._log_position > _MAX_LOG_FILE_BYTES:
                    # The child appends, so it goes on at the new end.
                    file.truncate(0)
                    self._log_position = 0
        except OSError:
            return ""
        # The runtime client separates the lines of one record by carriage returns.
        text = written.decode("utf-8", errors="replace").replace("\r", "\n")
        return text if not text or text.endswith("\n") else text + "\n"

    def _discard(self) -> None:
        self._end_child()
        shutil.rmtree(self._settings.directory, ignore_errors=True)


def _is_timeout(result: Answered | _Failure | None) -> bool:
    return isinstance(result, _Failure) and result.error.kind == report.TIMED_OUT
