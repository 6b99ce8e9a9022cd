"""The doors of the Lambda functions: event in, task or reduce run, answer out. They decide nothing."""

import base64
from functools import cache
from typing import Any

import msgspec

from lambdas.stages import find_stage
from mycelium.logs import log_task
from mycelium.reduce import reduce_encoded
from mycelium.store import open_store
from mycelium.task import run_task
from mycelium.wire import ReduceCall, TaskCall, answer_part, answer_task, is_part_key

_open = cache(open_store)  # one store, and so one client, for each URI and environment; none at import


def handle_task(event: dict[str, Any], context: object) -> Any:  # noqa: ANN401 - JSON, as the runtime wants it
    """Run the task of a `mycelium.wire.TaskCall`; answer a `mycelium.wire.Answer`."""
    call = msgspec.convert(event, TaskCall)
    with log_task(call, context) as log:
        stage, target = find_stage(call.task.stage), _open(call.target_uri)
        params = msgspec.convert(call.task.params, type(stage.params))
        result = run_task(call.task, stage, params, _open(call.source_uri), target)
        log.finish(result.outcome)
    return msgspec.to_builtins(answer_task(call, result, target))


def handle_reduce(event: dict[str, Any], context: object) -> Any:  # noqa: ANN401 - JSON, as the runtime wants it
    """Reduce the parts of a `mycelium.wire.ReduceCall`; answer a `mycelium.wire.Answer`."""
    del context
    call = msgspec.convert(event, ReduceCall)
    store = _open(call.source_uri)
    parts = (store.get(part) if is_part_key(part) else base64.b64decode(part) for part in call.parts)
    reduced = reduce_encoded(find_stage(call.stage), parts, asks=call.asks)
    return msgspec.to_builtins(answer_part(reduced, call.out_key, store))
