"""Commands as a person types them, and what comes back."""

from pathlib import Path

import pytest

from coordinator.cli import coordinator
from mycelium.command import call_command

Result = tuple[int, str, str]
"""Exit code, standard output, standard error."""


class Cli:
    """Calls commands on one store; no mistake shows a traceback."""

    def __init__(self, store: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.store, self.capsys = store, capsys

    def __call__(self, *words: str) -> Result:
        code = call_command(coordinator, "python -m coordinator", words)
        out, err = self.capsys.readouterr()
        assert "Traceback" not in err
        return code, out, err

    def fails(self, *words: str) -> str:
        """Call a command that must fail by the user's mistake, and return its one line."""
        code, out, err = self(*words)
        assert (code, out) == (2, "")
        assert err.startswith("error: ")
        assert err.count("\n") == 1
        return err
