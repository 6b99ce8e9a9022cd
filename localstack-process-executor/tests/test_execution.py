"""The handlers really run, and what goes wrong looks as on AWS."""

import json
import os
import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError, WaiterError
from conftest import Function, zipped

MakeFunction = Callable[..., Function]
Clients = Callable[[str], Any]


def test_a_handler_runs_in_its_own_process_and_sees_what_aws_shows_it(make_function: MakeFunction) -> None:
    function = make_function(Environment={"Variables": {"COLOUR": "blue"}})
    answer = function.invoke({"n": 1})
    assert answer.error is None
    seen = answer.payload
    assert seen["event"] == {"n": 1}
    assert seen["pid"] != os.getpid()
    assert seen["python"].startswith("3.13")
    assert seen["memory_mb"] == "256"
    assert 0 < seen["remaining_ms"] <= 30_000
    assert seen["arn"].endswith(f":function:{function.name}")
    assert seen["path"][0] == seen["cwd"] == seen["env"]["LAMBDA_TASK_ROOT"]
    env = seen["env"]
    assert env["COLOUR"] == "blue"
    assert env["AWS_LAMBDA_FUNCTION_NAME"] == function.name
    assert env["AWS_EXECUTION_ENV"] == "AWS_Lambda_python3.13"
    assert env["AWS_ENDPOINT_URL"].startswith("http://127.0.0.1:")
    assert "LAMBDA_RUNTIME_EXECUTOR" not in env, "LocalStack's own settings must not leak into the function"


def test_a_function_finds_boto3_and_no_package_of_localstacks(function: Function) -> None:
    assert function.invoke({"do": "import_module", "name": "boto3"}).error is None
    assert function.invoke({"do": "import_module", "name": "moto"}).payload["errorType"] == "ModuleNotFoundError"


def test_an_environment_is_used_again(make_function: MakeFunction) -> None:
    function = make_function()
    first, second = function.invoke(), function.invoke()
    assert first.payload["pid"] == second.payload["pid"]
    assert (first.payload["calls"], second.payload["calls"]) == (1, 2)
    assert "Init Duration" in first.report
    assert "Init Duration" not in second.report


def test_the_log_tail_is_the_platforms_and_the_handlers(make_function: MakeFunction) -> None:
    function = make_function()
    answer = function.invoke({"do": "say"})
    lines = answer.log.splitlines()
    request_id = answer.report["RequestId"]
    assert lines[0].startswith("INIT_START")
    assert lines[1] == "loaded"
    assert lines[2] == f"START RequestId: {request_id} Version: $LATEST"
    assert lines[3] == "printed by the handler"
    assert re.fullmatch(rf"\[WARNING\]\t\S+Z\t{request_id}\tlogged by the handler", lines[4])
    assert lines[5] == "no newline at the end"
    assert lines[6] == f"END RequestId: {request_id}"
    report = answer.report
    duration, init = (float(report[name].removesuffix(" ms")) for name in ("Duration", "Init Duration"))
    assert int(report["Billed Duration"].removesuffix(" ms")) == pytest.approx(duration + init, abs=1.01)
    assert report["Memory Size"] == "256 MB"
    assert 10 <= int(report["Max Memory Used"].removesuffix(" MB")) <= 256


def test_the_log_reaches_cloudwatch(make_function: MakeFunction, client: Clients) -> None:
    function = make_function()
    function.invoke({"do": "say"})
    logs = client("logs")
    deadline = time.monotonic() + 20
    messages: list[str] = []
    while time.monotonic() < deadline and not any("printed by the handler" in message for message in messages):
        time.sleep(0.2)
        try:
            found = logs.filter_log_events(logGroupName=f"/aws/lambda/{function.name}")
        except logs.exceptions.ResourceNotFoundException:
            continue
        messages = [event["message"] for event in found["events"]]
    assert any("printed by the handler" in message for message in messages)


def test_an_exception_is_answered_with_its_type_message_and_trace(function: Function) -> None:
    answer = function.invoke({"do": "fail"})
    assert answer.error == "Unhandled"
    assert answer.payload["errorType"] == "ValueError"
    assert answer.payload["errorMessage"] == "nothing adds up"
    assert answer.payload["requestId"] == answer.report["RequestId"]
    assert any("in fail" in line for line in answer.payload["stackTrace"])
    assert "[ERROR] ValueError: nothing adds up\nTraceback (most recent call last):\n" in answer.log
    assert function.invoke().error is None, "an exception must not end the environment"


