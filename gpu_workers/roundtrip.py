"""Whether a model sees the text that was meant: what its tokenizer or chat template would read as something else.

Attention over a text that the model did not see would be taken for attention over the one that it was given; so such a
problem is not read, and the reason says what is in the way.
"""

import unicodedata
from typing import Any


def find_control_token(text: str, tokenizer: Any) -> str | None:  # noqa: ANN401 - transformers' own
    """Return the first control token of the model's, such as ``<|im_end|>``, that a text spells out; None if none.

    A tokenizer reads it as the token itself: the turn would end there, or a new one begin.
    """
    spelled = [(text.find(token), token) for token in tokenizer.all_special_tokens if token.strip() and token in text]
    return min(spelled)[1] if spelled else None


def find_loss(text: str, token_ids: list[int], tokenizer: Any) -> str | None:  # noqa: ANN401 - transformers' own
    """Say where a text does not come back from its tokens; None if it does.

    White space at either end may differ, and so may the way in which accents are composed: some tokenizers put a space
    before the first word, or bring the text into Unicode's form NFC.
    """
    back = tokenizer.decode(token_ids, skip_special_tokens=False, clean_up_tokenization_spaces=False)
    meant, seen = (unicodedata.normalize("NFC", each).strip() for each in (text, back))
    if meant == seen:
        return None
    place = next((i for i, (a, b) in enumerate(zip(meant, seen, strict=False)) if a != b), min(len(meant), len(seen)))
    return f"at character {place}, {meant[place : place + 10]!r} comes back as {seen[place : place + 10]!r}"
