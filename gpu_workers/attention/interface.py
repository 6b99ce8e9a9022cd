"""The door to transformers: its own sdpa attention, beside which a recorder reads queries and keys."""

from typing import Any

import torch
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from gpu_workers.attention.blocked import Scores, read_blocked
from gpu_workers.attention.fused import can_fuse, read_fused
from gpu_workers.attention.knowing import attend_knowing
from gpu_workers.attention.recorder import LayerSignals, Recorder
from gpu_workers.attention.rows import send
from mycelium.errors import ModelError

IMPLEMENTATION = "mycelium"
"""The name under which transformers knows this attention."""

NOT_READ = {
    "softcap": "soft-caps its attention scores",
    "s_aux": "adds learned sinks to its attention",
    "position_bias": "adds a bias to its attention scores",
}
"""What some families do to scores, and what would make the signals wrong here."""


def attend(
    module: Any,  # noqa: ANN401 - any family's attention module
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    **options: Any,  # noqa: ANN401 - whatever the family passes
) -> tuple[torch.Tensor, None]:
    """Return what sdpa returns, and show queries and keys to the recorder in the options, if there is one.

    Args:
        module: the layer's attention module.
        query: shape (b, h, s, d).
        key: shape (b, g, s, d), where g divides h: grouped-query attention.
        value: shape (b, g, s, d).
        attention_mask: as transformers makes it for sdpa. The recorder does not look at it: see `Rows`.
        options: `recorder`, and what the family passes besides.

    Returns:
        The output, shape (b, s, h, d), and None in place of the weights.

    Raises:
        ModelError: the family does to its scores what is not read here, or a cache is in use.
    """
    recorder: Recorder | None = options.pop("recorder", None)
    for name, words in NOT_READ.items():
        if options.get(name) is not None:
            raise ModelError(f"{type(module).__name__} {words}, which is not supported")
    if recorder is None:
        output, _ = sdpa_attention_forward(module, query, key, value, attention_mask, **options)
    else:
        if query.shape[2] != key.shape[2] or query.shape[2] != recorder.is_real.shape[1]:
            raise ModelError(
                f"attention is read over whole problems, without a cache; got {query.shape[2]} queries, "
                f"{key.shape[2]} keys and {recorder.is_real.shape[1]} tokens"
            )
        scaling = options.get("scaling")
        scaling = query.shape[-1] ** -0.5 if scaling is None else scaling
        recorder.move(query.device)
        scores = Scores(query, key, scaling, options.get("sliding_window"), recorder.rows)
        known = (
            attend_knowing(query, key, value, scaling) if _is_plain(module, attention_mask, options, scores) else None
        )
        if known is None:
            output, _ = sdpa_attention_forward(module, query, key, value, attention_mask, **options)
        else:
            output = known[0].transpose(1, 2).contiguous()
        recorder.layers.append(_read_layer(scores, recorder, None if known is None else known[1]))
    return output, None


def _is_plain(module: Any, mask: torch.Tensor | None, options: dict[str, Any], scores: Scores) -> bool:  # noqa: ANN401
    """Return whether the model's attention is causal and nothing else, and its rows' sums are of use."""
    return (
        can_fuse(scores)
        and mask is None
        and scores.query.shape[2] > 1
        and scores.rows.at_start
        and not options.get("dropout")
        and options.get("is_causal") is None
        and getattr(module, "is_causal", True)
    )


def _read_layer(scores: Scores, recorder: Recorder, known: torch.Tensor | None) -> LayerSignals:
    """Read one layer by what suits the device."""
    signals = read_fused(scores, recorder, known) if can_fuse(scores) else read_blocked(scores, recorder)
    heads = recorder.raw.get(len(recorder.layers))
    if heads is not None:
        n_rows = recorder.rows.position.shape[1]
        signals["raw"] = scores.explicit(0, n_rows, list(heads)).to(recorder.dtype)
    return signals


def register() -> None:
    """Make this attention known to transformers; doing it twice does no harm."""
    AttentionInterface.register(IMPLEMENTATION, attend)
    AttentionMaskInterface.register(IMPLEMENTATION, sdpa_mask)


def install(model: Any) -> None:  # noqa: ANN401 - transformers' own
    """Put this attention into a model.

    Raises:
        ModelError: the model refuses it, or caps its scores, which is not read here.
    """
    register()
    name = type(model).__name__
    if getattr(model.config, "attn_logit_softcapping", None) is not None:
        raise ModelError(f"{name} soft-caps its attention scores, which is not supported")
    try:
        model.set_attn_implementation(IMPLEMENTATION)
    except (ValueError, ImportError, AttributeError, TypeError) as error:
        raise ModelError(
            f"{name} refuses an attention of ours: {(str(error).strip() or repr(error)).splitlines()[0]}"
        ) from error
    if model.config._attn_implementation != IMPLEMENTATION:  # noqa: SLF001 - transformers says it nowhere else
        raise ModelError(f"{name} refuses an attention of ours: it does not go through AttentionInterface")


@torch.inference_mode()
def observe(model: Any, tokens: torch.Tensor, recorder: Recorder) -> torch.Tensor:  # noqa: ANN401 - transformers' own
    """Run one forward pass of a model that `install` was done to, and fill the recorder.

    Only as much of a mask is made as the batch needs, because sdpa is slower with one. With padding on the right there
    is none: a causal query never sees what comes after it. So batches of similar lengths, padded on the right, are the
    fastest; a packed batch spares the padding, and pays for the mask.

    Args:
        model: a causal language model, or its base model; the scores over the vocabulary are not computed.
        tokens: shape (b, s), token ids.
        recorder: what is wanted; new for each pass.

    Returns:
        The last hidden state, shape (b, s, d); of no meaning at padding.

    Raises:
        ModelError: the model did not show every layer.
    """
    given = arrange(recorder, model.device)
    tokens = send(tokens, model.device)
    answer = model.base_model(input_ids=tokens, use_cache=False, recorder=recorder, **given)
    if len(recorder.layers) != model.config.num_hidden_layers:
        raise ModelError(
            f"{type(model).__name__} showed {len(recorder.layers)} of its {model.config.num_hidden_layers} layers"
        )
    hidden: torch.Tensor = answer.last_hidden_state
    return hidden


def arrange(recorder: Recorder, device: torch.device) -> dict[str, torch.Tensor]:
    """Return what a model must be told of where the tokens of a batch are: nothing, if padding is on the right."""
    real = recorder.is_real.cpu().bool()
    places = torch.arange(real.shape[1])
    if recorder.sequence is not None:
        sequence = recorder.sequence.cpu()
        begins = torch.ones_like(real)
        begins[:, 1:] = (sequence[:, 1:] != sequence[:, :-1]) | (real[:, 1:] != real[:, :-1])
        first = torch.where(begins, places, 0).cummax(-1).values
        return {"position_ids": send(places - first, device)}
    if bool(real[:, 0].all()):
        return {}
    positions = (real.long().cumsum(-1) - 1).clamp(min=0)
    return {"attention_mask": send(real, device), "position_ids": send(positions, device)}
