"""Generation by vLLM, where it is installed: the same prompts and the same ends; it does its own batching.

vLLM is no package that this project's tests can install; they run against a stand-in that keeps to its documented
interface: ``LLM(model=…)``, ``LLM.generate(prompts, sampling_params, use_tqdm=False)`` with prompts as
``{"prompt_token_ids": …}``, answers in the prompts' order, ``answer.outputs[0].token_ids``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from transformers import AutoConfig, AutoTokenizer, GenerationConfig

from gpu_workers.generation.chains import Chain, find_end_ids, read_chain
from gpu_workers.loading import find_source, identify
from gpu_workers.prompts import Prompt, encode_prompt
from mycelium.errors import ModelError, UserInputError


@dataclass(slots=True)
class VllmEngine:
    """A causal language model that vLLM runs.

    Attributes:
        identity: name and digest of the model.
        max_tokens: the model's context.
        batch_size: problems handed over at a time; what is written in between survives an interruption.
    """

    _llm: Any
    _sampling: Any
    _tokenizer: Any
    _end_ids: frozenset[int]
    identity: str
    max_tokens: int
    batch_size: int = 512

    def encode(self, problem: str) -> Prompt:
        """See `Engine.encode`."""
        return encode_prompt(problem, self._tokenizer)

    def generate(self, prompts: Sequence[list[int]], max_new_tokens: int) -> list[Chain | None]:
        """See `Engine.generate`; vLLM keeps within its memory by itself."""
        bounds = [min(max_new_tokens, self.max_tokens - len(prompt)) for prompt in prompts]
        answers = self._llm.generate(
            [{"prompt_token_ids": prompt} for prompt in prompts],
            [
                self._sampling(
                    temperature=0.0, max_tokens=bound, stop_token_ids=sorted(self._end_ids), detokenize=False
                )
                for bound in bounds
            ],
            use_tqdm=False,
        )
        rows = [list(answer.outputs[0].token_ids) for answer in answers]
        return [read_chain(row, self._end_ids, self._tokenizer, b) for row, b in zip(rows, bounds, strict=True)]


def load_vllm(name: str, *, dtype: str | None = None, batch_size: int = 512) -> VllmEngine:
    """Load a model into vLLM, from a folder or by its name on the hub.

    Raises:
        UserInputError: vLLM is not installed.
        ModelError: there is no such model, it can't be read, or nothing ends its chains.
    """
    try:
        from vllm import LLM, SamplingParams  # noqa: PLC0415 - where it is installed
    except ImportError as error:
        raise UserInputError(
            f"--engine vllm wants vLLM (pip install 'mycelium[vllm]'), which can't be imported: {error}"
        ) from None
    source = find_source(name)
    try:
        # No code that comes with a model is run, and no weights are read that could be code.
        config = AutoConfig.from_pretrained(source, trust_remote_code=False)
        tokenizer = AutoTokenizer.from_pretrained(source, trust_remote_code=False)
        end_ids = find_end_ids(tokenizer, config, *_read_generation_config(source))
        # Its own defaults, and not the sampling that the model's authors recommend: greedy is greedy.
        llm = LLM(
            model=source,
            dtype=dtype or "auto",
            generation_config="vllm",
            seed=0,
            trust_remote_code=False,
            load_format="safetensors",
        )
    except (ModelError, OSError, ValueError, RuntimeError, KeyError) as error:
        reason = (str(error).strip() or repr(error)).splitlines()[0]
        raise ModelError(f"model {name} can't generate: {reason}") from error
    return VllmEngine(
        llm, SamplingParams, tokenizer, end_ids, identify(name, config), int(config.max_position_embeddings), batch_size
    )


def _read_generation_config(source: str) -> list[Any]:
    try:
        return [GenerationConfig.from_pretrained(source)]
    except OSError:  # not every model has one
        return []
