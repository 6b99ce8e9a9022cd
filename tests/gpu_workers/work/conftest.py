"""A queue of shards, a job in a store, and a tiny teacher to read it: all real, on this machine."""

import json
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import msgspec
import pytest

from gpu_workers.work.lease import ShardQueue
from mycelium.datasets import PROBLEMS
from mycelium.fleet.records import Job, ShardCall, job_key, name_job, put_record
from mycelium.fleet.shards import cut_shards
from mycelium.manifest import Manifest
from mycelium.schema import Provenance
from mycelium.store import S3Store, Store
from tests.builders import build_run, make_problems
from tests.gpu_workers.conftest import make_model, make_tokenizer

LEASE_S = 4


@dataclass(frozen=True)
class Queues:
    """A queue of shards, and the dead-letter queue behind it."""

    url: str
    dead: str
    client: Any

    def count(self, url: str | None = None) -> tuple[int, int]:
        """Return how many messages wait, and how many are leased."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        answer = self.client.get_queue_attributes(QueueUrl=url or self.url, AttributeNames=names)["Attributes"]
        return int(answer[names[0]]), int(answer[names[1]])

    def send(self, *calls: ShardCall) -> None:
        """Send shards."""
        for call in calls:
            self.client.send_message(QueueUrl=self.url, MessageBody=msgspec.json.encode(call).decode())


@pytest.fixture
def queues(aws: str) -> Queues:
    """Two new queues: a message that was received three times goes to the second."""
    client, name = boto3.client("sqs"), uuid.uuid4().hex[:12]
    dead = client.create_queue(QueueName=f"{name}-dead")["QueueUrl"]
    arn = client.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    redrive = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": "3"})
    url = client.create_queue(QueueName=name, Attributes={"RedrivePolicy": redrive})["QueueUrl"]
    return Queues(url, dead, client)


@pytest.fixture
def queue(queues: Queues) -> ShardQueue:
    """The queue as a worker opens it."""
    return ShardQueue.open(queues.url, LEASE_S)


@pytest.fixture
def model(tmp_path: Path) -> str:
    """A folder with a tiny random teacher."""
    return make_teacher_folder(tmp_path / "tiny")


def make_teacher_folder(folder: Path, seed: int = 0) -> str:
    """Write a tiny random teacher."""
    make_model("llama", seed).save_pretrained(folder)
    make_tokenizer().save_pretrained(folder)
    return str(folder)


def build_problems(store: Store, n_chunks: int, chunk_size: int = 2) -> Manifest:
    """Write a run of problems."""
    table = make_problems(n_chunks * chunk_size, text="so")
    columns = table.to_pydict()
    columns["chain_of_thought"] = [f"{i} and {i} are {2 * i}." for i in range(table.num_rows)]
    whole = type(table).from_pydict(columns, schema=table.schema)
    tables = [whole.slice(i * chunk_size, chunk_size) for i in range(n_chunks)]
    return build_run(store, tables, PROBLEMS, "gsm8k-bbbbbbbbbbbb", provenance=Provenance("gsm8k", "GSM8K")).manifest


def build_job(store: Store, problems: Manifest, model: str, n_shards: int) -> tuple[Job, list[ShardCall]]:
    """Write a job down, and return the messages that offer its shards."""
    shards = tuple(cut_shards([1] * sum(outcome.n_problems for outcome in problems.outcomes), n_shards))
    job = Job(name_job(problems, model, {}), problems.run_id, model, {}, shards, "characters", n_shards, 1.0)
    put_record(store, job_key(job.name, "job"), job)
    return job, [ShardCall(job.name, shard.number, shard.start, shard.end) for shard in shards]


@pytest.fixture
def s3(bucket: str) -> S3Store:
    """A store in a bucket of its own."""
    return S3Store(bucket)
