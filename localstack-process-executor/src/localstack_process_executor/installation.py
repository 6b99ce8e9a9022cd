"""Makes the environments: one in which LocalStack runs, and one for each Python in which functions run.

Functions get their own, because on AWS a function finds the standard library, boto3 and what its zip carries,
and no more: in LocalStack's environment a package that the zip forgot would be found all the same. Standard
library only.
"""

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final

# LocalStack 2026.3.0 starts on 3.12, too, but answers every request with 500.
LOCALSTACK_PYTHON: Final = "3.13"
DISTRIBUTION: Final = "localstack-process-executor"
# What AWS puts beside the function in its Python runtimes.
FUNCTION_REQUIREMENTS: Final = ("awslambdaric>=4,<5", "boto3")


class LauncherError(RuntimeError):
    """LocalStack could not be installed or started; the message says why, and names the log."""


@dataclass(frozen=True, slots=True)
class Installation:
    """What `install` made.

    Attributes:
        root: The folder that holds it all.
        python: The interpreter that runs LocalStack.
        function_pythons: The interpreter of each Lambda runtime, such as ``python3.13``.
    """

    root: Path
    python: Path
    function_pythons: dict[str, Path]


def install(
    root: Path | str,
    *,
    python: str = LOCALSTACK_PYTHON,
    function_pythons: Sequence[str] = (LOCALSTACK_PYTHON,),
    timeout_s: float = 600.0,
) -> Installation:
    """Makes the environments, or finds them made; safe to call from several processes at once.

    Args:
        root: The folder to make them in.
        python: The Python of LocalStack: a version, or the path of an interpreter. It must be a 3.13.
        function_pythons: The Pythons of the functions: versions, or paths of interpreters.
        timeout_s: How long each step may take, the wait for another process's installation included.

    Returns:
        Where they are.

    Raises:
        LauncherError: A step failed; the message holds what the tool said.
    """
    root = Path(root).resolve()
    root.mkdir(parents=True, exist_ok=True)
    with _locked(root / "install.lock", timeout_s):
        own = _own_requirement()
        localstack = _environment(root / "localstack", python, (own,), _source_digest(), timeout_s)
        functions = {}
        for wanted in function_pythons:
            name = f"python{_version_of(wanted)}"
            functions[name] = _environment(root / name, wanted, FUNCTION_REQUIREMENTS, "", timeout_s)
    return Installation(root, localstack, functions)


def find_python(wanted: str) -> str:
    """An interpreter that really runs, or the version itself, for uv to find or to download.

    pyenv puts a `python3.13` on the PATH that fails when that version is not the chosen one, and uv stops
    there.
    """
    if os.sep in wanted:
        return wanted
    candidates = [shutil.which(f"python{wanted}") or ""]
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    candidates += sorted(map(str, pyenv.glob(f"{wanted}.*/bin/python{wanted}")), reverse=True)
    for candidate in filter(None, candidates):
        done = subprocess.run([candidate, "-c", ""], capture_output=True, check=False, timeout=60)  # noqa: S603 - a Python
        if done.returncode == 0:
            return candidate
    return wanted


def _environment(folder: Path, wanted: str, requirements: Sequence[str], digest: str, timeout_s: float) -> Path:
    """One environment with its requirements, made only when they changed."""
    stamp = folder / "stamp.json"
    key = {"python": wanted, "requirements": list(requirements), "digest": digest}
    interpreter = folder / "bin" / "python"
    if interpreter.exists() and _read_stamp(stamp) == key:
        return interpreter
    if not interpreter.exists() or (_read_stamp(stamp) or key)["python"] != wanted:
        _uv(["venv", "--clear", "--python", find_python(wanted), str(folder)], timeout_s)
    stamp.unlink(missing_ok=True)
    again = ["--reinstall-package", DISTRIBUTION, "--refresh-package", DISTRIBUTION]
    _uv(["pip", "install", "--python", str(interpreter), *again, *requirements], timeout_s)
    stamp.write_text(json.dumps(key), encoding="utf-8")
    return interpreter


def _read_stamp(stamp: Path) -> dict[str, object] | None:
    try:
        found: dict[str, object] = json.loads(stamp.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found


def _own_requirement() -> str:
    """This package, with what LocalStack needs: from its source folder when it runs from there."""
    project = _project_folder()
    return f"{project}[localstack]" if project else f"{DISTRIBUTION}[localstack]=={version(DISTRIBUTION)}"


def _project_folder() -> Path | None:
    folder = Path(__file__).resolve().parents[2]
    return folder if (folder / "pyproject.toml").is_file() and folder.name == DISTRIBUTION else None


def _source_digest() -> str:
    """Changes whenever this package does, so that a checkout is installed anew."""
    digest = hashlib.sha256()
    package = Path(__file__).resolve().parent
    files = sorted(package.rglob("*.py"))
    if project := _project_folder():
        files.append(project / "pyproject.toml")
    for file in files:
        digest.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()


def _version_of(python: str) -> str:
    """The version, major and minor, of a wanted interpreter."""
    if os.sep not in python:
        return python
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False, timeout=60)  # noqa: S603 - a Python
    if done.returncode != 0:
        raise LauncherError(f"{python} must be a Python interpreter; it said: {done.stderr.strip()[-500:]}")
    return done.stdout.strip()


def _uv(arguments: list[str], timeout_s: float) -> None:
    beside = Path(sys.executable).with_name("uv")
    uv = str(beside) if beside.exists() else shutil.which("uv")
    if uv is None:
        raise LauncherError("uv must be installed to make LocalStack's environment: pip install uv")
    try:
        done = subprocess.run(  # noqa: S603 - uv, with arguments of our own
            [uv, "--no-progress", *arguments], capture_output=True, text=True, check=False, timeout=timeout_s
        )
    except subprocess.TimeoutExpired as error:
        raise LauncherError(f"uv {arguments[0]} must end within {timeout_s:.0f} s; it did not") from error
    if done.returncode != 0:
        raise LauncherError(f"uv {' '.join(arguments)} failed:\n{done.stderr.strip()[-2000:]}")


@contextmanager
def _locked(path: Path, timeout_s: float) -> Iterator[None]:
    """Holds a lock that the kernel lets go of when the process ends."""
    deadline = time.monotonic() + timeout_s
    with path.open("w") as file:
        # Bounded by the deadline.
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise LauncherError(f"another process holds {path} for more than {timeout_s:.0f} s") from None
                time.sleep(0.2)
            else:
                break
        yield
