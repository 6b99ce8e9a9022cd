"""Trains the sample teacher: a small Qwen2 on the generator's problems, then measures it on problems it has not seen.

    python -m samples.train_teacher --minutes 8 --output samples/teacher

The time limit is the schedule: the learning rate rises, then falls along a cosine to zero when the minutes are over,
so that one minute on a CPU and eight on a GPU both end with a finished model. Problems are drawn endlessly by worker
processes and never stored; none of the held-out split is ever drawn. Stopped early (Ctrl-C), it saves what it has.
"""

import argparse
import itertools
import json
import math
import platform
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from torch.nn import functional
from torch.utils.data import DataLoader, IterableDataset, get_worker_info
from transformers import AutoModelForCausalLM, AutoTokenizer, Qwen2Config, Qwen2ForCausalLM, Qwen2Tokenizer

from samples.generator import LEVELS, TELLERS, Problem, stream
from samples.stories import tell_comparison
from samples.teacher_card import Score, Training, read_earlier, render_card

END = "<|endoftext|>"
PAD = "<|pad|>"
VOCABULARY = 1024
CONTEXT = 2048
"""Positions the model accepts. Training sequences end near 900 tokens: beyond, it runs but is out of its depth."""

LONGEST_CHAIN = 900
"""Tokens after which an answer is given up: the wordiest chains of the generator end near 800."""

QUESTION, REPLY = "Problem: ", "\nSolution:\n"
"""A prompt is QUESTION, the problem, REPLY; the chain of thought follows, then END."""

WIDTH_STEP = 32
"""Batches are padded to a multiple of so many tokens."""

POOL = 2048
"""A worker sorts so many problems by length before it cuts batches, so that little is padding."""

Batch = tuple[torch.Tensor, torch.Tensor, torch.Tensor]
"""Token ids (int16, [row, position]), the prompt's length and the whole length of each row."""


def make_prompt(problem: str) -> str:
    """Return what the model reads before it answers: the one place where the prompt's form is decided."""
    return f"{QUESTION}{problem}{REPLY}"


def chat_template() -> str:
    """Return `make_prompt` as a chat template: the user asks, the assistant's turn is the chain of thought and END."""
    question, before_reply = (part.replace("\n", r"\n") for part in make_prompt("|").split("|"))
    return (
        "{%- for message in messages %}"
        "{%- if message['role'] == 'user' %}"
        f"{{{{- '{question}' + message['content'] }}}}"
        "{%- elif message['role'] == 'assistant' %}"
        f"{{{{- '{before_reply}' + message['content'] + '{END}' }}}}"
        "{%- endif %}"
        "{%- endfor %}"
        f"{{%- if add_generation_prompt %}}{{{{- '{before_reply}' }}}}{{%- endif %}}"
    )


def train_tokenizer(seed: int, n_problems: int) -> Qwen2Tokenizer:
    """Learn a byte-level BPE from generated problems, with the rules of Qwen2's own tokenizer.

    `AutoTokenizer` loads any tokenizer of a Qwen2 model by Qwen2's rules, whatever its file says: so these are used.
    By them one digit is one token, and a prompt that ends in a newline gives the same tokens whether it is encoded
    with its chain of thought or without. As in Qwen2 there is no token for the beginning; every prompt starts with the
    same word, which can serve as the attention sink.

    Args:
        seed: Seed of the problems.
        n_problems: How many to learn from.

    Returns:
        A tokenizer of at most 1024 tokens, with the chat template.
    """
    rules = Qwen2Tokenizer().backend_tokenizer
    learner = Tokenizer(models.BPE())
    learner.normalizer, learner.pre_tokenizer = rules.normalizer, rules.pre_tokenizer
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[END, PAD],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    problems = itertools.islice(stream(f"{seed}/tokenizer", "train"), n_problems)
    learner.train_from_iterator((make_prompt(p.problem) + p.solution for p in problems), trainer)
    learned = json.loads(learner.to_str())["model"]
    return Qwen2Tokenizer(
        vocab=learned["vocab"],
        merges=[tuple(merge) for merge in learned["merges"]],
        unk_token=END,
        eos_token=END,
        pad_token=PAD,
        chat_template=chat_template(),
        model_max_length=CONTEXT,
        padding_side="left",
        clean_up_tokenization_spaces=False,
    )


