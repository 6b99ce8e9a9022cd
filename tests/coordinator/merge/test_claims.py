"""Which run is merged: by what was claimed, or by what its chunks say of themselves."""

import pytest

from coordinator.merge.claims import find_claim
from mycelium.errors import ChunkDamagedError, UnknownRunError
from mycelium.fleet.records import Claim, put_record
from tests.coordinator.merge.conftest import RUN, TAUGHT, Written


def test_a_chunk_says_what_its_run_is(written: Written) -> None:
    expected = Claim(RUN, TAUGHT, "extract v1", {"sink": "keep"}, ("tokens", "iaf"), "math-bbbbbbbbbbbb")
    for reference in (RUN, f"iaf/{RUN}", "math", "math-aaa"):
        assert find_claim(written.store, reference) == expected


def test_more_than_one_is_said(written: Written) -> None:
    for i in (1, 2):
        claim = Claim(f"math-{i}", TAUGHT, "extract v1", {}, ("tokens", "iaf"), "math-bbbbbbbbbbbb")
        put_record(written.store, f"fleet/job-{i}/run.json", claim)
    assert find_claim(written.store, "job-1").run_id == "math-1"
    with pytest.raises(UnknownRunError, match="may be any of math-1, math-2"):
        find_claim(written.store, "job-")
    with pytest.raises(UnknownRunError, match="there are jobs job-1, job-2"):
        find_claim(written.store, "other")


@pytest.mark.parametrize(
    ("stage", "datasets"),
    [("extract", ("tokens", "iaf")), ("extract v9", ("tokens", "dreams")), ("extract v1", ("iaf",))],
)
def test_a_claim_of_what_is_not_known_is_refused(stage: str, datasets: tuple[str, ...], written: Written) -> None:
    put_record(written.store, "fleet/job-1/run.json", Claim("math-1", TAUGHT, stage, {}, datasets, "math-b"))
    with pytest.raises(ChunkDamagedError, match="which this code does not know"):
        find_claim(written.store, "job-1")
