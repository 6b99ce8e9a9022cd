"""The tasks of a run: a sequence of tasks, of which only what they differ in is held."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mycelium.outcome import ObjectRef
from mycelium.schema import Provenance
from mycelium.task import Task
from mycelium.tasks import Changed, Some, TaskInputs, Tasks, choose_found

BEFORE, AFTER = Provenance("gsm8k", "GSM8K"), Provenance("gsm8k", "GSM8K", "teacher")
LIKE = Task("", "gsm8k-000000000001", "heartbeat", {"threshold": 0.5}, (), BEFORE, AFTER, untaught=("problems",))
REFS = [(ObjectRef("iaf", f"iaf/x/{i}.parquet", i, f"{i:064x}"),) for i in range(3)]
TASKS = Tasks(LIKE, [TaskInputs(f"{i:05d}", refs) for i, refs in enumerate(REFS)], bytes([0, 1, 0]))


def test_each_task_has_what_they_share_and_what_is_its_own() -> None:
    wanted = tuple(
        Task(
            f"{i:05d}",
            LIKE.run_id,
            "heartbeat",
            {"threshold": 0.5},
            REFS[i],
            BEFORE,
            AFTER,
            found=i == 1,
            untaught=("problems",),
        )
        for i in range(3)
    )
    assert tuple(TASKS) == wanted
    assert wanted == TASKS
    assert TASKS[1:] == wanted[1:]
    assert (TASKS[0], TASKS[-1], len(TASKS), TASKS.n_found) == (wanted[0], wanted[2], 3, 1)
    assert wanted[:2] != TASKS
    with pytest.raises(IndexError):
        TASKS[3]


@given(st.lists(st.booleans(), max_size=8), st.data())
def test_some_of_them_and_each_of_them_changed_are_what_a_list_of_them_would_be(
    found: list[bool], data: st.DataObject
) -> None:
    chunks = [TaskInputs(f"{i:05d}", REFS[i % 3]) for i in range(len(found))]
    tasks, there = Tasks(LIKE, chunks, bytes(found)), REFS[0][0]
    plain = list(tasks)
    for kind in (False, True):
        ours, wanted = choose_found(tasks, found=kind), [task for task in plain if task.found is kind]
        check(ours, wanted, data)
        check(choose_found(plain, found=kind), wanted, data)
        check(
            Changed(ours, lambda task: replace(task, broadcast=there)),
            [replace(task, broadcast=there) for task in wanted],
            data,
        )
    numbers = data.draw(st.sets(st.integers(0, len(found) - 1))) if found else set[int]()
    check(Some(tasks, sorted(numbers)), [plain[i] for i in sorted(numbers)], data)
    finding = tasks.finding(numbers)
    check(finding, [replace(task, found=task.found or i in numbers) for i, task in enumerate(plain)], data)
    assert finding.n_found == sum(task.found for task in finding)


def check(ours: Sequence[Task], wanted: list[Task], data: st.DataObject) -> None:
    assert list(ours) == wanted
    assert len(ours) == len(wanted)
    assert [ours[i] for i in range(-len(wanted), len(wanted))] == wanted * 2
    with pytest.raises(IndexError):
        ours[len(wanted)]
    cut = data.draw(st.slices(len(wanted)))
    assert list(ours[cut]) == wanted[cut]
    assert list(ours[cut][1:]) == wanted[cut][1:]
