"""Generation in batches is generation of each by itself, token for token."""

from pathlib import Path
from typing import Any

import pytest
import torch

from gpu_workers.generation.with_transformers import TransformersEngine, load_transformers
from mycelium.errors import ModelError
from tests.gpu_workers.conftest import make_model, make_tokenizer

END = 7


def make_engine(family: str = "qwen2", **changes: Any) -> TransformersEngine:
    model = make_model(family, **changes)
    model.generation_config.eos_token_id = [END, 200]
    return TransformersEngine(model, make_tokenizer(), f"tiny-{family}@1")


def slow_greedy(model: Any, prompt: list[int], bound: int, ends: set[int]) -> list[int]:
    """Ask for one token at a time, of one prompt without padding and without a cache."""
    ids = list(prompt)
    while len(ids) - len(prompt) < bound:
        with torch.inference_mode():
            best = int(model(input_ids=torch.tensor([ids]), use_cache=False).logits[0, -1].argmax())
        if best in ends:
            break
        ids.append(best)
    return ids[len(prompt) :]


PROMPTS = [list(range(60, 60 + n)) for n in (3, 17, 1, 30, 9)]


def test_a_batch_is_each_prompt_by_itself(family: str) -> None:
    engine = make_engine(family)
    chains = engine.generate(PROMPTS, 25)
    finishes = set()
    for prompt, chain in zip(PROMPTS, chains, strict=True):
        expected = slow_greedy(engine._model, prompt, 25, {END, 200})
        assert chain is not None
        assert (chain.text, chain.n_tokens) == (engine._tokenizer.decode(expected), len(expected))
        finishes.add(chain.finish)
    assert finishes <= {"eos", "length"}


def test_what_ends_a_chain_ends_it() -> None:
    engine = make_engine()
    (chain,) = engine.generate(PROMPTS[:1], 25)
    assert chain is not None
    first = slow_greedy(engine._model, PROMPTS[0], 25, set())
    stopping = make_model("qwen2")
    stopping.generation_config.eos_token_id = first[4]
    (stopped,) = TransformersEngine(stopping, make_tokenizer(), "tiny").generate(PROMPTS[:1], 25)
    assert stopped is not None
    assert (stopped.finish, stopped.n_tokens) == ("eos", first.index(first[4]))


def test_the_context_bounds_each_chain() -> None:
    engine = make_engine()
    chains = engine.generate([list(range(40, 40 + n)) for n in (120, 100)], 25)
    for chain, bound in zip(chains, (8, 25), strict=True):
        assert chain is not None
        assert chain.n_tokens <= bound
        assert (chain.finish == "length") == (chain.n_tokens == bound)


def test_penalties_that_the_model_s_authors_recommend_do_not_make_greedy_something_else() -> None:
    plain, (expected,) = make_engine(), make_engine().generate(PROMPTS[1:2], 20)
    model = make_model("qwen2")
    model.generation_config.eos_token_id = [END, 200]
    model.generation_config.repetition_penalty = 5.0
    model.generation_config.do_sample = True
    assert TransformersEngine(model, make_tokenizer(), "tiny").generate(PROMPTS[1:2], 20) == [expected]
    assert plain.max_tokens == 128


@pytest.mark.parametrize("holds", [0, 1, 2])
def test_memory_that_runs_out_halves_the_batch_and_gives_up_on_one_alone(
    holds: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = make_engine()
    expected = engine.generate(PROMPTS, 10)
    inner = engine._model.generate

    def full(**values: Any) -> Any:
        if len(values["input_ids"]) > holds:
            raise torch.OutOfMemoryError("full")
        return inner(**values)

    monkeypatch.setattr(engine._model, "generate", full)
    assert engine.generate(PROMPTS, 10) == (expected if holds else [None] * len(PROMPTS))


def test_a_model_without_an_end_is_one_line(tmp_path: Path) -> None:
    make_model("llama", eos_token_id=None, bos_token_id=None).save_pretrained(tmp_path)
    make_tokenizer().save_pretrained(tmp_path)
    with pytest.raises(ModelError, match=r"can't generate: neither the tokenizer nor the generation configuration"):
        load_transformers(str(tmp_path), device="cpu")
