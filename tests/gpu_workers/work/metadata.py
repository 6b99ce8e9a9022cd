"""A machine's metadata as EC2 serves it, on the loopback address: IMDSv2, and nothing without a token."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self


class FakeMetadata:
    """Serves what a machine of EC2's is told about itself."""

    def __init__(self, instance: str = "i-0123", lifecycle: str = "on-demand") -> None:
        self.answers = {
            "instance-id": instance,
            "instance-type": "g5.xlarge",
            "instance-life-cycle": lifecycle,
            "placement/region": "us-east-1",
        }
        self.token = "token-1"  # noqa: S105 - a token of nobody's
        self.refused = 0
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def do_PUT(self) -> None:
                ttl = self.headers.get("X-aws-ec2-metadata-token-ttl-seconds", "")
                is_right = self.path == "/latest/api/token" and ttl.isdigit()
                self._answer(200, fake.token) if is_right else self._answer(400, "")

            def do_GET(self) -> None:
                if self.headers.get("X-aws-ec2-metadata-token") != fake.token:
                    fake.refused += 1
                    self._answer(401, "")
                    return
                text = fake.answers.get(self.path.removeprefix("/latest/meta-data/"))
                self._answer(404, "") if text is None else self._answer(200, text)

            def _answer(self, code: int, text: str) -> None:
                self.send_response(code)
                self.send_header("Content-Length", str(len(text.encode())))
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        """Begin to answer."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Answer no more."""
        self._server.shutdown()
        self._server.server_close()

    def give_notice(self) -> None:
        """Say that the machine is to be taken away."""
        self.answers["spot/instance-action"] = json.dumps({"action": "terminate", "time": "2026-11-20T12:02:00Z"})
