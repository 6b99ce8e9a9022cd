"""What a teacher reads, against transformers' own attention matrices, summed by a slow loop in float64."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from gpu_workers.teacher import Encoded, Teacher
from mycelium.errors import ModelError
from tests.gpu_workers.conftest import make_model, make_tokenizer


def slow_iaf(model: Any, encoded: Encoded, sink: str) -> npt.NDArray[np.float64]:
    """Ask transformers for every matrix, of one problem without padding, and add up as the definition reads."""
    model.set_attn_implementation("eager")
    ids = torch.tensor([encoded.input_ids + encoded.generated_ids])
    with torch.inference_mode():
        matrices = model(input_ids=ids, output_attentions=True).attentions
    n_input, n = len(encoded.input_ids), len(encoded.generated_ids)
    out = np.zeros((len(matrices), matrices[0].shape[1], n))
    first = 1 if sink == "exclude" else 0
    for layer, matrix in enumerate(matrices):
        for head in range(matrix.shape[1]):
            for t in range(n):
                row = matrix[0, head, n_input + t - 1].double().numpy()
                total = row[first:].sum()
                out[layer, head, t] = row[first:n_input].sum() / total if total > 0 else 0.0
    return out


def make_batch(seed: int = 0) -> list[Encoded]:
    rng = np.random.default_rng(seed)
    shapes = [(5, 20), (1, 3), (17, 1), (9, 40)]
    return [Encoded(rng.integers(0, 256, p).tolist(), rng.integers(0, 256, g).tolist(), []) for p, g in shapes]


@pytest.mark.parametrize("sink", ["keep", "exclude"])
def test_a_reading_is_the_sum_of_the_matrices(family: str, sink: Any) -> None:
    model = make_model(family)
    batch = make_batch()
    read = Teacher(model, make_tokenizer(), "tiny").read_attention(batch, sink)
    for encoded, ours in zip(batch, read, strict=True):
        expected = slow_iaf(model, encoded, sink)
        assert list(ours.shape) == list(expected.shape) == [3, 4, len(encoded.generated_ids)]
        np.testing.assert_allclose(ours.numpy(), expected, atol=2e-6)
    assert all(iaf.std() > 0.05 for iaf in (read[0], read[3])), "attention that is uniform tests nothing"


def test_the_sink_makes_a_difference(family: str) -> None:
    teacher = Teacher(make_model(family), make_tokenizer(), "tiny")
    kept = teacher.read_attention(make_batch(), "keep")[0]
    excluded = teacher.read_attention(make_batch(), "exclude")[0]
    assert (kept - excluded).abs().max() > 0.01


def test_the_first_row_is_all_input(family: str) -> None:
    teacher = Teacher(make_model(family), make_tokenizer(), "tiny")
    for iaf in teacher.read_attention(make_batch()):
        torch.testing.assert_close(iaf[:, :, 0], torch.ones(3, 4))


def test_a_problem_is_read_alike_alone_and_padded(family: str) -> None:
    teacher = Teacher(make_model(family), make_tokenizer(), "tiny")
    batch = make_batch()
    together = teacher.read_attention(batch)
    for encoded, iaf in zip(batch, together, strict=True):
        torch.testing.assert_close(teacher.read_attention([encoded])[0], iaf, atol=2e-6, rtol=0)


def test_the_model_s_output_is_untouched(family: str) -> None:
    model = make_model(family)
    ids = torch.randint(0, 256, (2, 30), generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        before = model(input_ids=ids).logits
        Teacher(model, make_tokenizer(), "tiny")
        after = model(input_ids=ids).logits
    torch.testing.assert_close(before, after, atol=1e-4, rtol=1e-4)


def test_another_family_is_refused_by_name() -> None:
    model = SimpleNamespace(config=SimpleNamespace(model_type="gemma2"))
    with pytest.raises(ModelError, match="tiny is of family gemma2; attention is read of llama, mistral, qwen2"):
        Teacher(model, make_tokenizer(), "tiny")
