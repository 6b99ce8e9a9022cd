"""What a function weighs and what its cold start costs: `python -m benchmarks.cold_start`.

For each function, and for what could be in its place, the size unzipped and zipped, and the CPU time and wall time of
loading it in a fresh interpreter that sees its folder and the standard library only. boto3 is taken from this
environment and put beside the function, as AWS does; it is not in the size.

The first line is the floor: numpy, zstandard and obstore, a Rust client of object stores, in the place of pyarrow and
boto3.
"""

import shutil
import statistics
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import boto3
import uv

from benchmarks.measure import describe_machine
from infra.cloud_stack import plan_reduce, plan_stage
from infra.packaging import Target, build_asset
from lambdas.stages import find_stage, stage_names

RUNS = 9
ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1"}  # as `infra.task_function` sets it
HERE = Target.of_this_machine()
BESIDE = ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "urllib3")

MEASURE = """
import sys, time
sys.path[:0] = sys.argv[2:]
wall, cpu = time.perf_counter(), time.process_time()
exec(sys.argv[1])
print(time.perf_counter() - wall, time.process_time() - cpu)
"""

LOAD = "import lambdas.handler; from lambdas.stages import find_stage; find_stage({stage!r})"
CLIENT = "import boto3; boto3.client('s3', region_name='us-east-1')"
FLOOR = "import numpy, zstandard, obstore; obstore.store.S3Store('bucket', region='us-east-1')"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    what: str
    unzipped_mb: float
    zipped_mb: float
    cpu_ms: float
    wall_ms: float


def measure(code: str, *folders: Path) -> tuple[float, float]:
    """Return the median CPU and wall milliseconds of code in a fresh interpreter that sees these folders only."""
    command = [sys.executable, "-I", "-S", "-B", "-c", MEASURE, code, *map(str, folders)]
    runs = []
    for _ in range(RUNS):
        asked = subprocess.run(command, capture_output=True, text=True, check=True, env=ENVIRONMENT)
        runs.append([float(word) * 1000 for word in asked.stdout.split()])
    return statistics.median(run[1] for run in runs), statistics.median(run[0] for run in runs)


def size_mb(folder: Path) -> float:
    """Return what a folder's files hold, MB."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / (1 << 20)


def put_beside(folder: Path) -> None:
    """Put boto3 into a folder, as AWS puts it beside a function."""
    site = Path(boto3.__file__).parent.parent
    for name in BESIDE:
        shutil.copytree(site / name, folder / name)
    shutil.copy(site / "six.py", folder)


def measure_function(name: str, requires: tuple[str, ...], stage: str, scratch: Path) -> list[Row]:
    """Measure a function: as it is, without its bytecode, and with the client of its store."""
    asset = build_asset(name, requires, HERE)
    folder = scratch / name
    with zipfile.ZipFile(asset.path) as archive:
        archive.extractall(folder)
    load, zipped = LOAD.format(stage=stage), asset.path.stat().st_size / (1 << 20)
    rows = [Row(name, size_mb(folder), zipped, *measure(load, folder))]
    rows.append(Row(f"{name} and its S3 client", 0, 0, *measure(f"{load}; {CLIENT}", folder, scratch / "beside")))
    for cache in list(folder.rglob("__pycache__")):
        shutil.rmtree(cache)
    rows.append(Row(f"{name} without bytecode", size_mb(folder), 0, *measure(load, folder)))
    return rows


def measure_floor(scratch: Path) -> Row:
    """Measure what a function without pyarrow and boto3 would cost."""
    folder = scratch / "floor"
    install = [uv.find_uv_bin(), "pip", "install", "--quiet", "--compile-bytecode", "--python", sys.executable]
    subprocess.run([*install, "--target", str(folder), "numpy", "zstandard", "obstore"], check=True)
    zipped = Path(shutil.make_archive(str(scratch / "floor"), "zip", folder))
    return Row("numpy, zstandard, obstore", size_mb(folder), zipped.stat().st_size / (1 << 20), *measure(FLOOR, folder))


def main() -> None:
    """Print the table."""
    stages = [find_stage(name) for name in stage_names()]
    with tempfile.TemporaryDirectory() as made:
        scratch = Path(made)
        put_beside(scratch / "beside")
        rows = [measure_floor(scratch)]
        for stage in stages:
            rows += measure_function(stage.name, plan_stage(stage).requires, stage.name, scratch)
        plan = plan_reduce(stages)
        rows += measure_function(plan.name, plan.requires, stages[0].name, scratch)
    print(f"median of {RUNS} runs on {describe_machine()}")
    print(f"{'':34} {'unzipped MB':>11} {'zipped MB':>9} {'CPU ms':>7} {'wall ms':>7}")
    for row in rows:
        sizes = [f"{size:.1f}" if size else "" for size in (row.unzipped_mb, row.zipped_mb)]
        print(f"{row.what:34} {sizes[0]:>11} {sizes[1]:>9} {row.cpu_ms:7.0f} {row.wall_ms:7.0f}")


if __name__ == "__main__":
    main()
