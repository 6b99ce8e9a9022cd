"""What a GPU machine does when it starts: install the worker, and leave the group if that fails.

A machine that can't do its work must not stay and cost: the script's trap, and systemd where the worker fails again and
again, take it out of its group, which becomes one smaller. So a fleet that can't start ends at none by itself; what it
said is in the console's output (`aws ec2 get-console-output`).
"""

import importlib.metadata
from collections.abc import Mapping

PYTHON = "3.12"
"""The interpreter that uv brings: Ubuntu 22.04's own is too old."""

HOME = "/opt/mycelium"
SPOOL = "/var/spool/mycelium"
MAX_SPOOL = "500MB"

_LEAVE = f"""\
cat > {HOME}/leave-group <<'END'
#!/bin/bash
# Take this machine out of its Auto Scaling group, and make that one smaller.
token=$(curl -sf -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' http://169.254.169.254/latest/api/token)
ask() {{ curl -sf -H "X-aws-ec2-metadata-token: $token" "http://169.254.169.254/latest/meta-data/$1"; }}
aws autoscaling terminate-instance-in-auto-scaling-group --region "$(ask placement/region)" \\
  --instance-id "$(ask instance-id)" --should-decrement-desired-capacity
END
chmod +x {HOME}/leave-group
cat > /etc/systemd/system/mycelium-leave.service <<'END'
[Unit]
Description=Mycelium: leave the Auto Scaling group
[Service]
Type=oneshot
ExecStart={HOME}/leave-group
END
trap {HOME}/leave-group ERR"""

_INSTALL = f"""\
python3 -m zipfile -e {HOME}/worker.zip {HOME}/source
python3 -m pip install --quiet uv=={importlib.metadata.version("uv")}
export UV_PYTHON_INSTALL_DIR={HOME}/python
python3 -m uv venv --python {PYTHON} {HOME}/.venv
python3 -m uv pip install --python {HOME}/.venv/bin/python \\
  --constraint {HOME}/source/constraints.txt '{HOME}/source[gpu]'"""

_SERVE = f"""\
cp {HOME}/source/gpu_workers/spool/mycelium-upload.service {HOME}/source/gpu_workers/work/mycelium-work.service \\
  /etc/systemd/system/
systemctl daemon-reload
systemctl enable --now mycelium-upload.service mycelium-work.service"""


def write_start(worker_zip: str, queue: str, bucket: str, region: str) -> list[str]:
    """Return the commands, each a line or a few, that the launch template's user data hold after their first line.

    Args:
        worker_zip: ``s3://`` URI of the zip file with our code.
        queue: the URL of the queue of shards.
        bucket: the data bucket's name.
        region: the region's name.
    """
    store = f"s3://{bucket}"
    where = {"SPOOL": SPOOL, "AWS_REGION": region, "AWS_DEFAULT_REGION": region}
    return [
        "set -euxo pipefail",
        "export HOME=/root",  # which a machine's first script is not given, and pip and uv want
        f"mkdir -p {HOME} {SPOOL} /etc/mycelium",
        _LEAVE,
        f"aws s3 cp {worker_zip} {HOME}/worker.zip --region {region}",
        _INSTALL,
        _write_environment("upload", where | {"TO": store, "MAX_SPOOL": MAX_SPOOL}),
        _write_environment("work", where | {"QUEUE": queue, "STORE": store, "HF_HOME": f"{HOME}/hub"}),
        _SERVE,
    ]


def _write_environment(name: str, variables: Mapping[str, str]) -> str:
    lines = "\n".join(f"{key}={value}" for key, value in variables.items())
    return f"cat > /etc/mycelium/{name}.env <<'END'\n{lines}\nEND"
