"""Functions that fail by a table, and runs over chunks that cost nothing to make."""

import io
import json
import shutil
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.packaging import Target, build_asset
from lambdas.stages.heartbeat import STAGE
from mycelium.deployment import (
    bucket_parameter,
    function_parameter,
    reduce_parameter,
    state_machine_parameter,
    version_parameter,
)
from mycelium.store import S3Store
from tests.builders import build_run, make_iaf
from tests.integration.cloud import FUNCTION_PYTHON, Cloud, Command, Told

CODE_KEY = "work/faulty-function.zip"
HANDLER = Path(__file__).with_name("faulty_handler.py")


def make_code(folder: Path) -> bytes:
    """Return the zip of the heartbeat's function with the faulty handler beside the real one."""
    import zipfile  # noqa: PLC0415 - only here

    path = folder / "faulty.zip"
    target = Target(Target.of_this_machine().architecture, FUNCTION_PYTHON)
    shutil.copyfile(build_asset(STAGE.name, STAGE.requires, target).path, path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.write(HANDLER, HANDLER.name)
    return path.read_bytes()


@dataclass(frozen=True, slots=True)
class FaultyDeployment:
    """A deployment beside the real one: its bucket, its map, its reduce, and a heartbeat that fails by a table.

    Attributes:
        cloud: where it is.
        name: what it is called.
    """

    cloud: Cloud
    name: str

    def configure(
        self, faults: Mapping[str, str] | None = None, delay_s: float = 0.0, s3: str | None = None, **other: Any
    ) -> None:
        """Say what goes wrong from now on; `s3` is where the function finds S3, if not where all is."""
        variables = {
            "FAULTS": json.dumps(dict(faults or {})),
            "DELAY_S": str(delay_s),
            "OPENBLAS_NUM_THREADS": "1",
        } | ({"AWS_ENDPOINT_URL_S3": s3} if s3 else {})
        client = self.cloud.client("lambda")
        client.update_function_configuration(FunctionName=self.name, Environment={"Variables": variables}, **other)
        client.get_waiter("function_updated_v2").wait(FunctionName=self.name, WaiterConfig={"Delay": 1})

    def start(self, run: str, *more: str, executor: str = "lambda", max_concurrency: int = 8) -> Command:
        """Start the stage over a run of iaf."""
        return self.cloud.start(*self._words(run, executor, max_concurrency), *more)

    def run(self, run: str, *more: str, executor: str = "lambda", max_concurrency: int = 8) -> Told:
        """Run the stage over a run of iaf."""
        return self.start(run, *more, executor=executor, max_concurrency=max_concurrency).wait()

    def _words(self, run: str, executor: str, max_concurrency: int) -> list[str]:
        where = ["--executor", executor, "--deployment", self.name, "--max-concurrency", str(max_concurrency)]
        # These tests count every invocation, and a function that waits for a busy machine may look slow to the rule.
        return ["run-stage", "heartbeat", "--input", run, "--json", "--quiet", "--no-backups", *where]

    def count_calls(self, expected: int) -> Counter[str]:
        """Return how often the function was called for each chunk, by its log, which comes a little late."""
        counted: Counter[str] = Counter()
        for _ in range(100):
            counted = Counter(
                event["message"].split()[-1]
                for event in self._events()
                if event["message"].startswith("asked for chunk ")
            )
            if counted.total() >= expected:
                break
            time.sleep(0.1)
        return counted

    def _events(self) -> Iterator[Any]:
        pages = self.cloud.client("logs").get_paginator("filter_log_events")
        for page in pages.paginate(logGroupName=f"/aws/lambda/{self.name}"):
            yield from page["events"]


@contextmanager
def deploy_faulty(cloud: Cloud, code: bytes) -> Iterator[FaultyDeployment]:
    """Deploy a function of the tests, as a deployment of its own that is found like any other."""
    name = f"faulty-{uuid.uuid4().hex[:8]}"
    aws, ssm = cloud.client("lambda"), cloud.client("ssm")
    cloud.client("s3").upload_fileobj(io.BytesIO(code), cloud.bucket, CODE_KEY)
    real = aws.get_function_configuration(FunctionName=cloud.function)
    aws.create_function(
        FunctionName=name,
        Runtime=real["Runtime"],
        Role=real["Role"],
        Handler="faulty_handler.handle_task",
        Code={"S3Bucket": cloud.bucket, "S3Key": CODE_KEY},
        Timeout=60,
        MemorySize=real["MemorySize"],
        Architectures=real["Architectures"],
    )
    aws.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})
    published = {
        bucket_parameter(name): cloud.bucket,
        version_parameter(name): cloud.parameter(version_parameter(cloud.deployment)),
        function_parameter(name, STAGE.name): name,
        reduce_parameter(name): cloud.reduce_function,
        state_machine_parameter(name): cloud.state_machine,
    }
    for key, value in published.items():
        ssm.put_parameter(Name=key, Value=value, Type="String")
    try:
        yield FaultyDeployment(cloud, name)
    finally:
        ssm.delete_parameters(Names=list(published))
        aws.delete_function(FunctionName=name)
        with suppress(Exception):
            cloud.client("logs").delete_log_group(logGroupName=f"/aws/lambda/{name}")


def make_run(store: S3Store, n_chunks: int) -> str:
    """Write chunks of generated telegraphs, and return the run that they are."""
    digits = uuid.uuid4().hex
    seed = int(digits[:6], 16)  # other bytes each time: a run that no other test has
    tables = [make_iaf((30, 5, 12), seed=seed + i) for i in range(n_chunks)]
    build_run(store, tables, run_id=f"made-{digits[:12]}")
    return f"iaf/made-{digits[:12]}"


def count_outputs(cloud: Cloud, run_id: str) -> int:
    """Return how many chunks of a run of heartbeats are written."""
    return sum(1 for _ in cloud.store.list(f"heartbeats/{run_id}/"))


def wait_until(is_so: Callable[[], bool], timeout_s: float = 60.0, pause_s: float = 0.1) -> None:
    """Wait for something to be so."""
    end = time.monotonic() + timeout_s
    while not is_so():
        assert time.monotonic() < end, "waited for too long"
        time.sleep(pause_s)
