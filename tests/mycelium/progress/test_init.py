"""Progress: plain lines when piped, a bar on a terminal, nothing when quiet."""

import os
import pty
import subprocess
import sys

import pytest

from mycelium.progress import format_seconds, note_progress, show_progress, show_together


def test_piped_progress_is_plain_lines(capsys: pytest.CaptureFixture[str]) -> None:
    with show_progress("work", 3) as progress:
        for _ in range(3):
            progress.advance(count=10, failed=False)
    lines = capsys.readouterr().err.splitlines()
    assert lines[-1].startswith("work: 3/3 chunks, ")
    assert "problems/s" in lines[-1]
    assert all("\x1b" not in line for line in lines)


def test_failures_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    with show_progress("work", 2) as progress:
        progress.advance(failed=True)
        progress.advance()
    assert "2/2 chunks, 1 failed" in capsys.readouterr().err


def test_a_note_is_shown_beside_the_speed(capsys: pytest.CaptureFixture[str]) -> None:
    with show_progress("work", 1) as progress:
        progress.note = "device waited 2.5%"
        progress.advance(count=4)
    assert ", device waited 2.5%, 0.0 s left" in capsys.readouterr().err


def test_quiet_and_nothing_to_do_say_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with show_progress("work", 2, quiet=True) as progress:
        progress.advance(2)
    with show_progress("work", 0) as progress:
        progress.advance(0, count=1)
    assert capsys.readouterr().err == ""


def test_works_side_by_side_say_what_they_would_say_alone(capsys: pytest.CaptureFixture[str]) -> None:
    with show_together() as show, show("one", 1) as first, show("two", 1) as second, show("no", 1, quiet=True) as third:
        for progress in (first, second, third):
            progress.advance()
    assert [line.split(":")[0] for line in capsys.readouterr().err.splitlines()] == ["one", "two"]


def test_a_terminal_gets_a_bar_for_each_work() -> None:
    shown = show_on_terminal(
        "from mycelium.progress import show_together\n"
        "with show_together() as show, show('one', 4) as one, show('two', 3) as two, show('no', 9, quiet=True) as no:\n"
        "    one.advance(4), two.advance(2), no.advance(9)\n"
    )
    assert "4/4" in shown
    assert "2/3" in shown
    assert "9/9" not in shown


def test_a_terminal_gets_a_bar() -> None:
    shown = show_on_terminal(
        "from mycelium.progress import show_progress\n"
        "with show_progress('work', 4) as progress:\n    [progress.advance(count=5, failed=i == 1) for i in range(4)]\n"
    )
    assert "4/4" in shown
    assert "1 failed" in shown


def show_on_terminal(code: str) -> str:
    """Run some code whose standard error is a terminal, and return what it shows there."""
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", code], stderr=follower, env={**os.environ, "TERM": "xterm", "COLUMNS": "120"}
    )
    assert process.wait(60) == 0
    os.close(follower)
    shown = os.read(leader, 100_000).decode()
    os.close(leader)
    return shown


def test_what_is_waited_for_stands_in_the_line_until_it_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    assert not note_progress("nobody hears this")
    with show_progress("work", 2) as progress:
        assert note_progress("the spool is full")
        assert progress.line().endswith("left; the spool is full")
        progress.advance(2)
        assert note_progress(None)
        assert progress.line().endswith("left")
    assert "work: 0/2 chunks, ? left; the spool is full" in capsys.readouterr().err
    assert not note_progress("nobody hears this")


def test_a_bar_shows_what_is_waited_for() -> None:
    leader, follower = pty.openpty()
    code = (
        "from mycelium.progress import note_progress, show_progress\n"
        "with show_progress('work', 2) as progress:\n    progress.advance()\n    note_progress('[b]full[/]')\n"
    )
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "160"}
    process = subprocess.Popen([sys.executable, "-c", code], stderr=follower, env=environment)
    assert process.wait(60) == 0
    os.close(follower)
    shown = os.read(leader, 100_000).decode()
    os.close(leader)
    assert "[b]full[/]" in shown


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.04, "0.0 s"), (3.21, "3.2 s"), (42.4, "42 s"), (59.6, "1 min 00 s"), (185, "3 min 05 s"), (7800, "2 h 10 min")],
)
def test_durations_are_for_people(seconds: float, words: str) -> None:
    assert format_seconds(seconds) == words
