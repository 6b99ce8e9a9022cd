"""Connections to one S3 endpoint: a signed request out, its body straight from a file, the answer back.

The digest of a chunk is known before it is sent, so nothing is hashed here, and over plain HTTP the kernel moves the
file to the socket without this process seeing a byte. ADR 0060 has what that is worth, beside the SDKs.
"""

import contextlib
import http.client
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO
from urllib.parse import quote, urlsplit

from gpu_workers.spool.answers import Answer
from mycelium.errors import StoreNotAvailableError, UploadError

TIMEOUT_S = 60.0
"""How long one send or one receive may take: a stalled connection is given up after this."""

IDLE_S = 15.0
"""A connection idle for longer is not used again; S3 closes them after 20 s or so."""

EMPTY_SHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
_SEND_BYTES = 1 << 18
_READ_BYTES = 1 << 18
_BODY_BYTES = 1 << 16

Sent = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of a file, to be sent as a body.

    Attributes:
        file: the open file.
        start: its first byte.
        size: its bytes.
        sha256: their digest, hexadecimal.
    """

    file: BinaryIO
    start: int
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a bucket is, and with what rights it is reached; found by botocore, once.

    Attributes:
        url: of the bucket, without a slash at its end.
        region: for the signature.
        credentials: botocore's, which renew themselves.
        verify: botocore's setting for certificates: a file, or whether to check.
    """

    url: str
    region: str
    credentials: Any
    verify: bool | str | None = None


def find_endpoint(bucket: str) -> Endpoint:
    """Let botocore find a bucket's endpoint, region and credentials, as every AWS tool does.

    Raises:
        StoreNotAvailableError: there are no credentials, or no region.
    """
    import boto3  # noqa: PLC0415 - only the uploader pays for it
    from botocore.awsrequest import AWSResponse  # noqa: PLC0415
    from botocore.exceptions import BotoCoreError, NoCredentialsError  # noqa: PLC0415

    urls: list[str] = []

    def catch(request: Any, **_: object) -> Any:  # noqa: ANN401 - botocore is not typed
        """Note where a request would go, and answer it here."""
        urls.append(request.url)
        return AWSResponse(request.url, 200, {}, _NoBody())

    try:
        session = boto3.Session()
        client = session.client("s3")
        client.meta.events.register("before-send.s3.HeadBucket", catch)
        client.head_bucket(Bucket=bucket)
    except NoCredentialsError:
        raise StoreNotAvailableError(
            "there are no AWS credentials: `aws configure`, or a role of the machine"
        ) from None
    except (BotoCoreError, ValueError) as error:
        raise StoreNotAvailableError(f"no S3 client can be made: {error}") from error
    verify = client._endpoint.http_session._verify  # noqa: SLF001 - AWS_CA_BUNDLE and the profile's ca_bundle end here
    region = client.meta.region_name
    region = "us-east-1" if region in {None, "aws-global"} else region
    return Endpoint(urls[0].rstrip("/"), region, session.get_credentials(), verify)


class _NoBody:
    """An answer's body as botocore reads it."""

    def stream(self) -> list[bytes]:
        """Return no pieces."""
        return []