@pytest.mark.parametrize(
    ("event", "message"),
    [
        ({"do": "leave"}, "Runtime exited with error: exit status 3"),
        ({"do": "leave_at_once", "status": 1}, "Runtime exited with error: exit status 1"),
        ({"do": "leave_at_once", "status": 0}, "Runtime exited without providing a reason"),
        ({"do": "kill_self"}, "Runtime exited with error: signal: killed"),
        ({"do": "kill_self", "signal": 11}, "Runtime exited with error: signal: segmentation fault"),
    ],
)
def test_a_crash_is_an_exit_error_and_the_next_call_starts_afresh(
    function: Function, event: dict[str, object], message: str
) -> None:
    before = function.invoke().payload["pid"]
    answer = function.invoke(event)
    assert answer.error == "Unhandled"
    assert answer.payload["errorType"] == "Runtime.ExitError"
    assert answer.payload["errorMessage"] == f"RequestId: {answer.report['RequestId']} Error: {message}"
    assert answer.report["Status"] == "error"
    assert answer.report["Error Type"] == "Runtime.ExitError"
    assert function.invoke().payload["pid"] != before


def test_a_timeout_ends_the_process_and_all_it_started(make_function: MakeFunction) -> None:
    function = make_function(Timeout=1)
    pid = function.invoke().payload["pid"]
    began = time.monotonic()
    answer = function.invoke({"do": "spin"})
    assert 1.0 <= time.monotonic() - began < 4.0
    assert answer.payload["errorType"] == "Sandbox.Timedout"
    assert answer.payload["errorMessage"].endswith("Error: Task timed out after 1.00 seconds")
    assert "Task timed out after 1.00 seconds" in answer.log
    assert answer.report["Status"] == "timeout"
    assert answer.report["Duration"] == "1000.00 ms"
    assert not _group_exists(pid)
    assert function.invoke().error is None


def test_too_much_memory_ends_the_process(make_function: MakeFunction) -> None:
    function = make_function(MemorySize=128)
    answer = function.invoke({"do": "swallow"})
    assert answer.error == "Unhandled"
    assert answer.payload["errorType"] == "Runtime.OutOfMemory"
    assert answer.payload["errorMessage"].endswith("Error: Runtime exited with error: signal: killed")
    assert answer.report["Max Memory Used"] == "128 MB"
    assert answer.report["Error Type"] == "Runtime.OutOfMemory"
    assert function.invoke().error is None


def test_a_peak_shorter_than_the_sampling_is_noticed(make_function: MakeFunction) -> None:
    function = make_function(MemorySize=128)
    assert function.invoke({"do": "hold_briefly", "mb": 20}).payload == 20 << 20
    assert function.invoke({"do": "hold_briefly", "mb": 200}).payload["errorType"] == "Runtime.OutOfMemory"


def test_an_answer_of_more_than_6_mb_is_refused(function: Function) -> None:
    fits = function.invoke({"do": "answer_large", "bytes": 6 * 1024 * 1024})
    assert fits.error is None
    assert len(fits.payload) == 6 * 1024 * 1024
    refused = function.invoke({"do": "answer_large", "bytes": 6 * 1024 * 1024 + 200})
    assert refused.error == "Unhandled"
    assert refused.payload == {
        "errorType": "Function.ResponseSizeTooLarge",
        "errorMessage": "Response payload size exceeded maximum allowed payload size (6291556 bytes).",
    }
    assert function.invoke().error is None


@pytest.mark.parametrize(("invocation", "size"), [("RequestResponse", 6 << 20), ("Event", 1 << 20)])
def test_an_event_that_is_too_large_is_refused(function: Function, invocation: str, size: int) -> None:
    with pytest.raises(ClientError) as caught:
        function.client.invoke(FunctionName=function.name, InvocationType=invocation, Payload=json.dumps("x" * size))
    assert caught.value.response["Error"]["Code"] == "RequestTooLargeException"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 413


def test_a_large_event_reaches_the_handler_whole(function: Function) -> None:
    text = "x" * 5_000_000 + "é"
    assert function.invoke({"text": text}).payload["event"] == {"text": text}


