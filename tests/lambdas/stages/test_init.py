"""The registry: files are stages."""

import subprocess
import sys
from dataclasses import fields, is_dataclass
from pathlib import Path

import pytest

from lambdas.stages import find_stage, stage_names
from mycelium.errors import UnknownStageError


def test_every_file_is_a_stage_of_its_own_name() -> None:
    files = sorted(path.stem for path in (Path(__file__).parents[3] / "lambdas/stages").glob("[!_]*.py"))
    assert stage_names() == files
    for name in files:
        assert find_stage(name).name == name


@pytest.mark.parametrize("name", stage_names())
def test_every_stage_explains_its_parameters_and_is_sized(name: str) -> None:
    stage = find_stage(name)
    assert is_dataclass(stage.params)
    assert all(field.metadata.get("help") for field in fields(stage.params))
    assert stage.summary
    assert 128 <= stage.memory_mb <= 10_240
    assert 1 <= stage.timeout_s <= 900
    assert stage.requires


@pytest.mark.parametrize(
    ("name", "words"),
    [("hartbeat", "did you mean heartbeat?"), ("zzz", "there are c2_pairs"), ("../handler", "no stage is called")],
)
def test_a_word_that_is_no_stage_gets_the_nearest(name: str, words: str) -> None:
    with pytest.raises(UnknownStageError, match=words.replace("?", r"\?")):
        find_stage(name)


def test_finding_one_stage_imports_no_other_and_no_heavy_package() -> None:
    heavy = "{'torch', 'transformers', 'sympy', 'scipy', 'boto3', 'click', 'rich', 'altair'}"
    code = (
        f"import sys; from lambdas.stages import find_stage; find_stage('heartbeat'); print({heavy} & set(sys.modules))"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "set()"
