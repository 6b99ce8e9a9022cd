"""The pipeline: chunks go through it whole, in any order, and nobody waits for nobody."""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpu_workers.extract import ExtractParams
from gpu_workers.pipeline import Desk, PipelineExecutor, cut_windows
from gpu_workers.reader import Reader, Readout
from mycelium.datasets import PROBLEMS, TOKENS
from mycelium.errors import ChunkDamagedError, ModelError, StoreNotAvailableError
from mycelium.manifest import Manifest
from mycelium.plan import plan_run
from mycelium.run import run_plan
from mycelium.schema import decode_chunk
from mycelium.stage import Stage
from mycelium.store import LocalStore, MemoryStore, Store
from tests.builders import GSM8K, build_run, make_problems
from tests.gpu_workers.fakes import FakeDevice, make_encoded


def count(tables: Sequence[pa.Table]) -> pa.Table:
    return pa.table({"n": pa.array([tables[0].num_rows], pa.int64())})


def make_stage(desk: Desk, look: Callable[[Sequence[dict[str, Any]]], None] | None = None) -> Stage[ExtractParams]:
    """A stage that writes, as the number of generated tokens, the mark that the device read."""

    def map_problems(tables: Sequence[pa.Table], params: ExtractParams) -> list[pa.Table]:
        rows = tables[0].to_pylist()
        if look:
            look(rows)
        answers = desk.read([make_encoded(5 + row["index"] % 7, row["index"]) for row in rows]) if rows else []
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
        marks = [int(answer.signals["iaf"].max()) for answer in answers if isinstance(answer, Readout)]
        columns = {
            "problem_id": [row["problem_id"] for row in rows],
            "level": [row["level"] for row in rows],
            "n_input": [0] * len(rows),
            "n_generated": marks,
            "tokens": [[]] * len(rows),
            "skipped": [None] * len(rows),
        }
        return [pa.table(columns, schema=TOKENS.arrow_schema())]

    return Stage(
        name="extract",
        version=1,
        summary="a fake",
        reads=(PROBLEMS,),
        writes=(TOKENS,),
        params=ExtractParams(),
        map=map_problems,
        summarize=count,
        reduce=lambda parts: pa.table({"n": pa.array([sum(part["n"][0].as_py() for part in parts)], pa.int64())}),
        conclude=lambda total, _: {"n": total.to_pylist()},
    )


def make_chunks(sizes: Sequence[int]) -> list[pa.Table]:
    tables, start = [], 0
    for size in sizes:
        rows = make_problems(size).to_pylist()
        numbered = [{**row, "index": start + i, "problem_id": f"q{start + i}"} for i, row in enumerate(rows)]
        tables.append(pa.Table.from_pylist(numbered, PROBLEMS.arrow_schema()))
        start += size
    return tables


def run(
    store: Store, sizes: Sequence[int], desk: Desk, stage: Stage[ExtractParams], reader: Reader, window: int
) -> Manifest:
    source = build_run(store, make_chunks(sizes), PROBLEMS, provenance=GSM8K).manifest
    plan = plan_run(store, store, stage, ExtractParams(), [source])
    executor = PipelineExecutor(stage, desk, reader, lambda _: store, window)
    return run_plan(store, plan, executor, watch=reader.meter, quiet=True)


@pytest.mark.parametrize("window", [1, 2, 3, 50])
def test_every_chunk_gets_the_answers_to_its_own_problems(window: int) -> None:
    sizes, store, desk, device = [3, 1, 5, 2, 4, 4, 1, 2, 6, 3, 1], MemoryStore(), Desk(), FakeDevice()
    manifest = run(store, sizes, desk, make_stage(desk), Reader(device, 40), window)
    assert manifest.complete
    assert manifest.result == {"n": [{"n": sum(sizes)}]}
    told = [decode_chunk(store.get(ref.key), TOKENS)[0] for _, ref in sorted(manifest.chunks("tokens").items())]
    assert [row["n_generated"] for table in told for row in table.to_pylist()] == list(range(sum(sizes)))
    assert manifest.notes["batches"] == len(device.batches)
    assert manifest.notes["device_waited_share"] == 0.25


def test_a_window_s_problems_are_put_into_batches_together() -> None:
    desk, device = Desk(), FakeDevice()
    run(MemoryStore(), [7] * 9, desk, make_stage(desk), Reader(device, 1000), window=3)
    assert device.batches == [sorted([*range(5, 12)] * chunks, reverse=True) for chunks in (1, 2, 3, 2, 1)]


