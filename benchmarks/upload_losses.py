"""What is staged and what is lost while files are still being written: the uploader beside programs that move files.

    python -m benchmarks.upload_losses

1,000 files of 200 kB from 64 writers at 80 MB/s together, each taking 160 ms for a file, a link of 30 MB/s, a cap of
20 MB: most bytes staged, files torn, files lost. The peers are started again and again until nothing is left.
"""

import argparse
import hashlib
import os
import re
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.record import ROOT, add_out, begin
from benchmarks.result import Cell, Column, Figure, Table
from benchmarks.upload_endpoint import install_movers, make_movers, run, serving, upload_command
from gpu_workers.spool import Spool, State
from tests.gpu_workers.spool.chaos import Sampler

N_LOSS, LOSS_BYTES, CAP = 1000, 200_000, 20_000_000
PRODUCED, LINK = 80e6, 30e6
WRITERS = 64
PIECES = 8


def make_loss_file(number: int) -> bytes:
    """Return the bytes of one file."""
    seed = hashlib.sha256(str(number).encode()).digest()
    return b"PAR1" + (seed * (LOSS_BYTES // 32 + 1))[: LOSS_BYTES - 8] + b"PAR1"


def produce(write: Callable[[int, bytes], None]) -> None:
    """Write all files, several at once, at the speed agreed."""
    began = time.monotonic()

    def work(writer: int) -> None:
        for number in range(writer, N_LOSS, WRITERS):
            due = began + (number // WRITERS) * WRITERS * LOSS_BYTES / PRODUCED
            time.sleep(max(0.0, due - time.monotonic()))
            write(number, make_loss_file(number))

    threads = [threading.Thread(target=work, args=(writer,)) for writer in range(WRITERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def write_slowly(folder: Path, number: int, data: bytes) -> None:
    """Write a file as most programs do: under its name, piece by piece."""
    with (folder / f"{number % 10}-{number:05d}.parquet").open("wb", buffering=0) as file:
        for start in range(0, len(data), LOSS_BYTES // PIECES):
            file.write(data[start : start + LOSS_BYTES // PIECES])
            time.sleep(WRITERS * LOSS_BYTES / PRODUCED / PIECES)


def publish(spool: Spool, number: int, data: bytes) -> None:
    """Write a file as the extractor does: into the spool, under a name once it is whole."""
    spool.publish(f"r/{number:05d}.parquet", data)


def count_losses(facts: dict[str, Any], left: int) -> tuple[int, int]:
    """Return how many files the endpoint holds torn, and how many are nowhere."""
    held = {int(re.findall(r"(\d{5})\.parquet", key)[-1]): value for key, value in facts["objects"].items()}
    wanted = {number: hashlib.sha256(make_loss_file(number)).hexdigest() for number in range(N_LOSS)}
    torn = sum(held[number][1] != digest for number, digest in wanted.items() if number in held)
    return torn, sum(number not in held for number in wanted) - left


def lose_by_ours(folder: Path) -> tuple[Cell, ...]:
    """Let the uploader run while the files are written."""
    with serving("--bytes-per-s", str(LINK)) as endpoint:
        began = time.monotonic()
        spool = Spool(folder)
        spool.write_state(State(budget=CAP, cap=CAP))
        words = upload_command(folder, "--max-spool", str(CAP), "--json")
        environment = {**os.environ, **endpoint.environment}
        process = subprocess.Popen(words, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
        with Sampler(folder, lock=folder / "account.lock") as sampler:
            produce(lambda number, data: publish(spool, number, data))
            process.send_signal(signal.SIGTERM)
            code = process.wait()
        left, seconds = len(spool.waiting()), time.monotonic() - began
        return ("ours", sampler.peak / 1e6, *count_losses(endpoint.end(), left), left, seconds, 1, str(code))


def lose_by(name: str, programs: Mapping[str, str], folder: Path) -> tuple[Cell, ...]:
    """Start a program again and again while the files are written, and until nothing is left."""
    folder.mkdir()
    with serving("--bytes-per-s", str(LINK)) as endpoint:
        began, codes, runs = time.monotonic(), set(), 0
        mover = make_movers(programs, endpoint.url)[name]
        producer = threading.Thread(target=produce, args=(lambda number, data: write_slowly(folder, number, data),))
        with Sampler(folder) as sampler:
            producer.start()
            ended = False
            while True:
                last = ended
                codes.add(run(mover(folder), endpoint.environment).code)
                runs += 1
                left = sum(1 for _ in folder.iterdir())
                ended = not producer.is_alive()
                if (last and not left) or runs > 60:
                    break
            producer.join()
        seconds, told = time.monotonic() - began, ", ".join(map(str, sorted(codes)))
        return (name, sampler.peak / 1e6, *count_losses(endpoint.end(), left), left, seconds, runs, told)


def main() -> None:
    """Measure and record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_out(parser)
    options = parser.parse_args()
    recording = begin("upload-losses", options.out)
    programs, versions = install_movers()
    with tempfile.TemporaryDirectory() as text:
        rows = [lose_by_ours(Path(text) / "ours")]
        rows += [lose_by(name, programs, Path(text) / name.split()[0]) for name in make_movers(programs, "http://x:1")]
    names = ("torn", "lost", "left", "time", "runs", "exit codes")
    columns = (Column("staged at most", "MB", ".1f"), *(Column(name, "s" if name == "time" else "") for name in names))
    caption = (
        f"{N_LOSS:,} files of {LOSS_BYTES / 1e3:.0f} kB at {PRODUCED / 1e6:.0f} MB/s, a link of {LINK / 1e6:.0f} MB/s, "
        f"a cap of {CAP / 1e6:.0f} MB."
    )
    (ours, *others) = rows
    figures = [Figure("staged", "staged at most, of a cap of 20 MB", ours[1], "MB", at_most=CAP / 1e6, form=".1f")]
    figures += [
        Figure(f"torn-{str(row[0]).split()[0]}", "files torn or lost", int(str(ours[2])) + int(str(ours[3])), "",
               str(row[0]), int(str(row[2])) + int(str(row[3])), at_most=0)
        for row in others
    ]  # fmt: skip
    title = "What is staged and what is lost while files are still being written"
    recording.save(title, [Table(caption, columns, tuple(rows))], figures, versions)


if __name__ == "__main__":
    main()
