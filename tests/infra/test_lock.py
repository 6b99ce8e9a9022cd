"""The lock says which bytes are installed, and from nowhere in particular."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import uv

from infra.lock import LOCK, read_lock, with_hashes
from infra.packaging import ROOT, _constraints
from mycelium.extras import read_requirements

LOCKED = ("coordinator", "verify", "infra")
"""The extras that are locked; torch's builds differ by index, and so do their digests: ADR 0095."""


@pytest.fixture(scope="module")
def lock() -> dict[str, tuple[str, ...]]:
    return read_lock(LOCK.read_text())


def test_the_lock_names_no_place(lock: dict[str, tuple[str, ...]]) -> None:
    assert not re.search(r"://|--index|--find-links|\bfile:", LOCK.read_text())
    assert len(lock) > 30
    assert all(hashes for hashes in lock.values())


def test_every_package_that_is_asked_for_is_in_it_in_the_version_that_was_tested(
    lock: dict[str, tuple[str, ...]],
) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = [*project["dependencies"], *(line for extra in LOCKED for line in project["optional-dependencies"][extra])]
    versions = dict(pin.split("==") for pin in lock)
    for requirement in read_requirements(lines):
        assert requirement.allows(versions[requirement.package]), requirement.package
    tested = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().split())
    normal = {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in tested.items()}
    differing = {name: version for name, version in versions.items() if normal.get(name, version) != version}
    assert differing == {}


def test_pins_get_the_digests_of_their_very_version() -> None:
    digest = "--hash=sha256:" + "0" * 64
    text = f"# a comment\nAn_Example.package==1.0 ; python_version < '4' \\\n    {digest} \\\n    {digest}\nother==2\n"
    lock = read_lock(text)
    assert lock == {"an-example-package==1.0": (digest, digest), "other==2": ()}
    assert with_hashes(["an-example-package==1.0", "an-example-package==1.1", "new==3"], lock) == [
        f"an-example-package==1.0 {digest} {digest}",
        "an-example-package==1.1",
        "new==3",
    ]


def test_the_functions_packages_are_installed_by_their_digests(lock: dict[str, tuple[str, ...]]) -> None:
    lines = {line.partition(" ")[0].lower(): line for line in _constraints()}
    for package in ("numpy", "pyarrow", "msgspec"):
        (pin,) = (pin for pin in lock if pin.startswith(f"{package}=="))
        if pin in lines:  # the version installed here may be another one than was tested
            assert lines[pin].count("--hash=sha256:") == len(lock[pin])


def test_a_file_of_another_digest_is_refused(tmp_path: Path) -> None:
    package = tmp_path / "forged"
    (package / "forged").mkdir(parents=True)
    (package / "forged/__init__.py").write_text("")
    (package / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
        '[project]\nname = "forged"\nversion = "1"\n'
    )
    (tmp_path / "files").mkdir()
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path / "files")]
    subprocess.run(build, cwd=package, check=True, capture_output=True)
    (tmp_path / "constraints").write_text("forged==1 --hash=sha256:" + "0" * 64)
    install = [uv.find_uv_bin(), "--offline", "pip", "install", "--no-index", "--find-links", str(tmp_path / "files")]
    install += [
        "--python",
        sys.executable,
        "--target",
        str(tmp_path / "out"),
        "--constraint",
        str(tmp_path / "constraints"),
        "forged==1",
    ]
    answer = subprocess.run(install, capture_output=True, text=True, check=False)
    assert answer.returncode != 0
    assert "ash" in answer.stderr
    assert not (tmp_path / "out/forged").exists()
