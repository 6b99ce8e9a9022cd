"""The teacher: a model whose attention is read, its tokenizer, and its identity."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from transformers import AutoModelForCausalLM

from gpu_workers.attention import Recorder, install, observe
from gpu_workers.loading import load_pretrained
from gpu_workers.prompts import encode_prompt, say_control_token
from gpu_workers.roundtrip import find_control_token, find_loss
from mycelium.errors import ModelError

Sink = Literal["keep", "exclude"]

FAMILIES = ("llama", "mistral", "qwen2")
"""The architectures whose attention is known to be read rightly: each is in the tests."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """A problem and its chain of thought as the teacher sees them.

    Attributes:
        input_ids: tokens of the prompt, as the model's chat template writes it, first token included.
        generated_ids: tokens of the chain of thought.
        texts: the text of each generated token; the bytes of one character split over tokens are told once.
        refusal: why these tokens are not what was meant to be read; None if they are.
    """

    input_ids: list[int]
    generated_ids: list[int]
    texts: list[str]
    refusal: str | None = None

    def __len__(self) -> int:
        """Return the number of tokens of both."""
        return len(self.input_ids) + len(self.generated_ids)


class Teacher:
    """A causal language model of a known family."""

    def __init__(self, model: Any, tokenizer: Any, identity: str) -> None:  # noqa: ANN401 - transformers' own
        """Take a loaded model; `load_teacher` makes one."""
        family = model.config.model_type
        if family not in FAMILIES:
            raise ModelError(f"{identity} is of family {family}; attention is read of {', '.join(FAMILIES)}")
        install(model)
        self._model = model.eval()
        self._tokenizer = tokenizer
        self.identity = identity
        self.device_type = str(model.device.type)
        self.n_layers = int(model.config.num_hidden_layers)
        self.n_heads = int(model.config.num_attention_heads)
        self.max_tokens = int(model.config.max_position_embeddings)

    def encode(self, problem: str, chain_of_thought: str) -> Encoded:
        """Tokenize the prompt and the chain of thought, each by itself, as in generation.

        The prompt is the chat template's for one message of the user's, or, without a template, the problem and a
        line break. Where the tokens are not what was meant, `Encoded.refusal` says why.
        """
        tokenizer = self._tokenizer
        prompt = encode_prompt(problem, tokenizer)
        if not prompt.ids:
            return Encoded([], [], [], prompt.refusal)
        token = find_control_token(chain_of_thought, tokenizer)
        refusal = prompt.refusal or (token and say_control_token("chain of thought", token))
        # Not verbose: what is longer than the model's context is left out by name, and not run into indexing errors.
        coded = tokenizer(chain_of_thought, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
        texts, told = [], 0
        for _, end in coded["offset_mapping"]:
            texts.append(chain_of_thought[told:end])
            told = max(told, end)
        generated_ids = list(coded["input_ids"])
        loss = None if refusal else find_loss(chain_of_thought, generated_ids, tokenizer)
        if loss:
            refusal = f"the chain of thought does not come back from the tokenizer: {loss}"
        return Encoded(prompt.ids, generated_ids, texts, refusal)

    @torch.inference_mode()
    def read_attention(self, batch: list[Encoded], sink: Sink = "keep") -> list[torch.Tensor]:
        """Read the input attention fraction of some problems in one teacher-forced pass.

        Row t is the attention that produced generated token t: the query is the token before it, so its sources are
        the prompt and the t generated tokens before it, and row 0 is 1 by definition. This is what generation with
        `output_attentions` shows token by token. Padding is on the right, has no attention, and is not returned.

        The first token of the prompt is an attention sink in most models: much attention goes there and means nothing.
        ``keep`` counts it as the input token it is; ``exclude`` takes the fraction among all other tokens.

        Args:
            batch: problems, best of similar lengths.
            sink: see above.

        Returns:
            For each problem the IAF, shape (layers, h, t), float32 on the CPU.
        """
        signal = "iaf" if sink == "keep" else "iaf_without_sink"
        recorder = self.look(batch, signals=(signal,))
        layers = torch.stack([seen[signal] for seen in recorder.layers]).cpu()
        return [layers[:, i, :, : len(encoded.generated_ids)] for i, encoded in enumerate(batch)]

    @torch.inference_mode()
    def look(
        self,
        batch: Sequence[Encoded],
        *,
        signals: Collection[str],
        window: int = 16,
        raw: Mapping[int, Sequence[int]] | None = None,
    ) -> Recorder:
        """Read some problems in one teacher-forced pass, padded on the right, and return what was seen.

        Nothing here waits for a GPU: when this returns, it may still be at it.

        Args:
            batch: problems, best of similar lengths.
            signals: see `Recorder`.
            window: see `Recorder`.
            raw: see `Recorder`.

        Returns:
            Signals of every layer, on the model's device.
        """
        longest = max(map(len, batch))
        tokens = torch.zeros((len(batch), longest), dtype=torch.long)
        is_real = torch.zeros((len(batch), longest), dtype=torch.bool)
        is_input = torch.zeros_like(is_real)
        for row, encoded in enumerate(batch):
            tokens[row, : len(encoded)] = torch.tensor(encoded.input_ids + encoded.generated_ids)
            is_real[row, : len(encoded)] = True
            is_input[row, : len(encoded.input_ids)] = True
        if self.device_type == "cuda":  # from page-locked memory the copy need not be waited for
            tokens = tokens.pin_memory().to(self._model.device, non_blocking=True)
        recorder = Recorder(is_input, is_real, signals=signals, window=window, raw=raw or {})
        observe(self._model, tokens, recorder)
        return recorder


def load_teacher(name: str, *, device: str | None = None, dtype: str | None = None) -> Teacher:
    """Load a model from a folder or by its name on the hub.

    Args:
        name: a folder with config, safetensors and tokenizer, or a hub name such as ``Qwen/Qwen2.5-Math-7B``.
        device: ``cpu``, ``cuda``, ``cuda:1``…; by default the GPU if there is one.
        dtype: ``float32``, ``bfloat16`` or ``float16``; by default float32 on the CPU and bfloat16 elsewhere.

    Raises:
        ModelError: there is no such model, it can't be read, or it is of a family that is not known.
    """
    loaded = load_pretrained(name, AutoModelForCausalLM, device=device, dtype=dtype)
    return Teacher(loaded.model, loaded.tokenizer, loaded.identity)
