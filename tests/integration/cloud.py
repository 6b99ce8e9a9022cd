"""The cloud that the suite runs against, and what a person does there: `cdk …` and `python -m coordinator …`."""

import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import boto3

from infra.packaging import ROOT
from mycelium.deployment import bucket_parameter, function_parameter, reduce_parameter, state_machine_parameter
from mycelium.store import S3Store

CDK = "aws-cdk@2.1148.1"
"""The CDK's command line, as docs/deploy.md has it."""

FUNCTION_PYTHON = "3.13"
"""Of the interpreter that runs the handlers, and so of what their zips hold."""

MAX_CONCURRENCY = 8
"""Invocations at a time: here each is a process on this machine's cores."""

_ARCHITECTURE = "arm64" if platform.machine() in {"arm64", "aarch64"} else "x86_64"
_OURS = ("AWS_", "MYCELIUM_")


def clean_environment() -> dict[str, str]:
    """Return this process's environment without what tells programs of a cloud; the first `python` is this one."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
    return kept | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


@dataclass(frozen=True, slots=True)
class Usage:
    """What a command took.

    Attributes:
        wall_s: by the clock.
        cpu_s: processor time, its start included.
        peak_mb: the most memory that it held, MB.
    """

    wall_s: float
    cpu_s: float
    peak_mb: float


@dataclass(frozen=True, slots=True)
class Told:
    """What a command said.

    Attributes:
        code: its exit code.
        out: its standard output.
        err: its standard error.
        usage: what it took.
    """

    code: int
    out: str
    err: str
    usage: Usage

    @property
    def summary(self) -> dict[str, Any]:
        """The JSON that it printed."""
        read: dict[str, Any] = json.loads(self.out)
        return read


class Command:
    """A command of ours that runs."""

    def __init__(self, words: Sequence[str], environment: Mapping[str, str]) -> None:
        self._out, self._err = tempfile.TemporaryFile("w+"), tempfile.TemporaryFile("w+")  # noqa: SIM115 - until waited for
        self._started_s = time.monotonic()
        self._process = subprocess.Popen(words, env=environment, cwd=ROOT, stdout=self._out, stderr=self._err)

    def kill(self) -> None:
        """Kill it with -9, and see it dead."""
        self._process.kill()
        self.wait()

    @property
    def is_running(self) -> bool:
        """Whether it has not ended; does not collect it."""
        return os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None

    def wait(self, timeout_s: float = 570) -> Told:
        """Wait for its end, and say what came of it; one that takes longer is killed, and an error."""
        is_late, peak_mb = False, 0.0
        while self.is_running:
            peak_mb = max(peak_mb, _read_peak_mb(self._process.pid))
            if time.monotonic() - self._started_s > timeout_s:
                is_late = True
                self._process.kill()
            time.sleep(0.02)
        wall_s = time.monotonic() - self._started_s
        _, status, used = os.wait4(self._process.pid, 0)
        self._process.returncode = os.waitstatus_to_exitcode(status)
        usage = Usage(wall_s, used.ru_utime + used.ru_stime, peak_mb)
        told = Told(self._process.returncode, _read(self._out), _read(self._err), usage)
        assert not is_late, f"not done within {timeout_s} s; it said:\n{told.out}\n{told.err}"
        return told


def _read_peak_mb(pid: int) -> float:
    """Return the most memory that a process has held; what wait4 says counts its parent's as well."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:  # no Linux, or gone
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM:")), 0.0)


def _read(file: IO[str]) -> str:
    with file:
        file.seek(0)
        return file.read()


@dataclass(frozen=True, slots=True)
class Cloud:
    """An endpoint, and a deployment's name there.

    Attributes:
        environment: what a program must find in its environment to use it.
        deployment: what the suite deploys as.
        scratch: a folder for the CDK's files.
        is_ours: whether it was started for this session, and goes with it.
        timings: seconds of what was measured on the way, by name.
    """

    environment: Mapping[str, str]
    deployment: str
    scratch: Path
    is_ours: bool
    timings: dict[str, float] = field(default_factory=dict)

    def client(self, service: str) -> Any:
        """Return a boto3 client, whatever the environment of the tests says."""
        given = self.environment
        session = boto3.Session(
            given.get("AWS_ACCESS_KEY_ID"), given.get("AWS_SECRET_ACCESS_KEY"), region_name=given["AWS_REGION"]
        )
        return session.client(service, endpoint_url=given.get("AWS_ENDPOINT_URL"))

    def parameter(self, name: str) -> str:
        """Return what the stack published."""
        value: str = self.client("ssm").get_parameter(Name=name)["Parameter"]["Value"]
        return value

    @property
    def bucket(self) -> str:
        """The data bucket."""
        return self.parameter(bucket_parameter(self.deployment))

    @property
    def store(self) -> S3Store:
        """The data bucket as a store."""
        return S3Store(self.bucket, client=self.client("s3"))

    @property
    def function(self) -> str:
        """The heartbeat's function."""
        return self.parameter(function_parameter(self.deployment, "heartbeat"))

    @property
    def reduce_function(self) -> str:
        """The function that reduces."""
        return self.parameter(reduce_parameter(self.deployment))

    @property
    def state_machine(self) -> str:
        """ARN of the map."""
        return self.parameter(state_machine_parameter(self.deployment))

    def start(self, *arguments: str, room: str = "coordinator") -> "Command":
        """Start a command of ours as a person would; whoever starts it waits for it."""
        environment = clean_environment() | dict(self.environment) | {"MYCELIUM_STORE": f"s3://{self.bucket}"}
        return Command([sys.executable, "-m", room, *arguments], environment)

    def run(self, *arguments: str, room: str = "coordinator", timeout_s: float = 570) -> Told:
        """Run a command of ours, and say what came of it and what it took."""
        return self.start(*arguments, room=room).wait(timeout_s)

    def cdk(self, *arguments: str, name: str, folder: Path = ROOT) -> str:
        """Run the CDK's command line, keep how long it took, and return what it said.

        Raises:
            RuntimeError: it failed.
        """
        environment = clean_environment() | dict(self.environment) | {"CDK_HOME": str(self.scratch)}
        started = time.monotonic()
        done = subprocess.run(
            [*cdk_command(), *arguments],
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=570,
            check=False,
        )
        self.timings[name] = time.monotonic() - started
        if done.returncode:
            raise RuntimeError(f"cdk {' '.join(arguments)} ended with {done.returncode}:\n{done.stdout[-4000:]}")
        return done.stdout

    def settings(self) -> list[str]:
        """Return the context values: functions for the machine and the interpreter that run them here."""
        architecture = _ARCHITECTURE if "AWS_ENDPOINT_URL" in self.environment else "arm64"
        values = {"deployment": self.deployment, "architecture": architecture, "python": FUNCTION_PYTHON}
        return [word for name, value in values.items() for word in ("-c", f"{name}={value}")]


def cdk_command() -> list[str]:
    """Return how the CDK's command line is called here, of whatever version the machine may have besides."""
    return ["npx", "--yes", CDK]


def what_is_missing() -> str | None:
    """Return what this machine lacks for the suite, in one line; None if it has all."""
    if shutil.which("npx", path=clean_environment()["PATH"]) is None:
        return "the CDK's command line needs Node.js 20 or newer: there is no npx on the PATH"
    asked = subprocess.run(
        [*cdk_command(), "--version"],
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    if asked.returncode:
        return f"npx can't bring {CDK}: {' '.join(asked.stderr.split())[-300:]}"
    return None
