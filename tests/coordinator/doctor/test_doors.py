"""What the checks look through."""

from pathlib import Path

import pytest

from coordinator.doctor.doors import ask_identity, find_version, list_gpus, measure_free
from mycelium.errors import DeploymentError


def write_program(path: Path, script: str) -> str:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


def test_a_package_is_found_without_importing_it() -> None:
    assert find_version("numpy") is not None
    assert find_version("no-such-package-at-all") is None


@pytest.mark.parametrize(
    ("script", "gpus"),
    [
        ("echo 'NVIDIA H200, 143771 MiB, 570.1'", ("NVIDIA H200, 143771 MiB, 570.1",)),
        ("printf 'A\\033[31m, 1 MiB\\nB, 2 MiB\\n\\n'", ("A[31m, 1 MiB", "B, 2 MiB")),
        ("echo 'NVIDIA-SMI has failed'; exit 9", ()),
    ],
)
def test_gpus_are_what_nvidia_smi_names(tmp_path: Path, script: str, gpus: tuple[str, ...]) -> None:
    assert list_gpus(write_program(tmp_path / "smi", script)) == gpus


def test_no_nvidia_smi_is_no_gpu(tmp_path: Path) -> None:
    assert list_gpus(str(tmp_path / "missing")) == ()


def test_room_is_measured_where_a_folder_would_be_made(tmp_path: Path) -> None:
    assert measure_free(tmp_path / "not/yet/there") > 0


def test_the_identity_is_an_arn(aws: str) -> None:
    assert ask_identity().startswith("arn:aws:")


def test_an_endpoint_that_is_not_there_is_one_line(aws: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(DeploymentError, match="can't be reached"):
        ask_identity()
