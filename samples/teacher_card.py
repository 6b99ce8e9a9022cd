"""The model card of the sample teacher, written from what was measured."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from samples.generator import STEPS

_TRAINING = "| training | "
_COMMAND = "    python -m "
_CARD = """---
license: apache-2.0
language: en
library_name: transformers
pipeline_tag: text-generation
---

# The sample teacher

A Qwen2-architecture language model of {n_parameters:.2f} million parameters that solves small word problems with a
LaTeX chain of thought. It exists so that the whole pipeline, from attention to heartbeats, runs offline on a real
transformer that really computes. It is no use for anything else.

| | |
|---|---|
| architecture | `Qwen2ForCausalLM`: 8 layers, 8 heads over 2 key-value heads, width 256, tied embeddings, bf16 |
| tokenizer | byte-level BPE, one token a digit; no beginning token; `<|endoftext|>` ends an answer |
| prompt | `Problem: ...`, newline, `Solution:`, newline; it is the tokenizer's chat template |
| trained on | `samples/generator.py`, training split, drawn without end; loss on the chain of thought |
{trainings}
| licence | Apache-2.0: weights, problems and code are this project's own |

## Accuracy

Exact answers on problems of the held-out split, greedy, the saved bf16 weights, each chain of thought written by the
model itself:

| level | computations | right | of | share |
|--:|:-:|--:|--:|--:|
{rows}

## Limits

- It knows the nine themes of its generator, whole numbers below 1000 and nothing else. On problems of GSM8K or
  MATH its own answers mean nothing; teacher-forced on their solutions it still gives attention, of a model out of its
  depth. It accepts 2048 tokens and was trained on at most some 900.
- Held-out problems are unseen texts of seen themes: the figures say that it computes, not that it generalises.
- Its chains of thought in training tell the same computations in few words or many (`samples/voices.py`), so that their
  length says little of their number of steps. Left to itself and greedy it tells in the plainest way, and the length of
  its own chains follows the number of steps. All phrasings are the generator's.

## Made by

{commands}

The problems and the first weights follow from the seed. The schedule follows the clock, so another run gives a model
of the same kind and not of the same bytes.
"""


@dataclass(frozen=True, slots=True)
class Score:
    """Exact answers of one level: `right` of `total`."""

    level: int
    right: int
    total: int


@dataclass(frozen=True, slots=True)
class Training:
    """What a training took."""

    device: str
    minutes: float
    n_steps: int
    n_tokens: int
    n_parameters: int
    command: str
    earlier: Sequence[str] = ()
    """What `read_earlier` found in the card of the teacher that this training started from."""


def read_earlier(card: Path) -> tuple[str, ...]:
    """Return the lines of a card that say how its teacher was trained."""
    return tuple(line for line in card.read_text().splitlines() if line.startswith((_TRAINING, _COMMAND)))


def render_card(training: Training, scores: Sequence[Score]) -> str:
    """Write the card in Markdown."""
    rows = [
        f"| {score.level} | {min(STEPS[score.level])} to {max(STEPS[score.level])} "
        f"| {score.right} | {score.total} | {score.right / score.total:.1%} |"
        for score in scores
    ]
    took = (
        f"{_TRAINING}{training.minutes:.1f} minutes on one {training.device}: {training.n_steps:,} steps, "
        f"{training.n_tokens / 1e6:,.0f}M tokens with padding |"
    )
    command = _COMMAND + training.command
    return _CARD.format(
        n_parameters=training.n_parameters / 1e6,
        trainings="\n".join([*(line for line in training.earlier if line.startswith(_TRAINING)), took]),
        rows="\n".join(rows),
        commands="\n".join([*(line for line in training.earlier if line.startswith(_COMMAND)), command]),
    )
