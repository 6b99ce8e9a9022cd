"""The live view: what is drawn at which width, and that a terminal is left whole."""

import os
import pty
import re
import select
import subprocess
import sys
import termios
from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from mycelium.progress.live import MAX_ENDED, LiveView, is_live
from mycelium.progress.state import Progress, Traffic

HIDE, SHOW = "\x1b[?25l", "\x1b[?25h"
COLOUR = re.compile(r"\x1b\[[0-9;]*3[0-9]")


def make_work(**more: object) -> Progress:
    """Return a work in the middle of things, begun at 0."""
    fields: dict[str, object] = {"done": 57, "count": 3648, "bytes": 228_000_000, "started_s": 0.0}
    return Progress("heartbeat", 117, **(fields | more))  # type: ignore[arg-type]


def draw(width: int, *works: Progress, clock_s: float = 10.0, plain: bool = False) -> list[str]:
    """Return the lines of a view at one width, without colours."""
    console = Console(width=width, force_terminal=True, no_color=plain, color_system=None, legacy_windows=False)
    view = LiveView(lambda: clock_s)
    view.works.extend(works)
    with console.capture() as capture:
        console.print(view, end="")
    return capture.get().splitlines()


def test_a_wide_terminal_gets_everything() -> None:
    work = make_work(
        failed=3,
        failures=Counter(BadSignalError=2, ChunkDamagedError=1),
        traffic=Traffic(8, 5, 3),
        usd=0.01234,
        note="device waited 2.5%",
        waits="the spool is full",
    )
    bar, more = draw(160, work)
    assert (
        bar.split()
        == ("heartbeat " + "━" * 19 + " 57/117 chunks 11 s left 5.7 chunks/s 22.8 MB/s 364.8 problems/s").split()
    )
    assert more == (
        "  the spool is full, 3 failed (2 BadSignalError, 1 ChunkDamagedError), 8 in flight, 5 retries (3 throttled), "
        "0.0123 USD, device waited 2.5%"
    )


def test_a_narrow_terminal_gets_what_matters_most() -> None:
    assert [line.split() for line in draw(60, make_work())] == [
        ["heartbeat", "━━━━━", "57/117", "chunks", "11", "s", "left", "5.7", "chunks/s"]
    ]
    assert draw(24, make_work()) == ["heartbeat  57/117 chunks"]
    assert draw(12, make_work()) == ["heartbeat  …"]


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
WORKS = st.builds(
    Progress,
    what=TEXTS,
    total=st.integers(1, 10**7),
    done=st.integers(0, 10**7),
    failed=st.integers(0, 10),
    count=st.integers(0, 10**12),
    note=TEXTS,
    waits=st.none() | TEXTS,
    started_s=st.floats(0, 10),
    bytes=st.integers(0, 2**60),
    failures=st.dictionaries(TEXTS, st.integers(1, 10), max_size=5).map(Counter),
    usd=st.none() | st.floats(0, 1e6),
    traffic=st.builds(Traffic, st.none() | st.integers(0, 1000), st.integers(0, 10**6), st.integers(0, 10**6)),
)


@given(st.lists(WORKS, max_size=12), st.integers(1, 200), st.floats(10, 1e6))
def test_no_line_is_wider_than_the_terminal_and_none_can_move_its_cursor(
    works: list[Progress], width: int, clock_s: float
) -> None:
    lines = draw(width, *works, clock_s=clock_s)
    assert len(lines) <= 2 * len(works) + 1
    for line in lines:
        assert cell_len(line) <= width
        assert line.isprintable()


def test_a_work_that_has_ended_says_how_long_it_took_and_no_longer_changes() -> None:
    clock = iter([10.0, 500.0])
    view, work = LiveView(lambda: next(clock)), make_work(done=117)
    view.works.append(work)
    console = Console(width=80, force_terminal=True, color_system=None)
    looks = []
    for _ in range(2):
        with console.capture() as capture:
            console.print(view, end="")
        looks.append(capture.get())
    assert "117/117 chunks  in 10 s" in looks[0]
    assert looks[0] == looks[1]


def test_what_is_left_is_told_by_the_last_half_minute() -> None:
    # A hundred chunks were found at once; the others take a second each.
    now, work = [0.0], Progress("work", 1000, started_s=0.0)
    view = LiveView(lambda: now[0])
    view.works.append(work)
    console = Console(width=80, force_terminal=True, color_system=None)
    said = ""
    for second in range(61):
        now[0], work.done = float(second), 100 + second
        with console.capture() as capture:
            console.print(view, end="")
        said = capture.get()
    assert "14 min" in said  # 840 chunks, and not the 5 min 45 s that the average of all would say


