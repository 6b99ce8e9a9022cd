"""The identity of a run: written chunk by chunk, it is the hash of one JSON object."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from lambdas.stages import find_stage
from mycelium.identity import RUN_DIGITS, Identity
from mycelium.outcome import ObjectRef, digest
from mycelium.schema import Provenance, Row

STAGE = find_stage("heartbeat")
TEXTS = st.text(max_size=8) | st.sampled_from(['"inputs":[]', '\\"inputs\\":[]', 'inputs":[],"'])


@given(
    st.dictionaries(TEXTS, TEXTS | st.integers() | st.booleans(), max_size=3),
    st.tuples(TEXTS, TEXTS, st.none() | TEXTS),
    st.none() | TEXTS,
    st.integers(0, 7) | st.sampled_from([999, 1000, 1001, 2500]),
    st.integers(1, 3),
)
def test_it_is_the_hash_of_all_that_decides_the_output_in_one_object(
    params: Row, of: tuple[str, str, str | None], fit: str | None, n: int, n_refs: int
) -> None:
    chunks = [(f"{i:05d}", tuple(ObjectRef("iaf", "k", 1, f"{i + j:x}") for j in range(n_refs))) for i in range(n)]
    decides: dict[str, object] = {
        "stage": [STAGE.name, STAGE.version],
        "writes": [[dataset.name, dataset.version] for dataset in STAGE.writes],
        "params": params,
        "provenance": Provenance(*of),
        "inputs": [[chunk_id, *(ref.sha256 for ref in refs)] for chunk_id, refs in chunks],
    }
    ref = None
    if fit is not None:
        decides["fit"], ref = fit, ObjectRef("fits", "k", 1, fit)
    identity = Identity(STAGE, params, Provenance(*of), ref)
    for i in range(0, len(chunks), 700):
        identity.add(chunks[i : i + 700])
    assert identity.digits() == digest(msgspec.json.encode(decides, order="sorted"))[:RUN_DIGITS]
