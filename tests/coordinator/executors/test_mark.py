"""The mark of a coordinator that computes tasks itself."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from coordinator.executors.mark import Mark


def test_one_mark_is_made_once_while_its_maker_lives_and_removed(tmp_path: Path) -> None:
    mark = Mark("run-1", "/store", tmp_path / "marks")
    assert mark.make() == frozenset()
    mark.hold(["00001", "00002"])
    assert Mark("run-1", "/store", tmp_path / "marks").make() is None
    mark.remove()
    mark.remove()
    assert mark.make() == frozenset()
    assert list((tmp_path / "marks").iterdir()) == [mark.path]


def test_a_dead_coordinator_s_mark_is_taken_over_with_what_it_had_in_hand(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as dead:
        dead.wait()
    mark = Mark("run-1", "/store", tmp_path)
    mark.path.write_text(f"{dead.pid}\n00007\n00009\n")
    assert mark.make() == frozenset({"00007", "00009"})
    assert mark.path.read_text() == f"{os.getpid()}\n00007\n00009\n"


@pytest.mark.parametrize("text", ["", "who\n00001\n", "1\n00001\n"])
def test_what_nobody_knows_or_another_process_left_forbids_to_compute(tmp_path: Path, text: str) -> None:
    mark = Mark("run-1", "/store", tmp_path)
    mark.path.write_text(text)
    assert mark.make() is None


def test_other_runs_and_other_stores_have_marks_of_their_own(tmp_path: Path) -> None:
    marks = [Mark(run_id, uri, tmp_path) for run_id in ("run-1", "run-2") for uri in ("/store", "s3://bucket/x")]
    assert [mark.make() for mark in marks] == [frozenset()] * 4


def test_where_no_mark_can_be_made_nothing_may_be_computed(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    mark = Mark("run-1", "/store", tmp_path / "file")
    assert mark.make() is None
    mark.hold(["00001"])
    mark.remove()


def test_marks_are_this_user_s_alone_by_default() -> None:
    path = Mark("run-1", "/a-store-that-nobody-has").path
    assert "mycelium-computing-" in str(path)
    assert not path.exists()
