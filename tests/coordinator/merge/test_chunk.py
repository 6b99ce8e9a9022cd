"""One chunk: its digest is made piece by piece, and the places of its problems are held to the index space."""

from dataclasses import replace

import pytest

from coordinator.merge import chunk
from coordinator.merge.chunk import Source, check_chunk, hash_object
from coordinator.merge.claims import find_claim
from mycelium.errors import ChunkDamagedError
from mycelium.manifest import digest
from mycelium.store import ObjectInfo
from tests.coordinator.merge.conftest import RUN, Written


def sizes(written: Written, chunk_id: str) -> dict[str, int]:
    return {name: len(written.store.get(f"{name}/{RUN}/{chunk_id}.parquet")) for name in ("tokens", "iaf")}


def test_a_digest_is_made_piece_by_piece(written: Written, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunk, "PIECE_BYTES", 100)
    key = f"iaf/{RUN}/00000.parquet"
    data = written.store.get(key)
    assert hash_object(written.store, ObjectInfo(key, len(data))) == digest(data)


def test_a_chunk_is_of_the_places_that_the_manifest_says(written: Written) -> None:
    claim = find_claim(written.store, RUN)
    ref = written.problems.chunks("problems")["00001"]
    good = Source(ref, 3, 3)
    checked = check_chunk(written.store, claim, "00001", good, sizes(written, "00001"))
    assert (checked.outcome.n_input, checked.was_hashed) == (3, False)
    for wrong in (replace(good, first=4), replace(good, n_problems=2)):
        with pytest.raises(ChunkDamagedError, match="of the index space, and does not"):
            check_chunk(written.store, claim, "00001", wrong, sizes(written, "00001"))
