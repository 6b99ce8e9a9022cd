"""Of which version this code is: a release, and the commit where it is known.

The last tag says the release (`v0.2.0`). In a checkout git is asked each time, since an editable installation keeps the
version that it was installed at; elsewhere the package's metadata have what the wheel was built from (ADR 0120).
"""

import importlib.metadata
import re
import subprocess
from pathlib import Path
from typing import Final

CHECKOUT: Final = Path(__file__).parents[1]
UNRELEASED: Final = "0.0"
"""The release where no tag is known: a clone without tags, or files without git that never were installed."""

_DESCRIBED: Final = re.compile(r"(?:v(\S+)-\d+-g)?([0-9a-f]{12,40})(-dirty)?")
_TIMEOUT_S: Final = 10.0


def code_version(checkout: Path = CHECKOUT) -> str:
    """Return the release, and behind a plus sign the commit, with `.dirty` if files differ from it.

    Args:
        checkout: the folder that the packages lie in.
    """
    return _ask_git(checkout) or _read_metadata()


def read_release(version: str | None = None) -> str:
    """Return a version without its commit; this code's if none is given."""
    return (version or code_version()).partition("+")[0]


def _read_metadata() -> str:
    try:
        return importlib.metadata.version("mycelium")
    except importlib.metadata.PackageNotFoundError:
        return UNRELEASED


def _ask_git(checkout: Path) -> str | None:
    if not (checkout / ".git").exists():
        return None
    command = ["git", "-C", str(checkout), "describe", "--always", "--long", "--tags", "--dirty", "--abbrev=12"]
    try:
        asked = subprocess.run(  # noqa: S603 - constant arguments; git is the user's own
            [*command, "--match", "v[0-9]*"], capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return None
    described = _DESCRIBED.fullmatch(asked.stdout.strip())
    if described is None:
        return None
    release, commit, dirty = described.groups()
    return f"{release or UNRELEASED}+{commit}{'.dirty' if dirty else ''}"
