"""Connections: signed, kept, given up when nothing moves, and closed under those who use them."""

import hashlib
import os
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from benchmarks.fan_out import make_certificate
from gpu_workers.spool.answers import Answer
from gpu_workers.spool.line import Endpoint, Line, Part, find_endpoint
from mycelium.errors import StoreNotAvailableError, UploadError
from tests.gpu_workers.spool.endpoint import Sink, listen

Make = Callable[[str, bytes], Path]


@pytest.fixture
def line(sink: Sink) -> Iterator[Line]:
    made = Line(find_endpoint("bucket"), 5.0)
    yield made
    made.close()


def test_the_endpoint_is_botocore_s(sink: Sink, monkeypatch: pytest.MonkeyPatch) -> None:
    url = os.environ["AWS_ENDPOINT_URL"]
    endpoint = find_endpoint("my-bucket")
    assert (endpoint.url, endpoint.region) == (f"{url}/my-bucket", "us-east-1")
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    assert find_endpoint("my-bucket").url == "https://my-bucket.s3.eu-west-1.amazonaws.com"


def test_without_credentials_one_line_says_so(sink: Sink, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    with pytest.raises(StoreNotAvailableError, match="there are no AWS credentials"):
        find_endpoint("bucket")


def test_a_connection_is_kept_for_the_next_request(line: Line, sink: Sink) -> None:
    for _ in range(3):
        assert line.ask("GET", "").status == 200
    assert len(line._idle) == 1


def test_a_stretch_of_a_file_is_sent(line: Line, sink: Sink, make_file: Make) -> None:
    data = os.urandom(3_000_000)
    with make_file("f", data).open("rb") as file:
        part = Part(file, 1_000_000, 1_500_000, hashlib.sha256(data[1_000_000:2_500_000]).hexdigest())
        assert line.ask("PUT", "k/1", body=part).ok
    assert sink.objects["bucket/k/1"].data == data[1_000_000:2_500_000]


def test_a_file_that_ends_early_is_an_attempt_that_failed(line: Line, sink: Sink, make_file: Make) -> None:
    with make_file("f", b"short").open("rb") as file, pytest.raises(UploadError, match="ended 95 bytes early"):
        line.ask("PUT", "k/1", body=Part(file, 0, 100, "0" * 64))
    assert sink.objects == {}


def test_an_object_is_fetched_in_pieces(line: Line, sink: Sink) -> None:
    data = os.urandom(1_000_000)
    line.ask("PUT", "k/1", body=data)
    first, *pieces = line.fetch("k/1")
    assert isinstance(first, Answer)
    assert first.headers["content-length"] == "1000000"
    assert b"".join(piece for piece in pieces if isinstance(piece, bytes)) == data
    (missing,) = line.fetch("k/2")
    assert isinstance(missing, Answer)
    assert (missing.status, missing.code) == (404, "NoSuchKey")


def serve_once(answer: Callable[[socket.socket], None]) -> tuple[socket.socket, Line]:
    """Serve connections in a way of the test's own."""
    server = socket.create_server(("127.0.0.1", 0))

    def accept() -> None:
        while True:
            try:
                sock, _ = server.accept()
            except OSError:
                return
            with sock:
                answer(sock)

    threading.Thread(target=accept, daemon=True).start()
    port = server.getsockname()[1]
    from botocore.credentials import Credentials  # noqa: PLC0415

    return server, Line(Endpoint(f"http://127.0.0.1:{port}/b", "us-east-1", Credentials("k", "s")), 0.3)


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf",
        b"HTTP/1.1 2",
        b"\x00\xff garbage\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 500,
    ],
)
def test_a_broken_answer_is_an_attempt_that_failed(reply: bytes) -> None:
    def answer(sock: socket.socket) -> None:
        sock.recv(1 << 16)
        sock.sendall(reply)

    server, line = serve_once(answer)
    with server, pytest.raises(UploadError, match="the connection broke"):
        line.ask("GET", "k")


def test_an_object_that_ends_early_is_an_attempt_that_failed() -> None:
    def answer(sock: socket.socket) -> None:
        sock.recv(1 << 16)
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")

    server, line = serve_once(answer)
    with server, pytest.raises(UploadError, match="the connection broke"):
        list(line.fetch("k"))


def test_a_connection_on_which_nothing_moves_is_given_up() -> None:
    done = threading.Event()

    def answer(_: socket.socket) -> None:
        done.wait(60)

    server, line = serve_once(answer)
    with server, pytest.raises(UploadError, match="timed out"):
        line.ask("GET", "k")
    done.set()


def test_an_answer_before_the_end_of_the_body_is_heard(make_file: Make) -> None:
    def answer(sock: socket.socket) -> None:
        sock.recv(1 << 12)
        sock.sendall(b"HTTP/1.1 403 X\r\nContent-Length: 29\r\n\r\n<Code>InvalidAccessKeyId</Code")
        sock.shutdown(socket.SHUT_WR)
        while sock.recv(1 << 16):
            pass

    data = bytes(5_000_000)
    server, line = serve_once(answer)
    with server, make_file("f", data).open("rb") as file:
        assert line.ask("PUT", "k", body=Part(file, 0, len(data), "0" * 64)).status == 403
        line.close()


def test_closing_ends_the_requests_under_way() -> None:
    asked, done = threading.Event(), threading.Event()

    def answer(sock: socket.socket) -> None:
        sock.recv(1 << 16)
        asked.set()
        done.wait(60)

    server, line = serve_once(answer)
    line._timeout_s = 60.0
    failed: list[Exception] = []

    def ask() -> None:
        try:
            line.ask("GET", "k")
        except UploadError as error:
            failed.append(error)

    thread = threading.Thread(target=ask)
    with server:
        thread.start()
        assert asked.wait(60)
        line.close()
        thread.join(60)
        assert not thread.is_alive()
        done.set()
    assert len(failed) == 1
    with pytest.raises(UploadError, match="stopped"):
        line.ask("GET", "k")


def test_tls_is_spoken_and_a_stranger_s_certificate_is_not_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_file: Make
) -> None:
    make_certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    sink = Sink(keep=True)
    server, port = listen(sink, context)
    for name, value in (("ENDPOINT_URL", f"https://127.0.0.1:{port}"), ("CA_BUNDLE", str(tmp_path / "cert.pem"))):
        monkeypatch.setenv(f"AWS_{name}", value)
    for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY"):
        monkeypatch.setenv(f"AWS_{name}", "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    data = os.urandom(2_000_000)
    sent: list[int] = []
    with server, make_file("f", data).open("rb") as file:
        line = Line(find_endpoint("bucket"), 5.0)
        part = Part(file, 500_000, 1_500_000, hashlib.sha256(data[500_000:]).hexdigest())
        assert line.ask("PUT", "k/1", body=part, sent=sent.append).ok
        line.close()
        assert sink.objects["bucket/k/1"].data == data[500_000:]
        assert sum(sent) == 1_500_000
        monkeypatch.delenv("AWS_CA_BUNDLE")
        stranger = Line(find_endpoint("bucket"), 5.0)
        with pytest.raises(UploadError, match="CERTIFICATE_VERIFY_FAILED"):
            stranger.ask("GET", "k/1")
