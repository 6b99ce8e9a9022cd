"""Whatever is thrown at the labels takes about as long as an ordinary text, 64 MB at most, and runs nothing."""

import subprocess
import sys
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from mycelium.labels.extract import extract_all_ops, primary_label, root_operator
from mycelium.labels.parser import parse
from mycelium.labels.segments import MAX_TEXT
from mycelium.labels.steps import find_steps
from mycelium.labels.tree import Refusal, show
from tests.mycelium.labels.hostile import CASES, MAX_MEBIBYTES


def answer(text: str) -> None:
    """Do with a text all that the stages do."""
    for plain in (False, True):
        tree = parse(text, plain=plain)
        if not isinstance(tree, Refusal):
            extract_all_ops(tree)
            primary_label(tree)
            root_operator(tree)
            show(tree)
    find_steps(text, text)


ORDINARY = (r"Then $\frac{48}{2} = 24$, so 24 + 16 = 40 and x = 3y. " * 1000)[: MAX_TEXT - 12]
"""As long as a text may be; some 30 ms."""

MAX_TIMES = 4
"""The slowest of them takes 1.5 times what an ordinary text takes; what is quadratic would take a thousand."""


def measure(read: Callable[[], object]) -> float:
    """Return the processor time of a call, seconds."""
    start = time.process_time()
    read()
    return time.process_time() - start


@cache
def measure_ordinary() -> float:
    """Return how long an ordinary text takes, the best of three."""
    return min(measure(lambda: find_steps("", ORDINARY)) for _ in range(3))


def test_there_are_enough_cases() -> None:
    assert len(CASES) >= 60


@pytest.mark.parametrize("name", CASES)
def test_each_is_answered_at_once(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = CASES[name]
    for read in (lambda: parse(text), lambda: parse(text, plain=True), lambda: find_steps("", text)):
        took_s, ordinary_s = measure(read), measure_ordinary()
        for _ in range(8):  # the machine may be busier than it was: both once more, side by side
            if took_s <= MAX_TIMES * ordinary_s:
                break
            took_s, ordinary_s = measure(read), measure(lambda: find_steps("", ORDINARY))
        assert took_s <= MAX_TIMES * ordinary_s
    answer(text)
    assert not list(tmp_path.iterdir())


IN_LITTLE_MEMORY = f"""
import resource, sys
sys.path.insert(0, ".")
from tests.mycelium.labels.test_hostile import CASES, answer
pages = int(open("/proc/self/statm").read().split()[0])
limit = pages * resource.getpagesize() + ({MAX_MEBIBYTES} << 20)
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
for text in CASES.values():
    answer(text)
try:
    too_much = bytearray({MAX_MEBIBYTES + 1} << 20)
except MemoryError:
    print("the limit holds")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="a process's size is read from /proc")
def test_all_fit_into_the_memory_of_one() -> None:
    root = Path(__file__).parents[3]
    run = subprocess.run([sys.executable, "-c", IN_LITTLE_MEMORY], capture_output=True, text=True, check=True, cwd=root)
    assert run.stdout == "the limit holds\n"


def test_a_refusal_says_little_of_what_it_refused() -> None:
    for text in CASES.values():
        refusal = parse(text)
        if isinstance(refusal, Refusal):
            assert len(refusal.detail) <= 40
