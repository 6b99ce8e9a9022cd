"""The file system wakes the uploader."""

import threading
from pathlib import Path

import pytest
from watchdog.observers import Observer

from gpu_workers.spool.watch import waking

PATIENCE_S = 60.0


def test_a_file_renamed_into_the_folder_wakes(tmp_path: Path) -> None:
    ready, writing = tmp_path / "ready", tmp_path / "writing"
    ready.mkdir()
    writing.mkdir()
    woken = threading.Event()
    with waking(ready, woken.set) as can_tell:
        assert can_tell
        (writing / "x").write_bytes(b"x")
        (writing / "x").rename(ready / "x")
        assert woken.wait(PATIENCE_S)
        woken.clear()
        (ready / "y").write_bytes(b"dropped in")
        assert woken.wait(PATIENCE_S)


def test_where_the_file_system_can_not_tell_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(28, "inotify watch limit reached")

    monkeypatch.setattr(Observer, "schedule", refuse)
    with waking(tmp_path, lambda: None) as can_tell:
        assert not can_tell
