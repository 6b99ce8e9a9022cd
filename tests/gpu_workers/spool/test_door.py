"""The door: digests, conditions, parts, and what an answer has to say before a chunk counts as confirmed."""

import base64
import hashlib
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import boto3
import pytest

from gpu_workers.spool.answers import DigestRefusedError
from gpu_workers.spool.door import Door, Upload, split_target
from gpu_workers.spool.line import Line, find_endpoint
from mycelium.errors import ConflictError, UploadError, UploadRefusedError, UserInputError
from tests.gpu_workers.spool.endpoint import Sink, error

PART = 1 << 20
Make = Callable[[str, bytes], Path]


@pytest.fixture
def door(sink: Sink) -> Iterator[Door]:
    with ThreadPoolExecutor(4) as parts:
        made = Door(Line(find_endpoint("bucket"), 5.0), "s3://bucket/pre", parts, PART, 2 * PART)
        yield made
        made.close()


def upload_of(path: Path, key: str = "iaf/r/0.parquet", sha256: str | None = None) -> Upload:
    data = path.read_bytes()
    return Upload(key, path, len(data), sha256 or hashlib.sha256(data).hexdigest())


def test_an_object_is_sent_whole_with_its_digest_and_a_condition(door: Door, sink: Sink, make_file: Make) -> None:
    upload = upload_of(make_file("f", os.urandom(300_000)))
    sent: list[int] = []
    assert door.upload(upload, sent.append)
    held = sink.objects["bucket/pre/iaf/r/0.parquet"]
    assert (held.size, held.sha256) == (300_000, upload.sha256)
    assert sum(sent) == 300_000
    ((method, _, headers),) = sink.asked
    assert (method, headers["if-none-match"]) == ("PUT", "*")
    checksum = base64.b64encode(bytes.fromhex(upload.sha256)).decode()
    assert headers["x-amz-checksum-sha256"] == checksum
    assert headers["x-amz-content-sha256"] == upload.sha256


def test_an_empty_object_is_sent(door: Door, sink: Sink, make_file: Make) -> None:
    assert door.upload(upload_of(make_file("f", b"")), lambda _: None)
    assert sink.objects["bucket/pre/iaf/r/0.parquet"].size == 0


def test_a_key_s_odd_signs_are_quoted(door: Door, sink: Sink, make_file: Make) -> None:
    key = "a/b+c=d@e~f-g_h.parquet"
    assert door.upload(upload_of(make_file("f", b"x"), key), lambda _: None)
    assert list(sink.objects) == [f"bucket/pre/{key}"]


def test_the_same_bytes_there_are_a_success_and_others_a_conflict(door: Door, sink: Sink, make_file: Make) -> None:
    first, second, longer = make_file("1", b"first"), make_file("2", b"other"), make_file("3", b"another one")
    assert door.upload(upload_of(first), lambda _: None)
    assert not door.upload(upload_of(first), lambda _: None)
    for path in (second, longer):
        with pytest.raises(ConflictError, match="s3://bucket/pre holds another object iaf/r/0.parquet"):
            door.upload(upload_of(path), lambda _: None)
    assert sink.objects["bucket/pre/iaf/r/0.parquet"].data == b"first"


def test_without_a_stored_digest_the_object_is_read(door: Door, sink: Sink, make_file: Make) -> None:
    path = make_file("f", b"the bytes")
    door.upload(upload_of(path), lambda _: None)
    sink.objects["bucket/pre/iaf/r/0.parquet"].checksum = "of another algorithm"
    assert not door.upload(upload_of(path), lambda _: None)
    assert [method for method, _, _ in sink.asked] == ["PUT", "PUT", "HEAD", "GET"]


def test_an_answer_that_names_another_digest_confirms_nothing(door: Door, sink: Sink, make_file: Make) -> None:
    sink.say.append((200, {"x-amz-checksum-sha256": "AAAA"}, b""))
    with pytest.raises(UploadError, match="names another digest"):
        door.upload(upload_of(make_file("f", b"x")), lambda _: None)


def test_an_answer_that_names_no_digest_is_not_believed(door: Door, sink: Sink, make_file: Make) -> None:
    path = make_file("f", b"x")
    sink.say.append((200, {}, b""))  # and nothing was stored
    with pytest.raises(UploadError, match="is there and is not there"):
        door.upload(upload_of(path), lambda _: None)
    door.upload(upload_of(path), lambda _: None)
    sink.say.append((200, {}, b""))
    assert door.upload(upload_of(path), lambda _: None)  # it was there


def test_damaged_bytes_are_refused_by_s3(door: Door, sink: Sink, make_file: Make) -> None:
    upload = upload_of(make_file("f", b"damaged"), sha256=hashlib.sha256(b"whole").hexdigest())
    with pytest.raises(DigestRefusedError, match="S3 got other bytes than were sent"):
        door.upload(upload, lambda _: None)
    assert (sink.objects, sink.refused) == ({}, 1)


