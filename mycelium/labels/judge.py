"""The verification door: sympy says whether two sides are equal, in children that are killed when they take too long.

A child lives for many expressions, so that none pays for a process or for importing sympy. Each expression has a
deadline that the parent keeps, by waiting on a pipe and not by a signal; a child that misses it is killed and another
is started. Whatever sympy does, hang, eat memory, overflow its stack, crash, costs one expression its verdict and
nothing else.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import select
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from mycelium.errors import JudgeError

_BATCH: Final = 64
_PACKAGE_ROOT: Final = Path(__file__).parents[2]
_PROGRAM: Final = (
    "import sys; sys.path.insert(0, sys.argv[1]); from mycelium.labels.verdict import main; main(int(sys.argv[2]))"
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of one expression.

    Args:
        outcome: verified, refuted, undecided or refused.
        reason: Why, where it is undecided or refused: ``deadline``, ``crash``, ``memory``, ``exponent``, …
    """

    outcome: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one verification may use.

    Args:
        deadline_s: Seconds for one expression.
        start_s: Seconds for a child to import sympy.
        memory_bytes: Address space of a child.
    """

    deadline_s: float = 2.0
    start_s: float = 120.0
    memory_bytes: int = 1 << 30


class _Child:
    """One process that verifies, and the pipe to it."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.process = subprocess.Popen(  # noqa: S603 - our own interpreter and our own module
            [sys.executable, "-W", "ignore", "-c", _PROGRAM, str(_PACKAGE_ROOT), str(limits.memory_bytes)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self._pending = b""
        if self.answer(limits.start_s) is None:
            self.kill()
            raise JudgeError("a child that verifies must start, and this one did not: is sympy installed?")

    def ask(self, text: str, *, plain: bool) -> bool:
        """Send one expression; say whether the child took it."""
        if self.process.stdin is None:
            return False
        try:
            self.process.stdin.write(json.dumps([text, plain]).encode() + b"\n")
            self.process.stdin.flush()
        except OSError:
            return False
        return True

    def answer(self, seconds: float) -> Verdict | None:
        """Wait for one line; None where the child died, the time is up, or it is no answer, which ends the child."""
        if self.process.stdout is None:
            return None
        descriptor = self.process.stdout.fileno()
        while b"\n" not in self._pending:
            ready, _, _ = select.select([descriptor], [], [], seconds)
            part = os.read(descriptor, 65_536) if ready else b""
            if not part:
                return None
            self._pending += part
        line, _, self._pending = self._pending.partition(b"\n")
        try:
            outcome, reason = json.loads(line)
        except (ValueError, TypeError):  # a print of somebody's; what follows may be the answer to another question
            self.kill()
            return None
        return Verdict(outcome, reason)

    def kill(self) -> None:
        """End the process, whatever it is doing, and wait until it is gone."""
        self.process.kill()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except BrokenPipeError:
                    continue
        self.process.wait()


class Judge:
    """A pool of children that verify equations; use it as a context manager."""

    def __init__(self, n_child: int = 1, limits: Limits | None = None) -> None:
        """Take the number of children and their limits; a child is started when it is first needed."""
        self._limits = limits or Limits()
        self._n_child = n_child
        self._children: list[_Child | None] = [None] * n_child

    def __enter__(self) -> Self:
        """Return the judge itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End every child."""
        for child in self._children:
            if child is not None:
                child.kill()
        self._children = [None] * self._n_child

    def judge(self, expressions: Sequence[tuple[str, bool]]) -> list[Verdict]:
        """Judge many expressions.

        Args:
            expressions: Pairs of an expression and whether it is plain text.

        Returns:
            One verdict for each, in order.

        Raises:
            JudgeError: No child can be started.
        """
        verdicts: list[Verdict | None] = [None] * len(expressions)
        work: queue.SimpleQueue[range] = queue.SimpleQueue()
        for start in range(0, len(expressions), _BATCH):
            work.put(range(start, min(start + _BATCH, len(expressions))))

        def drive(place: int) -> None:
            with contextlib.suppress(queue.Empty):
                while True:
                    for index in work.get_nowait():
                        verdicts[index] = self._one(place, *expressions[index])

        with ThreadPoolExecutor(self._n_child) as threads:
            list(threads.map(drive, range(self._n_child)))  # raises what one of them has raised
        return [verdict for verdict in verdicts if verdict is not None]

    def _one(self, place: int, text: str, plain: bool) -> Verdict:  # noqa: FBT001 an item of `expressions`, unpacked
        child = self._children[place]
        if child is not None and child.process.poll() is not None:
            child.kill()
            child = None
        if child is None:
            child = self._children[place] = _Child(self._limits)
        verdict = child.answer(self._limits.deadline_s) if child.ask(text, plain=plain) else None
        if verdict is not None:
            return verdict
        crashed = child.process.poll() is not None
        child.kill()
        self._children[place] = None
        return Verdict("undecided", "crash" if crashed else "deadline")


def count(verdicts: Sequence[Verdict]) -> dict[str, int]:
    """Count verdicts by outcome, and by reason where there is one: ``refused: exponent``."""
    return dict(Counter(f"{v.outcome}: {v.reason}" if v.reason else v.outcome for v in verdicts))
