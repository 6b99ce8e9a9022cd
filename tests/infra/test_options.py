"""Settings are read from text, and refused in one line."""

from dataclasses import asdict

import pytest

from infra.options import Options, read_options
from infra.packaging import ROOT
from mycelium.errors import UserInputError


def test_what_is_not_given_has_its_default() -> None:
    assert read_options(lambda _name: None) == Options()


def test_the_command_line_gives_text() -> None:
    given = {"output_days": "0", "log_retention_days": "7", "deployment": "trial", "architecture": "x86_64"}
    assert read_options(given.get) == Options("trial", "x86_64", log_retention_days=7, output_days=0)


def test_the_cdk_gives_floats_for_numbers() -> None:
    assert read_options({"budget_usd": 20.0}.get).budget_usd == 20


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("deployment", "My Deployment", "deployment is 1 to 40 of a-z"),
        ("deployment", "aws-things", "not with aws or ssm"),
        ("architecture", "arm", "architecture is one of arm64, x86_64; got 'arm'"),
        ("python", "3.9", "python is one of 3.12, 3.13, 3.14; got '3.9'"),
        ("log_retention_days", "8", "log_retention_days is one of 1, 7, 14"),
        ("output_days", "-1", "output_days is 0 or more"),
        ("output_days", "a while", "output_days is a whole number; got 'a while'"),
        ("budget_usd", "1.5", "budget_usd is a whole number"),
        ("budget_usd", "nan", "budget_usd is a whole number; got 'nan'"),
        ("gpu_max", "inf", "gpu_max is a whole number; got 'inf'"),
        ("gpu_max", "1e999", "gpu_max is a whole number"),
        ("email", "nobody", "email is an address"),
        ("gpu_instance_type", "big", "gpu_instance_type is an EC2 type"),
    ],
)
def test_a_setting_that_cannot_be_deployed_is_refused_by_name(name: str, value: str, says: str) -> None:
    with pytest.raises(UserInputError, match=says):
        read_options({name: value}.get)


def test_the_deploy_page_names_every_setting_with_its_default() -> None:
    rows = [line.split("|")[1:3] for line in (ROOT / "docs" / "deploy.md").read_text().splitlines() if "|" in line]
    told = {cells[0].strip(" `"): cells[1].strip(" `") for cells in rows}
    for name, default in asdict(Options()).items():
        assert told.get(name) == (str(default) or '""')