def make_model(tokenizer: Qwen2Tokenizer, seed: int) -> Qwen2ForCausalLM:
    """Make an untrained Qwen2: 8 layers of 8 heads that share 2 key-value heads, hidden size 256, tied embeddings."""
    torch.manual_seed(seed)
    config = Qwen2Config(
        vocab_size=len(tokenizer),
        hidden_size=256,
        intermediate_size=576,
        num_hidden_layers=8,
        num_attention_heads=8,
        num_key_value_heads=2,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        use_cache=True,
    )
    return Qwen2ForCausalLM(config)


def begin(start_from: Path | None, seed: int) -> tuple[Qwen2Tokenizer, Qwen2ForCausalLM]:
    """Return tokenizer and float32 model: of an earlier training, or new ones."""
    if start_from is None:
        tokenizer = train_tokenizer(seed, n_problems=20_000)
        return tokenizer, make_model(tokenizer, seed)
    tokenizer = AutoTokenizer.from_pretrained(start_from, trust_remote_code=False)
    return tokenizer, AutoModelForCausalLM.from_pretrained(start_from, dtype=torch.float32, trust_remote_code=False)


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a training is made of, but for its data."""

    minutes: float
    seed: int
    batch_tokens: int
    peak_rate: float
    comparison_weight: int
    """How often the comparison is drawn for each draw of another theme: it is the hardest to read."""
    warmup: float = 0.03
    """Share of the time in which the learning rate rises."""

    def rate(self, progress: float) -> float:
        """Return the learning rate when a share `progress` (0 to 1) of the time is over."""
        if progress < self.warmup:
            return self.peak_rate * (0.02 + 0.98 * progress / self.warmup)
        done = (min(progress, 1.0) - self.warmup) / (1 - self.warmup)
        return self.peak_rate * 0.5 * (1 + math.cos(math.pi * done))


class BatchStream(IterableDataset[Batch]):
    """Draws problems of the training split without end and cuts them into batches of similar lengths."""

    def __init__(self, tokenizer: Qwen2Tokenizer, recipe: Recipe) -> None:
        """Keep what a worker needs; the tokenizer travels as its JSON."""
        self._tokenizer_json: str = tokenizer.backend_tokenizer.to_str()
        self._end: int = tokenizer.eos_token_id
        self._pad: int = tokenizer.pad_token_id
        self._recipe = recipe

    def __iter__(self) -> Iterator[Batch]:
        """Yield batches; each worker draws from a seed of its own."""
        worker = get_worker_info()
        tokenizer = Tokenizer.from_str(self._tokenizer_json)
        tellers = (*TELLERS, *[tell_comparison] * (self._recipe.comparison_weight - 1))
        problems = stream(f"{self._recipe.seed}/training/{worker.id if worker else 0}", "train", tellers)
        shuffle = torch.Generator().manual_seed(self._recipe.seed)
        while True:
            rows = [_encode(tokenizer, problem, self._end) for problem in itertools.islice(problems, POOL)]
            batches = list(self._cut(sorted(rows, key=lambda row: len(row[1]))))
            for index in torch.randperm(len(batches), generator=shuffle).tolist():
                yield _pad(batches[index], self._pad)

    def _cut(self, rows: list[tuple[int, list[int]]]) -> Iterator[list[tuple[int, list[int]]]]:
        """Cut sorted rows so that no batch, padded, holds more tokens than allowed."""
        batch: list[tuple[int, list[int]]] = []
        for row in rows:
            if batch and _width(len(row[1])) * (len(batch) + 1) > self._recipe.batch_tokens:
                yield batch
                batch = []
            batch.append(row)
        yield batch


def _encode(tokenizer: Tokenizer, problem: Problem, end: int) -> tuple[int, list[int]]:
    """Return the length of the prompt and the ids of prompt, chain of thought and END."""
    prompt = tokenizer.encode(make_prompt(problem.problem)).ids
    return len(prompt), [*prompt, *tokenizer.encode(problem.solution).ids, end]


def _width(length: int) -> int:
    """Return the padded length of a row."""
    return -(-length // WIDTH_STEP) * WIDTH_STEP


def _pad(rows: list[tuple[int, list[int]]], pad: int) -> Batch:
    """Pad rows on the right, where causal attention never looks back at them."""
    width = _width(max(len(ids) for _, ids in rows))
    ids = torch.tensor([[*row, *[pad] * (width - len(row))] for _, row in rows], dtype=torch.int16)
    lengths = torch.tensor([[prompt, len(row)] for prompt, row in rows])
    return ids, lengths[:, 0], lengths[:, 1]


def solution_loss(model: Qwen2ForCausalLM, batch: Batch, device: torch.device) -> torch.Tensor:
    """Return the mean cross-entropy of the chain of thought and END (scalar, nats); the prompt is not learned."""
    ids = batch[0].to(device, non_blocking=True).long()
    prompt, whole = (lengths.to(device, non_blocking=True)[:, None] for lengths in batch[1:])
    position = torch.arange(1, ids.shape[1], device=device)[None]
    targets = ids[:, 1:].masked_fill((position < prompt) | (position >= whole), -100)
    with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
        logits = model(input_ids=ids[:, :-1], use_cache=False).logits
    return functional.cross_entropy(logits.float().flatten(0, 1), targets.flatten())


def train(model: Qwen2ForCausalLM, batches: Iterator[Batch], recipe: Recipe, device: torch.device) -> tuple[int, int]:
    """Train until the minutes are over or Ctrl-C; return the steps taken and the tokens seen, padding included."""
    model.to(device).train()
    decayed = [p for p in model.parameters() if p.dim() > 1]
    others = [p for p in model.parameters() if p.dim() <= 1]
    optimizer = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}],
        lr=recipe.peak_rate,
        betas=(0.9, 0.95),
        fused=device.type == "cuda",
    )
    first = next(batches)  # the workers need a while to start: the clock does not run for them
    start = next_report = time.monotonic()
    n_steps = n_tokens = 0
    try:
        for batch in itertools.chain([first], batches):
            progress = (time.monotonic() - start) / (60 * recipe.minutes)
            if progress >= 1:
                break
            for group in optimizer.param_groups:
                group["lr"] = recipe.rate(progress)
            loss = solution_loss(model, batch, device)
            torch.autograd.backward(loss)
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            n_steps, n_tokens = n_steps + 1, n_tokens + batch[0].numel()
            if time.monotonic() >= next_report:
                # Reading the loss waits for the device, so it is read only to be shown.
                _say(f"{progress:6.1%}  step {n_steps:6}  loss {loss.item():.4f}  {n_tokens / 1e6:8.1f}M tokens")
                next_report = time.monotonic() + max(2.0, recipe.minutes)
    except KeyboardInterrupt:
        _say("stopped early: saving what there is")
    return n_steps, n_tokens


@torch.inference_mode()
def evaluate(folder: Path, problems: Sequence[Problem], device: torch.device, batch_size: int) -> list[Score]:
    """Load a saved teacher as a user does and count its exact greedy answers.

    Args:
        folder: What `save` wrote.
        problems: Problems with known answers.
        device: Where to run.
        batch_size: Problems generated at a time.

    Returns:
        One score for each level.
    """
    tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    model = AutoModelForCausalLM.from_pretrained(folder, trust_remote_code=False).to(device).eval()
    right = dict.fromkeys(LEVELS, 0)
    ordered = sorted(problems, key=lambda problem: len(problem.solution))
    for start in range(0, len(ordered), batch_size):
        group = ordered[start : start + batch_size]
        for problem, solution in zip(group, answer(model, tokenizer, [p.problem for p in group]), strict=True):
            right[problem.level] += read_answer(solution) == problem.answer
    totals = {level: sum(problem.level == level for problem in problems) for level in LEVELS}
    return [Score(level, right[level], totals[level]) for level in LEVELS]


def answer(model: Qwen2ForCausalLM, tokenizer: Qwen2Tokenizer, problems: Sequence[str]) -> list[str]:
    """Generate one chain of thought for each problem, greedily."""
    chats = [[{"role": "user", "content": problem}] for problem in problems]
    inputs = tokenizer.apply_chat_template(
        chats, add_generation_prompt=True, return_tensors="pt", return_dict=True, padding=True
    ).to(model.device)
    ids = model.generate(**inputs, do_sample=False, max_new_tokens=LONGEST_CHAIN)
    texts: list[str] = tokenizer.batch_decode(ids[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
    return texts


def read_answer(solution: str) -> str | None:
    r"""Return what stands in the last `\boxed{}` of a chain of thought, or None."""
    _, found, rest = solution.rpartition(r"\boxed{")
    return rest.partition("}")[0] if found else None


def save(model: Qwen2ForCausalLM, tokenizer: Qwen2Tokenizer, folder: Path) -> None:
    """Write bf16 weights, configuration and tokenizer; the weights in training stay float32."""
    shipped = make_model(tokenizer, seed=0)
    shipped.load_state_dict(model.state_dict())
    shipped.to(torch.bfloat16).save_pretrained(folder)
    for trace_of_loading in ("is_local", "local_files_only"):
        tokenizer.init_kwargs.pop(trace_of_loading, None)
    tokenizer.save_pretrained(folder, save_jinja_files=False)


def _say(line: str) -> None:
    """Print one line of progress at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _minutes(text: str) -> float:
    """Read a positive number of minutes from the command line."""
    minutes = float(text)
    if not 0 < minutes < math.inf:
        raise argparse.ArgumentTypeError(f"must be a number above 0, got {text!r}")
    return minutes


