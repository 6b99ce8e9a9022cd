"""LocalStack's side: a runtime executor whose environments are processes.

LocalStack keeps all that is not execution: versions, aliases, concurrency, asynchronous retries, dead
letters, destinations.
"""

import logging
import os
import shutil
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any, Final
from weakref import WeakSet

from localstack import config
from localstack.services.lambda_.invocation.executor_endpoint import StatusErrorException
from localstack.services.lambda_.invocation.lambda_models import (
    FunctionVersion,
    InitializationType,
    InvocationResult,
)
from localstack.services.lambda_.invocation.runtime_executor import LambdaRuntimeException, RuntimeExecutor

from localstack_process_executor.events import Invocation
from localstack_process_executor.sandbox import Sandbox, SandboxSettings

LOG = logging.getLogger(__name__)

_BOOTSTRAP: Final = Path(__file__).with_name("bootstrap.py")
_LOOPBACK: Final = "127.0.0.1"
# Every environment that lives, so that none outlives LocalStack's own orderly end.
_SANDBOXES: "Final[WeakSet[Sandbox]]" = WeakSet()
_SANDBOXES_LOCK: Final = threading.Lock()


def kill_all() -> None:
    """Ends every environment at once, whatever it does."""
    with _SANDBOXES_LOCK:
        sandboxes = list(_SANDBOXES)
    for sandbox in sandboxes:
        sandbox.close(at_once=True)