class TestParts:
    """Large files."""

    def test_a_large_file_goes_in_parts_and_its_digest_is_that_of_the_parts(
        self, door: Door, sink: Sink, make_file: Make
    ) -> None:
        data = os.urandom(3 * PART + 17)
        assert door.upload(upload_of(make_file("f", data)), lambda _: None)
        held = sink.objects["bucket/pre/iaf/r/0.parquet"]
        assert held.data == data
        digests = [hashlib.sha256(data[i : i + PART]).digest() for i in range(0, len(data), PART)]
        assert held.checksum == base64.b64encode(hashlib.sha256(b"".join(digests)).digest()).decode() + "-4"

    def test_what_is_there_is_not_sent_again(self, door: Door, sink: Sink, make_file: Make) -> None:
        path = make_file("f", os.urandom(3 * PART))
        door.upload(upload_of(path), lambda _: None)
        before = len(sink.asked)
        assert not door.upload(upload_of(path), lambda _: None)
        assert [method for method, _, _ in sink.asked[before:]] == ["HEAD", "HEAD"]
        with pytest.raises(ConflictError):
            door.upload(upload_of(make_file("g", os.urandom(3 * PART))), lambda _: None)

    def test_the_end_is_conditional_as_well(self, door: Door, sink: Sink, make_file: Make) -> None:
        path = make_file("f", os.urandom(3 * PART))
        sink.say.append((404, {}, b""))  # another writer comes after this look, and is first
        other = os.urandom(10)
        checksum = base64.b64encode(hashlib.sha256(other).digest()).decode()

        def put_other(_: int) -> None:
            from tests.gpu_workers.spool.endpoint import Held  # noqa: PLC0415

            sink.objects["bucket/pre/iaf/r/0.parquet"] = Held(10, hashlib.sha256(other).hexdigest(), checksum, other)

        with pytest.raises(ConflictError):
            door.upload(upload_of(path), put_other)
        assert (sink.replaced, sink.parts) == (0, {})
        assert sink.objects["bucket/pre/iaf/r/0.parquet"].data == other

    def test_a_part_that_fails_is_sent_again_alone(self, door: Door, sink: Sink, make_file: Make) -> None:
        path = make_file("f", os.urandom(3 * PART))
        sink.say += [(404, {}, b""), (200, {}, b"<UploadId>u0</UploadId>"), (503, {}, error("SlowDown"))]
        sink.parts["u0"] = {}
        assert door.upload(upload_of(path), lambda _: None)
        assert sum(method == "PUT" for method, _, _ in sink.asked) == 4

    def test_an_upload_that_can_not_be_finished_is_taken_back(self, door: Door, sink: Sink, make_file: Make) -> None:
        sink.say += [(404, {}, b""), (200, {}, b"<UploadId>u0</UploadId>")] + [(403, {}, error("AccessDenied"))] * 3
        with pytest.raises(UploadRefusedError, match="AccessDenied"):
            door.upload(upload_of(make_file("f", os.urandom(3 * PART))), lambda _: None)
        assert sink.asked[-1][0] == "DELETE"


class TestProbe:
    """What is seen before there is anything to send."""

    def test_a_missing_bucket_is_one_line(self, door: Door, sink: Sink) -> None:
        sink.say.append((404, {}, error("NoSuchBucket")))
        with pytest.raises(UploadRefusedError, match="there is no bucket bucket"):
            door.probe()

    def test_no_right_to_list_and_no_answer_are_no_refusal(self, door: Door, sink: Sink) -> None:
        sink.say += [(403, {}, error("AccessDenied")), (503, {}, error("SlowDown")), (200, {}, b"")]
        for _ in range(3):
            door.probe()
        door.close()
        door.probe()


@pytest.mark.parametrize("target", ["", "/path", "http://x/y", "s3://", "gs://b"])
def test_other_targets_are_refused(target: str) -> None:
    with pytest.raises(UserInputError, match="the spool empties into s3://bucket/prefix"):
        split_target(target)
    assert split_target("s3://b/p/q/") == ("b", "p/q")


def test_moto_takes_it_too_and_boto3_reads_it(bucket: str, make_file: Make) -> None:
    data = os.urandom(3 * PART)
    with ThreadPoolExecutor(4) as parts:
        door = Door(Line(find_endpoint(bucket), 30.0), f"s3://{bucket}", parts, 5 * PART, 10 * PART)
        door.probe()
        assert door.upload(upload_of(make_file("f", data), "a/b"), lambda _: None)
        assert not door.upload(upload_of(make_file("f", data), "a/b"), lambda _: None)
        large = os.urandom(11 * PART)
        assert door.upload(upload_of(make_file("g", large), "a/c"), lambda _: None)
        client = boto3.client("s3")
        assert client.get_object(Bucket=bucket, Key="a/b")["Body"].read() == data
        assert client.get_object(Bucket=bucket, Key="a/c")["Body"].read() == large
        missing = Door(Line(find_endpoint("no-such-bucket"), 30.0), "s3://no-such-bucket", parts)
        with pytest.raises(UploadRefusedError, match="there is no bucket no-such-bucket"):
            missing.probe()
        door.close()
        missing.close()
