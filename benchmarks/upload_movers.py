"""The uploader beside programs that move files to S3: speed, processor time, memory, and the time to drain a spool.

    python -m benchmarks.upload_movers [--rounds 3] [--files 117] [--only movers tls drain]

movers  files of 4 MB moved by programs: ours, `aws s3 mv`, `rclone move`, `s5cmd mv`. Speed is without what the same
        command takes over an empty folder, its start. `ours, running` is the uploader as it is used. The bare line is
        plain sockets and sendfile, without digest and signature. Ours has its digests from when chunks were written.
tls     the same over TLS.
drain   500 MB when the notice comes, a link of 8.4 MB/s: seconds until all is confirmed, all programs at once, each
        over a link of its own.

The programs are installed below .cache; one that can't be had is named, and left out.
"""

import argparse
import hashlib
import os
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.record import ROOT, add_out, begin
from benchmarks.result import Cell, Column, Figure, Table
from benchmarks.upload_endpoint import (
    FILE_BYTES,
    N_FILES,
    Spent,
    drain_command,
    fill,
    install_movers,
    make_files,
    make_movers,
    run,
    serving,
    stage,
    upload_command,
)
from gpu_workers.spool import Spool

PARTS = ("movers", "tls", "drain")
BARE, RUNNING = "a bare line", "ours, running"


def send_bare(url: str, files: list[Path], threads: int = 8) -> float:
    """Send files over plain sockets, as fast as this machine does, and return the seconds."""
    port = int(url.rpartition(":")[2])
    local = threading.local()

    def send(file: Path) -> None:
        if not hasattr(local, "sock"):
            local.sock = socket.create_connection(("127.0.0.1", port))
        size = file.stat().st_size
        local.sock.sendall(f"PUT /b/bare/{file.name} HTTP/1.1\r\nContent-Length: {size}\r\n\r\n".encode())
        with file.open("rb") as body:
            local.sock.sendfile(body)
        assert local.sock.recv(1 << 12).startswith(b"HTTP/1.1 200")

    began = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(send, files))
    return time.perf_counter() - began


def measure_movers(source: Path, rounds: int, programs: Mapping[str, str], tls: Path | None) -> Table:
    """Move the files by each program in turn; return speeds, starts, processor time and memory."""
    names = [path.name for path in source.iterdir()]
    total_mb = len(names) * FILE_BYTES / 1e6
    spent: dict[str, list[tuple[Spent, Spent]]] = {}
    speeds: dict[str, list[float]] = {}
    for number in range(rounds):
        running_s = time_running(len(names), "--only-read", tls=tls)
        speeds.setdefault(RUNNING, []).append(total_mb / running_s)
        with serving("--only-read", tls=tls) as endpoint, tempfile.TemporaryDirectory(dir=source.parent) as text:
            if tls is None:
                speeds.setdefault(BARE, []).append(total_mb / send_bare(endpoint.url, sorted(source.iterdir())))
            for name, command in {"ours": drain_command, **make_movers(programs, endpoint.url)}.items():
                empty, full = Path(text) / f"empty-{number}-{name}", Path(text) / f"full-{number}-{name}"
                empty.mkdir()
                if name == "ours":
                    Spool(empty)
                start = run(command(empty), endpoint.environment)
                stage(source, full, spool=name == "ours")
                moved = run(command(full), endpoint.environment)
                spent.setdefault(name, []).append((start, moved))
                speeds.setdefault(name, []).append(total_mb / max(moved.wall_s - start.wall_s, 1e-3))
    rows: list[tuple[Cell, ...]] = []
    for name in (RUNNING, *spent, *([BARE] if tls is None else [])):
        pairs = spent.get(name, [])
        rows.append(
            (
                name,
                tuple(speeds[name]),
                tuple(start.wall_s for start, _ in pairs) or None,
                tuple(moved.cpu_s / total_mb * 1e3 for _, moved in pairs) or None,
                tuple(moved.peak_mb for _, moved in pairs) or None,
            )
        )
    columns = (Column("speed", "MB/s"), Column("start", "s"), Column("of a processor", "s/GB"), Column("peak", "MB"))
    scheme = "TLS" if tls else "HTTP"
    caption = f"{len(names)} files of {FILE_BYTES / 1e6:.0f} MB, over {scheme}; processor time with the start."
    return Table(caption, columns, tuple(rows), scheme, base="ours", by="speed")


