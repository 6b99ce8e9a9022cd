"""What the page's simulated runs assume: each condition with its value and whence it is, from the limits themselves."""

from coordinator.simulate.limits import Limits
from coordinator.simulate.work import TYPICAL_INIT_S, Work

DOCUMENTED = "AWS's default, documented; taken down 2026-11"


def list_conditions(limits: Limits, work: Work) -> list[tuple[str, str, str]]:
    """Return what is assumed, how much it is, and whether it was measured, is documented or is stated.

    Args:
        limits: what bounds the runs.
        work: what their tasks are.
    """
    ms = {name: f"{getattr(limits, name) * 1000:g} ms" for name in ("dispatch_s", "open_s", "land_s", "round_trip_s")}
    measured = "measured here, [ADR 0111](adr/0111-the-coordinator-is-one-thread.md)"
    return [
        ("region", "us-east-1, for its quotas and prices", DOCUMENTED),
        ("memory of a function", f"{work.memory_mb:,} MB, one processor", "stated"),
        ("times of tasks", "log-normal about their median, sigma 0.5", "stated"),
        ("requests of a task", f"{work.gets:g} GET and {work.puts:g} PUT, and its part", "counted in a test"),
        ("start of an environment", f"{TYPICAL_INIT_S:g} s", "measured on LocalStack's handlers, ADR 0040"),
        ("tasks at a time", f"{limits.concurrency:,}", DOCUMENTED),
        ("environments", f"{limits.burst:,} at once, {limits.starts_per_s * 10:,.0f} more every 10 s", DOCUMENTED),
        ("longest task", f"{limits.timeout_s / 60:g} min", DOCUMENTED),
        ("PUTs of a prefix", f"{limits.puts_per_s:,.0f} a second; outputs and parts have one each", DOCUMENTED),
        ("GETs of a prefix", f"{limits.gets_per_s:,.0f} a second", DOCUMENTED),
        ("to send a task", f"{ms['dispatch_s']} of the coordinator's one thread", measured),
        ("to open a connection", f"{ms['open_s']} of it, once for each task at a time", measured),
        ("to take an answer", f"{ms['land_s']} of it", measured),
        ("an invocation beside its task", ms["round_trip_s"], "stated"),
        ("transitions", f"{limits.transitions_per_s:,.0f} a second", DOCUMENTED),
        ("transitions of a chunk", f"{limits.transitions_each}", "stated, not measured"),
        ("children of one map", f"{limits.map_concurrency:,}", DOCUMENTED),
        ("looks at a state machine", f"every {limits.poll_s:g} s at last", "as the code does"),
    ]


def render_conditions(limits: Limits, work: Work) -> str:
    """Return them as the page's table."""
    rows = [f"| {what} | {how_much} | {whence} |" for what, how_much, whence in list_conditions(limits, work)]
    return "\n".join(["| | | whence |", "|---|---|---|", *rows])
