"""What workers and coordinator leave for each other: the queue's messages, and small objects in the store."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, TypeVar

import msgspec

from mycelium.errors import ChunkDamagedError, ObjectExistsError, ObjectNotFoundError, UserInputError
from mycelium.fleet.shards import Shard
from mycelium.manifest import Manifest, digest
from mycelium.schema import Provenance, Row
from mycelium.store import Store

PREFIX = "fleet/"
OUTCOMES = "outcomes/"
MAX_TRIES = 3
"""How many workers a shard may kill, or fail on, before it is put aside."""

MODELS = "models/"
"""Where in a deployment's bucket teachers are kept for its machines."""

JOB_DIGITS = 12
JOB_TAG = "mycelium:job"
"""The queue's tag that says whose shards it holds."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Job:
    """What a fleet is to do.

    Attributes:
        name: `name_job` of what follows, up to `params`.
        problems: the run of problems, its id.
        model: the teacher, as `extract --model` takes it, or an ``s3://`` URI of a folder.
        params: parameters of the stage, where they are not its defaults.
        shards: the ranges, of which every worker leases one after another.
        unit: what the shards' work is counted in.
        workers: how many machines it was planned for.
        created_s: when it was made, seconds since the epoch.
        instance_type: the machines' type; None for machines of one's own.
        usd_per_hour: what such a machine costs, ``on-demand`` and ``spot``.
    """

    name: str
    problems: str
    model: str
    params: Row
    shards: tuple[Shard, ...]
    unit: Literal["tokens", "characters"]
    workers: int
    created_s: float
    instance_type: str | None = None
    usd_per_hour: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ShardCall:
    """The message that offers one shard.

    Attributes:
        job: the job.
        number: the shard.
        start: its first problem.
        end: its last problem, inclusive.
    """

    job: str
    number: int
    start: int
    end: int
    version: int = 1


@dataclass(frozen=True, slots=True)
class Claim:
    """Which run a job became: what the first worker made of it, and no other may differ from.

    Attributes:
        run_id: the run.
        provenance: where its chunks come from, and the teacher.
        stage: name and version of the stage, as a chunk's header says them.
        params: its parameters.
        datasets: the datasets it writes, in order.
        problems: the run of problems that it reads.
    """

    run_id: str
    provenance: Provenance
    stage: str
    params: Row
    datasets: tuple[str, ...]
    problems: str


@dataclass(frozen=True, slots=True)
class WorkerStatus:
    """How a worker stands.

    Attributes:
        worker: its name: the machine's, where it has one.
        state: ``loading``, ``working``, ``waiting`` for a shard, ``draining``, ``stopped`` or ``failed``.
        started_s: when it began, seconds since the epoch.
        seen_s: when this was written.
        shard: the shard it is at; None for none.
        problems: problems that it has read.
        chunks: chunks that it has written.
        busy_s: how long it has read, loading and waiting left out.
        spool_bytes: how full its spool is.
        spool_budget: what that may hold; 0 where it has none.
        instance_type: the machine's type; None if it is none of EC2's.
        lifecycle: ``spot``, ``on-demand``, or empty.
        usd_per_hour: what it costs; None if that is not known.
        note: why it stopped, or what it waits for.
    """

    worker: str
    state: str
    started_s: float
    seen_s: float
    shard: int | None = None
    problems: int = 0
    chunks: int = 0
    busy_s: float = 0.0
    spool_bytes: int = 0
    spool_budget: int = 0
    instance_type: str | None = None
    lifecycle: str = ""
    usd_per_hour: float | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class ShardMark:
    """How far a shard was read.

    Attributes:
        number: the shard.
        worker: who is, or was, at it.
        tries: how often it was leased, this time included, without being given back in good order.
        state: ``reading``, ``done``, ``returned`` in good order, or ``failed``.
        chunk_id: the chunk in hand, or the last one.
        first_problem: that chunk's first problem, its id.
        last_problem: that chunk's last problem; on the last try, the very problem in hand.
        error: what went wrong, in one line.
    """

    number: int
    worker: str
    tries: int
    state: str
    chunk_id: str = ""
    first_problem: str = ""
    last_problem: str = ""
    error: str | None = None


def name_job(problems: Manifest, model: str, params: Row) -> str:
    """Return a job's name: the problems' name, and the hash of what is to be done with which of them."""
    decides = msgspec.json.encode([problems.run_id, model, params], order="sorted")
    return f"{problems.provenance.name}-{digest(decides)[:JOB_DIGITS]}"


def job_key(job: str, *parts: str) -> str:
    """Return the key of one of a job's objects: ``fleet/<job>/workers/i-0123.json``."""
    return f"{PREFIX}{job}/{'/'.join(parts)}.json"


def outcome_key(run_id: str, chunk_id: str) -> str:
    """Return the key of what became of a chunk."""
    return f"{OUTCOMES}{run_id}/{chunk_id}.json"


def put_record(store: Store, key: str, record: object) -> None:
    """Write one of the records above, in place of an older one."""
    store.put(key, msgspec.json.encode(record), mode="overwrite")


def read_record(store: Store, key: str, kind: type[T]) -> T:
    """Read one of the records above.

    Raises:
        ObjectNotFoundError: it is not there.
        ChunkDamagedError: it can't be read.
    """
    try:
        return msgspec.json.decode(store.get(key), type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ChunkDamagedError(f"{key} in {store.uri} can't be read: {error}") from error


def list_records(store: Store, prefix: str, kind: type[T]) -> Iterator[T]:
    """Yield the records below a prefix, by key; what goes or is damaged meanwhile is left out."""
    for info in store.list(prefix):
        try:
            yield read_record(store, info.key, kind)
        except (ObjectNotFoundError, ChunkDamagedError):
            continue


def read_job(store: Store, name: str) -> Job:
    """Read a job.

    Raises:
        UserInputError: the store holds no such job.
    """
    try:
        return read_record(store, job_key(name, "job"), Job)
    except ObjectNotFoundError:
        raise UserInputError(
            f"the queue holds shards of job {name}, and {store.uri} knows no such job: this is the queue of another "
            "store or run; give --store, or the --queue that belongs to it"
        ) from None


def claim_run(store: Store, job: str, ours: Claim) -> Claim:
    """Say which run a job becomes, or find it said; who comes first decides.

    Raises:
        UserInputError: the job is another run already: another teacher, stage version, parameter or problem.
    """
    key = job_key(job, "run")
    try:
        store.put(key, msgspec.json.encode(ours), mode="create")
    except ObjectExistsError:
        theirs = read_record(store, key, Claim)
        if theirs != ours:
            raise UserInputError(_describe_difference(job, ours, theirs)) from None
    return ours


def _describe_difference(job: str, ours: Claim, theirs: Claim) -> str:
    for what, have, want in (
        ("teacher", ours.provenance.teacher, theirs.provenance.teacher),
        ("stage", ours.stage, theirs.stage),
        ("parameters", ours.params, theirs.params),
        ("problems", ours.problems, theirs.problems),
    ):
        if have != want:
            return f"job {job} is under way with {what} {want}, and here it would be {have}: a run is of one {what}"
    return f"job {job} is run {theirs.run_id}, and here it would be {ours.run_id}"
