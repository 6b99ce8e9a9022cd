"""A thousand invocations in flight in one thread: HTTPS over sockets that nobody waits for.

A thousand threads that wait for an answer each cost 89 MB, most of it stacks that the TLS handshake has touched; as
many coroutines over asyncio's TLS cost over 200. Sockets under a selector cost 22, and less than half the processor
time (ADR 0030 has the table). What is spoken is plain HTTP/1.1: one POST, one answer, the connection kept for the next.
"""

import http.client
import io
import re
import selectors
import socket
import ssl
import time
import weakref
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, Literal, TypeVar
from urllib.parse import urlsplit

from coordinator.endpoint import Endpoint
from coordinator.executors.fan_out import Attempt
from coordinator.executors.invoke import (
    CONNECT_TIMEOUT_S,
    Reply,
    keep_alive_options,
    read_reply,
    refuse_event,
    sign_invoke,
)
from coordinator.executors.retry import Failure, Kind

T = TypeVar("T")
R = TypeVar("R")

READ_BYTES = 1 << 16
IDLE_S = 30.0
"""A connection idle for longer is not used again: the other side may have closed it."""

ADDRESS_S = 60.0
"""How long the service's addresses are remembered."""

SWEEP_S = 1.0
"""How often flights are looked at for having taken too long."""

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding: *chunked", re.IGNORECASE)


@dataclass(slots=True)
class _Flight(Generic[T, R]):
    """One request on its way."""

    attempt: Attempt[T, R]
    request: bytes
    sock: socket.socket
    phase: Literal["connecting", "shaking", "sending", "reading"]
    started_s: float
    fresh: bool
    sent: int = 0
    got: bytearray = field(default_factory=bytearray)


class Flyer:
    """Keeps connections to one endpoint, and starts crews over them."""

    def __init__(self, endpoint: Endpoint, answer_timeout_s: float) -> None:
        """Take an endpoint.

        Args:
            endpoint: where Lambda is.
            answer_timeout_s: how long an answer is waited for; more than a function may run.
        """
        from botocore.httpsession import get_cert_path  # noqa: PLC0415 - only the cloud pays for it

        parts = urlsplit(endpoint.url)
        self.endpoint, self.answer_timeout_s = endpoint, answer_timeout_s
        self.host, self.port = str(parts.hostname), parts.port or (443 if parts.scheme == "https" else 80)
        self.context: ssl.SSLContext | None = None
        if parts.scheme == "https":
            self.context = ssl.create_default_context(cafile=get_cert_path(endpoint.verify))
        self._idle: deque[tuple[socket.socket, float]] = deque()
        self._addresses: list[tuple[int, tuple[str, int]]] = []
        self._asked_s = float("-inf")
        weakref.finalize(self, _close_all, self._idle)

    def fly(self, function: str, encode: Callable[[T], bytes], land: Callable[[Reply], R]) -> "SocketCrew[T, R]":
        """Return a crew that invokes a function for each item.

        Args:
            function: its name.
            encode: an item to its event.
            land: a reply to the answer.
        """
        return SocketCrew(self, function, encode, land)

    def take_idle(self) -> socket.socket | None:
        """Return a connection that is open already; None if there is none."""
        while self._idle:
            sock, since_s = self._idle.pop()
            if time.monotonic() - since_s < IDLE_S:
                return sock
            sock.close()
        return None

    def give_back(self, sock: socket.socket) -> None:
        """Keep a connection for the next request."""
        self._idle.append((sock, time.monotonic()))

    def connect(self) -> socket.socket:
        """Begin a new connection; it is not open yet."""
        now = time.monotonic()
        if now - self._asked_s > ADDRESS_S or not self._addresses:
            found = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
            self._addresses = [(family, (str(at[0]), int(at[1]))) for family, _, _, _, at in found]
            self._asked_s = now
        family, address = self._addresses[0]
        self._addresses.append(self._addresses.pop(0))  # the service has several; take each in turn
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            for option in keep_alive_options():
                sock.setsockopt(*option)
            sock.settimeout(0.0)
            sock.connect_ex(address)
        except OSError:
            sock.close()
            raise
        return sock


