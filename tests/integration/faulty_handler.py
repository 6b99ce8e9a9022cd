"""The heartbeat's function, with faults by a table: what a function of the tests runs in place of the real handler.

It stands in a copy of the real function's zip, and hands on to the real handler what is to go well.
"""

import json
import os
import time
from typing import Any

from lambdas.handler import handle_task as handle_well


def handle_task(event: dict[str, Any], context: object) -> Any:
    """Do a task, or come to grief as the environment says."""
    chunk_id = event["task"]["chunk_id"]
    print(f"asked for chunk {chunk_id}", flush=True)  # noqa: T201 - the tests count these in the function's log
    time.sleep(float(os.environ.get("DELAY_S", "0")))
    fault = json.loads(os.environ.get("FAULTS", "{}")).get(chunk_id)
    if fault == "crash":
        os._exit(3)
    if fault == "hang":
        time.sleep(600)
    if fault == "memory":
        held = [bytearray(b"x" * (64 << 20)) for _ in range(64)]
        return len(held)
    if fault == "too large":
        return {"part": "x" * 7_000_000}
    if fault == "raise":
        raise KeyError("boom")
    return handle_well(event, context)
