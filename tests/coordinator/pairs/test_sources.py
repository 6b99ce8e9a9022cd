"""Which runs of pairs may be exported together."""

from dataclasses import replace

import pytest

from coordinator.pairs.sources import check_mix, find_sources, read_object, read_splits
from lambdas.stages.c2_pairs import C2_PAIRS
from lambdas.stages.c3_pairs import C3_PAIRS
from mycelium.errors import ChunkDamagedError, UnknownRunError, UserInputError, WrongDatasetError
from mycelium.manifest import write_manifest
from mycelium.schema import Provenance
from mycelium.store import MemoryStore
from tests.coordinator.pairs.pair_store import fill, reread, run


@pytest.fixture(scope="module")
def store() -> MemoryStore:
    """Pairs of two origins."""
    made = MemoryStore()
    fill(made)
    fill(made, "math", "MATH")
    return made


def test_c3_pairs_are_split_as_the_c2_pairs_of_the_same_problems(store: MemoryStore) -> None:
    (source,) = find_sources(store, ["c3_pairs/gsm8k"])
    assert (source.pairs.stage, source.splits.stage) == ("c3_pairs", "c2_pairs")
    assert source.splits.provenance == source.pairs.provenance
    assert set(read_splits(store, source.splits).values()) == {"train", "validation", "test"}


@pytest.mark.parametrize("allow_mix", [(), ("math",), ("gsm8k",), ("gsm8k", "generated")])
def test_a_mixture_that_was_not_asked_for_is_refused(store: MemoryStore, allow_mix: tuple[str, ...]) -> None:
    with pytest.raises(UserInputError, match="would mix pairs of GSM8K and MATH; .* say --allow-mix gsm8k,math"):
        find_sources(store, ["c2_pairs/gsm8k", "c2_pairs/math"], allow_mix)


def test_a_mixture_that_was_asked_for_is_made(store: MemoryStore) -> None:
    assert len(find_sources(store, ["c2_pairs/gsm8k", "c2_pairs/math"], ("math", "GSM8K"))) == 2
    check_mix(["MATH"], [])


def test_both_kinds_other_stages_and_the_same_run_twice_are_refused(store: MemoryStore) -> None:
    with pytest.raises(UserInputError, match="these runs are of both"):
        find_sources(store, ["c2_pairs/gsm8k", "c3_pairs/gsm8k"])
    with pytest.raises(UserInputError, match="is one of labels; say c2_pairs/"):
        find_sources(store, ["labels/gsm8k"])
    with pytest.raises(UserInputError, match="named twice"):
        find_sources(store, ["c2_pairs/gsm8k", "c2_pairs/gsm8k"])
    with pytest.raises(UnknownRunError, match="no run"):
        find_sources(store, ["c2_pairs/nothing"])


def test_two_tokenizers_in_one_export_are_refused() -> None:
    store = MemoryStore()
    fill(store)
    fill(store, "math", "MATH", tokenizer="meta/llama", eos="</s>")
    with pytest.raises(UserInputError, match=r"one export has one tokenizer, and these runs have .*Qwen.*llama"):
        find_sources(store, ["c3_pairs/gsm8k", "c3_pairs/math"], ("gsm8k", "math"))


def test_a_run_that_is_not_complete_is_refused() -> None:
    store = MemoryStore()
    pairs = fill(store)["c2_pairs"]
    write_manifest(store, replace(pairs, complete=False), (C2_PAIRS,))
    with pytest.raises(UserInputError, match="is not complete .* run the stage again first"):
        find_sources(store, ["c2_pairs/gsm8k"])


def test_c3_pairs_without_splits_say_what_to_run() -> None:
    store = MemoryStore()
    runs = fill(store)
    store.delete(f"manifests/c2_pairs/{runs['c2_pairs'].run_id}.json")
    with pytest.raises(
        UserInputError, match="no complete run of c2_pairs of problems/gsm8k-aaaaaaaaaaaa .*run-stage c2_pairs"
    ):
        find_sources(store, ["c3_pairs/gsm8k"])


def test_the_latest_splits_are_taken() -> None:
    store = MemoryStore()
    runs = fill(store)
    inputs = [runs["problems"], runs["steps"], runs["labels"]]
    later = run(store, "c2_pairs", inputs, validation=0.3, test=0.3)
    (source,) = find_sources(store, ["c3_pairs/gsm8k"])
    assert source.splits == reread(store, later)


def test_a_chunk_that_is_not_what_the_manifest_says_is_refused() -> None:
    store = MemoryStore()
    pairs = fill(store)["c3_pairs"]
    ref = pairs.chunks("c3_pairs")["00000"]
    with pytest.raises(WrongDatasetError, match="origin"):
        read_object(store, ref, C3_PAIRS, replace(pairs, provenance=Provenance("gsm8k", "MATH")))
    store.put(ref.key, store.get(ref.key)[:-1], mode="overwrite")
    with pytest.raises(ChunkDamagedError, match="another SHA-256"):
        read_object(store, ref, C3_PAIRS, pairs)


def test_a_run_without_splits_is_refused() -> None:
    store = MemoryStore()
    pairs = fill(store)["c2_pairs"]
    with pytest.raises(ChunkDamagedError, match="has no splits"):
        read_splits(store, replace(pairs, gathered=()))
