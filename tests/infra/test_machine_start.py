"""What a machine does when it starts: it installs what was deployed, and leaves the group if it can't."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from gpu_workers.cli import gpu_workers
from infra.machine_start import write_start
from infra.packaging import ROOT
from tests.infra.templates import Cloud

START = write_start("s3://assets/worker.zip", "https://sqs/q", "data", "eu-west-1")


@pytest.fixture
def script(tmp_path: Path) -> str:
    """The script, over folders of this test's own, and over stand-ins for what only a machine of EC2's has."""
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    for name in ("aws", "python3", "systemctl", "curl"):
        program = bin_folder / name
        program.write_text(f'#!/bin/bash\necho "{name} $*" >> {tmp_path}/log\n[ ! -e {tmp_path}/fail-{name} ]\n')
        program.chmod(0o755)
    for package, unit in (("spool", "mycelium-upload"), ("work", "mycelium-work")):
        folder = tmp_path / "opt/mycelium/source/gpu_workers" / package
        folder.mkdir(parents=True)
        (folder / f"{unit}.service").write_text((ROOT / "gpu_workers" / package / f"{unit}.service").read_text())
    (tmp_path / "etc/systemd/system").mkdir(parents=True)
    text = "\n".join(["#!/bin/bash", *START])
    for place in ("/opt/mycelium", "/etc/", "/var/spool"):
        text = text.replace(place, f"{tmp_path}{place}")
    return text


def run(script: str, tmp_path: Path) -> tuple[int, str]:
    environment = {"PATH": f"{tmp_path}/bin:{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-c", script], env=environment, capture_output=True, text=True, check=False)
    return done.returncode, (tmp_path / "log").read_text()


def test_it_installs_and_serves(script: str, tmp_path: Path) -> None:
    code, log = run(script, tmp_path)
    assert code == 0
    steps = [
        "aws s3 cp s3://assets/worker.zip",
        "pip install --quiet uv==",
        "uv venv",
        "uv pip install",
        "daemon-reload",
    ]
    places = [log.index(step) for step in [*steps, "enable --now mycelium-upload.service mycelium-work.service"]]
    assert places == sorted(places)
    assert "terminate" not in log
    variables = (tmp_path / "etc/mycelium/work.env").read_text().split()
    assert "QUEUE=https://sqs/q" in variables
    assert "STORE=s3://data" in variables
    assert (tmp_path / "etc/systemd/system/mycelium-work.service").is_file()


@pytest.mark.parametrize("what", ["python3", "systemctl"])
def test_a_machine_that_cannot_work_leaves_the_group(what: str, script: str, tmp_path: Path) -> None:
    (tmp_path / f"fail-{what}").touch()
    code, log = run(script, tmp_path)
    assert code != 0
    assert "aws autoscaling terminate-instance-in-auto-scaling-group" in log
    assert "--should-decrement-desired-capacity" in log


def test_the_unit_calls_a_command_that_is_one_and_finds_its_variables() -> None:
    unit = (ROOT / "gpu_workers/work/mycelium-work.service").read_text()
    (line,) = [line for line in unit.splitlines() if line.startswith("ExecStart=")]
    words = line.split("-m gpu_workers ")[1].split()
    (given,) = [lines for lines in START if "/work.env" in lines]
    for word in words:
        if word.startswith("${"):
            assert f"{word[2:-1]}=" in given
    command = gpu_workers.commands[words[0]]
    command.make_context(words[0], words[1:])
    assert "OnFailure=mycelium-leave.service" in unit
    assert any("mycelium-leave.service" in lines for lines in START)


def test_the_template_holds_it(cloud: Cloud) -> None:
    (template,) = cloud.gpu_resources("AWS::EC2::LaunchTemplate")
    text = json.dumps(template["Properties"]["LaunchTemplateData"]["UserData"])
    assert "leave-group" in text
    assert "DataBucketName" in text  # the bucket that the main stack published
    assert len(text) < 16_000  # EC2 takes 16 KB
