"""Signals beside sdpa, against transformers' own matrices, in every family and layout."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention

from gpu_workers.attention import IMPLEMENTATION, ROW_SIGNALS, SIGNALS, Recorder, attend, install, interface, observe
from gpu_workers.attention.blocked import read_blocked
from mycelium.errors import ModelError
from mycelium.signals.connectivity import effective_sources
from mycelium.signals.divergence import window_divergence
from mycelium.signals.entropy import attention_entropy
from mycelium.signals.iaf import attended_fraction
from mycelium.signals.received import received_attention
from tests.gpu_workers.attention.layouts import Layout, lay_out, problems_of
from tests.gpu_workers.attention.test_blocked import LAYOUTS
from tests.gpu_workers.conftest import make_model

WINDOW = 3


def make_tokens(layout: Layout, seed: int = 0) -> torch.Tensor:
    return torch.randint(0, 256, layout.is_real.shape, generator=torch.Generator().manual_seed(seed))


def read(model: Any, layout: Layout, tokens: torch.Tensor, **asked: Any) -> Recorder:
    install(model)
    recorder = Recorder(layout.is_input, layout.is_real, layout.sequence, **{"window": WINDOW, **asked})
    with torch.inference_mode():
        observe(model, tokens, recorder)
    return recorder


def ask_transformers(model: Any, tokens: torch.Tensor, n_input: int) -> list[dict[str, Any]]:
    """Take every signal of one problem, by itself, from the matrices that transformers gives out."""
    model.set_attn_implementation("eager")
    with torch.inference_mode():
        matrices = model(input_ids=tokens[None], output_attentions=True).attentions
    found = []
    part = (torch.arange(len(tokens)) < n_input)[None].double()
    no_sink = (torch.arange(len(tokens)) > 0)[None].double()
    for matrix in matrices:
        weights = matrix[:, :, n_input - 1 : -1].double()
        found.append(
            {
                "iaf": attended_fraction(weights, part, torch.ones_like(part)),
                "iaf_without_sink": attended_fraction(weights, part * no_sink, no_sink),
                "entropy": attention_entropy(weights),
                "connectivity": effective_sources(weights),
                "jsd": window_divergence(weights, WINDOW),
                "received": received_attention(weights),
                "raw": weights,
            }
        )
    return found


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_signal_is_that_of_transformers_own_matrices(family: str, name: str) -> None:
    model, layout = make_model(family), LAYOUTS[name]
    tokens = make_tokens(layout)
    recorder = read(model, layout, tokens, signals=SIGNALS, raw={1: [2, 0]})
    assert [set(layer) - set(SIGNALS) for layer in recorder.layers] == [set(), {"raw"}, set()]
    for b, problems in enumerate(problems_of(layout)):
        at = 0
        for start, split, end in problems:
            expected = ask_transformers(model, tokens[b, start:end], split - start)
            now = slice(at, at + end - split)
            at = now.stop
            for ours, theirs in zip(recorder.layers, expected, strict=True):
                for signal in (*ROW_SIGNALS, "jsd"):
                    np.testing.assert_allclose(ours[signal][b, :, now], theirs[signal][0], atol=1e-5, err_msg=signal)
                np.testing.assert_allclose(ours["received"][b, :, start:end], theirs["received"][0], atol=1e-5)
            raw = recorder.layers[1]["raw"][b, :, now, start:end]
            np.testing.assert_allclose(raw, expected[1]["raw"][0, [2, 0]], atol=1e-5)


@pytest.mark.parametrize("asked", [("iaf",), SIGNALS])
def test_the_model_s_output_is_sdpa_s_bit_for_bit(family: str, asked: tuple[str, ...]) -> None:
    model, layout = make_model(family), LAYOUTS["left"]
    tokens, given = make_tokens(layout), {"attention_mask": layout.is_real}
    with torch.inference_mode():
        model.set_attn_implementation("sdpa")
        before = model(input_ids=tokens, **given).logits
        install(model)
        without = model(input_ids=tokens, **given).logits
        recorder = Recorder(layout.is_input, layout.is_real, signals=asked)
        watched = model(input_ids=tokens, recorder=recorder, use_cache=False, **given).logits
    assert len(recorder.layers) == 3
    assert torch.equal(before, without)
    assert torch.equal(before, watched)


def test_a_model_that_is_not_watched_generates_with_its_cache(family: str) -> None:
    model, tokens = make_model(family), make_tokens(lay_out([[(5, 1)]]))
    model.set_attn_implementation("sdpa")
    before = model.generate(tokens, max_new_tokens=8, do_sample=False, pad_token_id=0)
    install(model)
    assert torch.equal(model.generate(tokens, max_new_tokens=8, do_sample=False, pad_token_id=0), before)


def test_padding_on_the_right_asks_for_no_mask(monkeypatch: pytest.MonkeyPatch) -> None:
    masks = []

    def look(module: Any, query: Any, key: Any, value: Any, mask: Any, **options: Any) -> Any:
        masks.append(mask)
        return attend(module, query, key, value, mask, **options)

    model = make_model("qwen2")
    install(model)
    monkeypatch.setattr("gpu_workers.attention.interface.attend", look)
    for name in ("right", "left", "packed"):
        read(model, LAYOUTS[name], make_tokens(LAYOUTS[name]))
    assert [mask is None for mask in masks] == [True] * 3 + [False] * 6


def test_a_cache_is_refused() -> None:
    model, layout = make_model("llama"), LAYOUTS["one"]
    install(model)
    recorder = Recorder(layout.is_input, layout.is_real)
    with pytest.raises(ModelError, match="over whole problems, without a cache; got 5 queries, 5 keys and 23 tokens"):
        model(input_ids=make_tokens(layout)[:, :5], recorder=recorder)


def test_a_recorder_that_has_seen_another_pass_is_refused() -> None:
    model, layout = make_model("llama"), LAYOUTS["one"]
    recorder = read(model, layout, make_tokens(layout))
    with pytest.raises(ModelError, match="LlamaForCausalLM showed 6 of its 3 layers"):
        observe(model, make_tokens(layout), recorder)


@pytest.mark.parametrize(
    ("option", "words"),
    [("softcap", "soft-caps its attention scores"), ("s_aux", "learned sinks"), ("position_bias", "adds a bias")],
)
def test_what_is_done_to_scores_and_not_read_is_refused_by_name(option: str, words: str) -> None:
    q = torch.zeros(1, 1, 2, 4)
    with pytest.raises(ModelError, match=f"Identity .*{words}"):
        attend(torch.nn.Identity(), q, q, q, None, scaling=1.0, **{option: 50.0})


def test_a_model_that_caps_its_scores_is_refused_before_it_runs() -> None:
    class Gemma2ForCausalLM:
        config = SimpleNamespace(attn_logit_softcapping=50.0)

    with pytest.raises(ModelError, match="Gemma2ForCausalLM soft-caps its attention scores, which is not supported"):
        install(Gemma2ForCausalLM())


def test_a_model_that_refuses_is_one_line() -> None:
    class OldModel:
        config = SimpleNamespace(_attn_implementation="eager")

        def set_attn_implementation(self, name: str) -> None:
            raise ValueError(f"OldModel does not support {name}\nand so on")

    with pytest.raises(ModelError, match="^OldModel refuses an attention of ours: OldModel does not support mycelium$"):
        install(OldModel())


def test_a_model_that_takes_no_notice_is_refused() -> None:
    class DeafModel:
        config = SimpleNamespace(_attn_implementation="eager")

        def set_attn_implementation(self, name: str) -> None:
            del name

    with pytest.raises(ModelError, match="DeafModel refuses .* does not go through AttentionInterface"):
        install(DeafModel())


def test_the_name_under_which_transformers_knows_it() -> None:
    model = make_model("mistral")
    install(model)
    install(model)
    assert model.config._attn_implementation == IMPLEMENTATION


class TestSumsThatAreKnown:
    """Where sdpa's own kernel tells the sums of its rows, on a CUDA device; here it is stood in for."""

    def attend_knowing(self, query: Any, key: Any, value: Any, scaling: float) -> Any:
        output = scaled_dot_product_attention(query, key, value, is_causal=True, scale=scaling, enable_gqa=True)
        scores = query @ key.repeat_interleave(query.shape[1] // key.shape[1], 1).transpose(2, 3) * scaling
        hidden = torch.ones(scores.shape[-2:], dtype=torch.bool).triu(1)
        return output, scores.masked_fill(hidden, -torch.inf).logsumexp(-1)

    @pytest.fixture
    def known(self, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
        """What the fused path is given, layer by layer."""
        given: list[Any] = []

        def read_fused(scores: Any, recorder: Recorder, known: Any) -> Any:
            given.append(known)
            return read_blocked(scores, recorder)

        monkeypatch.setattr(interface, "can_fuse", lambda _: True)
        monkeypatch.setattr(interface, "attend_knowing", self.attend_knowing)
        monkeypatch.setattr(interface, "read_fused", read_fused)
        return given

    @pytest.mark.parametrize(("name", "is_known"), [("one", True), ("right", True), ("left", False), ("packed", False)])
    def test_they_are_used_where_there_is_no_mask(self, known: list[Any], name: str, *, is_known: bool) -> None:
        read(make_model("qwen2"), LAYOUTS[name], make_tokens(LAYOUTS[name]))
        assert [sums is not None for sums in known] == [is_known] * 3

    def test_a_window_that_hides_something_is_a_mask(self, known: list[Any]) -> None:
        for window, is_known in ((8, False), (100, True)):
            known.clear()
            read(make_model("mistral", sliding_window=window), LAYOUTS["one"], make_tokens(LAYOUTS["one"]))
            assert [sums is not None for sums in known] == [is_known] * 3

    def test_the_output_lies_as_sdpa_s_does(self, known: list[Any], family: str) -> None:
        model, layout = make_model(family, sliding_window=64), LAYOUTS["right"]
        tokens = make_tokens(layout)
        model.set_attn_implementation("sdpa")
        with torch.inference_mode():
            plain = model.base_model(input_ids=tokens, use_cache=False).last_hidden_state
            install(model)
            recorder = Recorder(layout.is_input, layout.is_real)
            assert torch.equal(observe(model, tokens, recorder), plain)
        assert len(known) == 3

    def test_a_model_in_training_is_left_to_sdpa(self, known: list[Any]) -> None:
        model = make_model("qwen2", attention_dropout=0.1).train()
        read(model, LAYOUTS["one"], make_tokens(LAYOUTS["one"]))
        assert known == [None] * 3