class Line:
    """Connections to one bucket, kept open between requests; safe between threads."""

    def __init__(self, endpoint: Endpoint, timeout_s: float = TIMEOUT_S) -> None:
        """Take an endpoint; nothing is opened yet."""
        parts = urlsplit(endpoint.url)
        self._endpoint, self._timeout_s = endpoint, timeout_s
        self._host, self._port = str(parts.hostname), parts.port
        self._base = parts.path
        self._authority = parts.netloc
        self._context = _make_context(endpoint.verify) if parts.scheme == "https" else None
        self._idle: list[tuple[http.client.HTTPConnection, float]] = []
        self._busy: set[http.client.HTTPConnection] = set()
        self._lock = threading.Lock()
        self._closed = False

    def ask(
        self,
        method: str,
        key: str,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: Part | bytes = b"",
        sent: Sent | None = None,
    ) -> Answer:
        """Make one request and return its answer, whatever it says.

        Args:
            method: the HTTP method.
            key: the full key, or nothing for the bucket.
            query: the query's parameters.
            headers: beside those of host, length and signature.
            body: a stretch of a file, or some bytes.
            sent: told the bytes of the body as they go.

        Raises:
            UploadError: the connection broke or stalled; another attempt may succeed.
        """
        with self._asking(method, key, query or {}, headers or {}, body, sent) as response:
            return _read_answer(response)

    def fetch(self, key: str) -> Generator[bytes | Answer, None, None]:
        """Yield the answer to a GET without its body, then the body in pieces.

        Raises:
            UploadError: the connection broke, or the body ended early.
        """
        with self._asking("GET", key, {}, {}, b"", None) as response:
            if response.status != http.client.OK:
                yield _read_answer(response)
                return
            yield Answer(response.status, _lower(response))
            while piece := response.read(_READ_BYTES):
                yield piece
            _see_end(response)

    def close(self) -> None:
        """Close every connection, also under those who use them: their requests fail at once."""
        with self._lock:
            self._closed = True
            busy, idle = list(self._busy), list(self._idle)
            self._idle.clear()
        for connection, _ in idle:
            connection.close()
        for connection in busy:  # closed by the thread that has it, whose request fails now
            sock = connection.sock
            if sock is not None:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)

    @contextlib.contextmanager
    def _asking(
        self,
        method: str,
        key: str,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        body: Part | bytes,
        sent: Sent | None,
    ) -> Iterator[http.client.HTTPResponse]:
        path = f"{self._base}/{quote(key, safe='/~-._')}"
        if query:
            path += "?" + "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in query.items())
        signed = self._sign(method, path, headers, body)
        connection = self._take()
        try:
            _send(connection, method, path, signed, body, sent)
            response = connection.getresponse()
            yield response
            whole = response.isclosed() or not response.read(1)
        except (OSError, http.client.HTTPException) as error:
            self._drop(connection)
            said = str(error) or type(error).__name__
            raise UploadError(f"{self._authority}: the connection broke: {said[:200]}") from error
        except BaseException:
            self._drop(connection)
            raise
        if whole and not response.will_close:
            self._give_back(connection)
        else:
            self._drop(connection)

    def _sign(self, method: str, path: str, headers: Mapping[str, str], body: Part | bytes) -> dict[str, str]:
        from botocore.auth import S3SigV4Auth  # noqa: PLC0415 - only the uploader pays for it
        from botocore.awsrequest import AWSRequest  # noqa: PLC0415
        from botocore.exceptions import BotoCoreError  # noqa: PLC0415

        scheme = "https" if self._context else "http"
        size, sha256 = (body.size, body.sha256) if isinstance(body, Part) else (len(body), _digest(body))

        class _Signer(S3SigV4Auth):  # type: ignore[misc] # botocore is not typed
            def payload(self, request: object) -> str:
                """Return the digest that is known; botocore would read and hash the body."""
                del request
                return sha256

        request = AWSRequest(method, f"{scheme}://{self._authority}{path}", headers=dict(headers))
        try:
            _Signer(self._endpoint.credentials.get_frozen_credentials(), "s3", self._endpoint.region).add_auth(request)
        except BotoCoreError as error:
            raise UploadError(f"the AWS credentials can't be renewed: {error}") from error
        signed = {str(name): str(value) for name, value in request.headers.items()}
        return {"Host": self._authority, "Content-Length": str(size), **signed}

    def _take(self) -> http.client.HTTPConnection:
        with self._lock:
            if self._closed:
                raise UploadError("stopped")
            while self._idle:
                connection, since_s = self._idle.pop()
                if time.monotonic() - since_s < IDLE_S:
                    self._busy.add(connection)
                    return connection
                connection.close()
        timeout = self._timeout_s
        if self._context is None:
            connection = http.client.HTTPConnection(self._host, self._port, timeout=timeout)
        else:
            connection = http.client.HTTPSConnection(self._host, self._port, timeout=timeout, context=self._context)
        with self._lock:
            self._busy.add(connection)
        return connection

    def _give_back(self, connection: http.client.HTTPConnection) -> None:
        with self._lock:
            self._busy.discard(connection)
            if not self._closed:
                self._idle.append((connection, time.monotonic()))
                return
        connection.close()

    def _drop(self, connection: http.client.HTTPConnection) -> None:
        with self._lock:
            self._busy.discard(connection)
        connection.close()


def _read_answer(response: http.client.HTTPResponse) -> Answer:
    text = response.read(_BODY_BYTES)
    if len(text) < _BODY_BYTES:
        _see_end(response)
    return Answer(response.status, _lower(response), text.decode("utf-8", "replace"))


def _lower(response: http.client.HTTPResponse) -> dict[str, str]:
    return {name.lower(): value for name, value in response.getheaders()}


def _see_end(response: http.client.HTTPResponse) -> None:
    """Refuse a body that ended before it was whole; http.client says nothing of it when read in pieces."""
    if response.length:
        raise OSError(f"the answer ended {response.length:,} bytes early")


def _send(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    headers: Mapping[str, str],
    body: Part | bytes,
    sent: Sent | None,
) -> None:
    connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
    for name, value in headers.items():
        connection.putheader(name, value)
    try:
        connection.endheaders(body if isinstance(body, bytes) and body else None)
        if isinstance(body, Part):
            _send_part(connection, body, sent or (lambda _: None))
    except (BrokenPipeError, ConnectionResetError):
        # S3 may have answered before it read all, and hung up: the answer says more than the broken pipe.
        if connection.sock is None:
            raise


def _send_part(connection: http.client.HTTPConnection, part: Part, sent: Sent) -> None:
    sock: Any = connection.sock
    position, end = part.start, part.start + part.size
    if isinstance(sock, ssl.SSLSocket):
        buffer = memoryview(bytearray(_SEND_BYTES))
        while position < end:
            got = os.preadv(part.file.fileno(), [buffer[: min(_SEND_BYTES, end - position)]], position)
            if not got:
                raise OSError(f"the file ended {end - position:,} bytes early")
            sock.sendall(buffer[:got])
            position += got
            sent(got)
        return
    while position < end:
        got = sock.sendfile(part.file, position, min(_SEND_BYTES * 4, end - position)) or 0
        if not got:
            raise OSError(f"the file ended {end - position:,} bytes early")
        position += got
        sent(got)


def _make_context(verify: bool | str | None) -> ssl.SSLContext:  # noqa: FBT001 - botocore's own setting
    from botocore.httpsession import get_cert_path  # noqa: PLC0415 - only the uploader pays for it

    context = ssl.create_default_context(cafile=get_cert_path(True if verify is None else verify))
    if verify is False:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def _digest(data: bytes) -> str:
    import hashlib  # noqa: PLC0415

    return hashlib.sha256(data).hexdigest() if data else EMPTY_SHA256