def time_running(n_files: int, *words: str, tls: Path | None = None) -> float:
    """Return the seconds of an uploader that runs already, from the first chunk's arrival to the last one's removal."""
    with tempfile.TemporaryDirectory() as text, serving(*words, tls=tls) as endpoint:
        source, folder = Path(text) / "source", Path(text) / "spool"
        fill(source, n_files)
        spool = Spool(folder)
        digests = {file: hashlib.sha256(file.read_bytes()).hexdigest() for file in source.iterdir()}
        command = upload_command(folder, "--max-spool", "1GB", "--json")
        environment = {**os.environ, **endpoint.environment}
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
        while not spool.read_state().pid:
            time.sleep(0.05)
        time.sleep(1.0)
        began = time.perf_counter()
        for file, digest in digests.items():
            file.rename(folder / "ready" / f"iaf,r,{file.name},{digest}")
        while any((folder / "ready").iterdir()):
            time.sleep(0.002)
        seconds = time.perf_counter() - began
        process.send_signal(signal.SIGTERM)
        process.wait()
    return seconds


def measure_drains(programs: Mapping[str, str], n_files: int) -> Table:
    """Return how long a full spool takes over a link of 8.4 MB/s, for all programs at once."""
    rows: dict[str, tuple[Cell, ...]] = {}

    def drain(name: str, source: Path, folder: Path) -> None:
        with serving("--bytes-per-s", "8.4e6") as endpoint:
            stage(source, folder, spool=name == "ours")
            if name == "ours":
                words = upload_command(folder, "--max-spool", "501MB", "--drain")
            else:
                words = make_movers(programs, endpoint.url)[name](folder)
            spent = run(words, endpoint.environment)
            held = len(endpoint.end()["objects"])
        rows[name] = (name, spent.wall_s, spent.peak_mb, held)

    def drain_running() -> None:
        rows[RUNNING] = (RUNNING, time_running(n_files, "--bytes-per-s", "8.4e6"), None, n_files)

    with tempfile.TemporaryDirectory() as text:
        fill(Path(text) / "source", n_files)
        threads = [
            threading.Thread(target=drain, args=(name, Path(text) / "source", Path(text) / name.split()[0]))
            for name in ("ours", *make_movers(programs, "http://x:1"))
        ]
        threads.append(threading.Thread(target=drain_running))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    size = n_files * FILE_BYTES
    caption = f"{size / 1e6:.0f} MB over 8.4 MB/s: {size / 8.4e6:.1f} s at the least; start and all."
    columns = (Column("time", "s"), Column("peak", "MB"), Column(f"of {n_files} there"))
    return Table(caption, columns, tuple(rows[name] for name in sorted(rows)), "drain", base="ours", by="time")


def main() -> None:
    """Measure and record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--files", type=int, default=N_FILES)
    add_out(parser)
    options = parser.parse_args()
    recording = begin("upload-movers", options.out)
    programs, versions = install_movers()
    tables, figures = [], []
    with make_files(options.files) as (certificate, files):
        for part, tls in (("movers", None), ("tls", certificate)):
            if part in options.only:
                table = measure_movers(files, options.rounds, programs, tls)
                speeds = {str(row[0]): row[1] for row in table.rows}
                ours, what = speeds[RUNNING], f"moving files over {table.name}"
                figures += [
                    Figure(f"{name.split()[0]}-{table.name}", what, ours, "MB/s", name, theirs)
                    for name, theirs in speeds.items()
                    if name not in (RUNNING, BARE, "ours")
                ]
                tables.append(table)
    if "drain" in options.only:
        tables.append(measure_drains(programs, 125))
    recording.save("The uploader beside programs that move files to S3", tables, figures, versions)


if __name__ == "__main__":
    main()
