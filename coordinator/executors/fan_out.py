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
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from coordinator.executors.backup import WINDOW, Backups, Standing, choose_backups, next_look_s
from coordinator.executors.limit import FEW_THROTTLED, Limit
from coordinator.executors.retry import RETRY_TABLE, Failure, Kind, Table, wait_before_retry_s
from mycelium.progress import Traffic

T = TypeVar("T")
R = TypeVar("R")


@dataclass(slots=True, eq=False)
class Call(Generic[T, R]):
    """One thing to do, and how often it was tried.

    Attributes:
        item: the thing.
        attempts: how often it was called, the calls under way and backups included.
        backups: how many of those were backups.
        failures: how often it failed, by kind.
        failed: the answers of the calls that were not the last.
        dropped_s: how long calls had run that were dropped, since another had answered first.
        flying: the calls under way: one, or two with a backup.
    """

    item: T
    attempts: int = 0
    backups: int = 0
    failures: Counter[Kind] = field(default_factory=Counter)
    failed: list[R] = field(default_factory=list)
    dropped_s: float = 0.0
    flying: "list[Attempt[T, R]]" = field(default_factory=list)


@dataclass(frozen=True, slots=True, eq=False)
class Attempt(Generic[T, R]):
    """One call under way.

    Attributes:
        call: what it is an attempt at.
        started_s: when it began.
        is_backup: whether another was under way when it began.
    """

    call: Call[T, R]
    started_s: float
    is_backup: bool = False