@pytest.mark.parametrize(
    ("code", "error_type", "message"),
    [
        (
            "import nowhere\n",
            "Runtime.ImportModuleError",
            "Unable to import module 'handlers': No module named 'nowhere'",
        ),
        ("raise OSError('no luck')\n", "OSError", "no luck"),
        ("def f(:\n", "Runtime.UserCodeSyntaxError", "Syntax error in module 'handlers'"),
        ("x = 1\n", "Runtime.HandlerNotFound", "Handler 'handle' missing on module 'handlers'"),
        ("import sys\nsys.exit(7)\n", "Runtime.ExitError", "exit status 7"),
    ],
)
def test_a_function_that_does_not_load_says_why(
    make_function: MakeFunction, code: str, error_type: str, message: str
) -> None:
    function = make_function(code)
    for _ in range(2):
        answer = function.invoke()
        assert answer.error == "Unhandled"
        assert answer.payload["errorType"] == error_type
        assert message in answer.payload["errorMessage"]
        assert answer.report["Error Type"] == error_type


def test_a_handler_without_answer_answers_null(function: Function) -> None:
    assert function.invoke({"do": "say"}).payload is None


def test_invocations_overlap_each_in_its_own_environment(make_function: MakeFunction) -> None:
    function = make_function()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(function.invoke, [{"do": "sleep", "seconds": 2}] * 8))
    times = [answer.payload for answer in answers]
    assert len({one["pid"] for one in times}) == 8
    assert max(one["began"] for one in times) < min(one["ended"] for one in times), "all eight must run at once"


def test_more_than_the_reserved_concurrency_is_throttled(make_function: MakeFunction) -> None:
    function = make_function()
    function.client.put_function_concurrency(FunctionName=function.name, ReservedConcurrentExecutions=1)
    with ThreadPoolExecutor(2) as pool:
        busy = pool.submit(function.invoke, {"do": "sleep", "seconds": 2})
        time.sleep(1)
        with pytest.raises(ClientError) as caught:
            function.invoke()
        assert busy.result().error is None
    assert caught.value.response["Error"]["Code"] == "TooManyRequestsException"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 429


def test_environments_do_not_share_their_temporary_folder(make_function: MakeFunction) -> None:
    function = make_function()
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(function.invoke, [{"do": "sleep", "seconds": 1}] * 2))
    assert len({answer.payload["tmp"] for answer in answers}) == 2


def test_an_environment_keeps_its_temporary_folder(make_function: MakeFunction) -> None:
    function = make_function()
    assert function.invoke({"do": "write_file", "text": "one"}).payload is None
    assert function.invoke({"do": "write_file", "text": "two"}).payload == "one"


def test_the_temporary_folder_outlives_a_crash(make_function: MakeFunction) -> None:
    function = make_function()
    function.invoke({"do": "write_file", "text": "kept"})
    function.invoke({"do": "leave"})
    assert function.invoke({"do": "write_file", "text": ""}).payload == "kept"


def test_new_code_runs_in_a_new_environment(make_function: MakeFunction) -> None:
    function = make_function()
    before = function.invoke().payload["pid"]
    function.client.update_function_code(
        FunctionName=function.name,
        ZipFile=zipped({"handlers.py": "import os\ndef handle(event, context): return ['new', os.getpid()]\n"}),
    )
    function.wait_until_updated()
    word, after = function.invoke().payload
    assert word == "new"
    assert after != before
    assert not _group_exists(before)


def test_an_update_lets_the_invocation_under_way_finish(make_function: MakeFunction) -> None:
    function = make_function()
    function.invoke()
    with ThreadPoolExecutor(1) as pool:
        busy = pool.submit(function.invoke, {"do": "sleep", "seconds": 3})
        time.sleep(0.5)
        function.client.update_function_configuration(
            FunctionName=function.name, Environment={"Variables": {"COLOUR": "red"}}
        )
        function.wait_until_updated()
        assert function.invoke().payload["env"]["COLOUR"] == "red"
        finished = busy.result()
    assert finished.error is None
    assert not _group_exists(finished.payload["pid"])


def test_a_published_version_keeps_its_code(make_function: MakeFunction) -> None:
    function = make_function()
    version = publish(function)
    function.client.update_function_code(
        FunctionName=function.name, ZipFile=zipped({"handlers.py": "def handle(e, c): return 'new'\n"})
    )
    function.wait_until_updated()
    assert function.invoke().payload == "new"
    old = function.invoke(Qualifier=version)
    assert old.version == version
    assert old.payload["env"]["AWS_LAMBDA_FUNCTION_VERSION"] == version


