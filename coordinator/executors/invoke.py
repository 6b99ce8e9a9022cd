"""One Invoke of a Lambda function over HTTP, and what its answer means.

The request is signed by botocore's own signer, without the layers of a client around it, and nothing is retried here:
botocore would invoke a slow function a second and a third time. `coordinator.executors.fly` sends it; the `Invoker`
here sends it over botocore's connection pool, a thread for each, where there is a proxy to be passed (ADR 0030).
"""

import base64
import binascii
import re
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import quote

import msgspec

from coordinator.endpoint import Endpoint
from coordinator.executors.fan_out import ThreadCrew
from coordinator.executors.retry import Failure, Kind
from mycelium.tracing import trace_headers
from mycelium.wire import MAX_EVENT_BYTES

T = TypeVar("T")
R = TypeVar("R")

CONNECT_TIMEOUT_S = 10.0

READ_MARGIN_S = 30.0
"""How much longer an answer is waited for than the function may run: its start is not part of its timeout."""

KEEP_ALIVE_S = 60
"""Idle seconds after which a TCP probe goes out: NAT gateways forget a connection after 350."""

_REPORT = {
    "billed_ms": re.compile(r"Billed Duration: (\d+) ms"),
    "memory_mb": re.compile(r"Max Memory Used: (\d+) MB"),
    "limit_mb": re.compile(r"\tMemory Size: (\d+) MB"),
    "init_ms": re.compile(r"Init Duration: ([\d.]+) ms"),
}


@dataclass(frozen=True, slots=True)
class Report:
    """What the platform reports of one invocation, in the last line of its log.

    Attributes:
        billed_ms: billed duration, the start included.
        memory_mb: the most memory that the environment has used.
        limit_mb: the memory it may use.
        init_ms: how long its start took; 0 where it was warm.
    """

    billed_ms: int = 0
    memory_mb: int = 0
    limit_mb: int = 0
    init_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back from one invocation.

    Attributes:
        status: the HTTP status; 0 where none came.
        body: the answer, or the error as JSON.
        function_error: whether the function failed.
        report: the platform's.
        error_type: the service's name for its error.
        broken: why no answer came.
    """

    status: int
    body: bytes = b""
    function_error: bool = False
    report: Report = field(default_factory=Report)
    error_type: str = ""
    broken: Failure | None = None


class Invoker:
    """Invokes functions over botocore's pool, from any number of threads."""

    def __init__(self, endpoint: Endpoint, max_connections: int, timeout_s: float) -> None:
        """Make the pool of connections.

        Args:
            endpoint: where Lambda is.
            max_connections: connections kept open.
            timeout_s: how long a function may run; an answer is waited for longer.
        """
        from botocore.httpsession import URLLib3Session  # noqa: PLC0415 - only the cloud pays for it

        self._endpoint = endpoint
        self._session: Any = URLLib3Session(
            verify=endpoint.verify,
            proxies=dict(endpoint.proxies),
            timeout=(CONNECT_TIMEOUT_S, timeout_s + READ_MARGIN_S),
            max_pool_connections=max_connections,
            socket_options=keep_alive_options(),
        )

    def invoke(self, function: str, event: bytes) -> Reply:
        """Invoke a function and wait for its answer; every failure comes back as a reply."""
        from botocore.exceptions import BotoCoreError, ReadTimeoutError  # noqa: PLC0415 - only the cloud pays for it

        failure = refuse_event(event)
        request = failure or sign_invoke(self._endpoint, function, event)
        if isinstance(request, Failure):
            return Reply(0, broken=request)
        try:
            answer = self._session.send(request.prepare())
        except ReadTimeoutError as error:
            return Reply(0, broken=Failure(Kind.TIMEOUT, _one_line(error)))
        except BotoCoreError as error:
            return Reply(0, broken=Failure(Kind.SERVICE, _one_line(error)))
        return read_reply(answer.status_code, answer.headers, answer.content)

    def fly(self, function: str, encode: Callable[[T], bytes], land: Callable[[Reply], R]) -> ThreadCrew[T, R]:
        """Return a crew of threads that invokes a function for each item.

        Args:
            function: its name.
            encode: an item to its event.
            land: a reply to the answer.
        """
        return ThreadCrew(lambda item: land(self.invoke(function, encode(item))))

    def close(self) -> None:
        """Close the connections that are idle."""
        self._session.close()


def refuse_event(event: bytes) -> Failure | None:
    """Return why an event is not sent at all; None if it can be."""
    if len(event) <= MAX_EVENT_BYTES:
        return None
    said = f"its event has {len(event)} bytes, and a synchronous invocation takes {MAX_EVENT_BYTES}"
    return Failure(Kind.TOO_LARGE, said)


