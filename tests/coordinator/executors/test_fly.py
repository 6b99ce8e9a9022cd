"""Flights over sockets: answers in pieces, chunked, late, cut off; connections kept, closed and refused; TLS."""

import contextlib
import gc
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from botocore.credentials import Credentials

from benchmarks.fan_out import make_certificate
from coordinator.endpoint import Endpoint
from coordinator.executors import fly
from coordinator.executors.fan_out import FanOut
from coordinator.executors.fly import Flyer
from coordinator.executors.invoke import Reply, judge_reply
from coordinator.executors.retry import Kind

Serve = Callable[[socket.socket, int], object]
"""What is done with one connection, the so-manieth from 0."""


@contextmanager
def serve(handle: Serve, context: ssl.SSLContext | None = None) -> Iterator[str]:
    """Serve connections by a function until the block ends."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            for number in range(1000):
                try:
                    sock, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=talk, args=(sock, number), daemon=True).start()

        def talk(sock: socket.socket, number: int) -> None:
            with contextlib.suppress(OSError), sock:
                if context is None:
                    handle(sock, number)
                else:
                    with context.wrap_socket(sock, server_side=True) as wrapped:
                        handle(wrapped, number)

        threading.Thread(target=accept, daemon=True).start()
        yield f"http{'s' if context else ''}://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)


def read_request(sock: socket.socket) -> bytes:
    """Return the body of one request; nothing where the other side has closed."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = sock.recv(1 << 16)
        if not more:
            return b""
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
    while len(body) < length:
        body += sock.recv(1 << 20)
    return body


def answer(body: bytes) -> bytes:
    """Return a plain answer."""
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body


def echo(sock: socket.socket, number: int) -> None:
    """Answer each request with its own body."""
    del number
    while body := read_request(sock):
        sock.sendall(answer(body))


def send(flyer: Flyer, *events: bytes, at_once: int = 4) -> list[Reply]:
    """Send events, without retries, and return their replies in the events' order."""
    crew = flyer.fly("f", bytes, lambda reply: reply)
    replies = {call.item: reply for call, reply in FanOut(crew, lambda _: None, at_once).run(events)}
    return [replies[event] for event in events]


def make_flyer(url: str, *, timeout_s: float = 100.0, verify: bool | str = True) -> Flyer:
    return Flyer(Endpoint(url, "us-east-1", Credentials("a", "b"), verify), timeout_s)


def get_kind(reply: Reply) -> Kind | None:
    failure = judge_reply(reply)
    return failure.kind if failure else None


def test_every_event_gets_its_own_answer_and_connections_are_used_again() -> None:
    connections: list[int] = []

    def count(sock: socket.socket, number: int) -> None:
        connections.append(number)
        echo(sock, number)

    with serve(count) as url:
        events = [b"%d" % n for n in range(200)]
        flyer = make_flyer(url)
        assert [reply.body for reply in send(flyer, *events, at_once=8)] == events
        assert [reply.body for reply in send(flyer, *events, at_once=8)] == events
    assert len(connections) <= 8


@pytest.mark.parametrize(
    "raw",
    [
        answer(b"whole"),
        b"HTTP/1.1 200 OK\r\ncontent-length:5\r\n\r\nwhole",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nwho\r\n2\r\nle\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nwhole",
    ],
)
@pytest.mark.parametrize("piece", [1, 7, 1000])
def test_an_answer_comes_in_any_form_and_in_any_pieces(raw: bytes, piece: int) -> None:
    def handle(sock: socket.socket, number: int) -> None:
        read_request(sock)
        for at in range(0, len(raw), piece):
            sock.sendall(raw[at : at + piece])
            time.sleep(0.0005)

    with serve(handle) as url:
        (reply,) = send(make_flyer(url), b"{}")
    assert (reply.status, reply.body) == (200, b"whole")


def test_a_chunk_whose_bytes_look_like_the_end_is_not_taken_for_it() -> None:
    def handle(sock: socket.socket, number: int) -> None:
        read_request(sock)
        sock.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n1230\r\n\r\n")
        time.sleep(0.05)
        sock.sendall(b"9\r\n0\r\n\r\n")

    with serve(handle) as url:
        (reply,) = send(make_flyer(url), b"{}")
    assert reply.body == b"1230\r\n\r\n9"