class Crew(Protocol[T, R]):
    """Does what the fan-out decides: threads, or sockets under a selector."""

    def start(self, attempt: Attempt[T, R], in_flight: int) -> None:
        """Start a call, the so-manieth that is in flight, and don't wait for it."""
        ...

    def wait(self, timeout_s: float | None) -> tuple[Attempt[T, R], R] | None:
        """Return a call that has an answer; None if none came in time."""
        ...

    def drop(self, attempt: Attempt[T, R]) -> None:
        """Let a call go whose answer is wanted no longer; `wait` never returns it."""
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

    def __init__(  # noqa: PLR0913 - all but three by name, each of another kind
        self,
        crew: Crew[T, R],
        judge: Callable[[R], Failure | None],
        max_in_flight: int,
        *,
        table: Table = RETRY_TABLE,
        backups: Backups | None = None,
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
            backups: when a call that takes long is made a second time, and the count of that; None for never.
            clock: seconds, ever rising.
            sleep: waits when there is nothing to do but wait.
            draw: a random number from [0, 1), for the jitter.
        """
        self.limit, self.traffic = Limit(max_in_flight), Traffic()
        self.retried: Callable[[Call[T, R], Failure, float], None] = lambda _call, _failure, _wait_s: None
        self._judge, self._table, self._backups = judge, table, backups or Backups()
        self._clock, self._sleep, self._draw = clock, sleep, draw
        self._crew = crew
        self._later: list[tuple[float, int, Call[T, R]]] = []
        self._throttled: list[tuple[float, int, Call[T, R]]] = []  # each holds the room in which it will fly
        self._parked: deque[Call[T, R]] = deque()  # throttled, and without room since the limit fell
        self._order = itertools.count()
        self._flying: dict[Attempt[T, R], None] = {}  # in the order in which they were started
        self._done_s: deque[float] = deque(maxlen=WINDOW)
        self._n_items, self._n_open, self._n_backups = 0, 0, 0
        self._all_started = False

    def run(self, items: Iterable[T]) -> Iterator[tuple[Call[T, R], R]]:
        """Yield each item's call with its last answer, in the order of completion; judge that again to know it."""
        waiting = iter(items)
        try:
            while True:
                self._start(waiting)
                self.traffic.in_flight = len(self._flying)
                if not self._flying:
                    due_s = self._due_s()
                    if due_s is None:
                        return
                    self._sleep(max(0.0, due_s - self._clock()))
                    continue
                landed = self._crew.wait(self._patience_s())
                if landed is not None and self._is_last(*landed):
                    yield landed[0].call, landed[1]
        finally:
            self.traffic.in_flight = None
            self._crew.dismiss()

    def _start(self, waiting: Iterator[T]) -> None:
        """Start what may start: what is to be called again, then what was never called, then backups."""
        while len(self._flying) < self.limit.value:
            call = self._next(waiting)
            if call is None:
                break
            self._launch(call)
        rule, standing = self._backups.rule, self._standing()
        if standing is not None and rule is not None:
            for late in choose_backups(rule, standing, self._clock()):
                if len(self._flying) >= self.limit.value:
                    break
                late.backups += 1
                self._n_backups += 1
                self._backups.started += 1
                self._launch(late)

    def _launch(self, call: Call[T, R]) -> None:
        attempt = Attempt(call, self._clock(), is_backup=bool(call.flying))
        call.attempts += 1
        call.flying.append(attempt)
        self._flying[attempt] = None
        self.limit.started()
        self._crew.start(attempt, len(self._flying))

    @property
    def _has_room(self) -> bool:
        """Whether one more may be called, beside what flies and what was throttled and will fly again."""
        return len(self._flying) + len(self._throttled) < self.limit.value

    def _next(self, waiting: Iterator[T]) -> Call[T, R] | None:
        """Return what is called next: what was throttled, what failed, what was never called; None for nothing now."""
        now = self._clock()
        if self._parked and self._has_room:
            return self._parked.popleft()
        for heap in (self._throttled, *([self._later] if self._has_room else [])):
            if heap and heap[0][0] <= now:
                return heapq.heappop(heap)[2]
        return self._begin(waiting) if self._has_room else None

    def _begin(self, waiting: Iterator[T]) -> Call[T, R] | None:
        """Take the next item, if there is one, and if not all that is tried fails."""
        if len(self._later) >= self.limit.maximum:
            return None
        for item in waiting:
            self._n_items, self._n_open = self._n_items + 1, self._n_open + 1
            return Call(item)
        self._all_started = True
        return None

    def _standing(self) -> Standing[Call[T, R]] | None:
        """Return how the run stands for the rule; None where it can't have a backup now, whatever the rule says."""
        rule = self._backups.rule
        if rule is None or not self._all_started or self._n_backups >= rule.most(self._n_items):
            return None
        if self._n_open > len(self._done_s):  # not even half: spare the count
            return None
        running = {a.call: a.started_s for a in self._flying if not a.call.backups}
        return Standing(running, self._done_s, self._n_items, self._n_open, self._n_backups)

    def _due_s(self) -> float | None:
        """Return when the first of those that wait for their time may be called; None if none does."""
        heaps = (self._throttled, self._later) if self._has_room else (self._throttled,)
        return min((heap[0][0] for heap in heaps if heap), default=None)

    def _patience_s(self) -> float | None:
        """Return how long to wait for an answer before something else may start."""
        if len(self._flying) >= self.limit.value:
            return None
        due = [due_s] if (due_s := self._due_s()) is not None else []
        rule, standing = self._backups.rule, self._standing()
        if standing is not None and rule is not None:
            look_s = next_look_s(rule, standing)
            due += [] if look_s is None else [look_s]
        return max(0.0, min(due) - self._clock()) if due else None

    def _is_last(self, attempt: Attempt[T, R], answer: R) -> bool:
        """Return whether this was the item's last call; if not, wait for its twin, or put it by for later."""
        del self._flying[attempt]
        call, failure = attempt.call, self._judge(answer)
        call.flying.remove(attempt)
        self._learn(attempt, failure)
        if failure is None:
            self._done_s.append(self._clock() - attempt.started_s)
            self._backups.won += attempt.is_backup
            self._drop(call)
            return self._end()
        call.failures[failure.kind] += 1
        if call.flying:  # the other may still do it
            call.failed.append(answer)
            return False
        wait_s = wait_before_retry_s(self._table[failure.kind], call.failures[failure.kind], self._draw)
        if wait_s is None:
            return self._end()
        self.retried(call, failure, wait_s)
        call.failed.append(answer)
        self._put_by(call, self._clock() + wait_s, throttled=failure.kind is Kind.THROTTLED)
        return False

    def _put_by(self, call: Call[T, R], due_s: float, *, throttled: bool) -> None:
        """Keep a call for later; one that was throttled keeps its room, as long as there is room for it."""
        if not throttled:
            heapq.heappush(self._later, (due_s, next(self._order), call))
        elif self._flying and call.failures[Kind.THROTTLED] > FEW_THROTTLED:
            self._parked.appendleft(call)  # there is no room but where another lands: it has the first that comes
        elif self._has_room:
            heapq.heappush(self._throttled, (due_s, next(self._order), call))
        else:
            self._parked.append(call)

    def _learn(self, attempt: Attempt[T, R], failure: Failure | None) -> None:
        """Let the limit learn of an answer, and those that wait for room with it."""
        if failure is None or failure.kind is not Kind.THROTTLED:
            self.limit.answered()
            if self._throttled and not self._parked:  # where this one flew there is room now
                heapq.heappush(self._throttled, (self._clock(), *heapq.heappop(self._throttled)[1:]))
            return
        times = attempt.call.failures[Kind.THROTTLED] + 1
        if self.limit.throttled(attempt.started_s, self._clock(), len(self._flying), times):
            room = max(0, self.limit.value - len(self._flying))
            self._throttled.sort()
            self._parked.extend(call for _, _, call in self._throttled[room:])
            del self._throttled[room:]

    def _drop(self, call: Call[T, R]) -> None:
        """Let go of the calls that lost against the one that answered."""
        for attempt in call.flying:
            del self._flying[attempt]
            call.dropped_s += self._clock() - attempt.started_s
            self._crew.drop(attempt)
        call.flying.clear()

    def _end(self) -> bool:
        self._n_open -= 1
        return True


class ThreadCrew(Generic[T, R]):
    """Threads that call; daemons, so that Ctrl-C need not wait for a function's timeout."""

    def __init__(self, work: Callable[[T], R]) -> None:
        """Take what to do with each item; what it raises ends the whole fan-out.

        Their stacks are of the system's size. Smaller ones would spare address space and no memory, for what is not
        touched is not there; and the size is the whole process's, so that whoever starts a thread meanwhile has it too.
        """
        self._work = work
        self._jobs: queue.SimpleQueue[Attempt[T, R] | None] = queue.SimpleQueue()
        self._landed: queue.SimpleQueue[tuple[Attempt[T, R], R | BaseException]] = queue.SimpleQueue()
        self._dropped: set[Attempt[T, R]] = set()
        self._n_threads = 0

    def start(self, attempt: Attempt[T, R], in_flight: int) -> None:
        """See `Crew.start`."""
        self._jobs.put(attempt)
        if self._n_threads >= in_flight + len(self._dropped):  # a thread is busy with what was dropped, too
            return
        try:
            threading.Thread(target=self._serve, name=f"fan-out-{in_flight}", daemon=True).start()
            self._n_threads += 1
        except RuntimeError:  # the system gives no more threads: those there are will come to it
            if not self._n_threads:
                raise

    def wait(self, timeout_s: float | None) -> tuple[Attempt[T, R], R] | None:
        """See `Crew.wait`."""
        try:
            attempt, answer = self._landed.get(timeout=timeout_s)
        except queue.Empty:
            return None
        if attempt in self._dropped:
            self._dropped.remove(attempt)
            return None
        if isinstance(answer, BaseException):
            raise answer
        return attempt, answer

    def drop(self, attempt: Attempt[T, R]) -> None:
        """See `Crew.drop`; a thread can't be stopped, so its answer is thrown away when it comes."""
        self._dropped.add(attempt)

    def dismiss(self) -> None:
        """See `Crew.dismiss`."""
        for _ in range(self._n_threads):
            self._jobs.put(None)

    def _serve(self) -> None:
        while (attempt := self._jobs.get()) is not None:
            answer: R | BaseException
            try:
                answer = self._work(attempt.call.item)
            except BaseException as error:  # noqa: BLE001 - handed to the caller's thread, which raises it
                answer = error
            self._landed.put((attempt, answer))
