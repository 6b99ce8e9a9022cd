"""What the platform itself says about an invocation: its log lines, and the errors that no handler wrote.

The wording is that of AWS, down to the tabs: people and programs parse it.
"""

import json
import math
import signal
import time
from dataclasses import dataclass
from typing import Final

_MIB: Final = 1 << 20


TIMED_OUT: Final = "Sandbox.Timedout"
_TOO_LARGE: Final = "Function.ResponseSizeTooLarge"


@dataclass(frozen=True, slots=True)
class PlatformError:
    """An error that the platform reports in place of the handler.

    Attributes:
        kind: AWS's name of it, as in `errorType`.
        message: AWS's sentence, without the request id.
        names_request: Whether the sentence is led by the request id.
        is_logged: Whether the runtime has written it to the log already.
    """

    kind: str
    message: str
    names_request: bool = True
    is_logged: bool = False

    def payload(self, request_id: str) -> bytes:
        """The JSON that the caller gets."""
        message = f"RequestId: {request_id} Error: {self.message}" if self.names_request else self.message
        return json.dumps({"errorType": self.kind, "errorMessage": message}).encode()

    def log_lines(self, request_id: str) -> str:
        """What the platform writes about it, beside the REPORT line."""
        if self.is_logged:
            return ""
        if self.kind == TIMED_OUT:
            now = time.time()
            stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now))
            return f"{stamp}.{int(now % 1 * 1000):03d}Z {request_id} {self.message}\n"
        return f"RequestId: {request_id} Error: {self.message}\n{self.kind}\n"

    def status(self) -> str:
        """What the REPORT and INIT_REPORT lines say of it."""
        return "Status: timeout" if self.kind == TIMED_OUT else f"Status: error\tError Type: {self.kind}"


def timed_out(timeout_s: float) -> PlatformError:
    """The function did not answer in its time."""
    return PlatformError(TIMED_OUT, f"Task timed out after {timeout_s:.2f} seconds")


def exited(status: int) -> PlatformError:
    """The process ended before the handler answered.

    Args:
        status: Its exit status; the negative number of a signal that ended it.
    """
    if status == 0:
        return PlatformError("Runtime.ExitError", "Runtime exited without providing a reason")
    if status > 0:
        return PlatformError("Runtime.ExitError", f"Runtime exited with error: exit status {status}")
    reason = _GO_NAMES.get(-status) or (signal.strsignal(-status) or f"signal {-status}").lower()
    return PlatformError("Runtime.ExitError", f"Runtime exited with error: signal: {reason}")


# Lambda's supervisor is written in Go, which has its own words for these.
_GO_NAMES: Final[dict[int, str]] = {
    signal.SIGKILL: "killed",
    signal.SIGSEGV: "segmentation fault",
    signal.SIGABRT: "aborted",
    signal.SIGTERM: "terminated",
}


def out_of_memory() -> PlatformError:
    """The function held more than its memory size."""
    return PlatformError("Runtime.OutOfMemory", "Runtime exited with error: signal: killed")


def response_too_large(limit_bytes: int) -> PlatformError:
    """The handler answered more than Lambda lets through."""
    message = f"Response payload size exceeded maximum allowed payload size ({limit_bytes} bytes)."
    return PlatformError(_TOO_LARGE, message, names_request=False)


def posted(body: bytes) -> PlatformError:
    """The runtime could not load the handler, and said why in its own words."""
    try:
        error = json.loads(body)
    except ValueError:
        error = {}
    if not isinstance(error, dict):
        error = {}
    kind, message = error.get("errorType") or "Runtime.Unknown", error.get("errorMessage") or ""
    return PlatformError(str(kind), str(message), names_request=False, is_logged=True)


def start_line(request_id: str, version: str) -> str:
    """The line before what the handler writes."""
    return f"START RequestId: {request_id} Version: {version}\n"


def init_report_line(duration_ms: float, error: PlatformError) -> str:
    """The line on an initialisation that failed."""
    return f"INIT_REPORT Init Duration: {duration_ms:.2f} ms\tPhase: init\t{error.status()}\n"


@dataclass(frozen=True, slots=True)
class Report:
    """The figures of one invocation.

    Attributes:
        request_id: AWS's id of it.
        duration_ms: From the event going in to the runtime asking for the next.
        init_ms: How long loading took, if this invocation was the first and waited for it.
        memory_mb: The function's memory size.
        peak_bytes: The most memory that was held.
        error: What the platform has to say, if anything.
    """

    request_id: str
    duration_ms: float
    init_ms: float | None
    memory_mb: int
    peak_bytes: int
    error: PlatformError | None = None

    @property
    def billed_ms(self) -> int:
        """What is paid for: since August 2025 the initialisation, too, rounded up to a millisecond."""
        return math.ceil(self.duration_ms + (self.init_ms or 0.0))

    @property
    def used_mb(self) -> int:
        """The peak, never more than the function has: the platform ends it there."""
        return min(self.memory_mb, math.ceil(self.peak_bytes / _MIB))

    def lines(self) -> str:
        """What the platform writes after the handler."""
        fields = [
            f"REPORT RequestId: {self.request_id}",
            f"Duration: {self.duration_ms:.2f} ms",
            f"Billed Duration: {self.billed_ms} ms",
            f"Memory Size: {self.memory_mb} MB",
            f"Max Memory Used: {self.used_mb} MB",
        ]
        if self.init_ms is not None:
            fields.append(f"Init Duration: {self.init_ms:.2f} ms")
        if self.error is not None:
            fields.append(self.error.status())
        error_lines = self.error.log_lines(self.request_id) if self.error else ""
        return f"{error_lines}END RequestId: {self.request_id}\n" + "\t".join(fields) + "\t\n"
