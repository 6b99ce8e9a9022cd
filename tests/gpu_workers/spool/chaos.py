"""Everything that can go wrong between an extractor and S3, at once: a proxy that lies, and processes that are killed.

`run_chaos` starts a writer and an uploader, each a process, with a proxy between the uploader and a real S3 server. The
proxy drops, stalls, truncates, refuses and lies at random; both processes are killed by SIGKILL again and again, and
started again. Meanwhile a sampler that knows nothing of the spool's own account adds up the sizes of its files.
"""

import base64
import contextlib
import fcntl
import hashlib
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from gpu_workers.spool import Spool, SpoolStore
from mycelium.errors import ObjectExistsError
from mycelium.store import open_store

ROOT = Path(__file__).parents[3]
FAULTS = ("drop", "lose answer", "500", "503", "stall", "truncate request", "truncate answer", "lie", "corrupt")
MODULE = "tests.gpu_workers.spool.chaos"


def make_chunk(number: int, size: int) -> bytes:
    """Make the bytes of a chunk: the same for the same number, and incompressible."""
    return b"PAR1" + random.Random(number).randbytes(size - 8) + b"PAR1"


def chunk_key(number: int) -> str:
    """Return the key of a chunk."""
    return f"iaf/chaos/{number:05d}.parquet"


