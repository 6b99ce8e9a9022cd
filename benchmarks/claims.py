"""What the documentation claims with a figure, and the command that measures it, in the order of `make bench`."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Claim:
    """A command that measures something, and its short form for a test, if there is one.

    Attributes:
        module: What `python -m` is given.
        words: What it is given besides: with exactly these its result is kept in benchmarks/results.
        short: The same for a form of seconds that shows that all works, and measures nothing.
        wants: What it needs besides this machine and a package index; `make bench` leaves it out unless it is named.
    """

    module: str
    words: tuple[str, ...] = ()
    short: tuple[str, ...] | None = None
    wants: str = ""

    @property
    def command(self) -> str:
        """What is typed."""
        return " ".join(("python", "-m", self.module, *self.words))


DATA = "the real problems in ../shared/data, or below --data"

GPU = "a CUDA device of 80 GB"

CLAIMS = {
    "heartbeat": Claim("benchmarks.heartbeat", short=("--chunks", "2", "--rounds", "2")),
    "attention": Claim("benchmarks.attention", wants=GPU),
    "extraction": Claim("benchmarks.extraction", wants=GPU),
    "signal-bytes": Claim("benchmarks.extraction", ("--bytes",)),
    "encodings": Claim("benchmarks.encodings", short=("--rounds", "1")),
    "beats": Claim("benchmarks.beats"),
    "step-counts": Claim("benchmarks.step_counts"),
    "labels": Claim("benchmarks.labels", wants=DATA),
    "labels-shares": Claim("benchmarks.labels_shares", wants=DATA),
    "pairs": Claim("benchmarks.pairs"),
    "templates": Claim("benchmarks.templates", wants=DATA),
    "template-stage": Claim("benchmarks.template_stage", short=("--only", "map", "--steps", "2000", "--k-max", "4")),
    "dispatch": Claim("benchmarks.dispatch", ("--rounds", "3", "--limit", "25")),
    "fan-out": Claim("benchmarks.fan_out"),
    "stragglers": Claim("benchmarks.stragglers"),
    "run-chaos": Claim("benchmarks.run_chaos"),
    "run-chaos-local": Claim("benchmarks.run_chaos", ("--executor", "local")),
    "cost": Claim("benchmarks.cost", wants=DATA),
    "planning": Claim("benchmarks.planning"),
    "whole-run": Claim("benchmarks.whole_run"),
    "simulation": Claim("benchmarks.simulation"),
    "fleet": Claim("benchmarks.fleet", short=("--chunks", "4", "--rounds", "3")),
    "upload-clients": Claim("benchmarks.upload_clients"),
    "upload-movers": Claim("benchmarks.upload_movers"),
    "upload-losses": Claim("benchmarks.upload_losses"),
    "upload-compress": Claim("benchmarks.upload_long", ("--compress",), short=("--compress",)),
    "upload-long": Claim("benchmarks.upload_long", wants="33 GB sent over the loopback address"),
    "upload-chaos": Claim("benchmarks.upload_chaos", short=("--chunks", "20", "--kills", "2")),
    "cold-start": Claim("benchmarks.cold_start"),
    "localstack": Claim("benchmarks.localstack", wants="npx and a Python 3.13, as `make integration` does"),
    "start-up": Claim("benchmarks.start_up", short=("--repetitions", "1")),
}
"""By name: that of the file below benchmarks/results."""
