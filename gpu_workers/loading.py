"""Loading a model and its tokenizer, from a folder or the hub, and saying which it is."""

import hashlib
from dataclasses import dataclass
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import AutoTokenizer
from transformers.utils import logging

from mycelium.errors import ModelError
from mycelium.settings import expand_home

IDENTITY_DIGITS = 12


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model as it was loaded.

    Attributes:
        model: the model, on its device.
        tokenizer: its tokenizer.
        identity: its name and a digest of weights, configuration and tokenizer.
    """

    model: Any
    tokenizer: Any
    identity: str


def load_pretrained(
    name: str,
    kind: Any,  # noqa: ANN401 - transformers' own
    *,
    device: str | None = None,
    dtype: str | None = None,
    unused: tuple[str, ...] = (),
) -> Loaded:
    """Load a model from a folder or by its name on the hub.

    Args:
        name: a folder with config, safetensors and tokenizer, or a hub name such as ``Qwen/Qwen2.5-Math-7B``.
        kind: transformers' class that loads it: ``AutoModelForCausalLM``, say.
        device: ``cpu``, ``cuda``, ``cuda:1``…; by default the GPU if there is one.
        dtype: ``float32``, ``bfloat16`` or ``float16``; by default float32 on the CPU and bfloat16 elsewhere.
        unused: beginnings of names of weights that may be missing, since nobody reads what they give.

    Raises:
        ModelError: there is no such model, or it can't be read.
    """
    device = device or choose_device()
    source = find_source(name)
    options = {"dtype": getattr(torch, dtype or choose_dtype(device)), "use_safetensors": True}
    logging.disable_progress_bar()  # transformers' own, over seconds of loading
    try:
        # Code that comes with a model is refused; where nothing is said, transformers asks the terminal.
        tokenizer = AutoTokenizer.from_pretrained(source, trust_remote_code=False)
        model, info = kind.from_pretrained(source, output_loading_info=True, trust_remote_code=False, **options)
        model = model.to(device).eval()
    except (OSError, ValueError, RuntimeError, KeyError, SafetensorError) as error:
        reason = (str(error).strip() or repr(error)).splitlines()[0]
        raise ModelError(f"model {name} can't be loaded: {reason}") from error
    missing = sorted(key for key in info["missing_keys"] if not key.startswith(unused or ("\0",)))
    if missing:  # transformers would fill them with noise and go on
        raise ModelError(f"model {name} lacks {len(missing)} of its weights, {missing[0]} among them")
    return Loaded(model, tokenizer, identify(name, model.config))


def find_source(name: str) -> str:
    """Return what transformers is to load: the folder, or the hub's name if there is no such folder.

    Raises:
        ModelError: it is neither.
    """
    folder = expand_home(name)
    if not folder.is_dir() and (name.startswith((".", "/", "~")) or name.count("/") != 1):
        raise ModelError(f"there is no model folder {name}; give a folder, or a name on the hub such as owner/model")
    return str(folder) if folder.is_dir() else name


def choose_device() -> str:
    """Return the device that is computed on by default."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def choose_dtype(device: str) -> str:
    """Return the precision that a device computes in by default."""
    return "float32" if device == "cpu" else "bfloat16"


def identify(name: str, config: Any) -> str:  # noqa: ANN401 - transformers' own
    """Return a model's name, and a digest of weights, configuration and tokenizer or the hub's commit."""
    folder = expand_home(name)
    commit = getattr(config, "_commit_hash", None)
    if not folder.is_dir() and commit:
        return f"{name}@{str(commit)[:IDENTITY_DIGITS]}"
    total = hashlib.sha256()
    for path in sorted(folder.glob("*")):
        if path.suffix in {".safetensors", ".json", ".jinja"}:
            with path.open("rb") as file:
                total.update(path.name.encode() + hashlib.file_digest(file, "sha256").digest())
    return f"{folder.name if folder.is_dir() else name}@{total.hexdigest()[:IDENTITY_DIGITS]}"
