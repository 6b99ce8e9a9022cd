"""Run a way: each stage when what it reads is there, and those that don't wait for each other side by side."""

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

from coordinator.pipeline.way import Step
from mycelium.manifest import Manifest

RunStep = Callable[[Step, Mapping[str, Manifest], threading.Event], Manifest]
"""Runs one stage over the manifests of those before it, by stage; ends early when the event is set."""


@dataclass(frozen=True, slots=True)
class Stop:
    """A stage that did not run to its end, or not at all.

    Attributes:
        stage: its name.
        reason: why, in one line.
    """

    stage: str
    reason: str


@dataclass(frozen=True, slots=True)
class Conducted:
    """What became of a way.

    Attributes:
        manifests: those of the stages that ran, or had run before, by stage.
        stops: the others.
    """

    manifests: dict[str, Manifest]
    stops: tuple[Stop, ...]


def conduct(way: Sequence[Step], run_step: RunStep, max_together: int = 4) -> Conducted:
    """Run every stage of a way.

    A stage whose chunks don't all succeed holds up what reads it, and nothing else. An error that is not a chunk's ends
    the whole way, once the stages under way have put down what they hold.

    Args:
        way: the stages, each after all that it needs.
        run_step: runs one.
        max_together: stages that run at the same time, at most.

    Raises:
        KeyboardInterrupt: Ctrl-C, after every stage under way has written its manifest.
        Exception: whatever `run_step` raised first.
    """
    manifests: dict[str, Manifest] = {}
    stops: list[Stop] = []
    waiting = list(way)
    stop = threading.Event()
    flying: dict[Future[Manifest], Step] = {}
    with ThreadPoolExecutor(max_together, thread_name_prefix="stage") as pool:
        try:
            while waiting or flying:
                waiting = _hold_up(waiting, manifests, stops)
                for step in [step for step in waiting if step.after <= manifests.keys()]:
                    waiting.remove(step)
                    flying[pool.submit(run_step, step, dict(manifests), stop)] = step
                for future in wait(flying, return_when=FIRST_COMPLETED).done:
                    step = flying.pop(future)
                    manifests[step.stage.name] = future.result()
        except BaseException:
            # Only this thread hears of Ctrl-C; the others end after the chunk in hand.
            stop.set()
            for future in flying:
                future.cancel()
            raise
    return Conducted(manifests, tuple(stops))


def _hold_up(waiting: list[Step], manifests: Mapping[str, Manifest], stops: list[Stop]) -> list[Step]:
    """Move to `stops` what reads something that was not finished."""
    held = {stop.stage: stop.reason for stop in stops}
    broken = {name: _say_why(name, manifest) for name, manifest in manifests.items() if not manifest.complete}
    left = []
    for step in waiting:  # in order, so that one that is held up holds up those after it
        reason = next((broken[name] for name in sorted(step.after) if name in broken), None) or next(
            (f"{name} did not run" for name in sorted(step.after) if name in held), None
        )
        if reason is None:
            left.append(step)
            continue
        held[step.stage.name] = reason
        stops.append(Stop(step.stage.name, reason))
    return left


def _say_why(name: str, manifest: Manifest) -> str:
    """Return why a run is not complete: it was stopped, or chunks of it have failed."""
    failed = f"{name} has {len(manifest.failed)} failed chunks"
    return f"{name} was stopped" if "stopped" in manifest.notes and not manifest.failed else failed
