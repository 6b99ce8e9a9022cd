"""Make the zip file that a function runs from: our code, the packages its stage requires, and nothing else.

No Docker: the wheels for the function's processor and Python are installed into a folder by uv, whatever machine this
is. Their versions are those installed here, so that what is deployed is what was tested. Then what no function needs is
left out, and where an interpreter of the function's version is at hand, the bytecode is put in: a function's folder is
read-only, so that it would compile everything anew at each cold start. ADR 0020 has the measurements.

boto3 is not in it: AWS puts it beside the function.

The same packages and the same code give the same bytes, so that a stack whose code has not changed is not deployed
again. What was built is kept in a folder under the hash of what decides it, and removed a week after its last use.
"""

import contextlib
import hashlib
import importlib.metadata
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import uv

from infra.lock import LOCK, read_lock, with_hashes
from infra.options import Architecture
from mycelium.errors import UserInputError
from mycelium.version import read_release

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".cache" / "lambda"
CODE = ("lambdas", "mycelium")
"""The packages of ours that a function carries."""

MAX_BYTES = 250 << 20
"""What Lambda lets a function's files take, unzipped."""

_PLATFORMS: dict[Architecture, str] = {
    # Amazon Linux 2023, on which the Python runtimes from 3.12 on stand, has glibc 2.34.
    "arm64": "aarch64-manylinux_2_28",
    "x86_64": "x86_64-manylinux_2_28",
}

_LEFT_OUT = re.compile(
    r"""
    (^|/)(tests|__pycache__)/ | ^bin/                # tests, console scripts
    | \.(pyi|pyx|pxd|pxi|h|hpp|c|cc|cpp|cmake|a|lib)$ # sources, headers, type stubs
    | ^pyarrow/(include|src)/
    | ^pyarrow/.*flight                               # RPC: 33 MB
    | ^pyarrow/(libarrow_s3|_s3fs)                    # Arrow's own S3 client: 18 MB; ours is boto3
    | ^pyarrow/.*parquet_encryption                   # we write none
    | ^pyarrow/_pyarrow_cpp_tests
    | ^pyarrow/libarrow_python\.so(\.\d+\.\d+\.\d+)?$ # the same file twice more: a wheel holds no links
    | ^numpy/(f2py|_core/include|_core/lib)/          # for compiling against NumPy
    | ^\.lock$
    """,
    re.VERBOSE,
)

_UNUSED_S = 7 * 86400.0
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time that a zip file can say


@dataclass(frozen=True, slots=True)
class Target:
    """Where a function runs.

    Attributes:
        architecture: its processor.
        python: its Python, ``3.13``, say.
    """

    architecture: Architecture
    python: str

    @classmethod
    def of_this_machine(cls) -> Self:
        """Return the target that this interpreter itself can run: for tests, and for LocalStack without Docker."""
        architecture: Architecture = "arm64" if platform.machine() in {"arm64", "aarch64"} else "x86_64"
        return cls(architecture, f"{sys.version_info.major}.{sys.version_info.minor}")

    @property
    def platform(self) -> str:
        """What uv calls the processor and the C library."""
        return _PLATFORMS[self.architecture]


@dataclass(frozen=True, slots=True)
class Asset:
    """A function's zip file.

    Attributes:
        path: where it is.
        n_bytes: the bytes of its files, unzipped.
        has_bytecode: whether it holds bytecode.
    """

    path: Path
    n_bytes: int
    has_bytecode: bool

    def describe(self, name: str) -> str:
        """Return its size in one line."""
        zipped = self.path.stat().st_size
        compiled = "with bytecode" if self.has_bytecode else "without bytecode: no such Python here to compile it"
        return (
            f"{name}: {self.n_bytes / (1 << 20):.1f} MB unzipped of {MAX_BYTES >> 20}, "
            f"{zipped / (1 << 20):.1f} MB zipped, {compiled}"
        )


def build_asset(name: str, requires: Iterable[str], target: Target, cache: Path = CACHE, root: Path = ROOT) -> Asset:
    """Make a function's zip file, or find it made.

    Args:
        name: the function's name, for messages.
        requires: the packages it carries.
        target: where it runs.
        cache: the folder to make it in.
        root: the checkout whose code it carries.

    Raises:
        UserInputError: a package is not installed here, can't be installed for the target, or all is too large.
    """
    pins = pin(name, requires)
    compiler = find_interpreter(target.python)
    code = _read_code(root)
    recipe = [_LEFT_OUT.pattern, target.platform, target.python, str(compiler is not None), *pins, *_constraints()]
    cache.mkdir(parents=True, exist_ok=True)
    remove_unused(cache)
    packages = make_once(
        cache / f"packages-{hash_parts(recipe)}.zip", lambda path: _zip_packages(path, name, pins, target, compiler)
    )
    parts = [packages.name, *(f"{file}:{hashlib.sha256(data).hexdigest()}" for file, data in code)]
    path = make_once(
        cache / f"function-{hash_parts(parts)}.zip", lambda path: _add_code(path, packages, code, compiler)
    )
    with zipfile.ZipFile(path) as archive:
        n_bytes = sum(info.file_size for info in archive.infolist())
    check_size(name, n_bytes, pins)
    return Asset(path, n_bytes, has_bytecode=compiler is not None)


def check_size(name: str, n_bytes: int, pins: Iterable[str]) -> None:
    """Refuse a function that Lambda would refuse.

    Raises:
        UserInputError: it is too large.
    """
    if n_bytes > MAX_BYTES:
        raise UserInputError(
            f"function {name} has {n_bytes / (1 << 20):.1f} MB unzipped, and Lambda takes {MAX_BYTES >> 20}: "
            f"take a package out of its stage's `requires` ({', '.join(pins)}), or leave more out in infra/packaging.py"
        )


