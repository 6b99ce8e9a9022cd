"""The function under test: it does what its event says. It runs on LocalStack only."""

import logging
import os
import signal
import sys
import tempfile
import time
from pathlib import Path

print("loaded")  # the log of the loading must reach the caller
CALLS = 0


def handle(event, context):
    """Dispatches by ``event["do"]``."""
    global CALLS
    CALLS += 1
    action = globals()[event.get("do", "describe")]
    return action(event, context)


def describe(event, context):
    """Says where the handler runs."""
    return {
        "event": event,
        "pid": os.getpid(),
        "calls": CALLS,
        "env": dict(os.environ),
        "cwd": os.getcwd(),
        "tmp": tempfile.gettempdir(),
        "python": sys.version.split()[0],
        "request_id": context.aws_request_id,
        "arn": context.invoked_function_arn,
        "memory_mb": context.memory_limit_in_mb,
        "remaining_ms": context.get_remaining_time_in_millis(),
        "path": sys.path[:2],
    }


def say(event, context):
    print("printed by the handler")
    logging.getLogger().warning("logged by the handler")
    sys.stderr.write("no newline at the end")
    return None


def fail(event, context):
    raise ValueError("nothing adds up")


def leave(event, context):
    sys.exit(event.get("status", 3))


def leave_at_once(event, context):
    os._exit(event["status"])


def kill_self(event, context):
    os.kill(os.getpid(), event.get("signal", signal.SIGKILL))
    time.sleep(30)


def sleep(event, context):
    began = time.time()
    time.sleep(event["seconds"])
    return {"began": began, "ended": time.time(), "pid": os.getpid(), "tmp": tempfile.gettempdir()}


def spin(event, context):
    """Works without pause, and starts a child that does so, too."""
    if os.fork() == 0:
        while True:
            pass
    while True:
        pass


def swallow(event, context):
    held = []
    while True:
        held.append(b"x" * (8 << 20))


def hold_briefly(event, context):
    """Holds more than it may for an instant, and lets go of it before it answers."""
    held = b"x" * (event["mb"] << 20)
    return len(held)


def answer_large(event, context):
    return "x" * event["bytes"]


def write_file(event, context):
    path = Path(tempfile.gettempdir()) / "mark"
    before = path.read_text() if path.exists() else None
    path.write_text(event["text"])
    return before


def import_module(event, context):
    __import__(event["name"])


def count_in_s3(event, context):
    """Uses the endpoint that the environment names, as the product's handlers do."""
    import boto3

    client = boto3.client("s3")
    client.put_object(Bucket=event["bucket"], Key=f"attempt/{context.aws_request_id}/{time.time_ns()}", Body=b"")
    if event.get("fails"):
        raise RuntimeError("on purpose")
    return "done"
