"""The journal: what it gives back, and what it does not believe."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coordinator.executors import journal as journals
from coordinator.executors.journal import Journal
from mycelium.manifest import ObjectRef, Outcome
from mycelium.store import LocalStore
from mycelium.task import TaskResult

BODY = b"PAR1 and a table PAR1"
IDS = [f"{i:05d}" for i in range(6)]


def make_results(store: LocalStore) -> list[TaskResult]:
    results = []
    for chunk_id in IDS:
        key = f"heartbeats/run-1/{chunk_id}.parquet"
        store.put(key, BODY, mode="overwrite")
        ref = ObjectRef("heartbeats", key, len(BODY), "0" * 64)
        results.append(
            TaskResult(Outcome(chunk_id, "done", (ref,), n_input=3, wall_s=1.0, bytes_read=9), chunk_id.encode())
        )
    return results


def as_found(result: TaskResult) -> TaskResult:
    return replace(result, outcome=replace(result.outcome, status="found", wall_s=0.0, bytes_read=0))


def keep(folder: Path, results: list[TaskResult]) -> Journal:
    journal = Journal("run-1", "/store", folder)
    for result in results:
        journal.add(result)
    journal.flush()
    return journal


def test_what_was_kept_comes_back_once_if_its_output_is_there_and_whole(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "store")
    results = make_results(store)
    journal = keep(tmp_path / "journals", [*results, *results])
    refs = [result.outcome.outputs[0] for result in results]
    store.put(refs[1].key, BODY[:-1], mode="overwrite")
    store.put(refs[2].key, BODY + b"1", mode="overwrite")
    store.delete(refs[3].key)
    again = Journal("run-1", "/store", tmp_path / "journals")
    assert list(again.read(set(IDS) - {IDS[4]}, store)) == [as_found(results[0]), as_found(results[5])]
    journal.remove()
    journal.remove()
    assert list(again.read(IDS, store)) == []


def test_failures_trifles_and_what_has_no_part_or_output_are_not_kept(tmp_path: Path) -> None:
    result = make_results(LocalStore(tmp_path / "store"))[0]
    outcome = result.outcome
    others = [
        replace(result, outcome=replace(outcome, status="failed")),
        replace(result, outcome=replace(outcome, wall_s=journals.WORTH_S / 2)),
        replace(result, outcome=replace(outcome, outputs=())),
        replace(result, part=None, part_key="parts/1"),
    ]
    assert not keep(tmp_path / "journals", others).path.exists()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 2000), st.binary(max_size=30))
def test_a_journal_that_was_cut_off_gives_what_is_whole_and_can_be_added_to(
    tmp_path: Path, cut: int, rubbish: bytes
) -> None:
    store = LocalStore(tmp_path / "store")
    results = make_results(store)
    journal = keep(tmp_path / "journals", results[:5])
    data = journal.path.read_bytes()
    size = len(data) // 5
    cut = min(cut, len(data))
    journal.path.write_bytes(data[:cut] + rubbish)
    whole = list(journal.read(IDS, store))
    assert whole[: cut // size] == [as_found(result) for result in results[: cut // size]]
    assert set(map(str, whole)) <= {str(as_found(result)) for result in results}
    keep(tmp_path / "journals", results[5:])
    assert list(journal.read(IDS, store))[-1] == as_found(results[5])
    journal.remove()


@given(st.binary(max_size=200))
def test_any_bytes_are_read_without_a_crash(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    folder = tmp_path_factory.mktemp("journals")
    journal = Journal("run-1", "/store", folder)
    journal.path.write_bytes(data)
    assert list(journal.read(IDS, LocalStore(folder))) == []


def test_where_nothing_can_be_written_nothing_is_kept(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    journal = keep(tmp_path / "file", make_results(LocalStore(tmp_path / "store")))
    assert list(journal.read(IDS, LocalStore(tmp_path / "store"))) == []
    journal.remove()


def test_a_journal_does_not_grow_without_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journals, "MOST_BYTES", 1000)
    monkeypatch.setattr(journals, "FLUSH_BYTES", 1)
    results = make_results(LocalStore(tmp_path / "store"))
    assert keep(tmp_path / "journals", results * 20).path.stat().st_size < 1500
