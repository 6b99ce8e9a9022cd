"""The sums of rows come with the very output that sdpa gives."""

from typing import Any

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import scaled_dot_product_attention

from gpu_workers.attention import SIGNALS, Recorder, install, observe
from gpu_workers.attention.interface import arrange
from gpu_workers.attention.knowing import attend_knowing
from tests.gpu_workers.attention.test_blocked import LAYOUTS
from tests.gpu_workers.attention.test_interface import WINDOW, make_tokens, read
from tests.gpu_workers.conftest import make_model

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


@pytest.mark.gpu
@needs_gpu
@pytest.mark.parametrize("backend", [SDPBackend.CUDNN_ATTENTION, SDPBackend.FLASH_ATTENTION])
@pytest.mark.parametrize(("h", "g", "d"), [(6, 2, 128), (4, 4, 64)])
def test_the_output_is_sdpa_s_and_the_sums_are_right(backend: SDPBackend, h: int, g: int, d: int) -> None:
    query, key, value = (
        torch.randn((2, 150, heads, d), device="cuda", dtype=torch.bfloat16).transpose(1, 2) for heads in (h, g, g)
    )
    with sdpa_kernel(backend):
        found = attend_knowing(query, key, value, 0.1)
        plain = scaled_dot_product_attention(query, key, value, is_causal=True, scale=0.1, enable_gqa=h != g)
    assert found is not None
    assert torch.equal(found[0], plain)
    scores = query.double() @ key.double().repeat_interleave(h // g, 1).transpose(2, 3) * 0.1
    scores.masked_fill_(torch.ones(150, 150, dtype=torch.bool, device="cuda").triu(1), -torch.inf)
    torch.testing.assert_close(found[1].double(), scores.logsumexp(-1), atol=1e-4, rtol=1e-5)


@pytest.mark.gpu
@needs_gpu
@pytest.mark.parametrize("backend", [SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH])
def test_another_operator_is_left_to_sdpa(backend: SDPBackend) -> None:
    query = torch.randn((1, 2, 40, 64), device="cuda", dtype=torch.bfloat16)
    with sdpa_kernel(backend):
        assert attend_knowing(query, query, query, 0.1) is None


@pytest.mark.gpu
@needs_gpu
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
@pytest.mark.parametrize("name", LAYOUTS)
def test_a_model_on_the_device_is_read_as_on_the_cpu(family: str, name: str, dtype: Any) -> None:
    layout, model = LAYOUTS[name], make_model(family, head_dim=16).to(dtype)
    tokens = make_tokens(layout)
    on_cpu = read(model.float(), layout, tokens, signals=SIGNALS) if dtype == torch.float32 else None
    model = model.to("cuda", dtype)
    recorder = Recorder(layout.is_input, layout.is_real, layout.sequence, signals=SIGNALS, window=WINDOW)
    with torch.inference_mode():
        model.set_attn_implementation("sdpa")
        given = arrange(recorder, model.device)
        plain = model.base_model(input_ids=tokens.cuda(), use_cache=False, **given).last_hidden_state
        install(model)
        ours = observe(model, tokens, recorder)
    assert torch.equal(plain[layout.is_real], ours[layout.is_real])
    for layer, expected in zip(recorder.layers, on_cpu.layers if on_cpu else [], strict=False):
        for signal in SIGNALS:
            torch.testing.assert_close(layer[signal].cpu(), expected[signal], atol=5e-3, rtol=5e-3)


def test_what_is_not_known_is_left_to_sdpa(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "_fused_sdp_choice", lambda *_, **__: SDPBackend.MATH.value)
    query = torch.zeros((1, 1, 4, 8))
    assert attend_knowing(query, query, query, 1.0) is None
