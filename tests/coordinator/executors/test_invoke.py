"""One Invoke over HTTP: sent once, kept alive, and its answer understood."""

import json
import socket
import threading
import time
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from botocore.credentials import Credentials

from coordinator.endpoint import Endpoint
from coordinator.executors import invoke
from coordinator.executors.invoke import (
    Invoker,
    Reply,
    Report,
    judge_reply,
    parse_report,
    sign_invoke,
)
from coordinator.executors.retry import Kind
from mycelium.wire import MAX_EVENT_BYTES
from tests.coordinator.executors.stub import FUNCTION, StubCloud


def make_reply(name: str, message: str, *, limit_mb: int = 0, memory_mb: int = 0) -> Reply:
    body = json.dumps({"errorType": name, "errorMessage": message}).encode()
    return Reply(200, body, function_error=True, report=Report(memory_mb=memory_mb, limit_mb=limit_mb))


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (make_reply("Sandbox.Timedout", "RequestId: 1 Error: Task timed out after 3.00 seconds"), Kind.TIMEOUT),
        (make_reply("", "2026-11-20T10:00:00Z 1 Task timed out after 3.00 seconds"), Kind.TIMEOUT),
        (make_reply("Runtime.ExitError", "Runtime exited with error: signal: killed"), Kind.MEMORY),
        (make_reply("Runtime.ExitError", "exit status 137", limit_mb=128, memory_mb=128), Kind.MEMORY),
        (make_reply("Runtime.ExitError", "exit status 1", limit_mb=128, memory_mb=90), Kind.CRASH),
        # The figure is of the environment, in which another invocation may have run out of memory before.
        (make_reply("Runtime.ExitError", "exit status 3", limit_mb=128, memory_mb=128), Kind.CRASH),
        (make_reply("Runtime.OutOfMemory", ""), Kind.MEMORY),
        (make_reply("MemoryError", "Unable to allocate 2 GiB"), Kind.MEMORY),
        (make_reply("Function.ResponseSizeTooLarge", "Response payload size exceeded"), Kind.TOO_LARGE),
        (make_reply("StoreNotAvailableError", "there is no bucket b"), Kind.STORE),
        (make_reply("Runtime.ImportModuleError", "No module named numpy"), Kind.HANDLER),
        (Reply(200, b"not json", function_error=True), Kind.HANDLER),
        (Reply(429, b'{"Reason": "ConcurrentInvocationLimitExceeded"}'), Kind.THROTTLED),
        (Reply(502, b"{}", error_type="EC2ThrottledException"), Kind.THROTTLED),
        (Reply(502, b"<html>"), Kind.SERVICE),
        (Reply(409, b"{}", error_type="ResourceConflictException"), Kind.SERVICE),
        (Reply(413, b"{}"), Kind.TOO_LARGE),
        (Reply(403, b"{}", error_type="ExpiredTokenException"), Kind.REFUSED),
        (Reply(404, b"{}"), Kind.REFUSED),
        (Reply(200, b"{}"), None),
    ],
)
def test_every_reply_is_of_one_kind(reply: Reply, kind: Kind | None) -> None:
    failure = judge_reply(reply)
    assert (failure.kind if failure else None) is kind
    assert failure is None or "\n" not in failure.message


def test_an_event_larger_than_lambda_takes_is_not_sent(cloud: StubCloud) -> None:
    invoker = Invoker(Endpoint(cloud.url, "us-east-1", Credentials("a", "b")), 1, 5)
    failure = judge_reply(invoker.invoke(FUNCTION, b" " * (MAX_EVENT_BYTES + 1)))
    assert failure is not None
    assert failure.kind is Kind.TOO_LARGE
    assert cloud.invoked == []
    invoker.close()


def test_connections_are_kept_alive_and_send_at_once() -> None:
    options = {(level, name): value for level, name, value in invoke.keep_alive_options()}
    assert options[socket.SOL_SOCKET, socket.SO_KEEPALIVE] == 1
    assert options[socket.IPPROTO_TCP, socket.TCP_NODELAY] == 1


def test_a_log_tail_without_a_report_counts_nothing() -> None:
    assert parse_report("") == parse_report("%%%") == parse_report("aGVsbG8=") == Report()


def test_a_service_slower_than_the_read_timeout_is_invoked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sent by a client of botocore it would be three invocations."""
    asked: list[float] = []
    release = threading.Event()

    class Slow(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(time.monotonic())
            release.wait(5)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the server's name for it
            pass

    monkeypatch.setattr(invoke, "READ_MARGIN_S", 0.1)
    with ThreadingHTTPServer(("127.0.0.1", 0), Slow) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        endpoint = Endpoint(f"http://127.0.0.1:{server.server_port}", "us-east-1", Credentials("a", "b"))
        failure = judge_reply(Invoker(endpoint, 1, 0.2).invoke("f", b"{}"))
        release.set()
        server.shutdown()
    assert failure is not None
    assert failure.kind is Kind.TIMEOUT
    assert len(asked) == 1


def test_an_endpoint_that_is_not_there_is_a_failure_that_may_heal() -> None:
    endpoint = Endpoint("http://127.0.0.1:9", "us-east-1", Credentials("a", "b"))
    failure = judge_reply(Invoker(endpoint, 1, 1).invoke("f", b"{}"))
    assert failure is not None
    assert failure.kind is Kind.SERVICE


def test_a_trace_goes_with_the_request_and_is_no_part_of_its_signature() -> None:
    trace_id = "1-5759e988-bd862e3fe1be46a994272793"
    plain = Endpoint("http://127.0.0.1:9", "us-east-1", Credentials("a", "b"))
    signed = sign_invoke(replace(plain, trace_id=trace_id), FUNCTION, b"{}")
    assert signed.headers["X-Amzn-Trace-Id"] == f"Root={trace_id}"
    assert "trace" not in signed.headers["Authorization"]
    assert "X-Amzn-Trace-Id" not in sign_invoke(plain, FUNCTION, b"{}").headers
