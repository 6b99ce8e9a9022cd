"""A thousand Lambda invocations in flight: processor time and memory of the coordinator, by way of sending them.

    python -m benchmarks.fan_out [--n 1000] [--delay 1] [--rounds 3] [--ways …]

The endpoint is a stub on the loopback address, a process of its own: TLS, HTTP/1.1 kept alive, one answer after a
second, with a log tail and a part of 8 KB. Each way runs in a fresh process, in turn, and sends 1,000 events of 1 KB at
once over connections that it has still to open. Counted are its own processor time (handshakes included) and the most
memory that it ever held, Python and imports included: what the way needs, and for `ours` all that the coordinator has
loaded when it runs a stage. aiohttp and aiobotocore are no dependencies of Mycelium, and get an environment of their
own. The certificate is made by the `cryptography` that moto brings.
"""

import argparse
import asyncio
import base64
import datetime as dt
import ipaddress
import json
import os
import queue
import resource
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.peers import install
from benchmarks.record import add_out, begin
from benchmarks.result import Cell, Column, Figure, Table

Way = Callable[[int], None]
PATH = "/2015-03-31/functions/mycelium-heartbeat/invocations"
TAIL = (
    "START RequestId: 1 Version: $LATEST\nEND RequestId: 1\nREPORT RequestId: 1\tDuration: 1000.12 ms\t"
    "Billed Duration: 1001 ms\tMemory Size: 1769 MB\tMax Memory Used: 150 MB\t\n"
)
OUTCOME = {"chunk_id": "00000", "status": "done", "n_input": 31_000, "n_output": 1400, "wall_s": 1.0}
PART = base64.b64encode(bytes(range(256)) * 32).decode()
EVENT = json.dumps({"task": {"chunk_id": "00000", "params": "x" * 900}, "source_uri": "s3://a", "target_uri": "s3://a"})


Behave = Callable[[bytes], tuple[float, bytes]]
"""An event to how long its answer takes, and the answer, head and all."""


def answer_well() -> bytes:
    """Return the answer of a function that did its task."""
    body = json.dumps({"outcome": OUTCOME, "part": PART}).encode()
    head = f"HTTP/1.1 200 OK\r\nX-Amz-Log-Result: {base64.b64encode(TAIL.encode()).decode()}\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def serve(folder: Path, behave: Behave) -> None:
    """Be the endpoint, until killed."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                lines = (await reader.readuntil(b"\r\n\r\n")).lower().split(b"\r\n")
                sizes = [int(line.split(b":")[1]) for line in lines if line.startswith(b"content-length:")]
                delay_s, answer = behave(await reader.readexactly(sum(sizes)))
                await asyncio.sleep(delay_s)
                writer.write(answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, OSError):
            writer.close()

    async def main() -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
        server = await asyncio.start_server(
            handle, "127.0.0.1", 0, ssl=context, backlog=4096, ssl_handshake_timeout=120.0
        )
        (folder / "port.new").write_text(str(server.sockets[0].getsockname()[1]))
        (folder / "port.new").rename(folder / "port")
        await server.serve_forever()

    asyncio.run(main())


def make_certificate(folder: Path) -> None:
    """Write a certificate for the loopback address and its key."""
    from cryptography import x509  # noqa: PLC0415 - only here
    from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import rsa  # noqa: PLC0415

    key = rsa.generate_private_key(65537, 2048)  # what AWS's endpoints have
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    loopback = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    built = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    built = built.not_valid_before(now).not_valid_after(now + dt.timedelta(days=1))
    signed = built.add_extension(loopback, critical=False).sign(key, hashes.SHA256())
    pem = serialization.Encoding.PEM
    (folder / "cert.pem").write_bytes(signed.public_bytes(pem))
    plain, unencrypted = serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    (folder / "key.pem").write_bytes(key.private_bytes(pem, plain, unencrypted))


def in_threads(call: Callable[[], object], n: int) -> None:
    """Call from as many threads as there are calls, and wait for all."""
    answers: queue.SimpleQueue[object] = queue.SimpleQueue()
    for _ in range(n):
        threading.Thread(target=lambda: answers.put(call()), daemon=True).start()
    for _ in range(n):
        answers.get()


def boto3_threads(url: str, cert: str, n_most: int) -> Way:
    """One thread for each call to boto3's client."""
    import boto3  # noqa: PLC0415 - each way pays for its own imports
    from botocore.config import Config  # noqa: PLC0415

    config = Config(max_pool_connections=n_most, retries={"total_max_attempts": 1}, read_timeout=330)
    client = boto3.client("lambda", endpoint_url=url, verify=cert, config=config)

    def call() -> object:
        answer = client.invoke(FunctionName="mycelium-heartbeat", Payload=EVENT, LogType="Tail")
        return json.loads(answer["Payload"].read())

    return lambda n: in_threads(call, n)


