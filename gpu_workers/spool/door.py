"""The uploader's door to S3: one chunk in, and its bytes confirmed, or an error that says what to do.

Every object is sent with its SHA-256, which S3 checks against what it received before it stores anything, and under
`If-None-Match: *`, so that nothing is ever replaced. An answer counts as a confirmation if it repeats the digest; if it
does not, the object is asked for.
"""

import base64
import hashlib
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_EXCEPTION, Executor, wait
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

from gpu_workers.spool.answers import Answer, as_error
from gpu_workers.spool.backoff import draw_wait
from gpu_workers.spool.line import Line, Part, Sent
from mycelium.errors import ConflictError, StoreError, UploadError, UserInputError

MULTIPART_BYTES = 64 << 20
"""Files larger than this go in parts."""

PART_BYTES = 16 << 20
_MAX_PARTS = 10_000
_PART_TRIES = 4
_ALGORITHM = "SHA256"
_CHECKSUM = "x-amz-checksum-sha256"


@dataclass(frozen=True, slots=True)
class Upload:
    """What is to become an object.

    Attributes:
        key: its key, below the door's prefix.
        path: the file.
        size: its bytes.
        sha256: their digest, hexadecimal.
    """

    key: str
    path: Path
    size: int
    sha256: str


def split_target(uri: str) -> tuple[str, str]:
    """Return bucket and prefix of ``s3://bucket/prefix``.

    Raises:
        UserInputError: it is no such URI.
    """
    parts = urlsplit(uri)
    if parts.scheme != "s3" or not parts.netloc:
        raise UserInputError(f"the spool empties into s3://bucket/prefix; got {uri!r}")
    return parts.netloc, parts.path.strip("/")


