"""Prompts: what a model is shown of a problem, and what it can't be shown."""

from gpu_workers.prompts import encode_prompt
from gpu_workers.teacher import Teacher
from tests.gpu_workers.conftest import make_model, make_tokenizer

TEMPLATE = "{% for m in messages %}<{{ m.content }}>{% endfor %}{% if add_generation_prompt %}A:{% endif %}"


def test_generation_shows_what_extraction_shows() -> None:
    for template in (None, TEMPLATE):
        tokenizer = make_tokenizer()
        tokenizer.chat_template = template
        teacher = Teacher(make_model("qwen2"), tokenizer, "tiny")
        prompt = encode_prompt("What is 1 + 1?", tokenizer)
        assert prompt.ids == teacher.encode("What is 1 + 1?", "2").input_ids
        assert prompt.refusal is None


def test_a_template_that_refuses_or_changes_the_problem_is_said() -> None:
    tokenizer = make_tokenizer()
    tokenizer.chat_template = "{{ raise_exception('no such role') }}"
    refused = encode_prompt("What?", tokenizer)
    assert (refused.ids, refused.refusal) == ([], "the chat template refuses the problem: no such role")
    tokenizer.chat_template = "{{ messages[0].content[:2] }}"
    assert encode_prompt("What?", tokenizer).refusal == "the chat template leaves out or changes part of the problem"


def test_a_control_token_in_the_problem_is_said() -> None:
    tokenizer = make_tokenizer()
    tokenizer.add_special_tokens({"eos_token": "<end>"})
    refusal = encode_prompt("a <end> b", tokenizer).refusal
    assert refusal == "the problem spells out '<end>', which the model reads as a control token"
