"""Many calls in flight, as many as the other side bears; what fails and can heal is called again.

One thread, the caller's, decides everything: what starts, what waits, how many may fly. Who does it, a crew, only
starts calls and hands back their answers, so that nothing here needs a lock.
"""

import heapq
import itertools
import queue
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from coordinator.executors.retry import RETRY_TABLE, Failure, Kind, Table, wait_before_retry_s
from mycelium.progress import Traffic

T = TypeVar("T")
R = TypeVar("R")

STACK_BYTES = 256 << 10
"""Stack of a thread that waits for an answer: TLS needs some 100 KB."""

INCREASE_STEPS = 20
"""A limit that was never met again climbs back from nothing in so many rounds of answers."""


@dataclass(slots=True)
class Limit:
    """How many calls may be in flight: additive increase, multiplicative decrease.

    A throttled call halves the limit, once for all calls that were started under the same limit; a round of answers,
    as many as may be in flight, adds a twentieth of the maximum. ADR 0030 says what was measured.

    Attributes:
        maximum: what the limit never exceeds, and where it begins.
    """

    maximum: int
    _value: float = field(init=False)
    _halved_s: float = float("-inf")

    def __post_init__(self) -> None:
        """Begin at the maximum."""
        self._value = self.maximum

    @property
    def value(self) -> int:
        """Calls that may be in flight now."""
        return int(self._value)

    def throttled(self, started_s: float, now_s: float) -> None:
        """Learn that a call that was started then was throttled."""
        if started_s >= self._halved_s:
            self._value, self._halved_s = max(1.0, self._value / 2), now_s

    def answered(self) -> None:
        """Learn that a call was let in."""
        self._value = min(self.maximum, self._value + max(1.0, self.maximum / INCREASE_STEPS) / self._value)


@dataclass(slots=True)
class Call(Generic[T, R]):
    """One thing to do, and how often it was tried.

    Attributes:
        item: the thing.
        attempts: how often it was called, the call under way included.
        started_s: when the last call began.
        failures: how often it failed, by kind.
        failed: the answers of the calls that were followed by another.
    """

    item: T
    attempts: int = 0
    started_s: float = 0.0
    failures: Counter[Kind] = field(default_factory=Counter)
    failed: list[R] = field(default_factory=list)


class Crew(Protocol[T, R]):
    """Does what the fan-out decides: threads, or sockets under a selector."""

    def start(self, call: Call[T, R], in_flight: int) -> None:
        """Start a call, the so-manieth that is in flight, and don't wait for it."""
        ...

    def wait(self, timeout_s: float | None) -> tuple[Call[T, R], R] | None:
        """Return a call that has an answer; None if none came in time."""
        ...

    def dismiss(self) -> None:
        """Start nothing more; what is in flight is nobody's any longer."""
        ...