class SocketCrew(Generic[T, R]):
    """Flights under one selector; see `coordinator.executors.fan_out.Crew`."""

    def __init__(self, flyer: Flyer, function: str, encode: Callable[[T], bytes], land: Callable[[Reply], R]) -> None:
        """See `Flyer.fly`."""
        self._flyer, self._function, self._encode, self._land = flyer, function, encode, land
        self._selector = selectors.DefaultSelector()
        self._flights: dict[int, _Flight[T, R]] = {}
        self._landed: deque[tuple[Attempt[T, R], R]] = deque()
        self._swept_s = time.monotonic()

    def start(self, attempt: Attempt[T, R], in_flight: int) -> None:
        """See `Crew.start`."""
        del in_flight
        event = self._encode(attempt.call.item)
        failure = refuse_event(event)
        signed = None if failure else sign_invoke(self._flyer.endpoint, self._function, event)
        if failure or isinstance(signed, Failure):
            self._landed.append((attempt, self._land(Reply(0, broken=failure or _as_failure(signed)))))
            return
        self._launch(attempt, _frame(signed, event), fresh=False)
        self._pump(0.0)

    def wait(self, timeout_s: float | None) -> tuple[Attempt[T, R], R] | None:
        """See `Crew.wait`."""
        end_s = None if timeout_s is None else time.monotonic() + timeout_s
        while not self._landed:
            left_s = SWEEP_S if end_s is None else min(SWEEP_S, end_s - time.monotonic())
            if left_s <= 0 or not self._flights:
                return None
            self._pump(left_s)
        return self._landed.popleft()

    def drop(self, attempt: Attempt[T, R]) -> None:
        """See `Crew.drop`; the function goes on to its end, and nobody hears of it."""
        for flight in [flight for flight in self._flights.values() if flight.attempt is attempt]:
            self._forget(flight)
            flight.sock.close()
        self._landed = deque(landed for landed in self._landed if landed[0] is not attempt)

    def dismiss(self) -> None:
        """See `Crew.dismiss`."""
        for flight in self._flights.values():
            flight.sock.close()
        self._flights.clear()
        self._selector.close()

    def _launch(self, attempt: Attempt[T, R], request: bytes, *, fresh: bool) -> None:
        now = time.monotonic()
        sock = None if fresh else self._flyer.take_idle()
        if sock is not None:
            flight = _Flight(attempt, request, sock, "sending", now, fresh=False)
        else:
            try:
                flight = _Flight(attempt, request, self._flyer.connect(), "connecting", now, fresh=True)
            except OSError as error:
                self._landed.append((attempt, self._land(_broken(Kind.SERVICE, f"can't connect: {error}"))))
                return
        self._flights[flight.sock.fileno()] = flight
        self._selector.register(flight.sock, selectors.EVENT_WRITE, flight)

    def _pump(self, timeout_s: float) -> None:
        """Bring every flight on as far as it comes without waiting."""
        for key, _ in self._selector.select(timeout_s):
            flight: _Flight[T, R] = key.data
            try:
                self._advance(flight)
            except ssl.SSLWantReadError:
                self._selector.modify(flight.sock, selectors.EVENT_READ, flight)
            except ssl.SSLWantWriteError:
                self._selector.modify(flight.sock, selectors.EVENT_WRITE, flight)
            except BlockingIOError:
                pass
            except (OSError, http.client.HTTPException) as error:
                self._lose(flight, f"connection to {self._flyer.host} broke: {str(error) or type(error).__name__}")
        self._sweep()

    def _advance(self, flight: _Flight[T, R]) -> None:
        if flight.phase == "connecting":
            self._open(flight)
        if flight.phase == "shaking":
            if isinstance(flight.sock, ssl.SSLSocket):
                flight.sock.do_handshake()
            flight.phase = "sending"
        while flight.phase == "sending":
            flight.sent += flight.sock.send(memoryview(flight.request)[flight.sent :])
            if flight.sent == len(flight.request):
                flight.phase = "reading"
                self._selector.modify(flight.sock, selectors.EVENT_READ, flight)
        while flight.phase == "reading":
            data = flight.sock.recv(READ_BYTES)
            flight.got += data
            if not data and not flight.got:
                raise ConnectionResetError("closed before it answered")
            response = _read_response(flight.got, closed=not data)
            if response is not None:
                self._finish(flight, *response)
                return

    def _open(self, flight: _Flight[T, R]) -> None:
        error = flight.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            raise OSError(error, "can't connect")
        if self._flyer.context is not None:
            before = flight.sock.fileno()
            self._selector.unregister(flight.sock)
            flight.sock = self._flyer.context.wrap_socket(
                flight.sock, server_hostname=self._flyer.host, do_handshake_on_connect=False
            )
            self._flights[flight.sock.fileno()] = self._flights.pop(before)
            self._selector.register(flight.sock, selectors.EVENT_WRITE, flight)
        flight.phase = "shaking"

    def _finish(self, flight: _Flight[T, R], reply: Reply, keep: bool) -> None:  # noqa: FBT001 - the pair that was read
        self._forget(flight)
        if keep:
            self._flyer.give_back(flight.sock)
        else:
            flight.sock.close()
        self._landed.append((flight.attempt, self._land(reply)))

    def _lose(self, flight: _Flight[T, R], why: str, kind: Kind = Kind.SERVICE) -> None:
        self._forget(flight)
        flight.sock.close()
        young = time.monotonic() - flight.started_s < IDLE_S  # older, its signature would soon be refused
        if not flight.fresh and young and kind is Kind.SERVICE:  # it had been closed while it was idle
            self._launch(flight.attempt, flight.request, fresh=True)
        else:
            self._landed.append((flight.attempt, self._land(_broken(kind, why))))

    def _forget(self, flight: _Flight[T, R]) -> None:
        self._selector.unregister(flight.sock)
        del self._flights[flight.sock.fileno()]

    def _sweep(self) -> None:
        now = time.monotonic()
        if now - self._swept_s < SWEEP_S:
            return
        self._swept_s = now
        for flight in list(self._flights.values()):
            waiting = flight.phase == "reading"
            limit_s = self._flyer.answer_timeout_s if waiting else CONNECT_TIMEOUT_S * (1 if flight.fresh else 3)
            if now - flight.started_s > limit_s:
                said = f"no answer within {limit_s:g} s" if waiting else f"no connection within {limit_s:g} s"
                self._lose(flight, said, Kind.TIMEOUT if waiting else Kind.SERVICE)


