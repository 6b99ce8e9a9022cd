"""The mark of a coordinator that computes tasks itself."""

from pathlib import Path

from coordinator.executors.mark import Mark


def test_one_mark_is_made_once_and_removed(tmp_path: Path) -> None:
    mark = Mark("run-1", "/store", tmp_path / "marks")
    assert mark.make()
    assert not Mark("run-1", "/store", tmp_path / "marks").make()
    mark.remove()
    mark.remove()
    assert mark.make()


def test_other_runs_and_other_stores_have_marks_of_their_own(tmp_path: Path) -> None:
    marks = [Mark(run_id, uri, tmp_path) for run_id in ("run-1", "run-2") for uri in ("/store", "s3://bucket/x")]
    assert [mark.make() for mark in marks] == [True] * 4


def test_where_no_mark_can_be_made_nothing_may_be_computed(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    mark = Mark("run-1", "/store", tmp_path / "file")
    assert not mark.make()
    mark.remove()


def test_marks_are_this_user_s_alone_by_default() -> None:
    path = Mark("run-1", "/a-store-that-nobody-has").path
    assert "mycelium-computing-" in str(path)
    assert not path.exists()
