"""Lambda and Step Functions on the loopback address: real HTTP, the real handlers, and faults by a script.

What the services answer was taken from their API references; what each fault looks like, from the same.
"""

import base64
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import boto3

from lambdas import handler

Fault = str
Script = Callable[[str, int], Fault | None]
"""Chunk and how often it was invoked, from 1, to the fault that this invocation has."""

FUNCTION = "mycelium-heartbeat"
REDUCE_FUNCTION = "mycelium-reduce"
MACHINE = "arn:aws:states:us-east-1:123456789012:stateMachine:mycelium-map"

_SERVICE_FAULTS: dict[Fault, tuple[int, str, str]] = {
    "throttle": (429, "TooManyRequestsException", "Rate Exceeded."),
    "service": (500, "ServiceException", "Internal failure."),
    "refuse": (403, "AccessDeniedException", "no identity-based policy allows lambda:InvokeFunction"),
    "gone": (404, "ResourceNotFoundException", "Function not found"),
}

_FUNCTION_FAULTS: dict[Fault, tuple[str, str]] = {
    "crash": ("Runtime.ExitError", "RequestId: 1 Error: Runtime exited with error: exit status 1"),
    "killed": ("Runtime.ExitError", "RequestId: 1 Error: Runtime exited with error: signal: killed"),
    "memory": ("Runtime.OutOfMemory", "RequestId: 1 Error: Runtime exited with error: signal: killed"),
    "timeout": ("Sandbox.Timedout", "RequestId: 1 Error: Task timed out after 3.00 seconds"),
    "too large": (
        "Function.ResponseSizeTooLarge",
        "Response payload size exceeded maximum allowed payload size (6291556 bytes).",
    ),
    "raise": ("KeyError", "'boom'"),
    "store away": ("StoreNotAvailableError", "s3://bucket refuses these AWS credentials (AccessDenied)"),
}


