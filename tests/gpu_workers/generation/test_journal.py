"""A journal survives whatever kills its writer."""

import json
import multiprocessing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpu_workers.generation.journal import Journal
from mycelium.errors import StoreNotAvailableError, UserInputError

OWNER = {"author": "m@1", "bound": 9}


def rows(*names: str) -> list[dict[str, object]]:
    return [{"id": name, "text": f"line of {name}\n\u2028é", **OWNER} for name in names]


def open_journal(path: Path) -> Journal:
    return Journal(path, "id", OWNER)


def test_lines_come_back_and_end_in_the_order_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    with open_journal(path) as journal:
        journal.append(rows("b", "a"))
        assert not path.exists()
    with open_journal(path) as journal:
        assert set(journal.done) == {"a", "b"}
        journal.append(rows("c"))
        journal.finish(["a", "b", "c"])
    assert [json.loads(line) for line in path.read_bytes().splitlines()] == rows("a", "b", "c")
    assert sorted(tmp_path.iterdir()) == [path]


@given(data=st.data())
def test_a_file_cut_anywhere_loses_no_whole_line(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    path = tmp_path_factory.mktemp("journal") / "out.jsonl"
    with open_journal(path) as journal:
        for name in "abcd":
            journal.append(rows(name))
        part = journal.part_path
    whole = part.read_bytes()
    cut = data.draw(st.integers(0, len(whole)))
    part.write_bytes(whole[:cut])
    with open_journal(path) as journal:
        assert len(journal.done) == whole[:cut].count(b"\n")
        journal.append(rows(*(name for name in "abcd" if name not in journal.done)))
        journal.finish(list("abcd"))
    assert path.read_bytes() == whole


def test_a_finished_file_is_taken_up_again(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    for names in ("a", "ab"):
        with open_journal(path) as journal:
            journal.append(rows(*(name for name in names if name not in journal.done)))
            journal.finish(list("ab"))
    assert path.read_bytes().count(b"\n") == 2


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"not json\n", "line 1, is no line of a journal"),
        (b"[1]\n", "is no line of a journal"),
        (b'{"id": "a", "author": "m@1", "bound": 9}\n{"author": "m@1"}\n', "line 2, is no line of a journal"),
        (b'{"id": "a", "author": "other", "bound": 9}\n', "has author 'other', and this run's is 'm@1'"),
        (b'{"id": "a", "author": "m@1", "bound": 8}\n', "has bound 8, and this run's is 9"),
    ],
)
def test_lines_of_other_work_are_refused_and_left_alone(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "out.jsonl"
    path.write_bytes(content)
    with pytest.raises(UserInputError, match=said), open_journal(path):
        pass
    assert path.read_bytes() == content


def test_two_processes_do_not_write_one_file(tmp_path: Path) -> None:
    with open_journal(tmp_path / "out.jsonl"):
        asked = multiprocessing.get_context("spawn").Pool(1)
        with asked as pool:
            assert "another process is writing" in pool.apply(try_to_open, (tmp_path / "out.jsonl",))


def try_to_open(path: Path) -> str:
    try:
        with open_journal(path):
            return "opened"
    except UserInputError as error:
        return str(error)


def test_a_folder_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(StoreNotAvailableError, match="can't be written"), open_journal(tmp_path / "none" / "out.jsonl"):
        pass
