"""Starts LocalStack, with the process executor, on a free port of 127.0.0.1, and stops it.

    with LocalStack(".cache/localstack") as localstack:
        s3 = boto3.client("s3", **localstack.client_arguments())

LocalStack lives no longer than the process that started it: its stdin is a pipe that only that process holds,
and when it closes, LocalStack and the functions under it end. Standard library only; LocalStack itself is
never imported here.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from localstack_process_executor.installation import LOCALSTACK_PYTHON, Installation, LauncherError, install

__all__ = ["Installation", "LauncherError", "LocalStack", "install"]

_LOOPBACK: Final = "127.0.0.1"
_POLL_S: Final = 0.1
_STOP_S: Final = 10.0
_KEPT_LOGS: Final = 10
_LOG_TAIL_CHARS: Final = 3000
# Of the caller's environment LocalStack gets these: its own settings and the user's AWS profile stay out.
_PASSED_ON: Final = ("LANG", "LC_ALL", "PATH", "SSL_CERT_DIR", "SSL_CERT_FILE", "TZ")

SETTINGS: Final[Mapping[str, str]] = {
    # Twisted, the default, binds 0.0.0.0 whatever GATEWAY_LISTEN says.
    "GATEWAY_SERVER": "hypercorn",
    "LAMBDA_RUNTIME_EXECUTOR": "process",
    "LAMBDA_RUNTIME_ENVIRONMENT_TIMEOUT": "120",
    # AWS gives loading 10 s. Twenty functions that load at once on two cores need more, and did nothing
    # wrong.
    "LAMBDA_PROCESS_INIT_TIMEOUT_S": "60",
    # A resource type that is not there is an error, not a CREATE_COMPLETE of nothing.
    "CFN_IGNORE_UNSUPPORTED_RESOURCE_TYPES": "0",
    "DISABLE_EVENTS": "1",
    "DNS_ADDRESS": "0",
    "OVERRIDE_IN_DOCKER": "0",
    "SKIP_SSL_CERT_DOWNLOAD": "1",
}


class LocalStack:
    """A LocalStack of one's own; a context manager.

    Args:
        root: The folder for its environments, its state and its logs.
        python: The Python of LocalStack: a version, or the path of an interpreter.
        function_pythons: The Pythons that functions may name in their runtime.
        settings: Environment variables of LocalStack's, over `SETTINGS`.
        port: Where it listens; 0 takes a free port.
        region: The region of `environment` and `client_arguments`.
        start_timeout_s: How long it may take until it is healthy.
        install_timeout_s: How long each step of the installation may take.
    """

    def __init__(  # noqa: PLR0913 - all but the first are named, and few give more than one
        self,
        root: Path | str,
        *,
        python: str = LOCALSTACK_PYTHON,
        function_pythons: Sequence[str] = (LOCALSTACK_PYTHON,),
        settings: Mapping[str, str] | None = None,
        port: int = 0,
        region: str = "us-east-1",
        start_timeout_s: float = 120.0,
        install_timeout_s: float = 600.0,
    ) -> None:
        self._root = Path(root).resolve()
        self._python = python
        self._function_pythons = tuple(function_pythons)
        self._settings = dict(settings or {})
        self._port = port
        self._region = region
        self._start_timeout_s = start_timeout_s
        self._install_timeout_s = install_timeout_s
        self._process: subprocess.Popen[bytes] | None = None
        self._run: Path | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def endpoint_url(self) -> str:
        """Where it answers: the AWS_ENDPOINT_URL."""
        return f"http://{_LOOPBACK}:{self._port}"

    @property
    def pid(self) -> int:
        """LocalStack's process."""
        if self._process is None:
            raise LauncherError("LocalStack must be started before it has a process")
        return self._process.pid

    @property
    def log_file(self) -> Path:
        """What LocalStack says; it stays after the end, with those of the ten runs before."""
        if self._run is None:
            raise LauncherError("LocalStack must be started before it has a log")
        return self._run / "localstack.log"

    def environment(self) -> dict[str, str]:
        """What a process needs in its environment to use it, the AWS SDKs and CDK included."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": self._region,
            "AWS_REGION": self._region,
        }

    def client_arguments(self) -> dict[str, str]:
        """What a boto3 client or session needs to use it, whatever the environment says."""
        return {
            "endpoint_url": self.endpoint_url,
            "region_name": self._region,
            "aws_access_key_id": "test",
            "aws_secret_access_key": "test",
        }

    def start(self) -> None:
        """Installs what is missing, starts, and waits until it is healthy.

        Raises:
            LauncherError: It did not get healthy in time; the message holds the end of its log.
        """
        if self._process is not None:
            raise LauncherError(f"LocalStack is started already, as process {self.pid}")
        installation = install(
            self._root,
            python=self._python,
            function_pythons=self._function_pythons,
            timeout_s=self._install_timeout_s,
        )
        self._port = self._port or _free_port()
        self._run = _make_run_folder(self._root / "runs")
        with self.log_file.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                # -P: the folder it is started in must not be importable.
                [str(installation.python), "-P", "-m", "localstack_process_executor.serve"],
                env=self._localstack_environment(installation, self._run),
                cwd=self._run,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        (self._run / "pid").write_text(str(self._process.pid), encoding="ascii")
        try:
            self._wait_until_healthy(self._process)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Ends it and the functions under it, at once; harmless when it has ended.

        It keeps nothing on disk that an orderly end could save, and takes 3 s to more than 10 s for one.
        """
        process, self._process = self._process, None
        if process is None or self._run is None:
            return
        if process.poll() is None:
            # Not collected yet, so the group's number is still its own.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(_STOP_S)
        if process.stdin is not None:
            process.stdin.close()
        _clean(self._run)

    def log_tail(self) -> str:
        """The end of what LocalStack says."""
        return self.log_file.read_text(encoding="utf-8", errors="replace")[-_LOG_TAIL_CHARS:]

    def _localstack_environment(self, installation: Installation, run: Path) -> dict[str, str]:
        temporary = run / "tmp"
        pythons = ",".join(f"{name}={path}" for name, path in installation.function_pythons.items())
        return {
            **{name: os.environ[name] for name in _PASSED_ON if name in os.environ},
            **SETTINGS,
            "GATEWAY_LISTEN": f"{_LOOPBACK}:{self._port}",
            "LOCALSTACK_HOST": f"{_LOOPBACK}:{self._port}",
            "FILESYSTEM_ROOT": str(run / "root"),
            "HOME": str(run),
            "LAMBDA_PROCESS_PYTHONS": pythons,
            "TMPDIR": str(temporary),
            **self._settings,
        }

    def _wait_until_healthy(self, process: "subprocess.Popen[bytes]") -> None:
        # Without proxies: the address is on this machine.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        deadline = time.monotonic() + self._start_timeout_s
        while time.monotonic() < deadline:
            if (status := process.poll()) is not None:
                message = f"LocalStack ended with status {status} while starting; see {self.log_file}:"
                raise LauncherError(f"{message}\n{self.log_tail()}")
            try:
                with opener.open(f"{self.endpoint_url}/_localstack/health", timeout=5) as answer:
                    if answer.status == 200:
                        return
            except (urllib.error.URLError, OSError):
                time.sleep(_POLL_S)
        raise LauncherError(
            f"LocalStack must be healthy within {self._start_timeout_s:.0f} s; it was not; "
            f"see {self.log_file}:\n{self.log_tail()}"
        )