@dataclass
class StubCloud:
    """What was asked of the stub, and how it answers.

    Attributes:
        url: the endpoint of both services.
        script: the faults.
        invoked: the chunks of every invocation of a task, in order, throttled ones included.
        ran: the chunks whose handler was run.
        reduces: invocations of the reduce.
        executions: state of each execution, by ARN.
        inputs: what each execution was started with, as text.
        delay_s: how long every invocation takes beside its work.
        limit: invocations that may run at a time; more are throttled.
        hold: an execution does nothing until this is set.
    """

    url: str = ""
    script: Script = lambda _chunk_id, _attempt: None
    invoked: list[str] = field(default_factory=list)
    ran: list[str] = field(default_factory=list)
    reduces: int = 0
    executions: dict[str, str] = field(default_factory=dict)
    inputs: list[str] = field(default_factory=list)
    delay_s: float = 0.0
    limit: int = 1_000_000
    hold: threading.Event = field(default_factory=threading.Event)
    running: int = 0
    most_running: int = 0
    lock: threading.RLock = field(default_factory=threading.RLock)

    def invoke(self, function: str, event: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
        """Answer one Invoke as Lambda does: status, headers, body."""
        if function == REDUCE_FUNCTION:
            with self.lock:
                self.reduces += 1
            return self._run(handler.handle_reduce, event, event["source_uri"])
        chunk_id = event["task"]["chunk_id"]
        with self.lock:
            self.invoked.append(chunk_id)
            fault = self.script(chunk_id, Counter(self.invoked)[chunk_id])
            if self.running >= self.limit:
                fault = "throttle"
        if fault in _SERVICE_FAULTS:
            status, name, message = _SERVICE_FAULTS[fault]
            return status, {"x-amzn-ErrorType": f"{name}:http://internal/"}, json.dumps({"Message": message}).encode()
        if fault in _FUNCTION_FAULTS:
            return _fail(*_FUNCTION_FAULTS[fault])
        with self.lock:
            self.ran.append(chunk_id)
            self.running += 1
            self.most_running = max(self.most_running, self.running)
        try:
            time.sleep(self.delay_s)
            return self._run(handler.handle_task, event, event["source_uri"], event["target_uri"])
        finally:
            with self.lock:
                self.running -= 1

    def _run(self, handle: Callable[[Any, object], Any], event: Any, *uris: str) -> tuple[int, dict[str, str], bytes]:
        with self.lock:  # an environment runs one event at a time, and never makes two clients at once
            for uri in uris:
                handler._open(uri)
        try:
            body = json.dumps(handle(event, None)).encode()
        except Exception as error:  # noqa: BLE001 - as the runtime does
            return _fail(type(error).__name__, str(error))
        return 200, _log_tail(), body

    def answer_states(self, action: str, asked: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Answer one request to Step Functions."""
        if action == "DescribeExecution":
            arn = asked["executionArn"]
            if arn not in self.executions:
                return 400, {"__type": "ExecutionDoesNotExist", "message": f"Execution Does Not Exist: '{arn}'"}
            return 200, {"executionArn": arn, "status": self.executions[arn], "startDate": 0}
        if asked["stateMachineArn"] != MACHINE:
            return 400, {"__type": "StateMachineDoesNotExist", "message": "State Machine Does Not Exist"}
        arn = f"{MACHINE.replace(':stateMachine:', ':execution:')}:{asked['name']}"
        with self.lock:
            if self.executions.get(arn, "RUNNING") != "RUNNING":
                return 400, {"__type": "ExecutionAlreadyExists", "message": f"Execution Already Exists: '{arn}'"}
            if arn not in self.executions:
                self.executions[arn] = "RUNNING"
                self.inputs.append(asked["input"])
                threading.Thread(target=self._map, args=(arn, json.loads(asked["input"])), daemon=True).start()
        return 200, {"executionArn": arn, "startDate": 0}

    def _map(self, arn: str, given: dict[str, Any]) -> None:
        """Be the Distributed Map: a failed child fails nothing."""
        body = boto3.client("s3").get_object(Bucket=given["bucket"], Key=given["items_key"])["Body"].read()
        self.hold.wait(30)
        with ThreadPoolExecutor(min(8, given["max_concurrency"])) as pool:
            for status, _, answer in pool.map(lambda item: self.invoke(given["function"], item), json.loads(body)):
                assert status != 200 or len(answer) < 256 * 1024, "a step's answer has 256 KB at most"
        self.executions[arn] = "SUCCEEDED"


def _fail(name: str, message: str) -> tuple[int, dict[str, str], bytes]:
    body = json.dumps({"errorType": name, "errorMessage": message, "requestId": "1"}).encode()
    return 200, {"X-Amz-Function-Error": "Unhandled", **_log_tail()}, body


def _log_tail() -> dict[str, str]:
    log = (
        "START RequestId: 1 Version: $LATEST\nEND RequestId: 1\nREPORT RequestId: 1\tDuration: 12.34 ms\t"
        "Billed Duration: 113 ms\tMemory Size: 1769 MB\tMax Memory Used: 151 MB\tInit Duration: 100.25 ms\t\n"
    )
    return {"X-Amz-Log-Result": base64.b64encode(log.encode()).decode()}


@contextmanager
def serve_stub() -> Iterator[StubCloud]:
    """Serve a stub until the block ends."""
    cloud = StubCloud()
    cloud.hold.set()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            target = self.headers.get("X-Amz-Target", "")
            if target:
                status, answer = cloud.answer_states(target.partition(".")[2], asked)
                headers, body = {"x-amzn-RequestId": "1"}, json.dumps(answer).encode()
            else:
                status, headers, body = cloud.invoke(self.path.split("/")[3], asked)
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the server's name for it
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 256

        def handle_error(self, request: object, client_address: object) -> None:
            pass  # a killed coordinator takes no answer

    with Server(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        cloud.url = f"http://127.0.0.1:{server.server_port}"
        yield cloud
        server.shutdown()
