"""Tiny random teachers of every family, made here: no weights are fetched."""

from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
)

from gpu_workers.teacher import FAMILIES

COMMON: dict[str, Any] = {
    "vocab_size": 256,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 128,
    "attn_implementation": "eager",
}


def make_model(family: str, seed: int = 0, **changes: Any) -> Any:
    """Make a random model of a family; Mistral's window is short, so that it matters."""
    torch.manual_seed(seed)
    options = {**COMMON, **changes}
    if family == "llama":
        model: Any = LlamaForCausalLM(LlamaConfig(**options))
    elif family == "mistral":
        model = MistralForCausalLM(MistralConfig(**{"sliding_window": 8, **options}))
    else:
        model = Qwen2ForCausalLM(Qwen2Config(**options))
    for parameter in model.parameters():
        # Larger than at the start of a training, so that attention is far from uniform.
        torch.nn.init.normal_(parameter, std=0.3)
    return model.eval()


def make_tokenizer() -> Any:
    """Make a tokenizer of single bytes, with no template."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={char: i for i, char in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer)


@pytest.fixture(params=FAMILIES)
def family(request: pytest.FixtureRequest) -> str:
    """Each family whose attention can be read."""
    return str(request.param)


@pytest.fixture
def teacher_dir(family: str, tmp_path: Path) -> Path:
    """A folder with a tiny teacher of that family."""
    folder = tmp_path / f"tiny-{family}"
    make_model(family).save_pretrained(folder)
    make_tokenizer().save_pretrained(folder)
    return folder