@given(st.integers(0, 60), st.integers(1, 9))
def test_windows_begin_with_one_chunk_and_end_with_one(n: int, most: int) -> None:
    windows = list(cut_windows(range(n), most))
    assert [task for window in windows for task in window] == list(range(n))
    sizes = [len(window) for window in windows]
    assert all(1 <= size <= most for size in sizes)
    assert sizes[:1] == sizes[-1:] == [1] * bool(n)


def test_a_chunk_that_fails_fails_alone() -> None:
    def look(rows: Sequence[dict[str, Any]]) -> None:
        if rows[0]["index"] == 2:
            raise ChunkDamagedError("damaged")

    desk = Desk()
    manifest = run(MemoryStore(), [2] * 6, desk, make_stage(desk, look), Reader(FakeDevice(), 40), window=2)
    assert [(o.status, o.error_kind) for o in manifest.outcomes] == [
        ("done", None),
        ("failed", "ChunkDamagedError"),
        *[("done", None)] * 4,
    ]


def test_an_error_of_the_device_fails_the_chunks_of_that_batch_alone() -> None:
    desk, device = Desk(), FakeDevice(bad=frozenset({4}))
    manifest = run(MemoryStore(), [2] * 6, desk, make_stage(desk), Reader(device, 1), window=2)
    assert [o.error for o in manifest.outcomes] == [None, None, "device-side assert", None, None, None]


def test_a_store_that_fails_ends_the_run_and_leaves_no_thread_waiting() -> None:
    def look(rows: Sequence[dict[str, Any]]) -> None:
        if rows[0]["index"] == 6:
            raise StoreNotAvailableError("no space left on device")

    desk = Desk()
    with pytest.raises(StoreNotAvailableError, match="no space"):
        run(MemoryStore(), [2] * 12, desk, make_stage(desk, look), Reader(FakeDevice(), 8), window=2)


def test_who_stops_listening_leaves_no_thread_waiting() -> None:
    store, desk = MemoryStore(), Desk()
    stage, reader = make_stage(desk), Reader(FakeDevice(), 8)
    source = build_run(store, make_chunks([2] * 9), PROBLEMS, provenance=GSM8K).manifest
    plan = plan_run(store, store, stage, ExtractParams(), [source])
    results: Iterator[Any] = PipelineExecutor(stage, desk, reader, lambda _: store, 2).run(plan.tasks, "x", "x")
    next(results)
    results.close()  # type: ignore[attr-defined]
    answers = desk.read([make_encoded(3)])
    assert isinstance(answers[0], ModelError)


def test_what_is_found_is_not_read_again() -> None:
    store, desk, device = MemoryStore(), Desk(), FakeDevice()
    stage = make_stage(desk)
    first = run(store, [2] * 5, desk, stage, Reader(device, 40), window=2)
    for chunk_id in ("00001", "00004"):
        store.delete(first.chunks("tokens")[chunk_id].key)
    again, device = Desk(), FakeDevice()
    second = run(store, [2] * 5, again, make_stage(again), Reader(device, 40), window=2)
    assert [o.status for o in second.outcomes] == ["found", "done", "found", "found", "done"]
    assert sum(map(len, device.batches)) == 4
    assert second.chunks("tokens") == first.chunks("tokens")


SCRIPT = """
import os, signal, sys
from tests.gpu_workers.test_pipeline import *

store, desk = LocalStore(sys.argv[1]), Desk()
class Deadly(FakeDevice):
    def launch(self, batch):
        if len(self.batches) == 5:
            os.kill(os.getpid(), signal.SIGNALS)
        return super().launch(batch)
run(store, [4] * 12, desk, make_stage(desk), Reader(Deadly(), 8), window=2)
"""


@pytest.mark.parametrize("name", ["SIGKILL", "SIGINT"])
def test_killed_or_interrupted_it_leaves_whole_chunks_and_carries_on(tmp_path: Path, name: str) -> None:
    store = LocalStore(tmp_path)
    program = [sys.executable, "-c", SCRIPT.replace("SIGNALS", name), str(tmp_path)]
    ended = subprocess.run(program, cwd=Path(__file__).parents[2], capture_output=True, check=False, timeout=120)
    assert ended.returncode in {-signal.SIGKILL, -signal.SIGINT, 1}, ended.stderr.decode()
    assert name == "SIGKILL" or b"KeyboardInterrupt" in ended.stderr
    desk, device = Desk(), FakeDevice()
    manifest = run(store, [4] * 12, desk, make_stage(desk), Reader(device, 8), window=2)
    assert manifest.complete
    n_found = sum(outcome.status == "found" for outcome in manifest.outcomes)
    assert sum(map(len, device.batches)) == 4 * (12 - n_found)
