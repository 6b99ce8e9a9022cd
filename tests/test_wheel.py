"""What a stranger installs: the wheel and the source, looked into, and run where there is no checkout."""

import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

import samples
from infra.worker_asset import build_worker_asset
from mycelium.version import UNRELEASED, code_version, read_release

ROOT = Path(__file__).parents[1]
ROOMS = ("front_door", "mycelium", "lambdas", "gpu_workers", "coordinator", "samples")
DATA = {
    "coordinator/report/template.html",
    "gpu_workers/spool/mycelium-upload.service",
    "gpu_workers/work/mycelium-work.service",
    "samples/problems.jsonl.gz",
    "samples/teacher/model.safetensors",
    "samples/teacher/tokenizer.json",
    *(f"{room}/py.typed" for room in ROOMS),
}
LIGHT = {"array-api-compat", "boto3", "msgspec", "numpy", "pyarrow"}
"""All that an installation without extras brings: what a Lambda function may carry."""


def build(folder: Path, out: Path, *targets: str) -> None:
    """Build from a source tree, without a network: hatchling is among the packages for tests."""
    words = [word for target in targets for word in ("-t", target)]
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(out), *words]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel and the source archive of this tree."""
    out = tmp_path_factory.mktemp("dist")
    build(ROOT, out, "sdist", "wheel")
    return out


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    """The wheel."""
    return next(built.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment of its own with the wheel in it."""
    return install(wheel, tmp_path_factory.mktemp("installed"))


def install(wheel: Path, home: Path) -> Path:
    """Make an environment with a wheel in it; the wheel's requirements are those that are here."""
    venv.create(home, with_pip=False)
    python = home / "bin/python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-index", "--no-deps"]
    subprocess.run([*pip, str(wheel)], check=True, capture_output=True)
    # Folders on the path, and not the path files in them: the checkout, which is installed there, is not seen.
    (packages,) = (home / "lib").glob("python3*/site-packages")
    here = [folder for folder in sys.path if Path(folder).name == "site-packages"]
    (packages / "requirements.pth").write_text("\n".join(here))
    return home


