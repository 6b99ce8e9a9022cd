"""A hundred chunks through a spool while S3 fails and lies and both processes are killed."""

from pathlib import Path
from urllib.parse import urlsplit

import boto3

from tests.gpu_workers.spool.chaos import check_objects, run_chaos

N_CHUNKS, CHUNK_BYTES, BUDGET = 100, 100_000, 1_000_000


def test_every_chunk_arrives_once_whatever_fails_and_whoever_is_killed(bucket: str, aws: str, tmp_path: Path) -> None:
    client = boto3.client("s3")
    client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})

    def count_stored() -> int:
        return int(client.list_objects_v2(Bucket=bucket)["KeyCount"])

    report = run_chaos(
        tmp_path,
        upstream=int(urlsplit(aws).port or 0),
        target=f"s3://{bucket}/pre",
        n_chunks=N_CHUNKS,
        chunk_bytes=CHUNK_BYTES,
        budget=BUDGET,
        kills=6,
        count_stored=count_stored,
        seed=5,
    )
    assert report.left == []
    assert report.kills.total() == 6
    assert report.faults.total() - report.faults["none"] > 10
    assert 0 < report.peak <= BUDGET
    assert report.samples > 50
    check_objects(client, bucket, "pre", N_CHUNKS, CHUNK_BYTES)
