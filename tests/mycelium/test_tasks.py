"""The tasks of a run: a sequence of tasks, of which only what they differ in is held."""

import pytest

from mycelium.outcome import ObjectRef
from mycelium.schema import Provenance
from mycelium.task import Task
from mycelium.tasks import TaskInputs, Tasks

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
