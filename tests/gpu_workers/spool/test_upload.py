"""The command: a process of its own, and every mistake in one line."""

import configparser
import json
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import boto3
import click
import pytest

from gpu_workers.cli import gpu_workers
from gpu_workers.spool import Spool
from gpu_workers.spool.upload import parse_size
from mycelium.command import call_command
from mycelium.errors import UserInputError
from tests.gpu_workers.spool.endpoint import Sink, error

ROOT = Path(__file__).parents[3]
UNIT = ROOT / "gpu_workers" / "spool" / "mycelium-upload.service"


def call(*words: str) -> int:
    return call_command(gpu_workers, "python -m gpu_workers", ("upload", *words))


def test_a_process_carries_chunks_away_until_it_is_told_to_end(bucket: str, tmp_path: Path) -> None:
    folder = str(tmp_path / "spool")
    words = ["-m", "gpu_workers", "upload", "--spool", folder, "--to", f"s3://{bucket}/pre/", "--json"]
    process = subprocess.Popen([sys.executable, *words], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    first = json.loads(process.stdout.readline())
    assert (first["kind"], first["budget_bytes"]) == ("level", 500_000_000)
    spool = Spool(folder)
    spool.publish("iaf/r/0.parquet", b"PAR1 columns PAR1")
    while spool.waiting():
        pass
    assert call("--spool", folder, "--to", f"s3://{bucket}/pre") == 2  # it has an uploader
    spool.publish("iaf/r/1.parquet", b"PAR1 more columns PAR1")
    process.send_signal(signal.SIGTERM)
    last = [json.loads(line) for line in process.stdout][-1]
    process.stdout.close()
    assert process.wait() == 0
    assert (last["files"], last["waiting"]) == (2, 0)
    listed = boto3.client("s3").list_objects_v2(Bucket=bucket)["Contents"]
    assert [item["Key"] for item in listed] == ["pre/iaf/r/0.parquet", "pre/iaf/r/1.parquet"]


def test_drain_ends_when_the_spool_is_empty(sink: Sink, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spool = Spool(tmp_path / "spool")
    spool.publish("a/b", b"x")
    assert call("--spool", str(spool.folder), "--to", "s3://bucket", "--drain") == 0
    assert list(sink.objects) == ["bucket/a/b"]
    assert capsys.readouterr().err.splitlines()[-1].startswith("upload: 1 chunks, 0 MB")


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        ((404, {}, error("NoSuchBucket")), "there is no bucket bucket: create it, or give another --to"),
        ((403, {}, error("InvalidAccessKeyId")), "refuses these AWS credentials (InvalidAccessKeyId)"),
        (
            (403, {"Date": "Fri, 20 Nov 2020 13:00:00 GMT"}, error("RequestTimeTooSkewed")),
            "s ahead of S3's (RequestTimeTooSkewed): set it",
        ),
        ((400, {}, error("ExpiredToken")), "the AWS credentials have expired"),
    ],
)
def test_what_s3_refuses_is_one_line_at_once_and_pauses_the_writers(
    sink: Sink,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    reply: tuple[int, dict[str, str], bytes],
    said: str,
) -> None:
    spool = Spool(tmp_path / "spool")
    spool.publish("a/b", b"x")
    sink.say.append(reply)
    assert call("--spool", str(spool.folder), "--to", "s3://bucket") == 2
    out, err = capsys.readouterr()
    assert said in err.splitlines()[-1]
    assert (out, "Traceback" in err) == ("", False)
    assert said in str(spool.read_state().error)
    assert len(spool.waiting()) == 1


def test_a_right_that_is_missing_stops_at_the_first_chunk(
    sink: Sink, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spool = Spool(tmp_path / "spool")
    spool.publish("a/b", b"x")
    sink.say += [(200, {}, b""), (403, {}, error("AccessDenied"))]
    assert call("--spool", str(spool.folder), "--to", "s3://bucket") == 2
    assert "they need s3:PutObject" in capsys.readouterr().err.splitlines()[-1]
    assert len([method for method, _, _ in sink.asked if method == "PUT"]) == 1
    assert len(spool.waiting()) == 1


def test_a_conflict_and_what_is_no_chunk_are_named_and_kept(
    sink: Sink, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spool = Spool(tmp_path / "spool")
    spool.publish("a/b", b"theirs")
    assert call("--spool", str(spool.folder), "--to", "s3://bucket", "--drain") == 0
    spool.publish("a/b", b"ours, another")
    (spool.folder / "ready" / "core.dump").write_bytes(b"?")
    assert call("--spool", str(spool.folder), "--to", "s3://bucket", "--drain") == 0
    err = capsys.readouterr().err
    refused, conflict = (line for line in err.splitlines() if not line.startswith("upload: "))
    assert re.match(r"conflict: s3://bucket holds another object a/b.*; ours is kept as .*/conflict/a,b,", conflict)
    assert re.fullmatch(r"refused: core.dump: it is not named as a chunk; it is kept as .*/refused/core.dump", refused)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--to", "/some/folder"], "the spool empties into s3://bucket/prefix; got '/some/folder'"),
        (["--max-spool", "much"], "a size is a number and B, KB, MB, GB, KiB, MiB or GiB, 500MB, say; got 'much'"),
        (["--max-spool", "1KB"], "a spool holds more than 16,384 bytes; got 1,000"),
        (["--concurrency", "0"], "is not in the range"),
        (["--spool", "/dev/null/x"], "can't be used"),
    ],
)
def test_mistakes_are_one_line(
    sink: Sink, tmp_path: Path, words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    given = {"--spool": str(tmp_path / "spool"), "--to": "s3://bucket", **dict([words])}
    assert call(*(word for pair in given.items() for word in pair)) == 2
    out, err = capsys.readouterr()
    assert said in err.splitlines()[-1]
    assert err.splitlines()[-1].startswith("error: ")
    assert (out, "Traceback" in err) == ("", False)


@pytest.mark.parametrize(
    ("text", "size"),
    [("500MB", 500_000_000), ("1.5 GB", 1_500_000_000), ("256MiB", 256 << 20), ("20000", 20_000), ("1gb", 10**9)],
)
def test_sizes_are_read(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "-5MB", "MB", "5XB", "1e9", "∞", "0"])
def test_other_sizes_are_refused(text: str) -> None:
    with pytest.raises(UserInputError):
        parse_size(text)


def test_an_uploader_does_not_carry_what_only_the_extractor_needs() -> None:
    code = (
        "import sys\nfrom gpu_workers.cli import gpu_workers\nimport gpu_workers.spool.upload\n"
        "print({'torch', 'transformers', 'pyarrow', 'numpy'} & set(sys.modules))"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert answer.stdout == "set()\n"


def test_the_service_starts_a_command_that_can_be_typed() -> None:
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment, method-assign]
    unit.read_string(UNIT.read_text())
    service = unit["Service"]
    words = shlex.split(service["ExecStart"].replace("${MAX_SPOOL}", "500MB").replace("${TO}", "s3://b"))
    assert words[:4] == ["/opt/mycelium/.venv/bin/python", "-m", "gpu_workers", "upload"]
    command = gpu_workers.commands["upload"]
    with click.Context(command) as context:
        command.make_context("upload", words[4:], parent=context)
    assert service["Restart"] == "on-failure"
    assert int(service["TimeoutStopSec"]) < 120  # what a spot notice leaves