@pytest.mark.parametrize(
    "raw", [b"", b"HTTP/1.1 200", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort", b"SSH-2\r\n\r\n"]
)
def test_an_answer_cut_off_is_a_failure_that_may_heal(raw: bytes) -> None:
    def handle(sock: socket.socket, number: int) -> None:
        read_request(sock)
        sock.sendall(raw)

    with serve(handle) as url:
        (reply,) = send(make_flyer(url), b"{}")
    assert get_kind(reply) is Kind.SERVICE


def test_a_connection_closed_while_it_was_idle_is_opened_anew() -> None:
    def once(sock: socket.socket, number: int) -> None:
        sock.sendall(answer(read_request(sock)))

    with serve(once) as url:
        flyer = make_flyer(url)
        assert [send(flyer, event)[0].body for event in (b"1", b"2", b"3")] == [b"1", b"2", b"3"]


def test_a_connection_idle_for_long_is_not_used_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fly, "IDLE_S", 0.0)
    numbers: list[int] = []

    def count(sock: socket.socket, number: int) -> None:
        numbers.append(number)
        echo(sock, number)

    with serve(count) as url:
        flyer = make_flyer(url)
        send(flyer, b"1")
        send(flyer, b"2")
    assert len(numbers) == 2


def test_a_service_slower_than_the_timeout_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fly, "SWEEP_S", 0.05)
    asked: list[int] = []
    was_asked, is_told = threading.Event(), threading.Event()

    def handle(sock: socket.socket, number: int) -> None:
        read_request(sock)
        asked.append(number)
        was_asked.set()
        is_told.wait(60)

    with serve(handle) as url:
        (reply,) = send(make_flyer(url, timeout_s=0.3), b"{}")
        assert was_asked.wait(60)  # a busy server may read the request after nobody waits for its answer
    is_told.set()
    assert get_kind(reply) is Kind.TIMEOUT
    assert asked == [0]


def test_a_connection_that_never_opens_is_given_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(fly, "SWEEP_S", 0.05)
    monkeypatch.setattr(fly, "CONNECT_TIMEOUT_S", 0.3)
    make_certificate(tmp_path)
    is_told = threading.Event()
    with serve(lambda _sock, _number: is_told.wait(60)) as url:  # it never says hello
        flyer = make_flyer(url.replace("http:", "https:"), verify=str(tmp_path / "cert.pem"))
        (reply,) = send(flyer, b"{}")
    is_told.set()
    assert get_kind(reply) is Kind.SERVICE


def test_nobody_at_the_port_is_a_failure_that_may_heal() -> None:
    (reply,) = send(make_flyer("http://127.0.0.1:9"), b"{}")
    assert get_kind(reply) is Kind.SERVICE


def test_events_of_megabytes_go_over_tls_both_ways(tmp_path: Path) -> None:
    make_certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    events = [bytes([48 + n]) * 5_000_000 for n in range(3)] + [b"%d" % n for n in range(50)]
    with serve(echo, context) as url:
        flyer = make_flyer(url, verify=str(tmp_path / "cert.pem"))
        assert [reply.body for reply in send(flyer, *events, at_once=8)] == events
        assert get_kind(send(make_flyer(url), b"{}")[0]) is Kind.SERVICE, "a certificate that nobody vouches for"


def test_an_event_too_large_is_not_sent() -> None:
    (reply,) = send(make_flyer("http://127.0.0.1:9"), b" " * 7_000_000)
    assert get_kind(reply) is Kind.TOO_LARGE


def test_no_credentials_are_a_failure_of_their_own() -> None:
    flyer = Flyer(Endpoint("http://127.0.0.1:9", "us-east-1", None), 1.0)
    failure = judge_reply(send(flyer, b"{}")[0])
    assert failure is not None
    assert "credentials" in failure.message


def test_a_flyer_let_go_closes_its_connections() -> None:
    with serve(echo) as url:
        flyer = make_flyer(url)
        send(flyer, b"1")
        (idle,) = [sock for sock, _ in flyer._idle]
        del flyer
        gc.collect()
        assert idle.fileno() == -1


def test_leaving_early_closes_what_is_in_flight() -> None:
    is_left = threading.Event()
    with serve(lambda sock, number: echo(sock, number) if number == 0 else is_left.wait(60)) as url:
        crew = make_flyer(url).fly("f", bytes, lambda reply: reply)
        run = FanOut(crew, lambda _: None, 3).run([b"1", b"2", b"3"])
        next(iter(run))
        start = time.monotonic()
        run.close()  # type: ignore[attr-defined]
        assert time.monotonic() - start < 30, "it waited for answers that nobody gave"
        assert not crew._flights
        is_left.set()
