"""An uploader beside the test, and an endpoint that checks what S3 checks."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gpu_workers.spool.daemon import Look, Options, Sender, Uploader
from gpu_workers.spool.door import Upload
from gpu_workers.spool.line import Sent
from gpu_workers.spool.spool import Spool
from mycelium.errors import ConflictError, ObjectExistsError
from mycelium.store import Store
from tests.gpu_workers.spool.endpoint import Sink, listen


class Tape:
    """A `Tell` that remembers."""

    def __init__(self) -> None:
        self.looks: list[Look] = []
        self.events: list[tuple[str, str]] = []

    def look(self, look: Look) -> None:
        """Remember how it stands."""
        self.looks.append(look)

    def event(self, kind: str, line: str) -> None:
        """Remember what happened."""
        self.events.append((kind, line))


class StoreSender:
    """Uploads into any store: a door without a network."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def upload(self, upload: Upload, sent: Sent) -> bool:
        """Put a file."""
        data = upload.path.read_bytes()
        try:
            self.store.put(upload.key, data)
        except ObjectExistsError:
            if self.store.get(upload.key) == data:
                return False
            raise ConflictError(f"another object {upload.key}") from None
        sent(len(data))
        return True

    def close(self) -> None:
        """Nothing to break off."""


@contextlib.contextmanager
def uploading(spool: Spool, sender: Sender, target: str, tape: Tape | None = None) -> Iterator[Uploader]:
    """Run an uploader in a thread, until the block ends."""
    uploader = Uploader(spool, sender, Options(target, 1_000_000), tape or Tape())
    with spool.tend():
        thread = threading.Thread(target=uploader.run)
        thread.start()
        try:
            yield uploader
        finally:
            uploader.drain()
            uploader._wake.set()
            thread.join()


@pytest.fixture
def sink(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sink]:
    """An endpoint of the tests' own, and the environment in which it is S3."""
    sink = Sink(keep=True)
    server, port = listen(sink)
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_PROFILE", "AWS_REGION", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    yield sink
    server.close()


@pytest.fixture
def make_file(tmp_path: Path) -> Callable[[str, bytes], Path]:
    """Return what writes a file."""

    def make(name: str, data: bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(data)
        return path

    return make