def _read_response(got: bytearray, *, closed: bool) -> tuple[Reply, bool] | None:
    """Return the reply, and whether the connection can be used again; None while the answer is not whole."""
    head_end = got.find(b"\r\n\r\n")
    if head_end < 0:
        if closed:
            raise ConnectionResetError("closed in the middle of its answer")
        return None
    head = bytes(got[: head_end + 2])
    length = _LENGTH.search(head)
    if length is not None:
        is_whole = len(got) >= head_end + 4 + int(length[1])
    else:
        is_whole = closed or (_CHUNKED.search(head) is not None and got.endswith(b"0\r\n\r\n"))
    if not is_whole:
        if closed:
            raise ConnectionResetError("closed in the middle of its answer")
        return None
    response = http.client.HTTPResponse(_Held(bytes(got)), method="POST")  # type: ignore[arg-type]
    response.begin()
    try:
        body = response.read()
    except http.client.IncompleteRead:
        if closed:
            raise
        return None  # bytes of a chunk that look like the last one
    return read_reply(response.status, response.headers, body), not (response.will_close or closed)


class _Held:
    """A whole answer, as the socket that `http.client` reads from."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, mode: str) -> io.BytesIO:
        del mode
        return io.BytesIO(self._data)


def _frame(signed: object, event: bytes) -> bytes:
    """Return a signed request as it goes over the line."""
    url = urlsplit(signed.url)  # type: ignore[attr-defined]
    lines = [f"POST {url.path} HTTP/1.1", f"Host: {url.netloc}", f"Content-Length: {len(event)}"]
    lines += [f"{name}: {value}" for name, value in signed.headers.items()]  # type: ignore[attr-defined]
    return "\r\n".join([*lines, "", ""]).encode("ascii") + event


def _broken(kind: Kind, why: str) -> Reply:
    return Reply(0, broken=Failure(kind, why))


def _as_failure(signed: object) -> Failure:
    return signed if isinstance(signed, Failure) else Failure(Kind.HANDLER, "not signed")


def _close_all(idle: "deque[tuple[socket.socket, float]]") -> None:
    while idle:
        idle.pop()[0].close()
