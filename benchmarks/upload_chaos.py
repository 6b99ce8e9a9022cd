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

from benchmarks.measure import describe_machine
from tests.gpu_workers.spool.chaos import check_objects, run_chaos

CHUNK_BYTES, BUDGET = 200_000, 4_000_000


def main() -> None:
    """Run it, and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chunks", type=int, default=1000)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
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
        print(
            f"\nchaos: {options.chunks} chunks of {CHUNK_BYTES:,} bytes, {report.seconds:.0f} s; {describe_machine()}"
        )
        print(f"  killed: {dict(report.kills)}; requests: {dict(report.faults.most_common())}")
        print(f"  peak spool {report.peak:,} of {BUDGET:,} bytes, {report.samples:,} looks; left: {len(report.left)}")
        assert report.left == []
        assert report.peak <= BUDGET
        check_objects(client, "chaos", "pre", options.chunks, CHUNK_BYTES)
        print("  every chunk is there once, bit for bit")
    finally:
        server.terminate()
        server.wait()


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