class ProcessExecutor(RuntimeExecutor):  # type: ignore[misc]  # LocalStack is not typed
    """One execution environment, as LocalStack asks for it."""

    def __init__(self, id: str, function_version: FunctionVersion) -> None:  # noqa: A002 - LocalStack names it
        super().__init__(id=id, function_version=function_version)
        self._sandbox: Sandbox | None = None
        self._closed = False

    def start(self, env_vars: dict[str, Any]) -> None:
        """Starts and loads the function.

        Raises:
            StatusErrorException: It does not load, and concurrency was provisioned: then LocalStack must
                know. Otherwise the first invocation tries again and reports, with its log, as on AWS.
        """
        function = self.function_version.config
        directory = Path(tempfile.mkdtemp(prefix=f"lambda-{self.function_version.id.function_name[:40]}-"))
        self._sandbox = Sandbox(
            SandboxSettings(
                command=[interpreter_of(function.runtime), str(_BOOTSTRAP), function.handler],
                env=self._environment(env_vars, directory / "tmp"),
                code=function.code.get_unzipped_code_location(),
                directory=directory,
                version=self.function_version.id.qualifier,
                runtime=function.runtime,
                memory_mb=function.memory_size,
                timeout_s=function.timeout,
                init_timeout_s=float(os.environ.get("LAMBDA_PROCESS_INIT_TIMEOUT_S") or 10),
                max_response_bytes=config.LAMBDA_LIMITS_MAX_FUNCTION_PAYLOAD_SIZE_BYTES,
            )
        )
        with _SANDBOXES_LOCK:
            _SANDBOXES.add(self._sandbox)
        error = self._sandbox.initialise()
        provisioned = env_vars.get("AWS_LAMBDA_INITIALIZATION_TYPE") != InitializationType.on_demand
        if self._closed or (error and provisioned):
            raise StatusErrorException("Environment startup failed", payload=error or b"{}")

    def stop(self) -> None:
        """Ends the environment; an invocation that is under way finishes first, as on AWS."""
        self._closed = True
        if self._sandbox is not None:
            self._sandbox.close()

    def invoke(self, payload: dict[str, str]) -> InvocationResult:
        """Runs the handler once."""
        if self._sandbox is None:
            raise LambdaRuntimeException(f"environment {self.id} must be started before it is invoked")
        request_id = payload["invoke-id"]
        outcome = self._sandbox.invoke(
            Invocation(
                request_id=request_id,
                function_arn=payload["invoked-function-arn"],
                payload=payload["payload"].encode(),
                trace_id=payload["trace-id"],
            )
        )
        return InvocationResult(request_id, outcome.payload, is_error=outcome.is_error, logs=outcome.logs)

    def get_address(self) -> str:
        """Where the environment is."""
        return _LOOPBACK

    def get_endpoint_from_executor(self) -> str:
        """Where LocalStack is, seen from the environment."""
        return _LOOPBACK

    def get_runtime_endpoint(self) -> str:
        """Where LocalStack's own helper binary would report; there is none."""
        return f"http://{_LOOPBACK}:{config.GATEWAY_LISTEN[0].port}"

    def get_logs(self) -> str:
        """What the environment has written."""
        return self._sandbox.logs() if self._sandbox else ""

    @classmethod
    def prepare_version(cls, function_version: FunctionVersion) -> None:
        """Unzips the code, once for all environments; refuses a function that can't be run here."""
        function = function_version.config
        if not function.runtime or not function.code:
            raise LambdaRuntimeException("the process executor runs zip functions; container images need Docker")
        interpreter_of(function.runtime)
        function.code.prepare_for_execution()
        for layer in function.layers:
            layer.code.prepare_for_execution()

    @classmethod
    def cleanup_version(cls, function_version: FunctionVersion) -> None:
        """Nothing: LocalStack removes the unzipped code with the function."""

    @classmethod
    def validate_environment(cls) -> bool:
        """Always: nothing but Python is needed."""
        return True

    def _environment(self, env_vars: dict[str, Any], temporary: Path) -> dict[str, str]:
        """The child's whole environment: nothing of LocalStack's own leaks into it."""
        function = self.function_version.config
        code = function.code.get_unzipped_code_location()
        env = {name: str(value) for name, value in env_vars.items()}
        version = (function.runtime or "").removeprefix("python")
        # The order of sys.path on AWS: the function, its layers, then the interpreter's own.
        path = [str(code)]
        for layer in function.layers:
            root = layer.code.get_unzipped_code_location() / "python"
            path += [str(root / "lib" / f"python{version}" / "site-packages"), str(root)]
        if own := (function.environment or {}).get("PYTHONPATH"):
            path.append(own)
        interpreter = Path(interpreter_of(function.runtime))
        system = os.environ.get("PATH", os.defpath)
        return env | {
            "AWS_EXECUTION_ENV": f"AWS_Lambda_{function.runtime}",
            "HOME": str(temporary),
            "LAMBDA_TASK_ROOT": str(code),
            "LANG": env.get("LANG", "en_US.UTF-8"),
            "PATH": f"{interpreter.parent}{os.pathsep}{system}",
            "PYTHONPATH": os.pathsep.join(path),
            # Compiled once for all environments, and not into the code's folder, which is read-only on AWS.
            "PYTHONPYCACHEPREFIX": str(code.parent / "pycache"),
            "PYTHONUNBUFFERED": "1",
            "TMPDIR": str(temporary),
        }


def interpreter_of(runtime: str) -> str:
    """The interpreter that runs functions of a runtime.

    Args:
        runtime: Such as ``python3.13``.

    Returns:
        The path that LAMBDA_PROCESS_PYTHONS gives it (``python3.13=/path,python3.12=/path``); else this
        interpreter, if its version is the runtime's; else what the PATH has of that name.

    Raises:
        LambdaRuntimeException: There is none; the message says what to set.
    """
    configured = os.environ.get("LAMBDA_PROCESS_PYTHONS", "")
    pairs = dict(pair.split("=", 1) for pair in configured.split(",") if "=" in pair)
    if runtime in pairs:
        return pairs[runtime]
    if runtime == f"python{sys.version_info.major}.{sys.version_info.minor}":
        return sys.executable
    if runtime.startswith("python") and (found := shutil.which(runtime)):
        return found
    raise LambdaRuntimeException(
        f"no interpreter for runtime {runtime!r}: install awslambdaric into one and set "
        f"LAMBDA_PROCESS_PYTHONS={runtime}=/path/to/its/python (only Python runtimes can be run)"
    )