def aiohttp_coroutines(url: str, cert: str, n_most: int) -> Way:
    """One coroutine for each call; signed by botocore, sent by aiohttp."""
    import aiohttp  # noqa: PLC0415
    from botocore.auth import SigV4Auth  # noqa: PLC0415
    from botocore.awsrequest import AWSRequest  # noqa: PLC0415
    from botocore.credentials import Credentials  # noqa: PLC0415

    context = ssl.create_default_context(cafile=cert)
    signer = SigV4Auth(Credentials("a", "b"), "lambda", "us-east-1")

    async def call(session: Any) -> object:
        request = AWSRequest("POST", url + PATH, data=EVENT, headers={"X-Amz-Log-Type": "Tail"})
        signer.add_auth(request)
        async with session.post(url + PATH, data=EVENT, headers=dict(request.headers.items())) as answer:
            return json.loads(await answer.read())

    async def main(n: int) -> None:
        connector = aiohttp.TCPConnector(limit=n_most, ssl=context)
        async with aiohttp.ClientSession(connector=connector) as session:
            await asyncio.gather(*(call(session) for _ in range(n)))

    return lambda n: asyncio.run(main(n))


def aiobotocore_coroutines(url: str, cert: str, n_most: int) -> Way:
    """One coroutine for each call to aiobotocore's client."""
    from aiobotocore.config import AioConfig  # noqa: PLC0415
    from aiobotocore.session import get_session  # noqa: PLC0415

    config = AioConfig(max_pool_connections=n_most, retries={"total_max_attempts": 1}, read_timeout=330)

    async def call(client: Any) -> object:
        answer = await client.invoke(FunctionName="mycelium-heartbeat", Payload=EVENT, LogType="Tail")
        return json.loads(await answer["Payload"].read())

    async def main(n: int) -> None:
        async with get_session().create_client("lambda", endpoint_url=url, verify=cert, config=config) as client:
            await asyncio.gather(*(call(client) for _ in range(n)))

    return lambda n: asyncio.run(main(n))


def ours_in_threads(url: str, cert: str, n_most: int) -> Way:
    """The executor over botocore's pool: how it flies where there is a proxy."""
    from coordinator.executors.invoke import Invoker  # noqa: PLC0415

    return ours(url, cert, n_most, lambda endpoint: Invoker(endpoint, n_most, 300))


def ours(url: str, cert: str, n_most: int, make: Callable[[Any], Any] | None = None) -> Way:
    """The whole executor, from tasks to results, with all that `run-stage` has loaded by then."""
    import boto3  # noqa: PLC0415
    from botocore.credentials import Credentials  # noqa: PLC0415

    from coordinator.cli import coordinator  # noqa: PLC0415
    from coordinator.endpoint import Endpoint  # noqa: PLC0415
    from coordinator.executors.aws_lambda import LambdaExecutor  # noqa: PLC0415
    from coordinator.executors.backup import BACKUPS  # noqa: PLC0415
    from coordinator.executors.fly import Flyer  # noqa: PLC0415
    from lambdas.stages import find_stage  # noqa: PLC0415

    find_stage("heartbeat")
    clients = [coordinator, boto3.client("s3")]  # what a run has open beside
    endpoint = Endpoint(url, "us-east-1", Credentials("a", "b"), cert)
    invoker = make(endpoint) if make else Flyer(endpoint, 330)
    executor = LambdaExecutor(invoker, "mycelium-heartbeat", "mycelium-reduce", n_most, backups=BACKUPS)

    def run(n: int) -> None:
        statuses = [result.outcome.status for result in executor.run(make_tasks(n), "s3://a", "s3://a")]
        assert statuses == ["done"] * n
        assert clients

    return run


def make_tasks(n: int) -> list[Any]:
    """Return tasks as a run has them, an event of 1 KB each."""
    from mycelium.manifest import ObjectRef  # noqa: PLC0415 - each way pays for its own imports
    from mycelium.schema import Provenance, Row  # noqa: PLC0415
    from mycelium.task import Task  # noqa: PLC0415

    of, ref = Provenance("gsm8k", "GSM8K", "t@0"), ObjectRef("iaf", "iaf/gsm8k-0123456789ab/00000.parquet", 1, "0" * 64)
    params: Row = {"threshold": 0.5, "note": "x" * 400}
    return [Task(f"{i:05d}", "gsm8k-0123456789ab", "heartbeat", params, (ref,), of, of) for i in range(n)]


