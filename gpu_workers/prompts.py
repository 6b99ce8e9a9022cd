"""What a model is shown of a problem: one place for extraction and for generation, so that both show the same."""

from dataclasses import dataclass
from typing import Any

from jinja2 import TemplateError

from gpu_workers.roundtrip import find_control_token


@dataclass(frozen=True, slots=True)
class Prompt:
    """A problem as a model sees it.

    Attributes:
        ids: its tokens, as the chat template writes it, first token included.
        refusal: why these tokens are not what was meant; None if they are.
    """

    ids: list[int]
    refusal: str | None = None


def encode_prompt(problem: str, tokenizer: Any) -> Prompt:  # noqa: ANN401 - transformers' own
    """Return the tokens of a problem.

    The prompt is the chat template's for one message of the user's, or, without a template, the problem and a line
    break. Where that is not what was meant, `Prompt.refusal` says why.
    """
    token = find_control_token(problem, tokenizer)
    refusal = say_control_token("problem", token) if token else None
    if not getattr(tokenizer, "chat_template", None):
        return Prompt(list(tokenizer(f"{problem}\n", verbose=False)["input_ids"]), refusal)
    message = [{"role": "user", "content": problem}]
    try:
        text = tokenizer.apply_chat_template(message, add_generation_prompt=True, tokenize=False)
    except TemplateError as error:
        return Prompt([], f"the chat template refuses the problem: {error}")
    if problem.strip() not in text:
        refusal = refusal or "the chat template leaves out or changes part of the problem"
    return Prompt(list(tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]), refusal)


def say_control_token(what: str, token: str) -> str:
    """Return the reason why a text with a control token in it is not read."""
    return f"the {what} spells out {token!r}, which the model reads as a control token"
