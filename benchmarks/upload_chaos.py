"""A thousand chunks through a spool while S3 fails and lies, and both processes are killed fifty times.

    python -m benchmarks.upload_chaos [--chunks 1000] [--kills 50] [--seed 1]

As tests/gpu_workers/spool/test_chaos.py, at the size that the promise is made for: a moto server, a process of its
own, behind a proxy that drops, stalls, truncates, refuses and lies in 30 % of the requests; writer and uploader are
killed by SIGKILL at random. It ends with an error unless each chunk arrived once, bit for bit, nothing is left, and the
spool was never over its budget.
"""

import argparse
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import boto3

from benchmarks.record import add_out, begin
from benchmarks.result import Column, Figure, Table
from tests.gpu_workers.spool.chaos import check_objects, run_chaos

CHUNK_BYTES, BUDGET = 200_000, 4_000_000


def main() -> None:
    """Run it, and record what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chunks", type=int, default=1000)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    add_out(parser)
    options = parser.parse_args()
    recording = begin("upload-chaos", options.out)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    keys = {"AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "bench", "AWS_DEFAULT_REGION": "us-east-1"}
    os.environ.update(keys)  # for the clients here, and in the processes that this one starts
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_for_port(port)
        client = boto3.client("s3", endpoint_url=f"http://127.0.0.1:{port}")
        client.create_bucket(Bucket="chaos")
        client.put_bucket_versioning(Bucket="chaos", VersioningConfiguration={"Status": "Enabled"})

        def count_stored() -> int:
            time.sleep(0.1)  # a listing costs moto more than an upload
            return int(client.list_objects_v2(Bucket="chaos")["KeyCount"])

        with tempfile.TemporaryDirectory() as folder:
            report = run_chaos(
                Path(folder),
                upstream=port,
                target="s3://chaos/pre",
                n_chunks=options.chunks,
                chunk_bytes=CHUNK_BYTES,
                budget=BUDGET,
                kills=options.kills,
                count_stored=count_stored,
                seed=options.seed,
            )
        assert report.left == []
        assert report.peak <= BUDGET
        check_objects(client, "chaos", "pre", options.chunks, CHUNK_BYTES)
    finally:
        server.terminate()
        server.wait()

    killed = sum(report.kills.values())
    rows = (
        ("seconds", report.seconds),
        ("processes killed", killed),
        *((f"requests: {what}", n) for what, n in report.faults.most_common()),
        ("most bytes in the spool", report.peak),
        ("of a budget of", BUDGET),
        ("looks at it", report.samples),
        ("chunks that arrived once, bit for bit", options.chunks),
        ("files left behind", len(report.left)),
    )
    caption = f"{options.chunks:,} chunks of {CHUNK_BYTES:,} bytes, seed {options.seed}."
    figures = [
        Figure("arrived", f"chunks of {options.chunks:,} that arrived once, bit for bit", options.chunks,
               at_least=options.chunks),
        Figure("peak", "the most that the spool held, of its budget", report.peak / BUDGET, at_most=1),
    ]  # fmt: skip
    table = Table(caption, (Column("counted"),), rows)
    recording.save("An upload while S3 fails and lies and both processes are killed", [table], figures)


def _wait_for_port(port: int) -> None:
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(0.1)
        else:
            return


if __name__ == "__main__":
    main()