def sign_invoke(endpoint: Endpoint, function: str, event: bytes) -> Any:  # noqa: ANN401 - botocore is not typed
    """Return the signed request of one Invoke, botocore's; a `Failure` if there is nothing to sign it with."""
    from botocore.auth import SigV4Auth  # noqa: PLC0415 - only the cloud pays for it
    from botocore.awsrequest import AWSRequest  # noqa: PLC0415
    from botocore.exceptions import BotoCoreError  # noqa: PLC0415

    url = f"{endpoint.url}/2015-03-31/functions/{quote(function, safe='')}/invocations"
    headers = {"X-Amz-Log-Type": "Tail", "Content-Type": "application/json", **trace_headers(endpoint.trace_id)}
    request = AWSRequest("POST", url, data=event, headers=headers)
    try:
        SigV4Auth(endpoint.credentials, "lambda", endpoint.region).add_auth(request)
    except BotoCoreError as error:
        return Failure(Kind.SERVICE, _one_line(error))
    return request


def judge_reply(reply: Reply) -> Failure | None:
    """Return what kind of failure a reply is; None if the function answered."""
    if reply.broken is not None:
        return reply.broken
    if reply.status >= 300:
        return _judge_service(reply)
    return _judge_function(reply) if reply.function_error else None


def parse_report(tail: str) -> Report:
    """Read the platform's report in a log tail, base64 as the header has it; what is missing stays 0."""
    try:
        text = base64.b64decode(tail).decode(errors="replace")
    except binascii.Error:
        return Report()
    found = {name: re_.search(text) for name, re_ in _REPORT.items()}
    number = {name: float(match[1]) if match else 0.0 for name, match in found.items()}
    return Report(int(number["billed_ms"]), int(number["memory_mb"]), int(number["limit_mb"]), number["init_ms"])


def _judge_service(reply: Reply) -> Failure:
    name = reply.error_type or f"HTTP {reply.status}"
    said = f"{name}: {_field(reply.body, 'Message', 'message') or 'no message'}"
    # The network interfaces and the machines behind a function run short as its concurrency does.
    if reply.status == 429 or name in {"EC2ThrottledException", "ENILimitReachedException"}:
        return Failure(Kind.THROTTLED, said)
    # 409: the function is being started after a long rest, or deployed anew at this moment.
    if reply.status >= 500 or reply.status == 409:
        return Failure(Kind.SERVICE, said)
    if reply.status == 413:
        return Failure(Kind.TOO_LARGE, said)
    return Failure(Kind.REFUSED, said, name)


def _judge_function(reply: Reply) -> Failure:
    """Tell how a function failed, by what the runtime and the platform call it."""
    name, said = _field(reply.body, "errorType"), _field(reply.body, "errorMessage") or "no message"
    said = said.strip().splitlines()[0][:500]
    used = f" ({reply.report.memory_mb} of {reply.report.limit_mb} MB used)" if reply.report.limit_mb else ""
    if name == "Sandbox.Timedout" or "Task timed out after" in said:
        return Failure(Kind.TIMEOUT, f"{said}: raise the stage's timeout_s, or make its chunks smaller")
    # Not by the memory used: Lambda reports the most that any invocation of this environment ever held, so a process
    # that merely exits where another once ran out of memory would look like that one.
    killed = name == "Runtime.ExitError" and ("signal: killed" in said or said.endswith("exit status 137"))
    if killed or name in {"Runtime.OutOfMemory", "MemoryError"}:
        return Failure(Kind.MEMORY, f"out of memory{used}: raise the stage's memory_mb, or make its chunks smaller")
    if name == "Runtime.ExitError":
        return Failure(Kind.CRASH, f"the function's process died: {said}{used}")
    if name == "Function.ResponseSizeTooLarge" or "Response payload size" in said:
        return Failure(Kind.TOO_LARGE, f"its answer is larger than Lambda lets through: {said}")
    if name in {"StoreNotAvailableError", "StoreError"}:
        return Failure(Kind.STORE, said)
    return Failure(Kind.HANDLER, f"the function failed: {name or 'error'}: {said}", name or None)


def read_reply(status: int, headers: Any, body: bytes) -> Reply:  # noqa: ANN401 - two libraries' headers
    """Return a reply from an HTTP answer; its headers are found whatever their case."""
    return Reply(
        status=status,
        body=body,
        function_error="X-Amz-Function-Error" in headers,
        report=parse_report(headers.get("X-Amz-Log-Result", "")),
        error_type=headers.get("x-amzn-ErrorType", "").partition(":")[0],
    )


def _field(body: bytes, *names: str) -> str:
    try:
        fields = msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    return next((str(fields[name]) for name in names if fields.get(name)), "")


def _one_line(error: Exception) -> str:
    return (str(error).splitlines() or [repr(error)])[0][:500]


def keep_alive_options() -> list[tuple[int, int, int]]:
    """Return the socket options that keep a silent connection open for as long as a function runs."""
    options = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1), (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)]
    idle = getattr(socket, "TCP_KEEPIDLE", None)  # Linux's name; elsewhere the system's default holds
    return [*options, (socket.IPPROTO_TCP, idle, KEEP_ALIVE_S)] if idle is not None else options
