"""The command `doctor`: exit codes, JSON, and no secret on any line."""

import json
from pathlib import Path

import boto3
import pytest

from coordinator.cli import coordinator
from mycelium.command import call_command
from mycelium.deployment import DEFAULT_DEPLOYMENT, bucket_parameter, version_parameter

KEY, SECRET = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"


@pytest.fixture
def there(aws: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with credentials, and a folder for a store."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    published = [bucket_parameter(DEFAULT_DEPLOYMENT), version_parameter(DEFAULT_DEPLOYMENT)]
    boto3.client("ssm").delete_parameters(Names=published)  # another test's, of the same cloud
    monkeypatch.chdir(tmp_path)
    (tmp_path / "store").mkdir()
    return tmp_path


def doctor(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    code = call_command(coordinator, "python -m coordinator", ["doctor", *words])
    out, err = capsys.readouterr()
    assert "Traceback" not in err
    return code, out + err


def states(text: str) -> dict[str, str]:
    return {finding["what"]: finding["state"] for finding in json.loads(text)}


def test_a_good_machine_is_told_line_by_line(there: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, out = doctor(capsys, "--store", str(there / "store"))
    assert "good  Python: 3." in out
    assert "good  AWS credentials: arn:aws:" in out
    assert f"good  store {there / 'store'}: written, read, listed" in out
    assert "note  AWS endpoint: every request to AWS goes to http://127.0.0.1:" in out
    assert [path for path in (there / "store").rglob("*") if path.is_file()] == []


def test_it_is_json_for_machines(there: Path, bucket: str, capsys: pytest.CaptureFixture[str]) -> None:
    _, out = doctor(capsys, "--store", f"s3://{bucket}", "--json")
    found = states(out)
    assert found[f"store s3://{bucket}"] == "good"
    assert found["deployment mycelium"] == "note"
    assert {"Python", "packages", "GPU", "AWS endpoint", "AWS credentials"} <= found.keys()


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (("--deployment", "nowhere"), "deployment nowhere"),
        (("--store", "s3://no-such-bucket-anywhere"), "store s3://no-such-bucket-anywhere"),
        (("--store", "gs://bucket"), "store gs://bucket"),
    ],
)
def test_what_will_fail_makes_the_exit_code_one(
    words: tuple[str, ...], what: str, there: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out = doctor(capsys, *words, "--json")
    assert code == 1
    assert states(out)[what] == "bad"


def test_a_store_that_is_not_there_yet_is_made_by_nobody(there: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, out = doctor(capsys, "--store", str(there / "later"), "--json")
    assert states(out)[f"store {there / 'later'}"] == "note"
    assert not (there / "later").exists()


@pytest.mark.parametrize("words", [(), ("--json",), ("--store", "s3://no-such-bucket-anywhere")])
def test_no_secret_is_shown(
    words: tuple[str, ...], there: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AWS_SESSION_TOKEN", "FwoGZXIvYXdzEXAMPLETOKEN")
    _, out = doctor(capsys, *words)
    for secret in (KEY, SECRET, "FwoGZXIvYXdzEXAMPLETOKEN"):
        assert secret not in out
