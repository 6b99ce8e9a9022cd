"""The Lambda Runtime API (version 2018-06-01), served on loopback to one child.

Source: AWS Lambda developer guide, "Using the Lambda runtime API for custom runtimes". Extensions, response
streaming and SnapStart are not served.
"""

import json
import socket
import socketserver
import threading
from collections.abc import Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from queue import SimpleQueue
from typing import Final

from localstack_process_executor.events import Answered, AnswerTooLarge, Event, InitFailed, Invocation, Ready

_PREFIX: Final = "/2018-06-01/runtime"
# A response is read to its end even when refused, or the runtime would see a broken pipe instead of the
# refusal; this bounds what is read for that.
_MAX_READ_BYTES: Final = 1 << 30
_BLOCK_BYTES: Final = 1 << 16


class RuntimeApi:
    """Serves the Runtime API to one child, and turns what the child says into events.

    Args:
        events: Where the events go.
        max_response_bytes: The largest response that is let through.
    """

    def __init__(self, events: "SimpleQueue[Event]", *, max_response_bytes: int) -> None:
        self.max_response_bytes = max_response_bytes
        self._events = events
        self._inbox: SimpleQueue[Invocation | None] = SimpleQueue()
        self._current: Invocation | None = None
        self._closed = False
        self._server = _Server(("127.0.0.1", 0), self)
        threading.Thread(target=self._serve, name="lambda-runtime-api", daemon=True).start()

    @property
    def address(self) -> str:
        """What AWS_LAMBDA_RUNTIME_API says: host and port."""
        host, port = self._server.server_address[:2]
        return f"{host!s}:{port}"

    def offer(self, invocation: Invocation) -> None:
        """Gives an invocation to the child, now or as soon as it asks."""
        self._inbox.put(invocation)

    def close(self) -> None:
        """Stops serving; a child that waits is told that there is no more."""
        if self._closed:
            return
        self._closed = True
        self._inbox.put(None)
        self._server.wake_up()

    def next_invocation(self) -> Invocation | None:
        """Waits until there is an invocation, or (None) no more will come."""
        self._current = None
        self._events.put(Ready())
        self._current = self._inbox.get()
        return self._current

    def accept_answer(self, request_id: str, body: bytes, size: int, *, is_error: bool) -> bool:
        """Takes what the handler answered; false when no invocation of that id is under way."""
        if self._current is None or self._current.request_id != request_id:
            return False
        if size > self.max_response_bytes:
            self._events.put(AnswerTooLarge(self.max_response_bytes))
        else:
            self._events.put(Answered(body, is_error))
        return True

    def accept_init_error(self, body: bytes) -> None:
        """Takes what went wrong while the handler was loaded."""
        self._events.put(InitFailed(body))

    def _serve(self) -> None:
        with self._server:
            while not self._closed:
                self._server.handle_request()


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, address: tuple[str, int], api: RuntimeApi) -> None:
        self.api = api
        super().__init__(address, _Handler)

    def wake_up(self) -> None:
        """Ends the wait for a connection by making one."""
        try:
            socket.create_connection(self.server_address[:2], timeout=1).close()  # type: ignore[arg-type]
        except OSError:
            return  # It is closed already, which is what was wanted.

    def handle_error(self, request: object, client_address: object) -> None:
        """Says nothing: a connection breaks whenever a child is killed, and the sandbox reports that."""


class _Handler(BaseHTTPRequestHandler):
    """The five paths of the API."""

    protocol_version = "HTTP/1.1"
    # One packet per answer, sent at once: two small ones would wait 40 ms for each other's acknowledgement.
    wbufsize = -1
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        """Answers `next`, when there is something to answer."""
        if self.path != f"{_PREFIX}/invocation/next":
            self._answer(HTTPStatus.NOT_FOUND, _error("UnknownPath", self.path))
            return
        invocation = self.server.api.next_invocation()
        if invocation is None:
            self.close_connection = True
            return
        self._answer(
            HTTPStatus.OK,
            invocation.payload,
            {
                "Lambda-Runtime-Aws-Request-Id": invocation.request_id,
                "Lambda-Runtime-Invoked-Function-Arn": invocation.function_arn,
                "Lambda-Runtime-Deadline-Ms": str(invocation.deadline_ms),
                "Lambda-Runtime-Trace-Id": invocation.trace_id,
            },
        )

    def do_POST(self) -> None:
        """Takes `response`, `error` and `init/error`."""
        body, size = self._read_body()
        if self.path == f"{_PREFIX}/init/error":
            self.server.api.accept_init_error(body)
            self._answer(HTTPStatus.ACCEPTED, b'{"status":"OK"}')
            return
        parts = self.path.removeprefix(f"{_PREFIX}/invocation/").split("/")
        if len(parts) != 2 or parts[1] not in {"response", "error"}:
            self._answer(HTTPStatus.NOT_FOUND, _error("UnknownPath", self.path))
        elif not self.server.api.accept_answer(parts[0], body, size, is_error=parts[1] == "error"):
            self._answer(HTTPStatus.BAD_REQUEST, _error("InvalidRequestID", "Invalid request ID"))
        elif size > self.server.api.max_response_bytes:
            message = f"Exceeded maximum allowed payload size ({self.server.api.max_response_bytes} bytes)."
            self._answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, _error("RequestEntityTooLarge", message))
        else:
            self._answer(HTTPStatus.ACCEPTED, b'{"status":"OK"}')

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it
        """Says nothing: the child's stderr is the function's log."""

    def _answer(self, status: HTTPStatus, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def _read_body(self) -> tuple[bytes, int]:
        """Reads the body.

        Returns:
            The body, cut just after what is let through, and the number of bytes that it had.
        """
        kept = bytearray()
        size = 0
        keep = self.server.api.max_response_bytes
        for block in _blocks(self):
            size += len(block)
            kept += block[: max(0, keep - len(kept))]
            if size > _MAX_READ_BYTES:
                self.close_connection = True
                break
        return bytes(kept), size


def _blocks(handler: BaseHTTPRequestHandler) -> Iterator[bytes]:
    """The body of a request, block by block, whichever way its length is told."""
    if handler.headers.get("Transfer-Encoding", "").lower() != "chunked":
        yield from _read(handler, int(handler.headers.get("Content-Length") or 0))
        return
    # Bounded: each chunk has at least one byte, and who reads stops at a limit.
    while size := int(handler.rfile.readline(64).split(b";")[0].strip() or b"0", 16):
        yield from _read(handler, size)
        handler.rfile.readline(8)
    # The runtime client sends no trailers, so what is left is an empty line.
    handler.rfile.readline(8)


def _read(handler: BaseHTTPRequestHandler, size: int) -> Iterator[bytes]:
    while size > 0:
        block = handler.rfile.read(min(size, _BLOCK_BYTES))
        if not block:
            return
        size -= len(block)
        yield block


def _error(error_type: str, message: str) -> bytes:
    return json.dumps({"errorMessage": message, "errorType": error_type}).encode()