def run(installed: Path, folder: Path, *words: str) -> str:
    """Run a program of that environment in a folder that is no checkout, as a stranger's shell would."""
    environment = {"PATH": f"{installed / 'bin'}:{os.defpath}", "HOME": str(folder), "MYCELIUM_STORE": "store"}
    answer = subprocess.run(
        [installed / "bin" / words[0], *words[1:]],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    return answer.stdout


def test_the_wheel_holds_every_module_and_all_data(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    modules = {str(path.relative_to(ROOT)) for room in ROOMS for path in (ROOT / room).rglob("*.py")}
    assert modules - names == set()
    assert names >= DATA
    rooms = {name.partition("/")[0] for name in names}
    assert {room for room in rooms if not room.endswith(".dist-info")} == set(ROOMS)
    assert not [name for name in names if "__pycache__" in name or name.endswith(".pyc")]


def test_a_bare_installation_is_light(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    (metadata,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
    lines = archive.read(metadata).decode().splitlines()
    required = [line.removeprefix("Requires-Dist: ") for line in lines if line.startswith("Requires-Dist: ")]
    base = {re.split(r"[^A-Za-z0-9-]", line)[0] for line in required if "extra ==" not in line}
    assert base == LIGHT
    extras = {line.removeprefix("Provides-Extra: ") for line in lines if line.startswith("Provides-Extra: ")}
    assert {"coordinator", "gpu", "infra", "dev"} <= extras


def test_the_source_archive_makes_the_same_wheel(built: Path, wheel: Path, tmp_path: Path) -> None:
    with tarfile.open(next(built.glob("*.tar.gz"))) as archive:
        archive.extractall(tmp_path, filter="data")
    (tree,) = tmp_path.iterdir()
    assert {"tests", "docs", "benchmarks", "infra", "Makefile", "LICENSE", "app.py"} <= {p.name for p in tree.iterdir()}
    build(tree, tmp_path / "dist", "wheel")
    (again,) = (tmp_path / "dist").glob("*.whl")
    assert again.read_bytes() == wheel.read_bytes()


def test_it_runs_where_there_is_no_checkout(installed: Path, tmp_path: Path) -> None:
    where = run(installed, tmp_path, "python", "-c", "import mycelium, coordinator; print(mycelium.__file__)")
    assert where.startswith(str(installed))
    assert run(installed, tmp_path, "mycelium", "--version").startswith("mycelium, version ")
    assert "extract" in run(installed, tmp_path, "mycelium", "gpu", "--help")
    ingest = ("mycelium", "ingest", str(samples.PROBLEMS_FILE), "--dataset", "sample", "--limit", "6", "--quiet")
    assert "6 problems of" in run(installed, tmp_path, *ingest)
    stages = json.loads(run(installed, tmp_path, "mycelium", "stages", "--json"))
    assert {"steps", "labels"} <= {row["stage"] for row in stages}
    run(installed, tmp_path, "mycelium", "run-stage", "steps", "--quiet", "--max-workers", "1")
    told = run(installed, tmp_path, "mycelium", "run-stage", "labels", "--quiet", "--max-workers", "2", "--json")
    assert json.loads(told)["complete"] is True
    assert "labels/sample-" in run(installed, tmp_path, "mycelium", "runs")
    run(installed, tmp_path, "mycelium", "report", "labels/sample", "--out", "report.html")
    assert "</html>" in (tmp_path / "report.html").read_text()
    assert "Run a stage" in run(installed, tmp_path, "python", "-m", "coordinator", "--help")


def test_it_says_of_which_version_it_is(wheel: Path, installed: Path, tmp_path: Path) -> None:
    said = run(installed, tmp_path, "mycelium", "--version").strip()
    assert said == f"mycelium, version {wheel.name.split('-')[1]}"
    release, _, local = said.removeprefix("mycelium, version ").partition("+")
    assert release == read_release()
    if (ROOT / ".git").exists() and local:  # hatch-vcs and the running code read the same commit
        built, now = (local.removeprefix("g").partition(".")[0], code_version().partition("+")[2].partition(".")[0])
        # Somebody may commit while tests run: then what was built is behind.
        command = ["git", "merge-base", "--is-ancestor", built, now]
        assert subprocess.run(command, cwd=ROOT, check=False).returncode == 0


def test_files_that_left_git_behind_keep_their_version(tmp_path: Path) -> None:
    archived = subprocess.run(["git", "archive", "HEAD"], cwd=ROOT, capture_output=True, check=False)
    if archived.returncode:
        pytest.skip("this is no checkout")
    tree = tmp_path / "tree"
    with tarfile.open(fileobj=io.BytesIO(archived.stdout)) as archive:
        archive.extractall(tree, filter="data")
    describe = "describe-name: "
    (line,) = (x for x in (tree / ".git_archival.txt").read_text().splitlines() if x.startswith(describe))
    release = re.fullmatch(r"v(.+?)(-\d+-g[0-9a-f]+)?", line.removeprefix(describe))
    build(tree, tmp_path / "dist", "wheel")
    (named,) = (tmp_path / "dist").glob("*.whl")
    assert named.name.split("-")[1].partition("+")[0] == (release[1] if release else UNRELEASED)
    (tree / ".git_archival.txt").unlink()
    build(tree, tmp_path / "again", "wheel")
    (unnamed,) = (tmp_path / "again").glob("*.whl")
    assert unnamed.name.split("-")[1] == UNRELEASED


def test_a_gpu_machine_has_its_half_of_the_command(tmp_path: Path) -> None:
    shutil.unpack_archive(build_worker_asset(tmp_path / "cache"), tmp_path / "source")
    build(tmp_path / "source", tmp_path / "dist", "wheel")
    (small,) = (tmp_path / "dist").glob("*.whl")
    machine = install(small, tmp_path / "machine")
    assert run(machine, tmp_path, "mycelium", "--version") == f"mycelium, version {read_release()}\n"
    assert "Read shard after shard" in run(machine, tmp_path, "mycelium", "gpu", "work", "--help")
    assert "behind `mycelium gpu` alone" in run(machine, tmp_path, "mycelium", "--help")
