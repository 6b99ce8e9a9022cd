"""What a GPU machine installs itself from: our code as it is here, in one zip file.

It is a source tree that `pip install` takes, with the versions that were tested beside it. The same code gives the same
bytes, so that machines are launched from a new template only when there is new code.
"""

import hashlib
import zipfile
from collections.abc import Iterator
from pathlib import Path

from infra.packaging import CACHE, ROOT, add_file, hash_parts, make_once, remove_unused
from mycelium.version import read_release

PACKAGES = ("front_door", "gpu_workers", "lambdas", "mycelium")
"""The packages of ours that a GPU machine carries."""

FILES = ("LICENSE", "README.md", "constraints.txt", "pyproject.toml")
_KINDS = {".py", ".typed", ".service"}


def build_worker_asset(cache: Path = CACHE, root: Path = ROOT) -> Path:
    """Make the zip file, or find it made, and return where it is.

    Args:
        cache: the folder to make it in.
        root: the checkout whose code it carries.
    """
    files = list(_read_files(root))
    cache.mkdir(parents=True, exist_ok=True)
    remove_unused(cache)
    name = hash_parts([f"{file}:{hashlib.sha256(data).hexdigest()}" for file, data in files])

    def make(path: Path) -> None:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for file, data in files:
                add_file(archive, file, data)

    return make_once(cache / f"worker-{name}.zip", make)


def _read_files(root: Path) -> Iterator[tuple[str, bytes]]:
    for name in FILES:
        yield name, (root / name).read_bytes()
    # A source tree without git reads in this file of which version it is; no commit stands there, for the same bytes.
    yield "PKG-INFO", f"Metadata-Version: 2.4\nName: mycelium\nVersion: {read_release()}\n".encode()
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*")):
            if path.is_file() and path.suffix in _KINDS:
                yield path.relative_to(root).as_posix(), path.read_bytes()
