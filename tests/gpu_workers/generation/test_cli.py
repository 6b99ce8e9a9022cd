"""Generation as it is typed."""

import json
import sys
from pathlib import Path

import pytest

import samples
from gpu_workers.cli import gpu_workers
from mycelium.command import call_command
from tests.gpu_workers.conftest import make_model, make_tokenizer


def call(*words: str) -> int:
    return call_command(gpu_workers, "python -m gpu_workers", words)


def test_the_sample_teacher_generates_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "chains.jsonl"
    words = ("--model", str(samples.TEACHER_DIR), "--device", "cpu", "--limit", "2", "--output", str(out))
    assert call("generate", str(samples.PROBLEMS_FILE), *words) == 0
    told, progress = capsys.readouterr()
    assert f"{out}: 2 of 2 problems" in told
    assert "2 of 2 right (100.0%); level 1: 1 of 1, level 2: 1 of 1" in told
    assert "generate: 2/2 problems" in progress
    assert "tokens/s" in progress
    assert [line["finish"] for line in map(json.loads, out.read_text().splitlines())] == ["eos", "eos"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--model", "/no/such/model"], "there is no model folder /no/such/model"),
        (["--max-new-tokens", "0"], "is not in the range"),
        (["--field", "x=y"], "--field takes OURS=THEIRS"),
        (["--engine", "vllm"], "--engine vllm wants vLLM"),
    ],
)
def test_mistakes_are_one_line(
    tmp_path: Path, words: list[str], said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "vllm", None)
    make_model("llama").save_pretrained(tmp_path / "tiny")
    make_tokenizer().save_pretrained(tmp_path / "tiny")
    rows = str(tmp_path / "in.jsonl")
    Path(rows).write_text(json.dumps({"problem": "1 + 1 = ?"}) + "\n")
    given = {"--model": str(tmp_path / "tiny"), "--output": str(tmp_path / "out.jsonl")} | dict([words])
    assert call("generate", rows, *(word for pair in given.items() for word in pair)) == 2
    out, err = capsys.readouterr()
    assert said in err.splitlines()[-1]
    assert (out, "Traceback" in err) == ("", False)
