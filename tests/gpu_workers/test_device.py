"""The device: every problem gets its own values out of the batch, in float16, whatever stands beside it."""

import numpy as np
import pytest
import torch

from gpu_workers.device import TorchDevice
from gpu_workers.reader import Readout
from gpu_workers.teacher import Encoded, Teacher
from gpu_workers.wanted import Wanted
from tests.gpu_workers.conftest import make_model, make_tokenizer

WANTED = Wanted(("entropy", "connectivity", "received", "jsd", "iaf"), window=3, layers=(0, 2), heads=(1, 3))
SHAPES = [(5, 20), (1, 3), (17, 1), (9, 40)]


def make_batch(seed: int = 0) -> list[Encoded]:
    rng = np.random.default_rng(seed)
    return [Encoded(rng.integers(0, 256, p).tolist(), rng.integers(0, 256, g).tolist(), []) for p, g in SHAPES]


def read(device: TorchDevice, batch: list[Encoded]) -> list[Readout]:
    launched = device.launch(batch)
    readouts = list(launched.finish())
    busy_s, waited_s = launched.times()
    assert busy_s > 0
    assert waited_s >= 0
    return readouts


def test_a_problem_is_read_alike_alone_and_in_a_batch(family: str) -> None:
    device = TorchDevice(Teacher(make_model(family), make_tokenizer(), "tiny"), WANTED)
    batch = make_batch()
    for encoded, readout, (n_input, n) in zip(batch, read(device, batch), SHAPES, strict=True):
        (alone,) = read(device, [encoded])
        assert list(readout.signals) == list(WANTED.signals)
        for word, values in readout.signals.items():
            assert values.dtype == np.float16
            assert values.shape == (3, 4, n_input + n - 1 if word == "received" else n)
            np.testing.assert_allclose(values.astype(float), alone.signals[word].astype(float), atol=1e-3, rtol=2e-3)
        assert readout.weights is not None
        assert readout.weights.shape == (2, 2, n, n_input + n - 1)
        np.testing.assert_allclose(readout.weights.astype(float).sum(-1), 1, atol=1e-2)
        assert alone.weights is not None
        np.testing.assert_allclose(readout.weights.astype(float), alone.weights.astype(float), atol=1e-3)


def test_the_sink_and_the_rounding_are_those_asked_for() -> None:
    teacher = Teacher(make_model("qwen2"), make_tokenizer(), "tiny")
    batch = make_batch()
    kept, excluded, compact = (
        read(TorchDevice(teacher, wanted), batch)[0].signals["iaf"].astype(np.float64)
        for wanted in (Wanted(), Wanted(without_sink=True), Wanted(compact=True))
    )
    assert np.abs(kept - excluded).max() > 0.01
    np.testing.assert_allclose(compact * 254, np.rint(compact * 254), atol=0.13)  # float16 itself is off by 2⁻¹²
    assert 0 < np.abs(kept - compact).max() <= 0.5 / 254 + 3e-4


def test_matrices_alone_are_read_too() -> None:
    teacher = Teacher(make_model("qwen2"), make_tokenizer(), "tiny")
    (readout,) = read(TorchDevice(teacher, Wanted((), layers=(1,), heads=(0,))), make_batch()[:1])
    assert readout.signals == {}
    assert readout.weights is not None


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_cuda_reads_what_the_cpu_reads() -> None:
    batch = make_batch()
    here = read(TorchDevice(Teacher(make_model("qwen2"), make_tokenizer(), "tiny"), WANTED), batch)
    device = TorchDevice(Teacher(make_model("qwen2").cuda(), make_tokenizer(), "tiny"), WANTED)
    for one, other in zip(here, read(device, batch), strict=True):
        for word, values in one.signals.items():
            np.testing.assert_allclose(other.signals[word].astype(float), values.astype(float), atol=2e-2, rtol=2e-2)
    device.free_memory()
