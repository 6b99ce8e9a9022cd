"""A small S3 endpoint: it checks digests and conditions as S3 does, and keeps of an object no more than its digest.

moto believes whatever digest it is told, and completes a multipart upload whatever its condition says; and it is slower
than any client worth measuring. Run as a program it is a process of its own: it prints its port, and writes what it
holds to a file when it is told to end.
"""

import argparse
import base64
import hashlib
import json
import re
import signal
import socket
import ssl
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

BUFFER = 1 << 20
Reply = tuple[int, dict[str, str], bytes]
"""Status, headers, body."""


@dataclass
class Held:
    """What is known of one object."""

    size: int
    sha256: str
    checksum: str
    data: bytes | None = None


@dataclass
class Sink:
    """What the endpoint holds and how it behaves.

    Attributes:
        verify: hash what comes in, and refuse what differs from its digest; else only read.
        keep: keep the bytes, so that they can be read again.
        bytes_per_s: what the link carries, for all connections together; 0 for no limit.
        say: what is answered to the next requests, whatever they ask.
        asked: method, key and headers of every request.
    """

    verify: bool = True
    keep: bool = False
    bytes_per_s: float = 0.0
    objects: dict[str, Held] = field(default_factory=dict)
    parts: dict[str, dict[int, tuple[int, str, bytes]]] = field(default_factory=dict)
    say: list[Reply] = field(default_factory=list)
    asked: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    begun: int = 0
    refused: int = 0
    replaced: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    free_s: float = 0.0

    def throttle(self, n_bytes: int) -> None:
        """Wait until the link has carried some bytes."""
        if not self.bytes_per_s:
            return
        with self.lock:
            now = time.monotonic()
            self.free_s = max(now, self.free_s) + n_bytes / self.bytes_per_s
            wait = self.free_s - now
        time.sleep(wait)


@dataclass
class Request:
    """One request, its body read."""

    method: str
    key: str
    query: dict[str, str]
    headers: dict[str, str]
    size: int = 0
    sha256: str = ""
    data: bytes = b""