def _free_port() -> int:
    with socket.create_server((_LOOPBACK, 0)) as server:
        port: int = server.getsockname()[1]
    return port


def _make_run_folder(runs: Path) -> Path:
    """A folder for one run, after tidying up what earlier runs left, those that were killed among them."""
    runs.mkdir(parents=True, exist_ok=True)
    earlier = sorted((run for run in runs.iterdir() if run.is_dir()), key=lambda run: run.stat().st_mtime)
    ended = [run for run in earlier if not _is_alive(run)]
    for run in ended[:-_KEPT_LOGS]:
        shutil.rmtree(run, ignore_errors=True)
    for run in ended[-_KEPT_LOGS:]:
        _clean(run)
    folder = Path(tempfile.mkdtemp(prefix=time.strftime("%Y%m%d-%H%M%S-"), dir=runs))
    (folder / "tmp").mkdir()
    (folder / "root").mkdir()
    return folder


def _is_alive(run: Path) -> bool:
    try:
        os.kill(int((run / "pid").read_text(encoding="ascii")), 0)
    except (OSError, ValueError):
        # A run that is just being made has no number yet.
        return not (run / "pid").exists() and time.time() - run.stat().st_mtime < 600
    return True


def _clean(run: Path) -> None:
    """Leaves of a run its log."""
    for entry in run.iterdir():
        if entry.is_dir():
            shutil.rmtree(entry, ignore_errors=True)
        elif entry.name != "localstack.log":
            entry.unlink(missing_ok=True)
