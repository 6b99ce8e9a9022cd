"""sdpa's own kernels, asked to say what they divided by as well.

Each of them computes the logarithm of the sum of each row on its way, and training gets to see it. Where it is known
beforehand, one pass over queries and keys gives every signal; otherwise the kernels of ours go over them once for the
sums and once more for what the sources receive. PyTorch's public function returns the output alone, so the operators
behind it are called by name, the one that it would choose itself: the output is the same, bit for bit.
"""

import torch
from torch.nn.attention import SDPBackend


def attend_knowing(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scaling: float
) -> tuple[torch.Tensor, torch.Tensor] | None:
    """Compute causal attention without a mask, as sdpa does, and the sums of its rows.

    Args:
        query: shape (b, h, s, d), on a CUDA device.
        key: shape (b, g, s, d), where g divides h.
        value: shape (b, g, s, d).
        scaling: what the scores are multiplied by.

    Returns:
        The output, shape (b, h, s, d), and ln Σ exp(scores) of each query, shape (b, h, s), float32; or None where
        sdpa would choose an operator that is not known here.
    """
    grouped = query.shape[1] != key.shape[1]
    choice = torch._fused_sdp_choice(  # noqa: SLF001 - see above
        query, key, value, None, 0.0, is_causal=True, scale=scaling, enable_gqa=grouped
    )
    if choice == SDPBackend.CUDNN_ATTENTION.value:
        found = torch.ops.aten._scaled_dot_product_cudnn_attention(  # noqa: SLF001 - see above
            query, key, value, None, compute_log_sumexp=True, is_causal=True, scale=scaling
        )
    elif choice == SDPBackend.FLASH_ATTENTION.value and query.shape[-1] % 8 == 0:  # else sdpa pads and cuts
        found = torch.ops.aten._scaled_dot_product_flash_attention(  # noqa: SLF001 - see above
            query, key, value, is_causal=True, scale=scaling
        )
    else:
        return None
    return found[0], found[1].reshape(query.shape[:3])
