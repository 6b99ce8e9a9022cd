"""What the checks look through: this machine, its packages, and AWS as its environment names it."""

import importlib.metadata
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

NVIDIA_SMI_TIMEOUT_S = 30
_QUERY = ("--query-gpu=name,memory.total,driver_version", "--format=csv,noheader")


def find_version(package: str) -> str | None:
    """Return the installed version of a package, or None; it is not imported."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def list_gpus(program: str = "nvidia-smi") -> Sequence[str]:
    """Return the GPUs as nvidia-smi names them; none where it is not, does not answer or fails."""
    found = shutil.which(program)
    if found is None:
        return ()
    try:
        asked = subprocess.run(  # noqa: S603 - found by its name, with constant arguments
            [found, *_QUERY], capture_output=True, text=True, check=False, timeout=NVIDIA_SMI_TIMEOUT_S
        )
    except (OSError, subprocess.TimeoutExpired):
        return ()
    lines = asked.stdout.splitlines() if asked.returncode == 0 else []
    return tuple("".join(c for c in line if c.isprintable()).strip() for line in lines if line.strip())


def measure_free(folder: Path) -> int:
    """Return the bytes that may be written below a folder, or below where it would be made."""
    place = folder.absolute()
    while not place.exists():
        place = place.parent
    return shutil.disk_usage(place).free


def ask_identity() -> str:
    """Return the ARN of who the environment's credentials are.

    Raises:
        DeploymentError: there are none, or AWS does not know them.
    """
    from mycelium.aws import calling_aws, make_client  # noqa: PLC0415 - it brings boto3

    with calling_aws("STS"):
        return str(make_client("sts").get_caller_identity()["Arn"])
