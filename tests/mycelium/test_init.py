"""What `import mycelium` offers, and what it does not cost."""

import json
import subprocess
import sys

import pytest

import mycelium

HEAVY = ("altair", "boto3", "msgspec", "numpy", "pandas", "polars", "pyarrow", "torch")


def test_importing_mycelium_imports_nothing_heavy() -> None:
    program = "import json, sys, mycelium; mycelium.__all__; dir(mycelium); print(json.dumps(sorted(sys.modules)))"
    answer = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    modules = set(json.loads(answer.stdout))
    assert modules.isdisjoint(HEAVY)
    assert {name for name in modules if name.startswith("mycelium")} == {"mycelium"}


@pytest.mark.parametrize("name", mycelium.__all__)
def test_every_name_offered_is_there_and_explained(name: str) -> None:
    assert getattr(mycelium, name).__doc__
    assert name in dir(mycelium)


def test_another_name_is_an_attribute_error_that_lists_those() -> None:
    with pytest.raises(AttributeError, match="'read_signals'; it has Frame, .*read_signal"):
        mycelium.read_signals  # noqa: B018 - asking for it is the test
