"""What bounds a run in an account, as numbers that can be set."""

from dataclasses import dataclass

from mycelium.errors import UserInputError


@dataclass(frozen=True, slots=True)
class Limits:
    """What bounds a run: of AWS by default, in an account whose quotas nobody has raised.

    Sources: Lambda quotas (concurrent executions, 15 minutes) and its scaling (1,000 environments more every 10 s for
    each function); S3's request rates for each prefix; Step Functions quotas (StateTransition in the large regions,
    child executions of one map).

    Attributes:
        concurrency: tasks that run at a time.
        burst: environments that can be started at once.
        starts_per_s: environments that can be started each second after that.
        puts_per_s: PUTs that one prefix takes each second.
        gets_per_s: GETs that one prefix takes each second.
        n_prefixes: prefixes over which keys are spread evenly.
        timeout_s: the longest task.
        dispatch_s: what the coordinator's one thread takes to send a task; this and the next two are what ADR 0030
            measured together, 0.6 ms, as ADR 0111 parts it.
        open_s: what it takes to open a connection, TLS and all; one that is open and idle is used again.
        land_s: what it takes to read an answer and to take note of it.
        accept_s: what the other side's one processor takes to accept a connection; 0 for AWS, which has many.
        answer_s: what that takes to hear an event and to answer it, the task itself apart.
        round_trip_s: what an invocation takes beside its task: the network and Lambda itself. Stated, not measured.
        transitions_per_s: state transitions of Step Functions each second.
        transitions_each: state transitions of one child of a map.
        map_concurrency: children of one map that run at a time.
        poll_s: the longest time between two looks at a state machine.
    """

    concurrency: int = 1000
    burst: int = 1000
    starts_per_s: float = 100.0
    puts_per_s: float = 3500.0
    gets_per_s: float = 5500.0
    n_prefixes: int = 1
    timeout_s: float = 900.0
    dispatch_s: float = 0.0002
    open_s: float = 0.0003
    land_s: float = 0.0001
    accept_s: float = 0.0
    answer_s: float = 0.0
    round_trip_s: float = 0.02
    transitions_per_s: float = 5000.0
    transitions_each: int = 3
    map_concurrency: int = 10_000
    poll_s: float = 30.0

    def __post_init__(self) -> None:
        """Refuse limits under which nothing would ever run."""
        positive = {
            "concurrency": self.concurrency,
            "burst": self.burst,
            "starts_per_s": self.starts_per_s,
            "puts_per_s": self.puts_per_s,
            "gets_per_s": self.gets_per_s,
            "n_prefixes": self.n_prefixes,
            "timeout_s": self.timeout_s,
            "transitions_per_s": self.transitions_per_s,
        }
        for name, value in positive.items():
            if not value > 0:
                raise UserInputError(f"{name} is above 0; got {value}")
        times = (self.dispatch_s, self.open_s, self.land_s, self.accept_s, self.answer_s, self.round_trip_s)
        if min(times) < 0:
            raise UserInputError(f"a time is 0 or more; got {min(times)} s")


AWS = Limits()
