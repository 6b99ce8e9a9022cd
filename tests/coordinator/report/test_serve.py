"""The server: this machine only, one page, drawn anew for each request."""

import http.client
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from itertools import count

import pytest

from coordinator.report.serve import make_server


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    numbers = count(1)
    with make_server(lambda: f"<p>page {next(numbers)}</p>") as made:
        thread = threading.Thread(target=made.serve_forever)
        thread.start()
        yield made
        made.shutdown()
        thread.join()


def get(server: ThreadingHTTPServer, path: str = "/") -> tuple[str, dict[str, str]]:
    with urllib.request.urlopen(f"http://127.0.0.1:{server.server_address[1]}{path}", timeout=60) as answer:
        return answer.read().decode(), dict(answer.headers)


def test_each_request_draws_anew(server: ThreadingHTTPServer) -> None:
    page, headers = get(server)
    assert page == "<p>page 1</p>"
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert get(server, "/?again")[0] == "<p>page 2</p>"


def test_there_is_nothing_else(server: ThreadingHTTPServer) -> None:
    with pytest.raises(urllib.error.HTTPError, match="404"):
        get(server, "/etc/passwd")


def test_only_this_machine_is_answered(server: ThreadingHTTPServer) -> None:
    assert server.server_address[0] == "127.0.0.1"


@pytest.mark.parametrize(
    ("host", "status"), [("127.0.0.1:{port}", 200), ("localhost:{port}", 200), ("evil.example:{port}", 403), ("", 403)]
)
def test_a_page_of_somebody_else_s_is_not_answered(server: ThreadingHTTPServer, host: str, status: int) -> None:
    port = server.server_address[1]
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", "/", headers={"Host": host.format(port=port)})
    answer = connection.getresponse()
    answer.read()
    connection.close()
    assert answer.status == status
