"""Each of S3's answers means one of three things."""

import email.utils
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpu_workers.spool.answers import Answer, DigestRefusedError, as_error
from mycelium.errors import UploadError, UploadRefusedError

NOW_S = 1_800_000_000.0


def make(status: int, code: str = "", **headers: str) -> Answer:
    body = f"<Error><Code>{code}</Code><Message>m</Message></Error>" if code else ""
    return Answer(status, {name.replace("_", "-"): value for name, value in headers.items()}, body)


def meaning(answer: Answer) -> Exception:
    return as_error(answer, "s3://b/p", "b", NOW_S)


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (500, "InternalError"),
        (503, "SlowDown"),
        (503, ""),
        (502, ""),
        (408, ""),
        (429, ""),
        (400, "RequestTimeout"),
        (409, "ConditionalRequestConflict"),
        (404, "NoSuchUpload"),
        (200, "InternalError"),
        (599, "Anything"),
    ],
)
def test_what_can_heal_is_tried_again(status: int, code: str) -> None:
    assert type(meaning(make(status, code))) is UploadError


@pytest.mark.parametrize("code", ["BadDigest", "XAmzContentSHA256Mismatch"])
def test_a_digest_that_differs_can_heal_and_is_told_apart(code: str) -> None:
    assert isinstance(meaning(make(400, code)), DigestRefusedError)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (make(404, "NoSuchBucket"), "there is no bucket b: create it, or give another --to"),
        (make(403, "AccessDenied"), "s3://b/p refuses these AWS credentials (AccessDenied): they need s3:PutObject"),
        (make(403), "refuses these AWS credentials (403)"),
        (make(403, "InvalidAccessKeyId"), "refuses these AWS credentials (InvalidAccessKeyId)"),
        (make(400, "ExpiredToken"), "the AWS credentials have expired (ExpiredToken): renew them"),
        (make(301, "PermanentRedirect", x_amz_bucket_region="eu-west-1"), "but in eu-west-1: set AWS_DEFAULT_REGION"),
        (make(400, "AuthorizationHeaderMalformed"), "but in another one: set AWS_DEFAULT_REGION"),
        (make(400, "EntityTooLarge"), "s3://b/p refuses the upload: EntityTooLarge m"),
        (
            make(403, "RequestTimeTooSkewed", date=email.utils.formatdate(NOW_S - 3600, usegmt=True)),
            "this machine's clock is 3,600 s ahead of S3's (RequestTimeTooSkewed): set it",
        ),
        (
            make(403, "RequestTimeTooSkewed", date=email.utils.formatdate(NOW_S + 60, usegmt=True)),
            "this machine's clock is 60 s behind S3's",
        ),
        (make(403, "RequestTimeTooSkewed", date="yesterday"), "this machine's clock is wrong"),
    ],
)
def test_a_refusal_says_what_to_do_in_one_line(answer: Answer, said: str) -> None:
    error = meaning(answer)
    assert isinstance(error, UploadRefusedError)
    assert said in str(error)
    assert "\n" not in str(error)


def test_yes_with_an_error_in_it_is_no() -> None:
    assert make(200).ok
    assert not make(200, "InternalError").ok
    assert not make(302).ok


@given(st.integers(100, 999), st.text(max_size=50), st.dictionaries(st.just("date"), st.text(max_size=30)))
def test_no_answer_is_without_a_meaning(status: int, text: str, headers: dict[str, str]) -> None:
    for body in (text, f"<Code>{text}</Code>"):
        error = as_error(Answer(status, headers, body), "s3://b", "b", time.time())
        assert isinstance(error, UploadError | UploadRefusedError)
