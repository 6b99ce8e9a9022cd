"""Loading teachers, and what they see."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import tokenization_utils_base

from gpu_workers.teacher import Teacher, load_teacher
from tests.gpu_workers.conftest import make_model, make_tokenizer


def test_a_folder_is_loaded_and_identified_by_its_content(teacher_dir: Path) -> None:
    first, again = load_teacher(str(teacher_dir)), load_teacher(str(teacher_dir))
    assert first.identity == again.identity
    assert first.identity.startswith(f"{teacher_dir.name}@")
    assert (first.n_layers, first.n_heads, first.max_tokens) == (3, 4, 128)
    config = json.loads((teacher_dir / "config.json").read_text())
    (teacher_dir / "config.json").write_text(json.dumps({**config, "rms_norm_eps": 1e-3}))
    assert load_teacher(str(teacher_dir)).identity != first.identity


@given(problem=st.text(max_size=30), solution=st.text(max_size=30))
def test_the_tokens_texts_spell_the_chain_of_thought(problem: str, solution: str) -> None:
    try:
        (problem + solution).encode()
    except UnicodeEncodeError:
        return
    encoded = _TEACHER.encode(problem, solution)
    assert "".join(encoded.texts) == solution
    assert len(encoded.texts) == len(encoded.generated_ids) == len(solution.encode())
    assert len(encoded) == len(encoded.input_ids) + len(encoded.generated_ids)


_TEACHER = Teacher(make_model("qwen2"), make_tokenizer(), "tiny")


def test_without_a_template_the_prompt_is_the_problem_and_a_line_break() -> None:
    encoded = _TEACHER.encode("What is 1?", "One.")
    assert len(encoded.input_ids) == len("What is 1?\n")


def test_a_text_longer_than_the_context_is_encoded_in_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(tokenization_utils_base.logger, "warning", lambda words, *_: said.append(words))
    tokenizer = make_tokenizer()
    tokenizer.model_max_length = 4
    tokenizer("so long", verbose=True)
    assert len(said) == 1, "the tokenizer would say that this ends in indexing errors"
    fresh = make_tokenizer()
    fresh.model_max_length = 4
    encoded = Teacher(make_model("qwen2"), fresh, "tiny").encode("What is 1?", "One and one is two.")
    assert len(encoded.generated_ids) > 4
    assert len(said) == 1


def test_a_chat_template_writes_the_prompt() -> None:
    tokenizer = make_tokenizer()
    tokenizer.chat_template = (
        "{% for m in messages %}<{{ m.content }}>{% endfor %}{% if add_generation_prompt %}A:{% endif %}"
    )
    encoded = Teacher(make_model("qwen2"), tokenizer, "tiny").encode("hello", "x")
    assert encoded.input_ids == tokenizer("<hello>A:", add_special_tokens=False)["input_ids"]