class Door:
    """Uploads files into one bucket and prefix; safe between threads."""

    def __init__(
        self, line: Line, target: str, parts: Executor, part_bytes: int = PART_BYTES, multipart_bytes: int | None = None
    ) -> None:
        """Take connections and a target.

        Args:
            line: connections to the bucket.
            target: ``s3://bucket/prefix``.
            parts: where the parts of large files are sent.
            part_bytes: bytes of a part.
            multipart_bytes: files larger than this go in parts.
        """
        self._bucket, prefix = split_target(target)
        self._line, self._target, self._parts = line, target, parts
        self._prefix = f"{prefix}/" if prefix else ""
        self._part_bytes = part_bytes
        self._multipart_bytes = MULTIPART_BYTES if multipart_bytes is None else multipart_bytes

    def probe(self) -> None:
        """See that the bucket is there and that it takes these credentials, before there is anything to send.

        Raises:
            UploadRefusedError: it does not, and will not.
        """
        try:
            answer = self._line.ask("GET", "", {"list-type": "2", "max-keys": "1", "prefix": self._prefix})
        except UploadError:
            return  # it may be there in a moment
        if answer.ok or answer.code == "AccessDenied":  # the right to list is not needed
            return
        error = self._as_error(answer)
        if not isinstance(error, UploadError):
            raise error

    def upload(self, upload: Upload, sent: Sent) -> bool:
        """Upload a file, and return once S3 has confirmed that it holds these bytes.

        Returns:
            Whether it was sent; False if S3 held the same bytes before.

        Raises:
            ConflictError: S3 holds other bytes under that key.
            UploadError: this attempt failed; another may succeed.
            UploadRefusedError: no attempt would succeed.
        """
        with upload.path.open("rb") as file:
            if upload.size > self._multipart_bytes:
                return self._upload_parts(upload, file, sent)
            headers = {
                _CHECKSUM: _base64(upload.sha256),
                "x-amz-sdk-checksum-algorithm": _ALGORITHM,
                "If-None-Match": "*",
            }
            body: Part | bytes = Part(file, 0, upload.size, upload.sha256) if upload.size else b""
            answer = self._line.ask("PUT", self._prefix + upload.key, headers=headers, body=body, sent=sent)
        if answer.status == 412:
            self._compare(upload, _base64(upload.sha256))
            return False
        self._check(answer)
        self._confirm(upload, answer.headers.get(_CHECKSUM), _base64(upload.sha256))
        return True

    def close(self) -> None:
        """Break off what is on its way."""
        self._line.close()

    def _confirm(self, upload: Upload, said: str | None, expected: str) -> None:
        if said is None:
            self._compare(upload, expected)
        elif said != expected:
            raise UploadError(f"{self._target}: the answer for {upload.key} names another digest")

    def _compare(self, upload: Upload, expected: str) -> None:
        """See whether the object that S3 holds has our bytes: by its stored digest, else by reading it."""
        answer = self._line.ask("HEAD", self._prefix + upload.key, headers={"x-amz-checksum-mode": "ENABLED"})
        if answer.status == 404:
            raise UploadError(f"{self._target}: {upload.key} is there and is not there")
        if answer.headers.get("content-length") == str(upload.size) and answer.headers.get(_CHECKSUM) == expected:
            return
        # Two answers have to agree before a chunk is called a conflict: it is never tried again.
        total = hashlib.sha256()
        with closing(self._line.fetch(self._prefix + upload.key)) as pieces:
            for piece in pieces:
                if isinstance(piece, bytes):
                    total.update(piece)
                    continue
                self._check(piece)
                if piece.headers.get("content-length") != str(upload.size):
                    raise ConflictError(f"{self._target} holds another object {upload.key}, of another size")
        if total.hexdigest() != upload.sha256:
            raise ConflictError(f"{self._target} holds another object {upload.key}")

    def _upload_parts(self, upload: Upload, file: BinaryIO, sent: Sent) -> bool:
        size = max(self._part_bytes, -(-upload.size // _MAX_PARTS))
        parts = list(_cut(file, upload.size, size))
        # The digest of an object in parts is the digest of their digests, and how many there are.
        whole = hashlib.sha256(b"".join(bytes.fromhex(part.sha256) for part in parts)).digest()
        expected = f"{base64.b64encode(whole).decode()}-{len(parts)}"
        key = self._prefix + upload.key
        if self._line.ask("HEAD", key).status == 200:  # sparing the upload of a large file that is there
            self._compare(upload, expected)
            return False
        begun = self._line.ask("POST", key, {"uploads": ""}, {"x-amz-checksum-algorithm": _ALGORITHM})
        self._check(begun)
        upload_id = begun.find("UploadId")
        try:
            etags = self._send_parts(key, upload_id, parts, sent)
            answer = self._complete(key, upload_id, parts, etags)
        except StoreError:
            self._abort(key, upload_id)
            raise
        if answer.status == 412:
            self._abort(key, upload_id)
            self._compare(upload, expected)
            return False
        self._check(answer)
        self._compare(upload, expected)
        return True

    def _send_parts(self, key: str, upload_id: str, parts: list[Part], sent: Sent) -> list[str]:
        sending = [
            self._parts.submit(self._send_part, key, upload_id, number, part, sent)
            for number, part in enumerate(parts, start=1)
        ]
        wait(sending, return_when=FIRST_EXCEPTION)
        for future in sending:
            future.cancel()
        wait(sending)  # a part that arrives after an upload was taken back would stay, and be paid for
        failed = next((future for future in sending if not future.cancelled() and future.exception()), None)
        return [future.result() for future in ([failed] if failed else sending)]

    def _send_part(self, key: str, upload_id: str, number: int, part: Part, sent: Sent) -> str:
        query = {"partNumber": str(number), "uploadId": upload_id}
        headers = {_CHECKSUM: _base64(part.sha256), "x-amz-sdk-checksum-algorithm": _ALGORITHM}

        def send() -> str:
            answer = self._line.ask("PUT", key, query, headers, part, sent)
            self._check(answer)
            if answer.headers.get(_CHECKSUM, headers[_CHECKSUM]) != headers[_CHECKSUM]:
                raise UploadError(f"{self._target}: the answer for part {number} of {key} names another digest")
            return answer.headers.get("etag", "")

        return _try_again(send, _PART_TRIES)

    def _complete(self, key: str, upload_id: str, parts: list[Part], etags: list[str]) -> Answer:
        lines = [
            f"<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag>"
            f"<ChecksumSHA256>{_base64(part.sha256)}</ChecksumSHA256></Part>"
            for number, (part, etag) in enumerate(zip(parts, etags, strict=True), start=1)
        ]
        space = "http://s3.amazonaws.com/doc/2006-03-01/"
        body = f'<CompleteMultipartUpload xmlns="{space}">{"".join(lines)}</CompleteMultipartUpload>'.encode()
        return self._line.ask("POST", key, {"uploadId": upload_id}, {"If-None-Match": "*"}, body)

    def _abort(self, key: str, upload_id: str) -> None:
        try:
            self._line.ask("DELETE", key, {"uploadId": upload_id})
        except UploadError:
            return  # the bucket's lifecycle removes what is left of it

    def _check(self, answer: Answer) -> None:
        if not answer.ok:
            raise self._as_error(answer)

    def _as_error(self, answer: Answer) -> StoreError:
        return as_error(answer, self._target, self._bucket, time.time())


def _cut(file: BinaryIO, size: int, part_bytes: int) -> Iterator[Part]:
    buffer = memoryview(bytearray(1 << 20))
    for start in range(0, size, part_bytes):
        length = min(part_bytes, size - start)
        file.seek(start)
        total, left = hashlib.sha256(), length
        while left:
            got = file.readinto(buffer[: min(left, len(buffer))])  # type: ignore[attr-defined]
            if not got:
                raise UploadError("the file ended early")
            total.update(buffer[:got])
            left -= got
        yield Part(file, start, length, total.hexdigest())


def _try_again(send: Callable[[], str], tries: int) -> str:
    for attempt in range(tries - 1):
        try:
            return send()
        except UploadError:
            time.sleep(draw_wait(attempt))
    return send()


def _base64(sha256: str) -> str:
    return base64.b64encode(bytes.fromhex(sha256)).decode()
