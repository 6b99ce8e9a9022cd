"""What a tokenizer would make something else of is found, and what comes back is left alone."""

import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from gpu_workers.roundtrip import find_control_token, find_loss
from gpu_workers.teacher import Teacher
from tests.gpu_workers.conftest import make_model, make_tokenizer

BYTES = make_tokenizer()


def make_words(**options: Any) -> Any:
    """Make a tokenizer that knows four words, in small letters."""
    unknown, end = "<unk>", "</s>"
    words = Tokenizer(models.WordLevel({unknown: 0, "one": 1, "two": 2, "is": 3, end: 4}, unk_token=unknown))
    words.normalizer = normalizers.Lowercase()
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=words, unk_token=unknown, eos_token=end, **options)


@given(text=st.text(st.characters(codec="utf-8"), max_size=40))
def test_bytes_always_come_back(text: str) -> None:
    assert find_loss(text, BYTES(text, add_special_tokens=False)["input_ids"], BYTES) is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("one is one", None),
        ("  one is one\n", None),
        ("one is three", "at character 7, 'three' comes back as '<unk>'"),
        ("One is one", "at character 0, 'One is one' comes back as 'one is one'"),
        ("one is", None),
        ("one is é", "at character 7, 'é' comes back as '<unk>'"),
    ],
)
def test_a_loss_says_where(text: str, said: str | None) -> None:
    words = make_words()
    assert find_loss(text, words(text, add_special_tokens=False)["input_ids"], words) == said


def test_how_an_accent_is_composed_is_no_loss() -> None:
    apart, together = (unicodedata.normalize(form, "café") for form in ("NFD", "NFC"))
    assert apart != together
    assert find_loss(apart, BYTES(together, add_special_tokens=False)["input_ids"], BYTES) is None


def test_the_first_control_token_is_named() -> None:
    words = make_words(additional_special_tokens=["<|im_end|>"])
    assert find_control_token("one < two </s> <|im_end|>", words) == "</s>"
    assert find_control_token("<|im_end|></s>", words) == "<|im_end|>"
    assert find_control_token("one < two / s >", words) is None
    assert find_control_token("x < y", BYTES) is None


class TestEncode:
    """The teacher refuses to read what it would see as something else, and says why."""

    def encode(self, tokenizer: Any, problem: str, chain: str) -> str | None:
        return Teacher(make_model("qwen2"), tokenizer, "tiny").encode(problem, chain).refusal

    def test_a_chain_that_does_not_come_back(self) -> None:
        said = (
            "the chain of thought does not come back from the tokenizer: at character 7, 'three' comes back as '<unk>'"
        )
        assert self.encode(make_words(), "one", "one is three") == said
        assert self.encode(make_words(), "one", "one is two") is None

    @pytest.mark.parametrize(
        ("problem", "chain", "where"), [("a </s> b", "one", "problem"), ("one", "</s> one", "chain of thought")]
    )
    def test_a_control_token_spelled_out(self, problem: str, chain: str, where: str) -> None:
        said = f"the {where} spells out '</s>', which the model reads as a control token"
        assert self.encode(make_words(), problem, chain) == said

    def test_a_template_that_refuses(self) -> None:
        tokenizer = make_tokenizer()
        tokenizer.chat_template = "{{ raise_exception('roles must alternate') }}"
        assert self.encode(tokenizer, "x", "y") == "the chat template refuses the problem: roles must alternate"

    def test_a_template_that_drops_the_problem(self) -> None:
        tokenizer = make_tokenizer()
        tokenizer.chat_template = "{{ messages[0].content[:3] }}"
        assert self.encode(tokenizer, "abcdef", "y") == "the chat template leaves out or changes part of the problem"
