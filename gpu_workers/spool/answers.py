"""What S3's answers mean: done, try again, or stop. One table, by S3's own error codes."""

import email.utils
import re
from dataclasses import dataclass, field

from mycelium.errors import StoreError, UploadError, UploadRefusedError

_XML = {name: re.compile(rf"<{name}>([^<]*)</{name}>") for name in ("Code", "Message", "Region", "UploadId", "ETag")}
_HEALING = frozenset({408, 409, 429})
_HEALING_CODES = frozenset(
    {
        "RequestTimeout",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "TooManyRequests",
        "OperationAborted",
        "ConditionalRequestConflict",
        "IncompleteBody",
        "BadDigest",
        "InvalidDigest",
        "XAmzContentSHA256Mismatch",
        "NoSuchUpload",
        "InternalError",
        "ServiceUnavailable",
    }
)
"""Codes under which the same request may succeed later. A digest that differs is among them: the bytes may have been
changed on their way. Whether it was here that they changed, the uploader looks up in the file."""

_DIGEST_CODES = frozenset({"BadDigest", "InvalidDigest", "XAmzContentSHA256Mismatch"})
_CREDENTIAL_CODES = frozenset(
    {"AccessDenied", "AllAccessDisabled", "InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "403"}
)
_REGION_CODES = frozenset(
    {"PermanentRedirect", "TemporaryRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException"}
)


class DigestRefusedError(UploadError):
    """S3 got other bytes than those that the digest is of."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer of S3.

    Attributes:
        status: the HTTP status.
        headers: by lower-case name.
        body: the beginning of the body, enough for any error.
    """

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""

    @property
    def ok(self) -> bool:
        """Whether it says yes; S3 can say no under a status of 200, after it has begun to answer."""
        return 200 <= self.status < 300 and "<Error>" not in self.body

    @property
    def code(self) -> str:
        """S3's error code, or the status where the body has none."""
        return self.find("Code") or str(self.status)

    def find(self, name: str) -> str:
        """Return the text of an element of the body; nothing if it is not there."""
        found = _XML[name].search(self.body)
        return found[1] if found else ""


def as_error(answer: Answer, target: str, bucket: str, now_s: float) -> StoreError:
    """Return what an answer that is no success means.

    Args:
        answer: S3's.
        target: the URI uploaded to, for the message.
        bucket: its bucket.
        now_s: this machine's time, seconds since the epoch.

    Returns:
        An `UploadError` if it can heal, else an `UploadRefusedError` that says what to do.
    """
    code = answer.code
    if code in _DIGEST_CODES:
        return DigestRefusedError(f"{target}: S3 got other bytes than were sent ({code})")
    healing = code in _HEALING_CODES or answer.status in _HEALING or answer.status >= 500 or answer.status < 300
    if healing:
        return UploadError(f"{target}: {code} {answer.find('Message')[:200]}".rstrip())
    return UploadRefusedError(_say_refusal(answer, code, target, bucket, now_s))


def _say_refusal(answer: Answer, code: str, target: str, bucket: str, now_s: float) -> str:
    if code == "NoSuchBucket":
        return f"there is no bucket {bucket}: create it, or give another --to"
    if code == "RequestTimeTooSkewed":
        return f"{_say_skew(answer, now_s)} (RequestTimeTooSkewed): set it, by `timedatectl set-ntp true`, say"
    if code in {"ExpiredToken", "TokenRefreshRequired"}:
        return f"the AWS credentials have expired ({code}): renew them and start the uploader again"
    if code in _CREDENTIAL_CODES:
        return (
            f"{target} refuses these AWS credentials ({code}): they need s3:PutObject, s3:GetObject and "
            "s3:AbortMultipartUpload below it"
        )
    if code in _REGION_CODES or answer.status in {301, 307}:
        region = answer.headers.get("x-amz-bucket-region") or answer.find("Region") or "another one"
        return f"bucket {bucket} is not in the region asked, but in {region}: set AWS_DEFAULT_REGION"
    return f"{target} refuses the upload: {code} {answer.find('Message')[:200]}".rstrip()


def _say_skew(answer: Answer, now_s: float) -> str:
    try:
        theirs_s = email.utils.parsedate_to_datetime(answer.headers.get("date", "")).timestamp()
    except (TypeError, ValueError):
        return "this machine's clock is wrong"
    ahead_s = round(now_s - theirs_s)
    return f"this machine's clock is {abs(ahead_s):,} s {'ahead of' if ahead_s > 0 else 'behind'} S3's"
