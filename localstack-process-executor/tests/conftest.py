"""One LocalStack for the session, and functions made on it."""

import base64
import io
import itertools
import json
import os
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from localstack_process_executor.launcher import LocalStack

HANDLERS = Path(__file__).with_name("handlers.py")


@pytest.fixture(scope="session")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the environments are made: kept between sessions when LOCALSTACK_ROOT says where."""
    return Path(os.environ.get("LOCALSTACK_ROOT") or tmp_path_factory.mktemp("localstack"))


@pytest.fixture(scope="session")
def localstack(root: Path) -> Iterator[LocalStack]:
    with LocalStack(root) as running:
        yield running


@pytest.fixture(scope="session")
def client(localstack: LocalStack) -> Callable[[str], Any]:
    """Makes boto3 clients that do not retry: what fails must be seen."""
    config = Config(retries={"total_max_attempts": 1}, read_timeout=120, max_pool_connections=64)
    return lambda service: boto3.client(service, config=config, **localstack.client_arguments())


def zipped(files: dict[str, str]) -> bytes:
    """A deployment package."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


@dataclass
class Function:
    """A function on LocalStack, by what tests do with it."""

    client: Any
    name: str

    def invoke(self, event: object = None, **arguments: Any) -> "Answer":
        answer = self.client.invoke(
            FunctionName=self.name, Payload=json.dumps(event or {}), LogType="Tail", **arguments
        )
        return Answer(
            payload=json.loads(answer["Payload"].read() or b"null"),
            error=answer.get("FunctionError"),
            log=base64.b64decode(answer.get("LogResult", "")).decode(),
            version=answer.get("ExecutedVersion"),
        )

    def wait_until_updated(self) -> None:
        self.client.get_waiter("function_updated_v2").wait(FunctionName=self.name, WaiterConfig={"Delay": 1})


@dataclass
class Answer:
    payload: Any
    error: str | None
    log: str
    version: str | None

    @property
    def report(self) -> dict[str, str]:
        """The fields of the REPORT line."""
        (line,) = [line for line in self.log.splitlines() if line.startswith("REPORT ")]
        return dict(field.split(": ", 1) for field in line.removeprefix("REPORT ").strip().split("\t"))


_numbers = itertools.count()


@pytest.fixture(scope="session")
def make_function(client: Callable[[str], Any]) -> Callable[..., Function]:
    """Makes a function of the handlers in handlers.py, or of other code."""
    lambda_client, iam = client("lambda"), client("iam")
    trust = {"Version": "2012-10-17", "Statement": []}
    role = iam.create_role(RoleName="executor-tests", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]

    def make(code: str | None = None, *, handler: str = "handlers.handle", **arguments: Any) -> Function:
        name = f"function-{os.getpid()}-{next(_numbers)}"
        lambda_client.create_function(
            FunctionName=name,
            Role=role,
            Handler=handler,
            Runtime=arguments.pop("Runtime", "python3.13"),
            Code={"ZipFile": zipped({"handlers.py": code or HANDLERS.read_text(encoding="utf-8")})},
            **{"Timeout": 30, "MemorySize": 256} | arguments,
        )
        lambda_client.get_waiter("function_active_v2").wait(
            FunctionName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 60}
        )
        return Function(lambda_client, name)

    return make


@pytest.fixture(scope="session")
def function(make_function: Callable[..., Function]) -> Function:
    """A function that does what its event says, shared by the tests that do not break it."""
    return make_function()
