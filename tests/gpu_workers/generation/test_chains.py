"""Where a chain ends."""

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpu_workers.generation.chains import Chain, find_end_ids, read_chain
from mycelium.errors import ModelError
from tests.gpu_workers.conftest import make_tokenizer


@pytest.mark.parametrize(
    ("named", "found"), [((1, None), {1}), ((None, [2, 3]), {2, 3}), ((1, [1, 4]), {1, 4}), ((0, None), {0})]
)
def test_whatever_names_an_end_is_heard(named: tuple[object, ...], found: set[int]) -> None:
    assert find_end_ids(*(SimpleNamespace(eos_token_id=ids) for ids in named)) == found


def test_a_model_that_never_ends_is_refused() -> None:
    with pytest.raises(ModelError, match="names an end-of-sequence token"):
        find_end_ids(make_tokenizer(), SimpleNamespace())


@given(st.lists(st.integers(32, 120), max_size=30), st.integers(1, 30))
def test_a_chain_is_what_comes_before_the_first_end_or_the_bound(ids: list[int], bound: int) -> None:
    tokenizer = make_tokenizer()
    chain = read_chain(ids, {100, 101}, tokenizer, bound)
    kept: list[int] = []
    for token in ids:
        if token in {100, 101} or len(kept) == bound:
            break
        kept.append(token)
    ended = len(kept) < len(ids) and ids[len(kept)] in {100, 101}
    assert chain == Chain(tokenizer.decode(kept), len(kept), "eos" if ended else "length")
