"""What a model writes to a problem: the tokens up to the end, as text, and why it ended."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from gpu_workers.prompts import Prompt
from mycelium.errors import ModelError

Finish = Literal["eos", "length"]


@dataclass(frozen=True, slots=True)
class Chain:
    """A chain of thought as it was generated.

    Attributes:
        text: the text, without what ends it.
        n_tokens: its tokens, without what ends it.
        finish: ``eos``, the model ended it; ``length``, it was cut at the bound or at the end of the context.
    """

    text: str
    n_tokens: int
    finish: Finish


class Engine(Protocol):
    """Generates greedily."""

    @property
    def identity(self) -> str:
        """Name and digest of the model."""
        ...

    @property
    def max_tokens(self) -> int:
        """The model's context."""
        ...

    @property
    def batch_size(self) -> int:
        """Problems that are best given at a time, at most."""
        ...

    def encode(self, problem: str) -> Prompt:
        """Return what the model is shown of a problem."""
        ...

    def generate(self, prompts: Sequence[list[int]], max_new_tokens: int) -> list[Chain | None]:
        """Return a chain of thought for each prompt; None for one that memory can't hold even alone."""
        ...


def find_end_ids(tokenizer: Any, *configs: Any) -> frozenset[int]:  # noqa: ANN401 - transformers' own
    """Return the tokens that end a chain: the tokenizer's, and those that the model's configurations name.

    Raises:
        ModelError: there is none: every chain would run to its bound, and nothing would tell that it has ended.
    """
    found: set[int] = set()
    for named in (getattr(source, "eos_token_id", None) for source in (tokenizer, *configs)):
        found.update([named] if isinstance(named, int) else named or ())
    if not found:
        raise ModelError("neither the tokenizer nor the generation configuration names an end-of-sequence token")
    return frozenset(found)


def read_chain(ids: Sequence[int], end_ids: Collection[int], tokenizer: Any, bound: int) -> Chain:  # noqa: ANN401
    """Cut generated tokens at the first that ends a chain, or at a bound, and write them as text."""
    ends = next((i for i, token in enumerate(ids[: bound + 1]) if token in end_ids), None)
    kept = list(ids[: bound if ends is None else ends])
    text = tokenizer.decode(kept, skip_special_tokens=True, clean_up_tokenization_spaces=False)
    return Chain(str(text), len(kept), "length" if ends is None else "eos")
