"""Show a run while it is under way: the page, drawn anew whenever a browser asks for it."""

import http.server
from collections.abc import Callable
from http import HTTPStatus

from coordinator.report.section import POLICY

REFRESH_S = 5


def make_server(render: Callable[[], str], port: int = 0) -> http.server.ThreadingHTTPServer:
    """Make a server that gives one page to this machine and to no other.

    Args:
        render: returns the page as HTML.
        port: where to listen; 0 for any that is free.

    Returns:
        A server that listens already: `serve_forever` answers, `server_address` says where.
    """

    class _Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            # A page of somebody else's, whose name was made to lead here, is not shown what is on this machine.
            if self.headers.get("Host", "").rpartition(":")[0] not in {"127.0.0.1", "localhost"}:
                self.send_error(HTTPStatus.FORBIDDEN)
                return
            if self.path.partition("?")[0] != "/":
                self.send_error(HTTPStatus.NOT_FOUND)
                return
            page = render().encode()
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(page)))
            self.send_header("Content-Security-Policy", POLICY)
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
            """Say nothing: the page says all."""

    return http.server.ThreadingHTTPServer(("127.0.0.1", port), _Handler)
