"""A merge is exact: what is whole gets its manifest, and whatever is not is named and gets none."""

from collections.abc import Callable

import pytest

from coordinator.merge.whole import merge_run
from mycelium.datasets import IAF, TOKENS
from mycelium.errors import ObjectNotFoundError, UnknownRunError
from mycelium.fleet.records import Claim, put_record
from mycelium.manifest import digest, find_run, read_manifest
from mycelium.schema import Provenance
from tests.coordinator.merge.conftest import RUN, TAUGHT, Written, ids_of, of

OTHER = Provenance("math", "MATH", "another@0123456789ab")


def test_what_is_whole_gets_a_manifest_and_nothing_is_copied(written: Written) -> None:
    before = {info.key for info in written.store.list("")}
    merge = merge_run(written.store, RUN, quiet=True, clock=lambda: 200.0)
    assert (merge.faults, merge.n_chunks, merge.n_problems, merge.hashed) == ([], 4, 12, 1)
    manifest = read_manifest(written.store, IAF.name, RUN)
    assert manifest == merge.manifest == read_manifest(written.store, TOKENS.name, RUN)
    assert {info.key for info in written.store.list("")} - before == {
        f"manifests/iaf/{RUN}.json",
        f"manifests/tokens/{RUN}.json",
    }
    assert (manifest.complete, manifest.n_chunks, manifest.provenance) == (True, 4, TAUGHT)
    assert (manifest.stage, manifest.stage_version, manifest.executor) == ("extract", 1, "fleet")
    assert manifest.inputs == ("problems/math-bbbbbbbbbbbb",)
    assert manifest.result == {
        "read": [{"problems": 11, "skipped": 1, "tokens": 77}],
        "skipped": [{"problem_id": "q1", "reason": "too long"}],
    }
    assert manifest.wall_s == 3.0  # from the first chunk's begin to the last one's end, as far as there are records
    for dataset in ("tokens", "iaf"):
        refs = manifest.chunks(dataset)
        assert list(refs) == ["00000", "00001", "00002", "00003"]
        for ref in refs.values():
            data = written.store.get(ref.key)
            assert (ref.size, ref.sha256) == (len(data), digest(data))
    assert [outcome.n_problems for outcome in manifest.outcomes] == [2, 3, 3, 3]
    assert [outcome.n_output for outcome in manifest.outcomes] == [4, 6, 6, 6]
    assert find_run(written.store, "math", IAF.name) == manifest


def test_again_it_is_the_same_manifest(written: Written) -> None:
    first = merge_run(written.store, RUN, quiet=True, clock=lambda: 200.0).manifest
    assert merge_run(written.store, f"iaf/{RUN}", quiet=True, clock=lambda: 200.0).manifest == first


def test_a_record_that_lies_is_found_out_when_that_is_asked_for(written: Written) -> None:
    merge = merge_run(written.store, RUN, quiet=True, verify=True)
    assert merge.manifest is not None
    assert merge.hashed == 4
    for ref in merge.manifest.chunks("iaf").values():
        assert ref.sha256 == digest(written.store.get(ref.key))


def test_a_record_of_other_bytes_than_there_are_is_not_believed(written: Written) -> None:
    written.write("00001", IAF, ids_of(1)[:2])  # another size than the record says
    merge = merge_run(written.store, RUN, quiet=True)
    assert merge.hashed == 2
    assert merge.manifest is not None
    ref = merge.manifest.chunks("iaf")["00001"]
    assert ref.sha256 == digest(written.store.get(ref.key))


def lose(dataset: str, *chunk_ids: str) -> Callable[[Written], None]:
    def delete(written: Written) -> None:
        for chunk_id in chunk_ids:
            written.store.delete(f"{dataset}/{RUN}/{chunk_id}.parquet")

    return delete


@pytest.mark.parametrize(
    ("break_it", "said"),
    [
        (lose("iaf", "00001", "00002"), "iaf lacks problems 3 to 8 (2 chunks)"),
        (lose("tokens", "00003"), "tokens lacks problems 9 to 11 (1 chunks)"),
        (
            lambda w: w.store.put(f"iaf/{RUN}/00009.parquet", b"x"),
            "iaf has 1 chunks that are of none of the problems, 00009 among them",
        ),
        (
            lambda w: w.write("00002", IAF, ids_of(2), of(provenance=OTHER)),
            "chunk 00002: iaf: this run is of teacher 'teacher@0123456789ab', and the chunk is of teacher 'another",
        ),
        (
            lambda w: w.write("00002", TOKENS, ids_of(2), of(stage="extract v2")),
            "chunk 00002: tokens is of stage extract v2, and the run is of extract v1",
        ),
        (lambda w: w.write("00001", IAF, ids_of(1), of(params={"sink": "exclude"})), "iaf is of parameters"),
        (lambda w: w.write("00001", IAF, ids_of(1), of(inputs={"problems/x/0.parquet": "0"})), "iaf is of input"),
        (lambda w: w.write("00001", IAF, ids_of(1), of(chunk_id="00002")), "iaf is of chunk 00002"),
        (lambda w: w.write("00001", TOKENS, ids_of(1)[:2]), "tokens lacks 1 problems, q5 among them"),
        (lambda w: w.write("00001", TOKENS, [*ids_of(1), "q0"]), "tokens has besides 1 problems, q0 among them"),
        (lambda w: w.write("00001", TOKENS, ["q3", "q4", "q4", "q5"]), "tokens has twice 1 problems, q4 among them"),
        (lambda w: w.write("00001", TOKENS, ["q4", "q3", "q5"]), "tokens has its problems in another order"),
        (
            lambda w: w.store.put(f"iaf/{RUN}/00001.parquet", b"", mode="overwrite"),
            "chunk 00001: it is no whole Parquet",
        ),
    ],
)
def test_what_is_not_whole_or_not_of_one_kind_is_named_and_no_manifest_is_written(
    break_it: Callable[[Written], object], said: str, written: Written
) -> None:
    break_it(written)
    merge = merge_run(written.store, RUN, quiet=True)
    assert merge.manifest is None
    assert [fault for fault in merge.faults if said in fault], merge.faults
    with pytest.raises(ObjectNotFoundError):
        read_manifest(written.store, IAF.name, RUN)


def test_the_claim_of_the_first_worker_is_what_the_run_is(written: Written) -> None:
    claim = Claim(RUN, OTHER, "extract v1", {"sink": "keep"}, ("tokens", "iaf"), "math-bbbbbbbbbbbb")
    put_record(written.store, "fleet/math-cccccccccccc/run.json", claim)
    merge = merge_run(written.store, "math-cccc", quiet=True)  # by the job's name
    assert merge.run_id == RUN
    assert len(merge.faults) == 4
    assert "the chunk is of teacher 'teacher@" in merge.faults[0]


def test_no_such_run_is_said(written: Written) -> None:
    with pytest.raises(UnknownRunError, match="no run 'gsm8k'"):
        merge_run(written.store, "gsm8k", quiet=True)
