"""What a function weighs and what its cold start costs.

    python -m benchmarks.cold_start [--stages heartbeat …]

For each function, and for what could be in its place, the size unzipped and zipped, and the CPU time and wall time of
loading it in a fresh interpreter that sees its folder and the standard library only. boto3 is taken from this
environment and put beside the function, as AWS does; it is not in the size.

The first line is the floor: numpy, zstandard and obstore, a Rust client of object stores, in the place of pyarrow and
boto3.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import boto3
import uv

from benchmarks.record import add_out, begin
from benchmarks.result import Column, Figure, Table
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
    """One line of the table: sizes in MB, and milliseconds of each run."""

    what: str
    unzipped_mb: float | None
    zipped_mb: float | None
    cpu_ms: tuple[float, ...]
    wall_ms: tuple[float, ...]


def measure(code: str, *folders: Path) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return the CPU and wall milliseconds of code in fresh interpreters that see these folders only."""
    command = [sys.executable, "-I", "-S", "-B", "-c", MEASURE, code, *map(str, folders)]
    runs = []
    for _ in range(RUNS):
        asked = subprocess.run(command, capture_output=True, text=True, check=True, env=ENVIRONMENT)
        runs.append([float(word) * 1000 for word in asked.stdout.split()])
    return tuple(run[1] for run in runs), tuple(run[0] for run in runs)


def size_mb(folder: Path) -> float:
    """Return what a folder's files hold, MB."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


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
    load, zipped = LOAD.format(stage=stage), asset.path.stat().st_size / 1e6
    rows = [Row(name, size_mb(folder), zipped, *measure(load, folder))]
    rows.append(Row(f"{name} and its S3 client", None, None, *measure(f"{load}; {CLIENT}", folder, scratch / "beside")))
    for cache in list(folder.rglob("__pycache__")):
        shutil.rmtree(cache)
    rows.append(Row(f"{name} without bytecode", size_mb(folder), None, *measure(load, folder)))
    return rows


def measure_floor(scratch: Path) -> Row:
    """Measure what a function without pyarrow and boto3 would cost."""
    folder = scratch / "floor"
    install = [uv.find_uv_bin(), "pip", "install", "--quiet", "--compile-bytecode", "--python", sys.executable]
    subprocess.run([*install, "--target", str(folder), "numpy", "zstandard", "obstore"], check=True)
    zipped = Path(shutil.make_archive(str(scratch / "floor"), "zip", folder))
    return Row("numpy, zstandard, obstore", size_mb(folder), zipped.stat().st_size / 1e6, *measure(FLOOR, folder))


def main() -> None:
    """Measure and record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stages", nargs="+", choices=stage_names(), default=stage_names())
    add_out(parser)
    options = parser.parse_args()
    recording = begin("cold-start", options.out)
    stages = [find_stage(name) for name in options.stages]
    with tempfile.TemporaryDirectory() as made:
        scratch = Path(made)
        put_beside(scratch / "beside")
        floor = measure_floor(scratch)
        rows = [floor]
        for stage in stages:
            rows += measure_function(stage.name, plan_stage(stage).requires, stage.name, scratch)
        plan = plan_reduce(stages)
        rows += measure_function(plan.name, plan.requires, stages[0].name, scratch)
    columns = (
        Column("unzipped", "MB", ".1f"),
        Column("zipped", "MB", ".1f"),
        Column("of a processor", "ms", ".0f"),
        Column("loading", "ms", ".0f"),
    )
    cells = tuple((row.what, row.unzipped_mb, row.zipped_mb, row.cpu_ms, row.wall_ms) for row in rows)
    caption = f"Fresh interpreters, {RUNS} of each; the first line is what there is without pyarrow and boto3."
    figures = [
        Figure(f"{row.what}", f"loading the function `{row.what}`", row.wall_ms, "ms", floor.what, floor.wall_ms)
        for row in rows[1::3]
    ]
    table = Table(caption, columns, cells, label="function", base=floor.what, by="loading")
    recording.save("What a function weighs, and what loading it takes", [table], figures)


if __name__ == "__main__":
    main()