def _parser() -> argparse.ArgumentParser:
    """Return the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m samples.train_teacher",
        description=__doc__.partition("\n")[0],
        epilog=(
            "examples:\n"
            "  see that it works, on a CPU (it will not learn much):\n"
            "    python -m samples.train_teacher --minutes 1 --batch-tokens 4096 --n-eval 8 --output build/teacher\n"
            "  train in earnest, on a GPU:\n"
            "    python -m samples.train_teacher --minutes 8 --workers 14 --output build/teacher\n"
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--minutes", type=_minutes, default=8.0, help="how long to train (%(default)s)")
    parser.add_argument("--output", type=Path, default=Path("teacher"), help="folder to write (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of weights and problems (%(default)s)")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu", help="(%(default)s)")
    parser.add_argument("--workers", type=int, default=1, help="processes that draw problems (%(default)s)")
    parser.add_argument("--batch-tokens", type=int, default=65536, help="padded tokens a step (%(default)s)")
    parser.add_argument("--rate", type=float, default=1.5e-3, help="highest learning rate (%(default)s)")
    parser.add_argument(
        "--comparison-weight", type=int, default=1, help="draws of comparisons, the hardest theme (%(default)s)"
    )
    parser.add_argument("--start-from", type=Path, help="go on training what an earlier run wrote there")
    parser.add_argument("--n-eval", type=int, default=500, help="unseen problems a level (%(default)s)")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Train, save, evaluate, write the card; return the exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.start_from and not (options.start_from / "config.json").is_file():
        parser.error(f"--start-from must be a folder that an earlier run wrote, got {options.start_from}")
    device = torch.device(options.device)
    recipe = Recipe(options.minutes, options.seed, options.batch_tokens, options.rate, options.comparison_weight)
    tokenizer, model = begin(options.start_from, options.seed)
    earlier = read_earlier(options.start_from / "README.md") if options.start_from else ()
    _say(f"{model.num_parameters() / 1e6:.2f}M parameters, {len(tokenizer)} tokens, on {device}; {asdict(recipe)}")
    source = BatchStream(tokenizer, recipe)
    loader = DataLoader(source, batch_size=None, num_workers=options.workers, multiprocessing_context="spawn")
    began = time.monotonic()
    n_steps, n_tokens = train(model, iter(loader), recipe, device)
    minutes = (time.monotonic() - began) / 60
    save(model, tokenizer, options.output)
    _say(f"saved {options.output}; now {options.n_eval} unseen problems of each level, greedily")
    unseen = itertools.islice(stream(f"{recipe.seed}/evaluation", "heldout"), options.n_eval * len(LEVELS))
    scores = evaluate(options.output, list(unseen), device, batch_size=1250 if device.type == "cuda" else 40)
    for score in scores:
        _say(f"level {score.level}: {score.right}/{score.total} = {score.right / score.total:.1%}")
    where = torch.cuda.get_device_name() if device.type == "cuda" else f"{platform.machine()} CPU"
    training = Training(
        device=where,
        minutes=minutes,
        n_steps=n_steps,
        n_tokens=n_tokens,
        n_parameters=model.num_parameters(),
        command="samples.train_teacher " + " ".join(sys.argv[1:] if arguments is None else arguments),
        earlier=earlier,
    )
    (options.output / "README.md").write_text(render_card(training, scores))
    return 0


if __name__ == "__main__":
    sys.exit(main())