def test_works_that_have_ended_are_folded_but_for_the_last() -> None:
    works = [Progress(f"round {i}", 4, done=4, started_s=0.0) for i in range(20)]
    lines = draw(80, *works, Progress("map", 4, done=1, started_s=0.0))
    assert lines[0] == f"… {20 - MAX_ENDED} more, done"
    assert len(lines) == 1 + MAX_ENDED + 1
    assert lines[-1].startswith("map ")


@pytest.mark.parametrize(("term", "live"), [("xterm", True), ("dumb", False), ("unknown", False)])
def test_a_terminal_that_cannot_be_drawn_over_gets_plain_lines(term: str, live: bool) -> None:
    assert is_live(Console(force_terminal=True, _environ={"TERM": term})) is live


class Shown(NamedTuple):
    """What a process left on its terminal."""

    code: int
    text: str
    same_settings: bool


CONTROL = "import fcntl, os, sys, termios\nos.setsid()\nfcntl.ioctl(2, termios.TIOCSCTTY, 0)\n"
"""Makes standard error the process's own terminal, so that Ctrl-C there reaches it."""


def show_on_terminal(code: str, environment: Mapping[str, str] = {}, *, type_after: str | None = None) -> Shown:
    """Run some code on a terminal; type Ctrl-C once it has shown something."""
    leader, follower = pty.openpty()
    before = termios.tcgetattr(follower)
    process = subprocess.Popen(
        [sys.executable, "-c", CONTROL + code],
        stderr=follower,
        env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "100", "LINES": "30", **environment},
    )
    text, typed = "", type_after is None
    try:
        while process.poll() is None or select.select([leader], [], [], 0)[0]:
            if not select.select([leader], [], [], 0.1)[0]:
                continue
            text += os.read(leader, 100_000).decode(errors="replace")
            if not typed and type_after is not None and type_after in text:
                os.write(leader, b"\x03")
                typed = True
    finally:
        process.kill()
        process.wait()
    same = termios.tcgetattr(follower) == before
    os.close(follower)
    os.close(leader)
    return Shown(process.returncode, text, same)


WORK = (
    "from mycelium.progress import show_progress\n"
    "with show_progress('work', 4) as progress:\n"
    "    progress.failures['KeyError'] += 1\n"
    "    progress.advance(failed=True)\n"
    "    progress.advance(2)\n"
)


def test_the_last_look_stays_and_the_cursor_comes_back() -> None:
    shown = show_on_terminal(WORK)
    assert shown.code == 0
    last = shown.text.rpartition("work")[2]
    assert "3/4 chunks" in last
    assert "1 failed (1 KeyError)" in last
    assert shown.text.count(HIDE) == shown.text.count(SHOW) == 1
    assert "\x1b[2J" not in shown.text  # nothing is ever cleared: that is what flickers
    assert shown.same_settings


def test_ctrl_c_leaves_the_terminal_whole() -> None:
    waiting = WORK + "    progress.show()\n    import time\n    time.sleep(120)\n"
    shown = show_on_terminal(waiting, type_after="3/4")
    assert shown.code != 0
    assert "KeyboardInterrupt" in shown.text
    assert shown.text.count(HIDE) == shown.text.count(SHOW) == 1
    assert shown.text.rindex(SHOW) > shown.text.rindex("3/4")
    assert shown.same_settings


def test_no_color_is_honoured_and_colours_are_there_without_it() -> None:
    assert COLOUR.search(show_on_terminal(WORK).text)
    assert not COLOUR.search(show_on_terminal(WORK, {"NO_COLOR": "1"}).text)


def test_a_dumb_terminal_gets_no_escapes() -> None:
    shown = show_on_terminal(WORK, {"TERM": "dumb"})
    assert "work: 1/4 chunks, 1 failed (1 KeyError)" in shown.text
    assert "\x1b" not in shown.text


def test_what_goes_to_standard_output_meanwhile_stays_there() -> None:
    code = WORK.replace("from", "import sys\nfrom", 1) + "    print('an event', flush=True)\n"
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=follower,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "100"},
    )
    out, _ = process.communicate(timeout=120)
    os.close(follower)
    os.close(leader)
    assert out == b"an event\n"