def test_provisioned_environments_are_loaded_before_they_are_called(make_function: MakeFunction) -> None:
    function = make_function()
    version = publish(function)
    arguments = {"FunctionName": function.name, "Qualifier": version}
    function.client.put_provisioned_concurrency_config(**arguments, ProvisionedConcurrentExecutions=2)
    assert provisioned_status(function, version) == "READY"
    answer = function.invoke(Qualifier=version)
    assert answer.payload["env"]["AWS_LAMBDA_INITIALIZATION_TYPE"] == "provisioned-concurrency"


def test_provisioning_what_does_not_load_fails(make_function: MakeFunction) -> None:
    function = make_function("import nowhere\n")
    version = publish(function)
    function.client.put_provisioned_concurrency_config(
        FunctionName=function.name, Qualifier=version, ProvisionedConcurrentExecutions=1
    )
    assert provisioned_status(function, version) == "FAILED"


def publish(function: Function) -> str:
    version: str = function.client.publish_version(FunctionName=function.name)["Version"]
    function.client.get_waiter("published_version_active").wait(
        FunctionName=function.name, Qualifier=version, WaiterConfig={"Delay": 1}
    )
    return version


def provisioned_status(function: Function, version: str) -> str:
    deadline = time.monotonic() + 30
    status = "IN_PROGRESS"
    while status == "IN_PROGRESS" and time.monotonic() < deadline:
        time.sleep(0.1)
        status = function.client.get_provisioned_concurrency_config(FunctionName=function.name, Qualifier=version)[
            "Status"
        ]
    return status


def test_a_layer_is_importable(make_function: MakeFunction, client: Clients) -> None:
    layer = client("lambda").publish_layer_version(
        LayerName="tests", Content={"ZipFile": zipped({"python/from_layer.py": "ANSWER = 42\n"})}
    )
    function = make_function(
        "import from_layer\ndef handle(event, context): return from_layer.ANSWER\n",
        Layers=[layer["LayerVersionArn"]],
    )
    assert function.invoke().payload == 42


def test_a_runtime_without_an_interpreter_fails_with_what_to_set(make_function: MakeFunction, client: Clients) -> None:
    with pytest.raises(WaiterError) as caught:
        make_function(Runtime="nodejs22.x")
    found = caught.value.last_response["Configuration"]
    assert found["State"] == "Failed"
    assert "no interpreter for runtime 'nodejs22.x'" in found["StateReason"]


def test_an_event_that_fails_is_tried_again_and_then_a_dead_letter(
    make_function: MakeFunction, client: Clients
) -> None:
    bucket, sqs, s3 = f"attempts-{os.getpid()}", client("sqs"), client("s3")
    s3.create_bucket(Bucket=bucket)
    queue = sqs.create_queue(QueueName=f"dead-{os.getpid()}")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    function = make_function(DeadLetterConfig={"TargetArn": arn})
    function.client.put_function_event_invoke_config(FunctionName=function.name, MaximumRetryAttempts=0)
    event = {"do": "count_in_s3", "bucket": bucket, "fails": True}
    answer = function.client.invoke(FunctionName=function.name, InvocationType="Event", Payload=json.dumps(event))
    assert answer["StatusCode"] == 202
    messages = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=20, MessageAttributeNames=["All"]).get("Messages")
    assert messages, "the event must be in the dead-letter queue"
    assert json.loads(messages[0]["Body"]) == event
    assert messages[0]["MessageAttributes"]["ErrorMessage"]["StringValue"] == "on purpose"
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 1


def _group_exists(pid: int) -> bool:
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            os.killpg(pid, 0)
        except ProcessLookupError:
            return False
        time.sleep(0.05)
    return True


def test_an_object_of_several_pieces_comes_back_whole(client: Clients) -> None:
    s3 = client("s3")
    s3.create_bucket(Bucket="pieces")
    data = os.urandom(1000) * 20_000  # 20 MB: three pieces, the last of them short
    s3.put_object(Bucket="pieces", Key="large", Body=data)
    assert s3.get_object(Bucket="pieces", Key="large")["Body"].read() == data
    assert s3.get_object(Bucket="pieces", Key="large", Range="bytes=5-8999999")["Body"].read() == data[5:9_000_000]
