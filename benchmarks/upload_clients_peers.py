"""One S3 client, measured in a fresh process; `benchmarks.upload_clients` starts these and reads their answer.

``python -m benchmarks.upload_clients_peers WAY FOLDER BUCKET THREADS`` uploads the files of a folder to the endpoint in
the environment, so many at once, and prints one line of JSON.
"""

import hashlib
import json
import os
import re
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any


def main() -> None:
    """Upload, and print what it took, without imports."""
    way, folder, bucket, threads = sys.argv[1:]
    upload = make_client(way, bucket)
    files = sorted(Path(folder).iterdir())
    total = sum(file.stat().st_size for file in files)
    send = upload
    if way == "ours":
        digests = {file: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}
        send = lambda file: upload(file, digests[file])  # noqa: E731
    cpu_s, began = time.process_time(), time.perf_counter()
    with ThreadPoolExecutor(int(threads)) as pool:
        list(pool.map(send, files))
    wall_s, cpu_s = time.perf_counter() - began, time.process_time() - cpu_s
    peak = re.search(r"VmHWM:\s*(\d+)", Path("/proc/self/status").read_text())
    peak_mb = int(peak[1]) * 1024 / 1e6 if peak else 0.0
    print(json.dumps({"mb_per_s": total / 1e6 / wall_s, "cpu_s_per_gb": cpu_s / (total / 1e9), "peak_mb": peak_mb}))
    sys.stdout.flush()
    os._exit(0)  # obstore and the CRT keep threads of their own


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


if __name__ == "__main__":
    main()