class FanOut(Generic[T, R]):
    """Calls something for each of many items, up to a bound at a time.

    Attributes:
        traffic: where what is in flight is counted.
        retried: is told of a call that failed and is put by for so many seconds.
    """

    def __init__(
        self,
        crew: Crew[T, R],
        judge: Callable[[R], Failure | None],
        max_in_flight: int,
        *,
        table: Table = RETRY_TABLE,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        draw: Callable[[], float] = random.random,
    ) -> None:
        """Take what to call.

        Args:
            crew: who calls; dismissed at the end.
            judge: whether an answer is a failure.
            max_in_flight: the most calls at a time.
            table: which failures are tried again.
            clock: seconds, ever rising.
            sleep: waits when there is nothing to do but wait.
            draw: a random number from [0, 1), for the jitter.
        """
        self.limit, self.traffic = Limit(max_in_flight), Traffic()
        self.retried: Callable[[Call[T, R], Failure, float], None] = lambda _call, _failure, _wait_s: None
        self._judge, self._table = judge, table
        self._clock, self._sleep, self._draw = clock, sleep, draw
        self._crew = crew
        self._later: list[tuple[float, int, Call[T, R]]] = []
        self._order = itertools.count()

    def run(self, items: Iterable[T]) -> Iterator[tuple[Call[T, R], R]]:
        """Yield each item's call with its last answer, in the order of completion; judge that again to know it."""
        waiting = iter(items)
        flying = 0
        try:
            while True:
                flying += self._start(waiting, flying)
                self.traffic.in_flight = flying
                if not flying:
                    if not self._later:
                        return
                    self._sleep(max(0.0, self._later[0][0] - self._clock()))
                    continue
                landed = self._crew.wait(self._patience_s(flying))
                if landed is None:
                    continue
                flying -= 1
                if self._is_last(*landed):
                    yield landed
        finally:
            self.traffic.in_flight = None
            self._crew.dismiss()

    def _start(self, waiting: Iterator[T], flying: int) -> int:
        """Start what may start, and return how many that were."""
        started = 0
        while flying + started < self.limit.value:
            call = self._next(waiting)
            if call is None:
                break
            call.attempts += 1
            call.started_s = self._clock()
            started += 1
            self._crew.start(call, flying + started)
        return started

    def _next(self, waiting: Iterator[T]) -> Call[T, R] | None:
        if self._later and self._later[0][0] <= self._clock():
            return heapq.heappop(self._later)[2]
        for item in waiting:
            return Call(item)
        return None

    def _patience_s(self, flying: int) -> float | None:
        """Return how long to wait for an answer before something else may start."""
        if not self._later or flying >= self.limit.value:
            return None
        return max(0.0, self._later[0][0] - self._clock())

    def _is_last(self, call: Call[T, R], answer: R) -> bool:
        """Return whether this was the item's last call; if not, put it by for later."""
        failure = self._judge(answer)
        if failure is None or failure.kind is not Kind.THROTTLED:
            self.limit.answered()
        else:
            self.limit.throttled(call.started_s, self._clock())
        if failure is None:
            return True
        call.failures[failure.kind] += 1
        wait_s = wait_before_retry_s(self._table[failure.kind], call.failures[failure.kind], self._draw)
        if wait_s is None:
            return True
        self.retried(call, failure, wait_s)
        call.failed.append(answer)
        heapq.heappush(self._later, (self._clock() + wait_s, next(self._order), call))
        return False


class ThreadCrew(Generic[T, R]):
    """Threads that call; daemons, so that Ctrl-C need not wait for a function's timeout."""

    def __init__(self, work: Callable[[T], R]) -> None:
        """Take what to do with each item; what it raises ends the whole fan-out."""
        self._work = work
        self._jobs: queue.SimpleQueue[Call[T, R] | None] = queue.SimpleQueue()
        self._landed: queue.SimpleQueue[tuple[Call[T, R], R | BaseException]] = queue.SimpleQueue()
        self._n_threads = 0

    def start(self, call: Call[T, R], in_flight: int) -> None:
        """See `Crew.start`."""
        self._jobs.put(call)
        if self._n_threads >= in_flight:
            return
        before = threading.stack_size(STACK_BYTES)
        try:
            threading.Thread(target=self._serve, name=f"fan-out-{in_flight}", daemon=True).start()
            self._n_threads += 1
        except RuntimeError:  # the system gives no more threads: those there are will come to it
            if not self._n_threads:
                raise
        finally:
            threading.stack_size(before)

    def wait(self, timeout_s: float | None) -> tuple[Call[T, R], R] | None:
        """See `Crew.wait`."""
        try:
            call, answer = self._landed.get(timeout=timeout_s)
        except queue.Empty:
            return None
        if isinstance(answer, BaseException):
            raise answer
        return call, answer

    def dismiss(self) -> None:
        """See `Crew.dismiss`."""
        for _ in range(self._n_threads):
            self._jobs.put(None)

    def _serve(self) -> None:
        while (call := self._jobs.get()) is not None:
            answer: R | BaseException
            try:
                answer = self._work(call.item)
            except BaseException as error:  # noqa: BLE001 - handed to the caller's thread, which raises it
                answer = error
            self._landed.put((call, answer))
