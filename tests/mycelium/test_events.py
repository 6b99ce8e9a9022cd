"""Events: what a run tells is of the schema, in order, and adds up to its manifest."""

import re
import threading
from collections import Counter
from collections.abc import Iterator, Sequence

import msgspec
import pytest

from lambdas.stages.heartbeat import STAGE
from mycelium.errors import StoreNotAvailableError
from mycelium.events import (
    AnyEvent,
    ChunkDone,
    ChunkFailed,
    FitRound,
    Observer,
    RunFinished,
    RunPlanned,
    RunStarted,
    decode_event,
)
from mycelium.failures import FailurePolicy
from mycelium.manifest import Manifest, strip_times
from mycelium.plan import Plan
from mycelium.run import Until, run_plan
from mycelium.store import MemoryStore
from mycelium.task import Task, TaskResult
from tests.mycelium import test_fit
from tests.mycelium.test_run import Inline, make, plan

TRACE = "1-5759e988-bd862e3fe1be46a994272793"
ORDER = re.compile(r"started planned( failed)*( round)*( done| failed)* finished")
WORDS = {
    "run-started": "started",
    "run-planned": "planned",
    "fit-round": "round",
    "chunk-done": "done",
    "chunk-failed": "failed",
    "run-finished": "finished",
}


class Heard:
    """Hears events, and holds each to the schema as a reader would."""

    def __init__(self) -> None:
        self.events: list[AnyEvent] = []
        self.observer = Observer(TRACE, self.hear, lambda: 1_700_000_000.25)

    def hear(self, event: AnyEvent) -> None:
        assert decode_event(msgspec.json.encode(event)) == event
        self.events.append(event)

    @property
    def order(self) -> str:
        return " ".join(WORDS[str(event.__struct_config__.tag)] for event in self.events)

    def of(self, kind: type[msgspec.Struct]) -> list[AnyEvent]:
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def last(self) -> RunFinished:
        assert isinstance(self.events[-1], RunFinished)
        return self.events[-1]


def check(heard: Heard, done: Plan) -> None:
    """Hold what was heard to the laws of every run that ends."""
    assert ORDER.fullmatch(heard.order), heard.order
    assert {(e.run_id, e.stage, e.trace_id, e.time) for e in heard.events} == {
        (done.run_id, done.stage.name, TRACE, "2023-11-14T22:13:20.250Z")
    }
    chunks = [*heard.of(ChunkDone), *heard.of(ChunkFailed)]
    ids = Counter(getattr(event, "chunk_id", "") for event in chunks)
    assert set(ids.values()) <= {1}
    if not heard.last.before:
        told = Counter(getattr(event, "found", None) for event in chunks)
        assert (told[False], told[True], told[None]) == (heard.last.done, heard.last.found, heard.last.failed)


def run(store: MemoryStore, done: Plan, executor: Inline, until: Until | None = None) -> tuple[Heard, Manifest]:
    heard = Heard()
    manifest = run_plan(store, done, executor, quiet=True, observer=heard.observer, until=until or Until())
    check(heard, done)
    return heard, manifest


def damage(store: MemoryStore, keys: Sequence[str]) -> None:
    for key in keys:
        store.put(key, b"x" * len(store.get(key)), mode="overwrite")


def test_a_run_tells_each_chunk_and_sums_up_what_its_manifest_says() -> None:
    store, built = make()
    heard, manifest = run(store, plan(store, built.manifest), Inline(store))
    assert heard.order == "started planned done done done done done finished"
    (planned,) = heard.of(RunPlanned)
    size = sum(ref.size for outcome in built.manifest.outcomes for ref in outcome.outputs)
    assert planned == RunPlanned(
        time=planned.time,
        trace_id=TRACE,
        run_id=manifest.run_id,
        stage="heartbeat",
        chunks=5,
        found=0,
        lost=0,
        bytes_to_read=size,
    )
    assert heard.last.end == "done"
    assert heard.last.bytes_read == sum(outcome.bytes_read for outcome in manifest.outcomes)
    assert heard.last.bytes_written == sum(ref.size for o in manifest.outcomes for ref in o.outputs)
    assert heard.last.task_s == sum(outcome.wall_s for outcome in manifest.outcomes)
    assert manifest.trace_id == TRACE


