"""Loading any model: what it is called, and every way in which it can't be had."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from gpu_workers.loading import choose_dtype, find_source, load_pretrained
from mycelium.errors import ModelError, UserInputError


@pytest.mark.parametrize("name", ["./missing", "/no/such/model", "missing", "a/b/c", "~/nowhere"])
def test_a_missing_folder_is_one_line(name: str) -> None:
    with pytest.raises(ModelError, match=f"there is no model folder {name}; give a folder, or a name on the hub"):
        load_pretrained(name, AutoModelForCausalLM)


def test_a_name_that_the_hub_does_not_give_is_one_line() -> None:
    with pytest.raises(ModelError, match="model nobody/nothing can't be loaded"):
        load_pretrained("nobody/nothing", AutoModelForCausalLM)


def test_a_home_that_is_not_here_is_one_line() -> None:
    with pytest.raises(UserInputError, match="nobody here has a home of that name"):
        find_source("~no-such-user-/teacher")


def test_an_empty_folder_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="can't be loaded"):
        load_pretrained(str(tmp_path), AutoModelForCausalLM)


def test_truncated_weights_are_one_line(teacher_dir: Path) -> None:
    weights = teacher_dir / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(ModelError, match="can't be loaded"):
        load_pretrained(str(teacher_dir), AutoModelForCausalLM)


def test_missing_weights_are_named_and_not_filled_with_noise(teacher_dir: Path) -> None:
    path = teacher_dir / "model.safetensors"
    weights = load_file(path)
    del weights["model.layers.1.self_attn.q_proj.weight"]
    save_file(weights, path, metadata={"format": "pt"})
    with pytest.raises(ModelError, match="lacks 1 of its weights, model.layers.1.self_attn.q_proj.weight"):
        load_pretrained(str(teacher_dir), AutoModelForCausalLM)


def test_weights_that_nobody_reads_may_be_missing(teacher_dir: Path) -> None:
    path = teacher_dir / "model.safetensors"
    weights = load_file(path)
    del weights["model.norm.weight"]
    save_file(weights, path, metadata={"format": "pt"})
    loaded = load_pretrained(str(teacher_dir), AutoModelForCausalLM, unused=("model.norm.",))
    assert loaded.identity.startswith(f"{teacher_dir.name}@")
    assert not loaded.model.training


def test_the_precision_is_the_device_s_or_the_one_asked_for(teacher_dir: Path) -> None:
    assert (choose_dtype("cpu"), choose_dtype("cuda:1")) == ("float32", "bfloat16")
    loaded = load_pretrained(str(teacher_dir), AutoModelForCausalLM, device="cpu", dtype="bfloat16")
    assert loaded.model.dtype == torch.bfloat16


def test_code_that_comes_with_a_model_is_neither_run_nor_asked_about(
    teacher_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = json.loads((teacher_dir / "config.json").read_text())
    code = f"from pathlib import Path\nPath({str(tmp_path / 'ran')!r}).touch()\nclass Config: ...\nclass Model: ...\n"
    (teacher_dir / "modeling_evil.py").write_text(code)
    classes = {"AutoConfig": "modeling_evil.Config", "AutoModelForCausalLM": "modeling_evil.Model"}
    foreign = {**config, "model_type": "evil", "auto_map": classes}
    (teacher_dir / "config.json").write_text(json.dumps(foreign))

    def ask(_: str = "") -> str:
        raise AssertionError("a terminal was asked whether to run foreign code")

    monkeypatch.setattr("builtins.input", ask)
    with pytest.raises(ModelError, match="can't be loaded"):
        load_pretrained(str(teacher_dir), AutoModelForCausalLM)
    assert not (tmp_path / "ran").exists()


def test_weights_that_could_be_code_are_not_read(teacher_dir: Path) -> None:
    weights = load_file(teacher_dir / "model.safetensors")
    torch.save(weights, teacher_dir / "pytorch_model.bin")
    (teacher_dir / "model.safetensors").unlink()
    with pytest.raises(ModelError, match="can't be loaded"):
        load_pretrained(str(teacher_dir), AutoModelForCausalLM)
