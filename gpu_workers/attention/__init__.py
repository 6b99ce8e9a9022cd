"""Attention that is looked at while the model runs: its output is sdpa's own, and no matrix of it is kept.

install(model)
recorder = Recorder(is_input, is_real, signals=("iaf", "entropy"))
observe(model, tokens, recorder)
recorder.layers[5]["entropy"]     # shape (b, h, t)
"""

from gpu_workers.attention.interface import IMPLEMENTATION, attend, install, observe, register
from gpu_workers.attention.recorder import ROW_SIGNALS, SIGNALS, LayerSignals, Recorder, Signal

__all__ = [
    "IMPLEMENTATION",
    "ROW_SIGNALS",
    "SIGNALS",
    "LayerSignals",
    "Recorder",
    "Signal",
    "attend",
    "install",
    "observe",
    "register",
]