def test_a_failed_chunk_is_told_with_its_error() -> None:
    store, built = make()
    damage(store, [built.keys["00003"]])
    heard, manifest = run(store, plan(store, built.manifest), Inline(store))
    (failed,) = heard.of(ChunkFailed)
    assert isinstance(failed, ChunkFailed)
    assert (failed.chunk_id, failed.error_kind, failed.error) == (
        "00003",
        "ChunkDamagedError",
        manifest.failed[0].error,
    )
    assert heard.last.end == "failed"


def test_a_lost_chunk_is_a_failed_one() -> None:
    store, built = make()
    store.delete(built.keys["00001"])
    heard, _ = run(store, plan(store, built.manifest), Inline(store))
    assert heard.order == "started planned failed done done done done finished"
    assert (heard.last.failed, heard.last.done) == (1, 4)


def test_a_run_that_was_complete_tells_that_nothing_was_done() -> None:
    store, built = make()
    run(store, plan(store, built.manifest), Inline(store))
    heard, _ = run(store, plan(store, built.manifest), Inline(store))
    assert heard.order == "started planned finished"
    assert (heard.last.before, heard.last.found, heard.last.done, heard.last.end) == (True, 5, 0, "done")


def test_a_run_that_gives_up_says_why() -> None:
    store, built = make()
    damage(store, list(built.keys.values()))
    heard, manifest = run(store, plan(store, built.manifest), Inline(store), Until(FailurePolicy(breaker=3)))
    assert (heard.last.end, heard.last.reason) == ("gave-up", manifest.notes["stopped"])
    assert heard.last.failed == 3


def test_an_interrupted_run_tells_its_end_and_the_next_one_what_was_found() -> None:
    store, built = make()
    heard, done, stop = Heard(), plan(store, built.manifest), threading.Event()
    stop.set()
    with pytest.raises(KeyboardInterrupt):
        run_plan(store, done, Inline(store), quiet=True, observer=heard.observer, until=Until(stop=stop))
    check(heard, done)
    assert (heard.last.end, heard.last.done, heard.last.chunks) == ("interrupted", 1, 5)
    again, _ = run(store, plan(store, built.manifest), Inline(store))
    assert [event.found for event in again.of(ChunkDone) if isinstance(event, ChunkDone)].count(True) == 1


def test_a_store_that_goes_away_is_told_as_the_end_and_raised() -> None:
    class Away(Inline):
        def run(self, tasks: Sequence[Task], source_uri: str, target_uri: str) -> Iterator[TaskResult]:
            raise StoreNotAvailableError("s3://bucket is away")

    store, built = make()
    heard, done = Heard(), plan(store, built.manifest)
    with pytest.raises(StoreNotAvailableError):
        run_plan(store, done, Away(store), quiet=True, observer=heard.observer)
    check(heard, done)
    assert (heard.last.end, heard.last.reason) == ("error", "s3://bucket is away")


def test_the_rounds_of_a_fit_are_told_before_its_chunks() -> None:
    store, source = test_fit.make()
    heard, done = Heard(), test_fit.plan(store, source)
    run_plan(store, done, test_fit.Inline(store), quiet=True, observer=heard.observer)
    check(heard, done)
    rounds = [event for event in heard.events if isinstance(event, FitRound)]
    assert [event.round for event in rounds] == list(range(1, len(rounds) + 1))
    assert {event.chunks for event in rounds} == {test_fit.N_CHUNKS}
    assert rounds


def test_what_a_run_writes_does_not_depend_on_who_hears_of_it() -> None:
    heard_store, built = make()
    _, first = run(heard_store, plan(heard_store, built.manifest), Inline(heard_store))
    store, other = make()
    second = run_plan(store, plan(store, other.manifest), Inline(store), quiet=True)
    assert list(map(strip_times, first.outcomes)) == list(map(strip_times, second.outcomes))
    keys = [info.key for info in store.list("heartbeats/")]
    assert {key: store.get(key) for key in keys} == {key: heard_store.get(key) for key in keys}


@pytest.mark.parametrize(
    "line", ["", "[]", '{"event":"run-started"}', '{"event":"no-such"}', "\xff", '{"event":"run-finished","x":1}']
)
def test_what_is_no_event_is_refused(line: str) -> None:
    with pytest.raises(msgspec.DecodeError):
        decode_event(line)


def test_a_later_field_can_be_skipped_by_a_reader_of_plain_json() -> None:
    event = RunStarted(time="t", trace_id=TRACE, run_id="r", stage=STAGE.name, executor="local", stage_version=1)
    assert list(msgspec.json.decode(msgspec.json.encode(event)))[:5] == ["event", "time", "trace_id", "run_id", "stage"]
