"""The teacher: its prompt is decided once, its batches learn only solutions, and the shipped one solves problems."""

import gzip
import itertools
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from samples import PROBLEMS_FILE, TEACHER_DIR
from samples.generator import Problem, generate

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from transformers import PreTrainedTokenizerBase  # noqa: E402 - only where it is installed

from samples.train_teacher import (  # noqa: E402 - as above
    END,
    BatchStream,
    Recipe,
    answer,
    chat_template,
    main,
    make_model,
    make_prompt,
    read_answer,
    solution_loss,
)

RECIPE = Recipe(minutes=1, seed=3, batch_tokens=4096, peak_rate=1e-3, comparison_weight=2)


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerBase:
    """The shipped tokenizer, loaded as a user loads it."""
    return transformers.AutoTokenizer.from_pretrained(TEACHER_DIR)


def test_what_ships_is_small() -> None:
    shipped = [*TEACHER_DIR.iterdir(), PROBLEMS_FILE]
    assert sum(path.stat().st_size for path in shipped) <= 12_000_000


def test_the_chat_template_gives_the_prompt_of_training(tokenizer: PreTrainedTokenizerBase) -> None:
    assert tokenizer.chat_template == chat_template()
    for problem in generate(11, "heldout", 5):
        chat = [{"role": "user", "content": problem.problem}]
        ids = tokenizer.apply_chat_template(chat, add_generation_prompt=True, return_dict=False)
        assert ids == tokenizer(make_prompt(problem.problem))["input_ids"]
        whole = tokenizer.apply_chat_template(
            [*chat, {"role": "assistant", "content": problem.solution}], return_dict=False
        )
        assert whole == [*ids, *tokenizer(problem.solution)["input_ids"], tokenizer.eos_token_id]
        assert tokenizer.decode(whole) == make_prompt(problem.problem) + problem.solution + END


@given(problem=st.text(), solution=st.text().filter(lambda text: not text.startswith(("\n", "\r"))))
@settings(deadline=None)
def test_prompt_and_solution_are_encoded_alike_together_and_apart(
    tokenizer: PreTrainedTokenizerBase, problem: str, solution: str
) -> None:
    together = tokenizer(make_prompt(problem) + solution)["input_ids"]
    assert together == tokenizer(make_prompt(problem))["input_ids"] + tokenizer(solution)["input_ids"]


def test_every_digit_is_a_token(tokenizer: PreTrainedTokenizerBase) -> None:
    assert [token.strip("Ġ") for token in tokenizer.tokenize("4096 and 12")] == [*"4096", "and", "", *"12"]


def test_batches_hold_whole_problems_padded_at_the_end(tokenizer: PreTrainedTokenizerBase) -> None:
    for ids, prompt, whole in itertools.islice(BatchStream(tokenizer, RECIPE), 3):
        assert ids.numel() <= RECIPE.batch_tokens
        for row, n_prompt, n_whole in zip(ids.tolist(), prompt.tolist(), whole.tolist(), strict=True):
            assert row[n_whole - 1] == tokenizer.eos_token_id
            assert set(row[n_whole:]) <= {tokenizer.pad_token_id}
            assert tokenizer.decode(row[:n_prompt]).endswith("\nSolution:\n")
            assert read_answer(tokenizer.decode(row[n_prompt:n_whole])) is not None


def test_the_loss_of_padding_and_prompts_is_not_learned(tokenizer: PreTrainedTokenizerBase) -> None:
    ids, prompt, whole = next(iter(BatchStream(tokenizer, RECIPE)))
    ids, prompt, whole = ids[:4], prompt[:4], whole[:4]
    model = make_model(tokenizer, seed=0).eval()
    changed = ids.clone()
    for row, length in zip(changed, whole.tolist(), strict=True):
        row[length:] = 7
    device = torch.device("cpu")
    with torch.inference_mode():
        loss = solution_loss(model, (ids, prompt, whole), device)
        assert torch.equal(loss, solution_loss(model, (changed, prompt, whole), device))
        logits = model(input_ids=ids[:1].long()).logits[0].log_softmax(-1)
        spans = range(int(prompt[0]), int(whole[0]))
        by_hand = -sum(float(logits[i - 1, int(ids[0, i])]) for i in spans) / len(spans)
        one = solution_loss(model, (ids[:1], prompt[:1], whole[:1]), device)
    assert float(one) == pytest.approx(by_hand, abs=1e-3)


def test_the_learning_rate_rises_then_falls_to_zero() -> None:
    rates = [RECIPE.rate(progress / 100) for progress in range(101)]
    assert max(rates) == pytest.approx(RECIPE.peak_rate)
    assert rates.index(max(rates)) == 3
    assert rates[-1] == pytest.approx(0, abs=1e-9)
    assert RECIPE.rate(2.0) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(
    ("text", "found"), [(r"so $\boxed{36}$.", "36"), (r"\boxed{1} no, \boxed{2}", "2"), ("none", None)]
)
def test_the_answer_is_read_from_the_last_box(text: str, found: str | None) -> None:
    assert read_answer(text) == found


@pytest.mark.parametrize("arguments", [["--minutes", "0"], ["--minutes", "soon"], ["--start-from", "nowhere"]])
def test_a_wrong_argument_ends_with_code_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2


def test_the_shipped_teacher_solves_easy_problems(tokenizer: PreTrainedTokenizerBase) -> None:
    model = transformers.AutoModelForCausalLM.from_pretrained(TEACHER_DIR).eval()
    assert model.dtype == torch.bfloat16
    lines = gzip.decompress(PROBLEMS_FILE.read_bytes()).splitlines()
    problems = [problem for line in lines if (problem := Problem(**json.loads(line))).level == 1][:10]
    with torch.inference_mode():
        solutions = answer(model, tokenizer, [problem.problem for problem in problems])
    right = sum(read_answer(solution) == problem.answer for problem, solution in zip(problems, solutions, strict=True))
    assert right >= 8
