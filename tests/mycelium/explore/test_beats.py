"""Heartbeats counted in a notebook are those that the stage counts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.stages.heartbeat import HeartbeatParams, map_layers
from mycelium.datasets import ENTROPY, IAF
from mycelium.errors import BadSignalError, UserInputError
from mycelium.explore.beats import count_heartbeats
from mycelium.explore.signal import read_signal
from mycelium.schema import Row
from mycelium.store import MemoryStore
from tests.builders import build_run, make_iaf

COLUMNS = ("layer", "head", "problem_id", "level", "n_tokens", "n_systole", "n_diastole")


def by_key(rows: list[Row]) -> dict[tuple[object, ...], Row]:
    found: dict[tuple[object, ...], Row] = {
        (row["layer"], row["head"], row["problem_id"]): {name: row[name] for name in COLUMNS} for row in rows
    }
    assert len(found) == len(rows)
    return found


@given(
    st.lists(st.lists(st.integers(1, 90), min_size=1, max_size=4), min_size=1, max_size=3),
    st.sampled_from([0.3, 0.5, 0.97]),
    st.integers(1, 7),
    st.booleans(),
)
def test_every_head_of_every_problem_has_the_beats_that_the_stage_counts(
    lengths: list[list[int]], threshold: float, min_run: int, one_head: bool
) -> None:
    store = MemoryStore()
    tables = [make_iaf(some, seed=i) for i, some in enumerate(lengths)]
    build_run(store, tables)
    layer, head = (1, 2) if one_head else (None, None)
    iaf = read_signal(store, "iaf/gsm8k", layer=layer, head=head)
    counted = count_heartbeats(iaf, threshold=threshold, min_run=min_run)
    params = HeartbeatParams(threshold, min_run)
    by_stage = [row for table in tables for row in map_layers([table], params)[0].to_pylist()]
    wanted = [row for row in by_stage if not one_head or (row["layer"], row["head"]) == (layer, head)]
    assert by_key(counted.rows()) == by_key(wanted)


def test_no_problems_have_no_beats() -> None:
    store = MemoryStore()
    build_run(store, [IAF.arrow_schema(3).empty_table()])
    assert count_heartbeats(read_signal(store, "iaf/gsm8k")).rows() == []


def test_what_can_not_be_counted_is_refused() -> None:
    store = MemoryStore()
    build_run(store, [make_iaf()], ENTROPY)
    entropy = read_signal(store, "entropy/gsm8k")
    with pytest.raises(UserInputError, match="counted in iaf; got entropy"):
        count_heartbeats(entropy)
    table = make_iaf()
    negative = table.set_column(4, "head_000", [[-1.0] * table.num_rows])
    build_run(store, [negative])
    iaf = read_signal(store, "iaf/gsm8k")
    with pytest.raises(BadSignalError):
        count_heartbeats(iaf)
    for threshold, min_run in ((0.0, 5), (1.1, 5), (0.5, 0)):
        with pytest.raises(UserInputError, match="threshold is above 0"):
            count_heartbeats(iaf, threshold=threshold, min_run=min_run)
