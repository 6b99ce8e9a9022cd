"""The uploader's small file: whole or not there."""

from pathlib import Path

import pytest

from gpu_workers.spool.state import DEFAULT_BUDGET, FILE, State, read_state, write_state


def test_what_was_written_is_read(tmp_path: Path) -> None:
    state = State("s3://b/p", 1000, 500, 7, "no rights", 3, 4, 5, 6.5, 7.5)
    write_state(tmp_path, state)
    assert read_state(tmp_path) == state
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


@pytest.mark.parametrize("content", [None, b"", b"{", b"[]", b"\xff\xfe", b'{"budget": "much"}'])
def test_no_state_is_the_default(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / FILE).write_bytes(content)
    assert read_state(tmp_path) == State()
    assert State().budget == DEFAULT_BUDGET


def test_on_a_full_disk_the_old_one_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_state(tmp_path, State(pid=1))

    def refuse(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", refuse)
    write_state(tmp_path, State(pid=2))
    assert read_state(tmp_path).pid == 1
