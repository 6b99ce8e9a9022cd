"""What each extra installs."""

import pytest

from mycelium.extras import Requirement, find_extras, read_requirements

LINES = [
    "numpy>=2.2",
    "click>=8.2; extra == 'coordinator'",
    'vl-convert-python>=1.8; extra == "coordinator"',
    "click>=8.2; extra == 'gpu'",
    "torch==2.13.0; extra == 'gpu'",
    "aws-cdk-lib<3,>=2.275; extra == 'infra'",
    "moto[s3,server]>=5.2; extra == 'dev'",
]


def test_a_requirement_is_a_package_an_extra_and_bounds() -> None:
    found = read_requirements(LINES)
    assert found[0] == Requirement("numpy", None, ((">=", "2.2"),))
    assert found[5] == Requirement("aws-cdk-lib", "infra", (("<", "3"), (">=", "2.275")))
    assert found[6] == Requirement("moto", "dev", ((">=", "5.2"),))


@pytest.mark.parametrize(
    ("module", "extras"),
    [
        ("torch.nn", ["gpu"]),
        ("vl_convert", ["coordinator"]),
        ("aws_cdk", ["infra"]),
        ("click", ["coordinator", "gpu"]),
        ("numpy", []),
        ("yaml", []),
        ("", []),
    ],
)
def test_which_extras_have_a_module(module: str, extras: list[str]) -> None:
    assert find_extras(module, read_requirements(LINES)) == extras


def test_the_installed_package_names_its_extras() -> None:
    assert "gpu" in find_extras("torch", read_requirements())


@pytest.mark.parametrize(
    ("bounds", "version", "allowed"),
    [
        (((">=", "2.2"),), "2.10", True),
        (((">=", "2.2"),), "2.1.9", False),
        (((">=", "2.2"),), "2.2.0", True),
        ((("<", "3"), (">=", "2.275")), "3.0", False),
        ((("<", "3"), (">=", "2.275")), "2.300.1", True),
        ((("==", "2.13.0"),), "2.13.0+cpu", True),
        ((("==", "2.13.0"),), "2.13.1", False),
        ((), "anything", True),
    ],
)
def test_a_version_is_within_its_bounds(bounds: tuple[tuple[str, str], ...], version: str, allowed: bool) -> None:
    assert Requirement("x", None, bounds).allows(version) is allowed
