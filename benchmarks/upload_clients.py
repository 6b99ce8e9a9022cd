"""The uploader's door beside other S3 clients from Python: speed, processor time, memory.

    python -m benchmarks.upload_clients [--rounds 3] [--files 117]

117 chunks of 4 MB, 8 at once, in the clear and over TLS, each client in a fresh process and in turn: our door, obstore,
boto3, the AWS Common Runtime. Each asks for SHA-256 and `If-None-Match: *`. Time and processor time are those of the
uploads alone, without imports. Ours has its digests from when the chunks were written. The peers get an environment of
their own.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

from benchmarks.peers import install
from benchmarks.record import ROOT, add_out, begin
from benchmarks.result import Column, Figure, Table
from benchmarks.upload_endpoint import FILE_BYTES, N_FILES, make_files, serving

WAYS = {"ours": "ours", "obstore": "obstore", "boto3": "boto3", "AWS CRT": "crt"}
PACKAGES = ("obstore==0.12.1", "boto3==1.44.5", "awscrt==0.38.1")
COLUMNS = (Column("speed", "MB/s"), Column("of a processor", "s/GB"), Column("peak", "MB"))
FIELDS = ("mb_per_s", "cpu_s_per_gb", "peak_mb")

Answers = dict[str, list[dict[str, float]]]


def measure(folder: Path, rounds: int, tls: Path | None) -> Answers:
    """Upload a folder by each client in turn."""
    python = install("upload-clients", PACKAGES)
    found: Answers = {}
    for number in range(rounds):
        for name, way in WAYS.items():
            with serving("--only-read", tls=tls) as endpoint:
                interpreter = sys.executable if name == "ours" else python
                words = [way, str(folder), f"bench-{number}", "8"]
                answer = subprocess.run(
                    [interpreter, "-m", "benchmarks.upload_clients_peers", *words],
                    cwd=ROOT,
                    env={**os.environ, **endpoint.environment},
                    stdout=subprocess.PIPE,
                    text=True,
                    check=True,
                )
            found.setdefault(name, []).append(json.loads(answer.stdout.splitlines()[-1]))
    return found


def tabulate(found: Answers, scheme: str, n_files: int) -> tuple[Table, list[Figure]]:
    """Return one scheme's table, and ours beside obstore."""
    cells = {name: [tuple(row[field] for row in rows) for field in FIELDS] for name, rows in found.items()}
    caption = f"{n_files} files of {FILE_BYTES / 1e6:.0f} MB, 8 at once, over {scheme}."
    table = Table(caption, COLUMNS, tuple((name, *row) for name, row in cells.items()), scheme, base="ours", by="speed")
    return table, [
        Figure(f"{column.name.split()[0]}-{scheme}", f"{column.name}, over {scheme}", cells["ours"][j], column.unit,
               "obstore", cells["obstore"][j])
        for j, column in enumerate(COLUMNS)
    ]  # fmt: skip


def main() -> None:
    """Measure and record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--files", type=int, default=N_FILES)
    add_out(parser)
    options = parser.parse_args()
    recording = begin("upload-clients", options.out)
    tables, figures = [], []
    with make_files(options.files) as (certificate, files):
        for scheme, tls in (("HTTP", None), ("TLS", certificate)):
            table, quoted = tabulate(measure(files, options.rounds, tls), scheme, options.files)
            tables.append(table)
            figures += quoted
    recording.save("The uploader's door beside other S3 clients from Python", tables, figures, PACKAGES)


if __name__ == "__main__":
    main()