WAYS: dict[str, Callable[[str, str, int], Way]] = {
    "boto3, threads": boto3_threads,
    "aiohttp, coroutines": aiohttp_coroutines,
    "aiobotocore, coroutines": aiobotocore_coroutines,
    "ours, threads": ours_in_threads,
    "ours, selector": ours,
}
PACKAGES = ("aiohttp==3.14.5", "aiobotocore==3.10.0", "boto3")
OF_PEERS = ("aiohttp, coroutines", "aiobotocore, coroutines")


def measure(name: str, url: str, cert: str, n: int) -> None:
    """Run one way in this process, and print what it took as JSON."""
    way = WAYS[name](url, cert, n)
    loaded = _memory_mb("VmRSS")
    before, start = _cpu_s(), time.perf_counter()
    way(n)
    wall_s, cpu_s = time.perf_counter() - start, _cpu_s() - before
    print(json.dumps({"wall_s": wall_s, "cpu_ms": cpu_s / n * 1e3, "peak": _memory_mb("VmHWM"), "loaded": loaded}))


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _memory_mb(field: str) -> float:
    """Return a field of /proc/self/status, MB; getrusage would count what was inherited by fork."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) * 1024 / 1e6


def tabulate(found: dict[str, list[dict[str, float]]], n: int, delay_s: float) -> Table:
    """Return what each way took."""
    keys = ("wall_s", "cpu_ms", "peak", "loaded")
    rows: list[tuple[Cell, ...]] = [
        (name, *(tuple(answer[key] for answer in answers) for key in keys)) for name, answers in found.items()
    ]
    columns = (
        Column("all", "s", ".2f"),
        Column("of a processor, each", "ms", ".2f"),
        Column("peak", "MB", ".0f"),
        Column("of it loaded before", "MB", ".0f"),
    )
    caption = f"{n:,} invocations in flight, each answered after {delay_s:g} s."
    return Table(caption, columns, tuple(rows), label="way", base="ours, selector", by="of a processor, each")


def main() -> None:
    """Measure each way in turn."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=1000)
    parser.add_argument("--delay", type=float, default=1.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--ways", nargs="*", default=list(WAYS))
    parser.add_argument("--part", nargs=2, help=argparse.SUPPRESS)
    add_out(parser)
    asked = parser.parse_args()
    if asked.part:
        what, where = asked.part
        folder = Path(where)
        if what == "serve":
            answer = answer_well()
            serve(folder, lambda _event: (asked.delay, answer))
        else:
            measure(what, f"https://127.0.0.1:{(folder / 'port').read_text()}", str(folder / "cert.pem"), asked.n)
        return
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    recording = begin("fan-out", asked.out)
    ways: list[str] = asked.ways
    python = str(install("fan-out", PACKAGES)) if set(ways) & set(OF_PEERS) else ""
    found: dict[str, list[dict[str, float]]] = {name: [] for name in ways}
    credentials = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_DEFAULT_REGION": "us-east-1"}
    me = ["-m", "benchmarks.fan_out", "--n", str(asked.n), "--delay", str(asked.delay), "--part"]
    with tempfile.TemporaryDirectory() as made:
        make_certificate(Path(made))
        with subprocess.Popen([sys.executable, *me, "serve", made]) as server:
            try:
                wait_for(Path(made) / "port")
                for _ in range(asked.rounds):
                    for name in ways:
                        environment = {**os.environ, **credentials}
                        way = [python if name in OF_PEERS else sys.executable, *me, name, made]
                        told = subprocess.run(way, stdout=subprocess.PIPE, check=True, env=environment)
                        found[name].append(json.loads(told.stdout))
            finally:
                server.kill()
    table = tabulate(found, asked.n, asked.delay)
    ours = found.get("ours, selector", [])
    cpu, peak = (tuple(row[key] for row in ours) for key in ("cpu_ms", "peak"))
    figures = [
        Figure(f"cpu-{name.split(',')[0]}", f"one of {asked.n:,} invocations in flight, of a processor", cpu, "ms",
               name, tuple(row["cpu_ms"] for row in rows), at_most=2.0)
        for name, rows in found.items() if ours and not name.startswith("ours")
    ]  # fmt: skip
    if ours:
        figures.append(
            Figure("peak", f"memory with {asked.n:,} invocations in flight", peak, "MB", form=".0f", at_most=150)
        )
        # The last is answered a delay after it has come: by then all of them were in flight.
        full = tuple(row["wall_s"] - asked.delay for row in ours)
        figures.append(Figure("full", f"until all {asked.n:,} are in flight, at most", full, "s", at_most=3.0))
    title = "Processor time and memory of a coordinator with a thousand invocations in flight"
    recording.save(title, [table], figures, PACKAGES[:2])


def wait_for(path: Path) -> None:
    """Wait until the stub has said where it is."""
    for _ in range(300):
        if path.exists():
            return
        time.sleep(0.1)
    raise TimeoutError(f"the stub has not opened {path.name} within 30 s")


if __name__ == "__main__":
    main()