class Connection:
    """One connection, served by one thread."""

    def __init__(self, sink: Sink, sock: socket.socket) -> None:
        self.sink, self.sock = sink, sock
        self.buffer = bytearray(BUFFER if not sink.bytes_per_s else 1 << 16)
        self.rest = b""

    def serve(self) -> None:
        """Answer until the other side hangs up."""
        try:
            while self.serve_one():
                pass
        except (OSError, ValueError):
            pass
        finally:
            self.sock.close()

    def serve_one(self) -> bool:
        """Answer one request; False at the end."""
        while b"\r\n\r\n" not in self.rest:
            got = self.sock.recv(1 << 16)
            if not got:
                return False
            self.rest += got
        head, _, self.rest = self.rest.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        method, target, _ = first.split(" ")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        url = urlsplit(target)
        query = dict(parse_qsl(url.query, keep_blank_values=True))
        request = Request(method, unquote(url.path).lstrip("/"), query, headers)
        if "100-continue" in headers.get("expect", "").lower():
            self.sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        if "chunked" in headers.get("transfer-encoding", ""):
            self.skip_chunks(request)
        else:
            self.read_body(request)
        status, answer_headers, body = self.answer(request)
        answer_headers.setdefault("Content-Length", str(len(body)))
        text = "".join(f"{name}: {value}\r\n" for name, value in answer_headers.items())
        self.sock.sendall(f"HTTP/1.1 {status} X\r\n{text}\r\n".encode() + (b"" if method == "HEAD" else body))
        return True

    def skip_chunks(self, request: Request) -> None:
        """Read a body of unknown length, as SDKs send over TLS, with its digest at the end; it is not looked at."""
        request.headers.pop("x-amz-checksum-sha256", None)
        while True:
            while b"\r\n" not in self.rest:
                self.rest += self.receive()
            size, _, self.rest = self.rest.partition(b"\r\n")
            left = int(size, 16) + 2
            request.size += left - 2
            self.sink.throttle(left)
            while left > len(self.rest):
                left -= len(self.rest)
                self.rest = self.receive()
            self.rest = self.rest[left:]
            if size == b"0":
                return

    def receive(self) -> bytes:
        """Return what comes next."""
        got = self.sock.recv(1 << 18)
        if not got:
            raise OSError("the body ended early")
        return got

    def read_body(self, request: Request) -> None:
        """Read the body, and hash it if that is wanted."""
        left = request.size = int(request.headers.get("content-length", "0"))
        small = left < 1 << 20 and ("uploadId" in request.query or self.sink.keep)
        total, kept = hashlib.sha256(), bytearray()
        view = memoryview(self.buffer)
        while left:
            if self.rest:
                piece = memoryview(self.rest[:left])
                self.rest = self.rest[left:]
            else:
                got = self.sock.recv_into(view, min(left, len(view)))
                if not got:
                    raise OSError("the body ended early")
                piece = view[:got]
            left -= len(piece)
            self.sink.throttle(len(piece))
            if self.sink.verify:
                total.update(piece)
            if small or self.sink.keep:
                kept += piece
        request.sha256, request.data = total.hexdigest(), bytes(kept)

    def answer(self, request: Request) -> Reply:
        """Return status, headers and body."""
        sink = self.sink
        sink.asked.append((request.method, request.key, request.headers))
        if sink.say:
            return sink.say.pop(0)
        if "/" not in request.key.strip("/"):
            return (
                200,
                {},
                b"<ListBucketResult><KeyCount>0</KeyCount><IsTruncated>false</IsTruncated></ListBucketResult>",
            )
        if request.method == "PUT":
            return self.put_part(request) if "partNumber" in request.query else self.put(request)
        if request.method == "POST":
            return self.begin() if "uploads" in request.query else self.complete(request)
        if request.method == "DELETE":
            sink.parts.pop(request.query.get("uploadId", ""), None)
            return 204, {}, b""
        return self.read(request)

    def begin(self) -> Reply:
        """Begin an upload in parts."""
        with self.sink.lock:
            upload_id = f"u{self.sink.begun}"
            self.sink.begun += 1
            self.sink.parts[upload_id] = {}
        return 200, {}, f"<R><UploadId>{upload_id}</UploadId></R>".encode()

    def read(self, request: Request) -> Reply:
        """Say what is known of an object, or give it."""
        held = self.sink.objects.get(request.key)
        if held is None:
            return 404, {}, error("NoSuchKey")
        headers = {"Content-Length": str(held.size), "ETag": '"x-1"', "Last-Modified": "Fri, 20 Nov 2026 13:00:00 GMT"}
        if request.headers.get("x-amz-checksum-mode") == "ENABLED":
            headers["x-amz-checksum-sha256"] = held.checksum
        return 200, headers, held.data or b""

    def put(self, request: Request) -> Reply:
        """Store an object, under the conditions asked."""
        given = request.headers.get("x-amz-checksum-sha256")
        checksum = base64.b64encode(bytes.fromhex(request.sha256)).decode()
        if self.sink.verify and given is not None and given != checksum:
            self.sink.refused += 1
            return 400, {}, error("BadDigest")
        if not self.sink.verify and given is not None:
            checksum = given  # it only reads, and says yes
        held = Held(request.size, request.sha256, checksum, request.data if self.sink.keep else None)
        return self.store(request, held)

    def store(self, request: Request, held: Held) -> Reply:
        """Put an object in its place."""
        with self.sink.lock:
            if request.key in self.sink.objects:
                if request.headers.get("if-none-match") == "*":
                    return 412, {}, error("PreconditionFailed")
                self.sink.replaced += 1
            self.sink.objects[request.key] = held
        md5 = request.headers.get("content-md5")
        etag = base64.b64decode(md5).hex() if md5 else "x-1"
        headers = {"ETag": f'"{etag}"'}
        if request.headers.get("x-amz-checksum-sha256"):
            headers["x-amz-checksum-sha256"] = held.checksum
        return 200, headers, b""

    def put_part(self, request: Request) -> Reply:
        """Take a part."""
        parts = self.sink.parts.get(request.query["uploadId"])
        if parts is None:
            return 404, {}, error("NoSuchUpload")
        given = request.headers.get("x-amz-checksum-sha256")
        if self.sink.verify and given != base64.b64encode(bytes.fromhex(request.sha256)).decode():
            return 400, {}, error("BadDigest")
        parts[int(request.query["partNumber"])] = (request.size, request.sha256, request.data)
        return 200, {"ETag": f'"{request.sha256[:32]}"', "x-amz-checksum-sha256": str(given)}, b""

    def complete(self, request: Request) -> Reply:
        """Make an object of parts."""
        parts = self.sink.parts.get(request.query["uploadId"])
        if parts is None:
            return 404, {}, error("NoSuchUpload")
        numbers = [int(number) for number in re.findall(rb"<PartNumber>(\d+)<", request.data)]
        if numbers != sorted(parts) or numbers != list(range(1, len(parts) + 1)):
            return 400, {}, error("InvalidPart")
        whole = hashlib.sha256(b"".join(bytes.fromhex(parts[n][1]) for n in numbers)).digest()
        checksum = f"{base64.b64encode(whole).decode()}-{len(numbers)}"
        data = b"".join(parts[n][2] for n in numbers)
        size = sum(parts[n][0] for n in numbers)
        held = Held(size, hashlib.sha256(data).hexdigest(), checksum, data if self.sink.keep else None)
        answer = self.store(request, held)
        if answer[0] == 200:
            del self.sink.parts[request.query["uploadId"]]
            return 200, {}, f"<R><ChecksumSHA256>{checksum}</ChecksumSHA256></R>".encode()
        return answer


def error(code: str) -> bytes:
    """Return an error as S3 words it."""
    return f"<Error><Code>{code}</Code><Message>told to</Message></Error>".encode()


def listen(sink: Sink, context: ssl.SSLContext | None = None) -> tuple[socket.socket, int]:
    """Begin to serve, in threads; closing the socket ends it."""
    server = socket.create_server(("127.0.0.1", 0), backlog=256)

    def accept() -> None:
        while True:
            try:
                sock, _ = server.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=shake, args=(sock,), daemon=True).start()

    def shake(sock: socket.socket) -> None:
        try:
            wrapped = context.wrap_socket(sock, server_side=True) if context else sock
        except OSError:
            sock.close()
            return
        Connection(sink, wrapped).serve()

    threading.Thread(target=accept, daemon=True).start()
    return server, server.getsockname()[1]


def main() -> None:
    """Serve until SIGTERM, then write what is held."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--only-read", action="store_true")
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--bytes-per-s", type=float, default=0.0)
    parser.add_argument("--certificate")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    sink = Sink(verify=not options.only_read, keep=options.keep, bytes_per_s=options.bytes_per_s)
    context = None
    if options.certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(options.certificate)
    _, port = listen(sink, context)
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    if options.out:
        facts = {
            "objects": {key: [held.size, held.sha256] for key, held in sink.objects.items()},
            "refused": sink.refused,
            "replaced": sink.replaced,
        }
        options.out.write_text(json.dumps(facts))


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    main()
