"""Very many chunks of real shape and entropy through a small spool; and what compressing them again would gain.

python -m benchmarks.upload_long [--total 33e9] [--budget 500e6]
python -m benchmarks.upload_long --compress
"""

import argparse
import os
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import pyarrow as pa

from benchmarks.record import ROOT, add_out, begin
from benchmarks.result import Column, Figure, Table
from benchmarks.upload_endpoint import Memory, serving, upload_command
from gpu_workers.spool import Spool, State
from mycelium.datasets import IAF
from mycelium.schema import encode_chunk
from tests.builders import make_header, make_iaf
from tests.gpu_workers.spool.chaos import Sampler

LEVELS = (1, 3, 9)
REPETITIONS = 5


def make_real_chunk(seed: int) -> bytes:
    """Make a chunk of real shape and entropy: 28 layers of 28 heads over some problems of some 600 tokens."""
    table = make_iaf([580, 610, 640, 590, 600], layers=28, heads=28, seed=seed)
    return encode_chunk(IAF, table, make_header(chunk_id="00000"))


def measure_compression() -> tuple[Table, list[Figure]]:
    """Return what compressing a chunk again would gain."""
    chunk = make_real_chunk(0)
    rows, figures = [], []
    for level in LEVELS:
        seconds, size = [], 0
        for _ in range(REPETITIONS):
            began = time.process_time()
            size = len(pa.Codec("zstd", level).compress(chunk, asbytes=True))
            seconds.append((time.process_time() - began) / (len(chunk) / 1e9))
        gain = 100 * (1 - size / len(chunk))
        rows.append((f"zstd {level}", gain, tuple(seconds)))
        figures.append(Figure(f"gain-{level}", f"zstd {level} over a chunk takes away", gain, "%", form=".1f"))
        figures.append(Figure(f"cpu-{level}", f"zstd {level} over chunks, of a processor", tuple(seconds), "s/GB"))
    columns = (Column("less", "%", ".2f"), Column("of a processor", "s/GB"))
    return Table(f"A chunk of {len(chunk):,} bytes, zstd inside.", columns, tuple(rows)), figures


class ChunkPress:
    """Makes any number of chunks that are whole, differ, and have known digests, from a few real ones."""

    def __init__(self) -> None:
        """Make a few real ones."""
        self.made = [make_real_chunk(seed) for seed in range(4)]
        self.places = [chunk.rindex(b'"chunk_id":"00000"') + len(b'"chunk_id":"') for chunk in self.made]

    def press(self, number: int) -> bytes:
        """Return chunk `number`: a real one, with its own number in its header."""
        chunk, place = self.made[number % 4], self.places[number % 4]
        return chunk[:place] + f"{number:05d}".encode() + chunk[place + 5 :]


def run_long(total: int, budget: int) -> tuple[Table, list[Figure]]:
    """Send very many chunks through a small spool, and see that each arrived."""
    press = ChunkPress()
    n_chunks = total // len(press.made[0]) + 1
    digests: dict[str, str] = {}
    made = 0
    with tempfile.TemporaryDirectory() as text, serving() as endpoint:
        folder = Path(text) / "spool"
        spool = Spool(folder)
        spool.write_state(State(budget=budget, cap=budget))
        words = upload_command(folder, "--max-spool", str(budget), "--json")
        environment = {**os.environ, **endpoint.environment}
        process = subprocess.Popen(words, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
        began = time.monotonic()
        with Sampler(folder, 0.002, folder / "account.lock") as sampler, Memory(process.pid) as memory:
            for number in range(n_chunks):
                key, chunk = f"iaf/long/{number:05d}.parquet", press.press(number)
                digests[key] = spool.publish(key, chunk, lambda _: None).sha256
                made += len(chunk)
            process.send_signal(signal.SIGTERM)
            _, status, used = os.wait4(process.pid, 0)
        seconds = time.monotonic() - began
        facts = endpoint.end()
    held = {key.partition("ours/")[2]: value[1] for key, value in facts["objects"].items()}
    right = sum(held.get(key) == digest for key, digest in digests.items())
    cpu_s = (used.ru_utime + used.ru_stime) / (made / 1e9)
    rows = (
        ("chunks", n_chunks),
        ("sent, GB", made / 1e9),
        ("seconds", seconds),
        ("MB/s", made / 1e6 / seconds),
        ("exit code", os.waitstatus_to_exitcode(status)),
        ("spool at most, MB", sampler.peak / 1e6),
        ("looks at it", sampler.samples),
        ("memory of the uploader at most, MB", memory.peak_mb),
        ("processor, s/GB", cpu_s),
        ("chunks there, bit for bit", right),
        ("objects", len(held)),
        ("replaced", int(facts["replaced"])),
    )
    figures = [
        Figure("right", f"chunks of {n_chunks:,} that arrived, bit for bit", right, at_least=n_chunks),
        Figure("peak", f"the spool at most, of {budget / 1e6:.0f} MB", sampler.peak / 1e6, "MB", at_most=budget / 1e6),
        Figure("cpu", "the uploader's processor time", cpu_s, "s/GB"),
    ]
    caption = f"Chunks of {made / n_chunks / 1e6:.2f} MB through a spool of {budget / 1e6:.0f} MB."
    return Table(caption, (Column("measured"),), rows), figures


def main() -> None:
    """Measure and record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--total", type=float, default=33e9, help="bytes that are sent")
    parser.add_argument("--budget", type=float, default=500e6, help="bytes that the spool may hold")
    parser.add_argument("--compress", action="store_true", help="what compressing again gains, in place of all that")
    add_out(parser)
    options = parser.parse_args()
    if options.compress:
        recording = begin("upload-compress", options.out)
        table, figures = measure_compression()
        recording.save("What compressing a chunk again would gain", [table], figures)
        return
    recording = begin("upload-long", options.out)
    table, figures = run_long(int(options.total), int(options.budget))
    recording.save("Very many chunks through a small spool", [table], figures)


if __name__ == "__main__":
    main()