@dataclass
class ChaosProxy:
    """Forwards to an S3 server on this machine, and harms a share of the requests.

    Attributes:
        upstream: the server's port.
        share: of requests that are harmed.
        seed: of what is drawn.
        stall_s: how long a stall lasts.
        done: what was done, by its name.
    """

    upstream: int
    share: float = 0.3
    seed: int = 0
    stall_s: float = 3.0
    done: Counter[str] = field(default_factory=Counter)

    def start(self) -> int:
        """Begin to serve, in threads, and return the port."""
        self._draw, self._lock = random.Random(self.seed), threading.Lock()
        self._server = socket.create_server(("127.0.0.1", 0), backlog=128)
        threading.Thread(target=self._accept, daemon=True).start()
        port: int = self._server.getsockname()[1]
        return port

    def stop(self) -> None:
        """End."""
        self._server.close()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._server.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        with sock, contextlib.suppress(OSError, ValueError):
            rest = b""
            while True:
                request, rest = _read_message(sock, rest)
                if request is None:
                    return
                with self._lock:
                    fault = self._draw.choice(FAULTS) if self._draw.random() < self.share else "none"
                    self.done[fault] += 1
                if not self._answer(sock, request, fault):
                    return

    def _answer(self, sock: socket.socket, request: bytes, fault: str) -> bool:
        """Answer one request; False if the connection is to be closed."""
        head, _, body = request.partition(b"\r\n\r\n")
        if fault == "truncate request" and body:
            with socket.create_connection(("127.0.0.1", self.upstream), timeout=30) as up:
                up.sendall(head + b"\r\n\r\n" + body[: len(body) // 2])
        if fault == "stall":
            time.sleep(self.stall_s)
        if fault in {"500", "503"}:
            code = "InternalError" if fault == "500" else "SlowDown"
            sock.sendall(_make_answer(int(fault), f"<Error><Code>{code}</Code></Error>"))
            return True
        if fault == "corrupt" and body:
            # What S3 would say of a body that was changed on its way. moto does not look.
            changed = bytes([body[0] ^ 1]) + body[1:]
            given = _find_header(head, b"x-amz-checksum-sha256")
            assert given != base64.b64encode(hashlib.sha256(changed).digest())
            sock.sendall(_make_answer(400, "<Error><Code>BadDigest</Code></Error>"))
            return True
        if fault in {"drop", "stall", "truncate request"}:
            return False
        answer = self._forward(request)
        if fault == "truncate answer":
            sock.sendall(answer[: len(answer) // 2])
        elif fault == "lie":
            sock.sendall(answer.replace(b"x-amz-checksum-sha256: ", b"x-amz-checksum-sha256: AAAA", 1))
        elif fault != "lose answer":
            sock.sendall(answer)
        return False

    def _forward(self, request: bytes) -> bytes:
        with socket.create_connection(("127.0.0.1", self.upstream), timeout=30) as up:
            up.sendall(request.replace(b"\r\n", b"\r\nConnection: close\r\n", 1))
            answer = b""
            while piece := up.recv(1 << 16):
                answer += piece
            return answer


def _read_message(sock: socket.socket, rest: bytes) -> tuple[bytes | None, bytes]:
    while b"\r\n\r\n" not in rest:
        piece = sock.recv(1 << 16)
        if not piece:
            return None, b""
        rest += piece
    head, _, body = rest.partition(b"\r\n\r\n")
    length = int(_find_header(head, b"content-length") or 0)
    pieces, got = [body], len(body)
    while got < length:
        piece = sock.recv(1 << 18)
        if not piece:
            return None, b""
        pieces.append(piece)
        got += len(piece)
    body = b"".join(pieces)
    return head + b"\r\n\r\n" + body[:length], body[length:]


def _find_header(head: bytes, name: bytes) -> bytes | None:
    for line in head.split(b"\r\n")[1:]:
        found, _, value = line.partition(b":")
        if found.strip().lower() == name:
            return value.strip()
    return None


def _make_answer(status: int, body: str) -> bytes:
    return f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()


class Sampler:
    """Adds up the sizes of the files in a folder, as often as it can, and remembers the most.

    Reading folders takes a while: a chunk counted in one may be gone by the time another is read, and the one that took
    its room is counted too. So while it adds up a spool it holds the lock under which bytes may only become more; what
    goes meanwhile makes the sum too large at no time, for it was there when the lock was taken.

    Args:
        folder: what is added up.
        pause_s: between two sums.
        lock: the file to lock for each sum; None for a folder that has no such rule: its sum may then be a little
            more than was ever there at once.
    """

    def __init__(self, folder: Path, pause_s: float = 0.001, lock: Path | None = None) -> None:
        self.folder, self.pause_s, self.lock = folder, pause_s, lock
        self.peak = self.samples = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            sizes: dict[int, int] = {}  # by inode: a file that is renamed meanwhile is seen twice, and is one
            with _holding(self.lock):
                _add_sizes(self.folder, sizes)
            self.peak, self.samples = max(self.peak, sum(sizes.values())), self.samples + 1
            time.sleep(self.pause_s)


@contextlib.contextmanager
def _holding(lock: Path | None) -> Iterator[None]:
    if lock is None:
        yield
        return
    with lock.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _add_sizes(folder: Path | str, sizes: dict[int, int]) -> None:
    with contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            with contextlib.suppress(FileNotFoundError):
                if entry.is_dir(follow_symlinks=False):
                    _add_sizes(entry.path, sizes)
                else:
                    status = entry.stat(follow_symlinks=False)
                    sizes[status.st_ino] = status.st_size


class Process:
    """A process that is started again whenever it was killed."""

    def __init__(self, words: list[str], environment: Mapping[str, str], log: Path) -> None:
        self.words, self.environment, self.log = words, environment, log
        self.starts = 0
        self.start()

    def start(self) -> None:
        """Start it."""
        self.starts += 1
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, *self.words], cwd=ROOT, env={**os.environ, **self.environment}, stdout=log, stderr=log
            )

    def kill(self) -> None:
        """Kill it by SIGKILL, and start it again."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.start()


@dataclass
class Report:
    """What came of it.

    Attributes:
        kills: how often each process was killed.
        faults: what the proxy did.
        peak: the most bytes that the sampler saw.
        samples: how often it looked.
        seconds: how long it took.
        left: files still in the spool.
    """

    kills: Counter[str]
    faults: Counter[str]
    peak: int
    samples: int
    seconds: float
    left: list[str]


def run_chaos(
    folder: Path,
    *,
    upstream: int,
    target: str,
    n_chunks: int,
    chunk_bytes: int,
    budget: int,
    kills: int,
    count_stored: Callable[[], int],
    seed: int = 0,
) -> Report:
    """Send chunks through a spool while everything fails, until all are confirmed.

    Args:
        folder: an empty folder.
        upstream: the port of the S3 server.
        target: the store.
        n_chunks: chunks to write.
        chunk_bytes: bytes of each.
        budget: of the spool.
        kills: how often one of the two processes is killed.
        count_stored: how many objects the server holds now; the kills are spread over the work by it.
        seed: of what is drawn.
    """
    began = time.monotonic()
    proxy = ChaosProxy(upstream, seed=seed)
    port = proxy.start()
    draw, killed, spool = random.Random(seed), Counter[str](), folder / "spool"
    upload = ["-m", "gpu_workers", "upload", "--spool", str(spool), "--to", target, "--json", "--timeout", "1"]
    upload += ["--max-spool", f"{budget}B"]
    write = ["-m", MODULE, str(spool), target, str(n_chunks), str(chunk_bytes)]
    keys = {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}"}
    uploader = Process(upload, keys, folder / "uploader.log")
    _wait_for((spool / "state.json").exists, uploader)  # so that the writer knows the budget
    with Sampler(spool, lock=spool / "account.lock") as sampler:
        writer = Process(write, {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{upstream}"}, folder / "writer.log")
        for number in range(kills):
            due = n_chunks * (number + 1) // (kills + 2)
            _wait_for(lambda due=due: count_stored() >= due, uploader, writer)  # type: ignore[misc]
            time.sleep(draw.random() * 0.05)
            name = draw.choice(["uploader", "writer"])
            killed[name] += 1
            (uploader if name == "uploader" else writer).kill()
        code = writer.process.wait()
        uploader.process.send_signal(signal.SIGTERM)
        codes = code, uploader.process.wait()
    proxy.stop()
    assert codes == (0, 0), (codes, (folder / "writer.log").read_text()[-2000:])
    left = [str(path) for part in ("ready", "writing", "conflict", "refused") for path in (spool / part).iterdir()]
    return Report(killed, proxy.done, sampler.peak, sampler.samples, time.monotonic() - began, left)


def _wait_for(ready: Callable[[], bool], *processes: Process) -> None:
    while not ready():
        for process in processes:
            code = process.process.poll()
            assert code is None or code == 0, (code, process.log.read_text()[-2000:])
        time.sleep(0.01)


def check_objects(client: Any, bucket: str, prefix: str, n_chunks: int, chunk_bytes: int) -> None:
    """See that a versioned bucket holds each chunk, once, bit for bit, and nothing else."""
    versions: Counter[str] = Counter()
    for page in client.get_paginator("list_object_versions").paginate(Bucket=bucket):
        versions.update(version["Key"] for version in page.get("Versions", []))
    assert versions == Counter({f"{prefix}/{chunk_key(i)}": 1 for i in range(n_chunks)})
    for number in range(n_chunks):
        body = client.get_object(Bucket=bucket, Key=f"{prefix}/{chunk_key(number)}")["Body"].read()
        assert body == make_chunk(number, chunk_bytes), number


def write_chunks(folder: str, target: str, n_chunks: int, chunk_bytes: int) -> None:
    """Write what is missing through a spool, and wait until S3 has confirmed all; what an extractor does."""
    store = SpoolStore(open_store(target), Spool(folder))
    there = {info.key for info in store.list("iaf/chaos/")}
    keys = [chunk_key(number) for number in range(n_chunks)]
    for number, key in enumerate(keys):
        if key not in there:
            with contextlib.suppress(ObjectExistsError):
                store.put(key, make_chunk(number, chunk_bytes))
    assert store.wait_confirmed(keys, look=True) == frozenset()


if __name__ == "__main__":
    write_chunks(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
