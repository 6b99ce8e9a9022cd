"""Generation by transformers: batches padded on the left, a cache of keys and values, halves where memory runs out."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from transformers import AutoModelForCausalLM, GenerationConfig

from gpu_workers.generation.chains import Chain, find_end_ids, read_chain
from gpu_workers.halving import run_halving
from gpu_workers.loading import load_pretrained
from gpu_workers.prompts import Prompt, encode_prompt
from mycelium.errors import ModelError


@dataclass(slots=True)
class TransformersEngine:
    """A causal language model that transformers runs.

    Attributes:
        identity: name and digest of the model.
        batch_size: problems at a time.
        max_tokens: the model's context.
    """

    _model: Any
    _tokenizer: Any
    identity: str
    batch_size: int = 32
    max_tokens: int = field(init=False)
    _end_ids: frozenset[int] = field(init=False)

    def __post_init__(self) -> None:
        """Find what ends a chain, and forget how else the model's authors would have it sample."""
        self.max_tokens = int(self._model.config.max_position_embeddings)
        self._end_ids = find_end_ids(self._tokenizer, self._model.generation_config)
        # Penalties and temperatures of the model's own configuration would make greedy something else.
        self._model.generation_config = GenerationConfig(
            do_sample=False, eos_token_id=sorted(self._end_ids), pad_token_id=min(self._end_ids)
        )

    def encode(self, problem: str) -> Prompt:
        """See `Engine.encode`."""
        return encode_prompt(problem, self._tokenizer)

    def generate(self, prompts: Sequence[list[int]], max_new_tokens: int) -> list[Chain | None]:
        """See `Engine.generate`."""
        return run_halving(prompts, partial(self._generate_batch, max_new_tokens=max_new_tokens))

    @torch.inference_mode()
    def _generate_batch(self, prompts: Sequence[list[int]], *, max_new_tokens: int) -> list[Chain | None]:
        bounds = [min(max_new_tokens, self.max_tokens - len(prompt)) for prompt in prompts]
        longest = max(map(len, prompts))
        ids = torch.full((len(prompts), longest), min(self._end_ids), dtype=torch.long)
        is_real = torch.zeros((len(prompts), longest), dtype=torch.long)
        for row, prompt in enumerate(prompts):
            ids[row, longest - len(prompt) :] = torch.tensor(prompt)
            is_real[row, longest - len(prompt) :] = 1
        device = self._model.device
        try:
            out = self._model.generate(
                input_ids=ids.to(device), attention_mask=is_real.to(device), max_new_tokens=max(bounds)
            )
        except torch.OutOfMemoryError:
            if len(prompts) > 1:
                raise
            return [None]
        rows = out[:, longest:].tolist()
        return [read_chain(row, self._end_ids, self._tokenizer, b) for row, b in zip(rows, bounds, strict=True)]


def load_transformers(
    name: str, *, device: str | None = None, dtype: str | None = None, batch_size: int = 32
) -> TransformersEngine:
    """Load a model from a folder or by its name on the hub.

    Raises:
        ModelError: there is no such model, it can't be read, or nothing ends its chains.
    """
    loaded = load_pretrained(name, AutoModelForCausalLM, device=device, dtype=dtype)
    try:
        return TransformersEngine(loaded.model, loaded.tokenizer, loaded.identity, batch_size)
    except ModelError as error:
        raise ModelError(f"model {name} can't generate: {error}") from None
