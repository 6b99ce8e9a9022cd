"""Generation by vLLM, with a stand-in that keeps to its documented interface and runs transformers inside.

vLLM itself can't be installed where these tests run: what is shown is that it is asked for the right thing.
"""

import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from transformers import AutoModelForCausalLM

from gpu_workers.generation.with_transformers import load_transformers
from gpu_workers.generation.with_vllm import load_vllm
from mycelium.errors import ModelError, UserInputError
from tests.gpu_workers.conftest import make_model, make_tokenizer
from tests.gpu_workers.generation.test_with_transformers import PROMPTS, slow_greedy


@dataclass
class SamplingParams:
    """The parameters that are used, under vLLM's names and with its defaults."""

    temperature: float = 1.0
    max_tokens: int | None = 16
    stop_token_ids: list[int] = field(default_factory=list)
    detokenize: bool = True


class LLM:
    """Answers in the order of the prompts; a token that stops is the last of its answer's."""

    def __init__(
        self,
        model: str,
        *,
        dtype: str = "auto",
        generation_config: str = "auto",
        seed: int = 0,
        trust_remote_code: bool = True,
        load_format: str = "auto",
    ) -> None:
        assert generation_config == "vllm", "else the model's own temperature would be the default"
        assert not trust_remote_code
        assert load_format == "safetensors"
        self.model: Any = AutoModelForCausalLM.from_pretrained(model).eval()

    def generate(self, prompts: list[Any], sampling_params: list[SamplingParams], *, use_tqdm: bool) -> list[Any]:
        assert not use_tqdm
        answers = []
        for prompt, params in zip(prompts, sampling_params, strict=True):
            assert params.temperature == 0
            ids = prompt["prompt_token_ids"]
            assert params.max_tokens is not None
            free = slow_greedy(self.model, ids, params.max_tokens, set())
            stop = next((i for i, token in enumerate(free) if token in params.stop_token_ids), None)
            kept = free if stop is None else free[: stop + 1]
            output = SimpleNamespace(
                index=0, text="", token_ids=tuple(kept), finish_reason="length" if stop is None else "stop"
            )
            answers.append(SimpleNamespace(prompt_token_ids=ids, outputs=[output], finished=True))
        return answers


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    model = make_model("qwen2")
    model.generation_config.eos_token_id = [7, 200]
    model.save_pretrained(tmp_path / "tiny")
    make_tokenizer().save_pretrained(tmp_path / "tiny")
    return tmp_path / "tiny"


@pytest.fixture
def vllm(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("vllm")
    module.LLM, module.SamplingParams = LLM, SamplingParams  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "vllm", module)


@pytest.mark.usefixtures("vllm")
def test_both_engines_write_the_same(folder: Path) -> None:
    ours, theirs = load_transformers(str(folder), device="cpu"), load_vllm(str(folder))
    assert theirs.identity == ours.identity
    assert theirs.max_tokens == ours.max_tokens
    assert theirs.encode("What?") == ours.encode("What?")
    assert theirs.generate(PROMPTS, 20) == ours.generate(PROMPTS, 20)
    long = [list(range(30, 150)), list(range(20, 60))]
    assert theirs.generate(long, 20) == ours.generate(long, 20)


@pytest.mark.usefixtures("vllm")
def test_a_folder_without_a_model_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="can't generate"):
        load_vllm(str(tmp_path))


def test_without_vllm_the_line_says_how_to_get_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "vllm", None)
    with pytest.raises(UserInputError, match=r"pip install 'mycelium\[vllm\]'"):
        load_vllm(str(folder))
