"""LocalStack starts where it should, only there, and leaves nothing behind."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import boto3
import pytest
from conftest import zipped

from localstack_process_executor import installation
from localstack_process_executor.launcher import LauncherError, LocalStack, install

SOURCE = Path(installation.__file__).parents[1]


def alive(pids: list[int], within_s: float = 10.0) -> list[int]:
    """Those of the processes that are still there after a while."""
    deadline = time.monotonic() + within_s
    left = pids
    while left and time.monotonic() < deadline:
        left = [pid for pid in left if Path(f"/proc/{pid}/stat").exists() and _state(pid) != "Z"]
        time.sleep(0.05)
    return left


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "Z"


def listening_addresses(pid: int) -> set[str]:
    """The addresses at which the process listens, as /proc has them."""
    inodes = set()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            target = entry.readlink()
        except OSError:
            continue
        inodes.add(str(target).removeprefix("socket:[").removesuffix("]"))
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in inodes:
                found.add(fields[1].split(":")[0])
    return found


# Started by the tests below as the program that uses the launcher: it makes a function, leaves it spinning,
# and says who runs.
PROGRAM = textwrap.dedent(
    """
    import json, sys, threading, time
    import boto3
    from botocore.config import Config
    from localstack_process_executor.launcher import LocalStack

    localstack = LocalStack(sys.argv[1])
    localstack.start()
    once = Config(retries={"total_max_attempts": 1})
    client = boto3.client("lambda", config=once, **localstack.client_arguments())
    client.create_function(
        FunctionName="spin", Role="arn:aws:iam::000000000000:role/r", Handler="handlers.handle",
        Runtime="python3.13", Code={"ZipFile": bytes.fromhex(sys.argv[2])}, Timeout=600,
    )
    client.get_waiter("function_active_v2").wait(FunctionName="spin")
    pid = json.loads(client.invoke(FunctionName="spin", Payload=b"{}")["Payload"].read())["pid"]
    spin = {"FunctionName": "spin", "Payload": json.dumps({"do": "spin"})}
    threading.Thread(target=client.invoke, kwargs=spin, daemon=True).start()
    time.sleep(0.5)
    print(json.dumps([localstack.pid, pid]), flush=True)
    if sys.argv[3] == "stop":
        localstack.stop()
    else:
        time.sleep(600)
    """
)


def start_program(root: Path, then: str) -> "subprocess.Popen[str]":
    package = zipped({"handlers.py": Path(__file__).with_name("handlers.py").read_text(encoding="utf-8")})
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(root), package.hex(), then],
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_nothing_outlives_the_program_that_started_it(root: Path, localstack: LocalStack, how: str) -> None:
    with start_program(root, how) as program:
        assert program.stdout is not None
        pids = json.loads(program.stdout.readline())
        children = [pid for pid in pids if how == "kill"]
        assert all(_state(pid) != "Z" for pid in children)
        if how == "kill":
            program.send_signal(signal.SIGKILL)
        program.wait(30)
    assert alive(pids) == []
    assert alive([localstack.pid], within_s=0.2) == [localstack.pid], "another LocalStack must not be touched"


def test_a_function_ends_when_localstack_is_killed(root: Path) -> None:
    with start_program(root, "wait") as program:
        assert program.stdout is not None
        localstack, function = json.loads(program.stdout.readline())
        os.kill(localstack, signal.SIGKILL)
        assert alive([function]) == []
        program.kill()


def test_it_listens_on_loopback_only(localstack: LocalStack, function: Any) -> None:
    function.invoke()
    assert listening_addresses(localstack.pid) == {"0100007F"}


def test_two_run_side_by_side_and_keep_their_state_apart(root: Path, localstack: LocalStack) -> None:
    with LocalStack(root) as second:
        assert second.endpoint_url != localstack.endpoint_url
        boto3.client("s3", **second.client_arguments()).create_bucket(Bucket="only-in-the-second")
        buckets = boto3.client("s3", **localstack.client_arguments()).list_buckets()["Buckets"]
        assert "only-in-the-second" not in [bucket["Name"] for bucket in buckets]
        log = second.log_file
    assert log.is_file()
    assert [entry.name for entry in log.parent.iterdir()] == ["localstack.log"]


def test_an_installation_that_is_there_is_found_at_once(root: Path, localstack: LocalStack) -> None:
    began = time.monotonic()
    made = install(root)
    assert time.monotonic() - began < 1.0
    assert made.python.exists()
    assert list(made.function_pythons) == ["python3.13"]


def test_localstack_that_does_not_start_says_why_and_where_its_log_is(root: Path, localstack: LocalStack) -> None:
    broken = LocalStack(root, settings={"GATEWAY_SERVER": "nothing-of-that-name"}, start_timeout_s=30)
    with pytest.raises(LauncherError, match=r"(?s)localstack\.log:.*nothing-of-that-name"):
        broken.start()


def test_localstack_that_hangs_is_given_up(root: Path, localstack: LocalStack) -> None:
    slow = LocalStack(root, start_timeout_s=0.2)
    with pytest.raises(LauncherError, match="must be healthy within 0 s"):
        slow.start()


def test_a_python_that_is_none_is_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(LauncherError, match="uv venv"):
        install(tmp_path, python=str(tmp_path / "no-python"))


def test_without_uv_it_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LauncherError, match="pip install uv"):
        install(tmp_path)


def test_the_command_line_runs_a_program_against_it(root: Path, localstack: LocalStack) -> None:
    code = "import boto3; print(boto3.client('sts').get_caller_identity()['Account']); raise SystemExit(7)"
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "localstack_process_executor",
            "up",
            "--root",
            str(root),
            "--",
            sys.executable,
            "-c",
            code,
        ],
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert (done.stdout.strip(), done.returncode) == ("000000000000", 7), done.stderr
