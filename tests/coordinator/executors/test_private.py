"""What is believed lies where nobody else can have put it."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from coordinator.executors.journal import Journal
from coordinator.executors.mark import Mark
from coordinator.executors.private import check_private, find_private, make_private, name_file
from mycelium.manifest import ObjectRef, Outcome
from mycelium.store import LocalStore
from mycelium.task import TaskResult


def let_others_write(folder: Path) -> None:
    folder.mkdir()
    folder.chmod(0o777)


def link(folder: Path) -> None:
    elsewhere = folder.with_name("elsewhere")
    elsewhere.mkdir(mode=0o700)
    folder.symlink_to(elsewhere)


def be_a_file(folder: Path) -> None:
    folder.touch(mode=0o600)


@pytest.fixture(params=[let_others_write, link, be_a_file])
def foreign(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    lay: Callable[[Path], None] = request.param
    lay(tmp_path / "place")
    return tmp_path / "place"


def test_a_folder_that_is_not_ours_alone_is_refused(foreign: Path) -> None:
    with pytest.raises(OSError, match=r"not this user's alone|exists"):
        make_private(foreign)


def test_somebody_else_s_folder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_private(tmp_path / "place")
    me = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: me + 1)
    with pytest.raises(PermissionError, match="not this user's alone"):
        check_private(tmp_path / "place")


def test_what_was_laid_there_is_not_believed_and_nothing_is_left_there(foreign: Path) -> None:
    store = LocalStore(foreign.parent / "store")
    store.put("o", b"PAR1", mode="create")
    result = TaskResult(Outcome("c", "done", (ObjectRef("d", "o", 4, "0"),), wall_s=1.0), b"part")
    journal = Journal("run", store.uri, foreign)
    journal.add(result)
    journal.flush()
    assert not journal.path.exists()
    if foreign.is_dir():
        own = Journal("run", store.uri, foreign.parent / "own")
        own.add(result)
        own.flush()
        assert list(own.read(["c"], store))
        journal.path.write_bytes(own.path.read_bytes())
    assert not list(journal.read(["c"], store))
    assert Mark("run", store.uri, foreign).make() is None


def test_by_default_it_is_this_user_s() -> None:
    assert find_private().name == f"mycelium-computing-{os.getuid()}"


def test_a_store_whose_path_is_of_bytes_that_are_no_text_has_a_name() -> None:
    assert len({name_file("run", f"/store/{odd}") for odd in ("\udcff", "\udcfe", "é")}) == 3