def pin(name: str, requires: Iterable[str]) -> list[str]:
    """Return packages with the versions installed here, sorted.

    Raises:
        UserInputError: one is not installed here.
    """
    pins = []
    for package in sorted(set(requires)):
        try:
            pins.append(f"{package}=={importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            raise UserInputError(
                f"function {name} requires {package}, which is not installed here: install it, so that the function "
                "carries the version that was tested"
            ) from None
    return pins


def find_interpreter(python: str) -> Path | None:
    """Return an interpreter of a version that really runs, this one first; None if there is none."""
    if python == Target.of_this_machine().python:
        return Path(sys.executable)
    return next((path for path in _interpreters(f"python{python}") if _runs(path)), None)


def _interpreters(name: str) -> Iterator[Path]:
    """Yield where an interpreter of that name may be: on the PATH, or in one of pyenv's versions."""
    for folder in os.get_exec_path():
        if found := shutil.which(name, path=folder):
            yield Path(found)
    yield from sorted((Path.home() / ".pyenv" / "versions").glob(f"*/bin/{name}"), reverse=True)


def _runs(interpreter: Path) -> bool:
    # pyenv also puts an interpreter on the PATH that fails where its version is not the chosen one.
    command = [str(interpreter), "-c", ""]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0  # noqa: S603 - found by its name


def _constraints() -> list[str]:
    """What is installed here, as uv's constraints: the packages of the packages are of the tested versions, too.

    Of what the lock has in that version, uv takes only files of the lock's digests.
    """
    installed = importlib.metadata.distributions()
    pins = sorted({f"{found.name}=={found.version}" for found in installed if "+" not in found.version})
    return with_hashes(pins, read_lock(LOCK.read_text()))


def _zip_packages(path: Path, name: str, pins: list[str], target: Target, compiler: Path | None) -> None:
    with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
        folder = Path(scratch) / "packages"
        _install(folder, name, pins, target)
        for file in _files(folder):
            if _LEFT_OUT.search(file):
                (folder / file).unlink()
        if compiler:
            _compile(folder, compiler)
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for file in _files(folder):
                add_file(archive, file, (folder / file).read_bytes())


def _install(folder: Path, name: str, pins: list[str], target: Target) -> None:
    constraints = folder.parent / "constraints.txt"
    constraints.write_text("\n".join(_constraints()))
    command = [uv.find_uv_bin(), "pip", "install", "--quiet", "--target", str(folder)]
    command += ["--only-binary", ":all:", "--python-platform", target.platform, "--python-version", target.python]
    command += ["--constraint", str(constraints), *pins]
    asked = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - uv, found by its package
    if asked.returncode:
        said = " ".join(asked.stderr.split())[-600:]
        raise UserInputError(f"the packages of function {name} can't be installed for {target.platform}: {said}")


def _compile(folder: Path, compiler: Path) -> None:
    """Write the bytecode; it is never checked against its source, whose time of change a zip file doesn't keep."""
    command = [str(compiler), "-m", "compileall", "-q", "-j", "0", "--invalidation-mode", "unchecked-hash"]
    # What can't be compiled (a template that only looks like Python) stays as it is.
    subprocess.run([*command, "-s", str(folder), str(folder)], capture_output=True, check=False)  # noqa: S603 - Python


def _read_code(root: Path) -> list[tuple[str, bytes]]:
    code = [
        (path.relative_to(root).as_posix(), path.read_bytes())
        for package in CODE
        for path in sorted((root / package).rglob("*.py"))
    ]
    version = read_release()
    # What importlib.metadata reads a version from.
    code.append((f"mycelium-{version}.dist-info/METADATA", f"Name: mycelium\nVersion: {version}\n".encode()))
    return code


def _add_code(path: Path, packages: Path, code: list[tuple[str, bytes]], compiler: Path | None) -> None:
    shutil.copyfile(packages, path)
    with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
        folder = Path(scratch)
        for file, data in code:
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            (folder / file).write_bytes(data)
        if compiler:
            _compile(folder, compiler)
        with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
            for file in _files(folder):
                add_file(archive, file, (folder / file).read_bytes())


def add_file(archive: zipfile.ZipFile, file: str, data: bytes) -> None:
    """Add a file to a zip file; the same files in the same order give the same bytes."""
    info = zipfile.ZipInfo(file, _EPOCH)
    info.compress_type = zipfile.ZIP_DEFLATED
    info.external_attr = 0o644 << 16  # Lambda's user is not the one who wrote it
    archive.writestr(info, data)


def _files(folder: Path) -> Iterator[str]:
    return iter(sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()))


def make_once(path: Path, make: Callable[[Path], None]) -> Path:
    """Make a file if it is not there; whoever makes it at the same time makes the same bytes."""
    if path.exists():
        os.utime(path)
        return path
    with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".zip", delete=False) as scratch:
        temporary = Path(scratch.name)
    try:
        make(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return path


def remove_unused(cache: Path) -> None:
    """Remove what was not used for a week."""
    before = time.time() - _UNUSED_S
    for path in cache.glob("*.zip"):
        with contextlib.suppress(FileNotFoundError):  # another deploy was faster
            if path.stat().st_mtime < before:
                path.unlink()


def hash_parts(parts: Iterable[str]) -> str:
    """Return a name for what some parts decide."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
