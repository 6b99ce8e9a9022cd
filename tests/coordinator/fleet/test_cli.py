"""`fleet plan|start|status|stop` as they are typed, and every mistake in one line."""

import json

import pytest

from coordinator.cli import coordinator
from mycelium.command import call_command
from mycelium.fleet.records import MAX_TRIES, Claim, Job, ShardMark, WorkerStatus, job_key, list_records, put_record
from mycelium.schema import Provenance
from mycelium.store import LocalStore, S3Store
from tests.coordinator.fleet.conftest import Deployed, build_problems


def call(*words: str) -> int:
    return call_command(coordinator, "python -m coordinator", ["fleet", *words])


@pytest.fixture
def problems(s3: S3Store) -> None:
    build_problems(s3, [4] * 8)


def test_a_plan_prints_ranges_hours_and_dollars_and_starts_nothing(
    tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    store = LocalStore(tmp_path_factory.mktemp("store"))
    build_problems(store, [2614] * 3)
    assert call("plan", "--store", store.uri, "--workers", "4", "--rate", "0.1", "--price", "1") == 0
    out, err = capsys.readouterr()
    rows = [line.split() for line in out.splitlines()[2:6]]
    assert [row[1:4] for row in rows] == [
        ["0", "1960", "1961"],
        ["1961", "3921", "1961"],
        ["3922", "5882", "1961"],
        ["5883", "7841", "1959"],
    ]
    assert rows[0][7:] == ["5.45", "5.45", "3.27"]  # 1,961 problems at 0.1 a second, at 1 dollar, and 0.6
    assert "prices: g5.xlarge in us-east-1, $1.0000 an hour on demand (2026-06), $0.6000 spot (at 60% of it)" in out
    assert "characters stand in for tokens" in err
    assert not list(store.list("fleet/"))
    assert call("plan", "--store", store.uri, "--json") == 0
    assert [row["end-idx"] for row in json.loads(capsys.readouterr().out)["plan"]] == [1960, 3921, 5882, 7841]


def test_without_a_speed_a_plan_says_what_to_give(
    problems: None, s3: S3Store, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("plan", "--store", s3.uri) == 0
    out, _ = capsys.readouterr()
    assert "speed: not known: give --rate, or extract a few problems first" in out


def test_start_fills_the_queue_and_sets_the_group_and_stop_sets_it_back(
    problems: None, deployed: Deployed, s3: S3Store, capsys: pytest.CaptureFixture[str]
) -> None:
    there = ("--deployment", deployed.deployment)
    words = ("--workers", "3", "--spot", "--instance-type", "g5.xlarge", "--model", "a/teacher")
    assert call("start", *there, *words) == 0
    out, _ = capsys.readouterr()
    assert "8 shards sent to the queue, 0 done before" in out
    assert "3 machines g5.xlarge spot are on their way" in out
    group = deployed.group()
    policy = group["MixedInstancesPolicy"]
    assert group["DesiredCapacity"] == 3
    assert policy["InstancesDistribution"]["OnDemandPercentageAboveBaseCapacity"] == 0
    assert policy["LaunchTemplate"]["Overrides"] == [{"InstanceType": "g5.xlarge"}]
    (job,) = list_records(s3, f"fleet/{out.split()[1].rstrip(':')}/job", Job)
    assert job.usd_per_hour == {"on-demand": 1.006, "spot": 0.00001}  # as this endpoint has it

    assert call("status", *there) == 0
    out, _ = capsys.readouterr()
    assert f"job {job.name}: no worker has begun" in out
    assert "0 of 32 problems (0.0%)" in out
    assert "queue: 8 shards waiting, 0 leased" in out
    assert "group: 3 machines of 3 wanted, 4 allowed" in out

    assert call("stop", *there, "--empty") == 0
    assert deployed.group()["DesiredCapacity"] == 0
    assert "the queue is empty, or will be within a minute" in capsys.readouterr().out


def test_status_shows_each_worker_and_what_was_given_up(
    problems: None, deployed: Deployed, s3: S3Store, capsys: pytest.CaptureFixture[str]
) -> None:
    there = ("--deployment", deployed.deployment)
    assert call("start", *there, "--model", "a/teacher", "--workers", "2", "--shards-per-worker", "1", "--json") == 0
    name = json.loads(capsys.readouterr().out)["job"]
    claim = Claim(
        "math-aaaaaaaaaaaa", Provenance("math", "MATH", "t@0"), "extract v1", {}, ("tokens", "iaf"), "math-bbbbbbbbbbbb"
    )
    put_record(s3, job_key(name, "run"), claim)
    worker = WorkerStatus(
        "i-1", "working", 0.0, 3600.0, 0, 16, 4, 32.0, 120_000_000, 500_000_000, "g5.xlarge", "spot", 0.4
    )
    put_record(s3, job_key(name, "workers", "i-1"), worker)
    put_record(s3, job_key(name, "shards", "00001"), ShardMark(1, "i-1", MAX_TRIES, "reading", "00004", "q16", "q18"))
    for _ in range(8):
        deployed.sqs.receive_message(QueueUrl=deployed.places.queue, VisibilityTimeout=0, MaxNumberOfMessages=10)
    assert call("status", *there) == 1
    out, err = capsys.readouterr()
    assert "run math-aaaaaaaaaaaa, teacher t@0" in out
    (line,) = [line for line in out.splitlines() if line.startswith("i-1")]
    assert line.split()[:7] == ["i-1", "silent", "0", "16", "0.500", "120/500", "MB"]
    assert "0.400" in line
    assert "given up: shard 1 (problems 16 to 31) after 3 tries, last at problem q18 of chunk 00004" in err
    assert call("status", *there, "--json") == 1
    assert json.loads(capsys.readouterr().out)["given_up"][1]["last_problem"] == "q18"


def test_machines_of_one_s_own_are_told_what_to_type(
    problems: None, deployed: Deployed, s3: S3Store, capsys: pytest.CaptureFixture[str]
) -> None:
    queue = deployed.places.queue
    words = ("--queue", queue, "--store", s3.uri)
    assert call("start", *words, "--model", "samples/teacher") == 0
    out, _ = capsys.readouterr()
    assert f"on each machine: python -m gpu_workers work --queue {queue} --store {s3.uri}" in out
    assert deployed.group()["DesiredCapacity"] == 0
    assert call("stop", "--queue", queue) == 2
    assert "send SIGTERM to `gpu_workers work` on each" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["start", "--deployment", "nowhere", "--model", "a/b"], "no deployment 'nowhere' in region us-east-1"),
        (["start", "--deployment", "{here}", "--model", "a/b", "--workers", "9"], "-c gpu_max=9"),
        (["start", "--deployment", "{here}", "--model", "samples/teacher"], "the machines can't see the folder"),
        (["start", "--deployment", "{here}", "--model", "a/b", "--problems", "none"], "no run 'none'"),
        (["start", "--deployment", "{here}", "--model", "a/b", "--instance-type", "x1.huge"], "give --price"),
        (["start", "--deployment", "{here}"], "Missing option '--model'"),
        (["start", "--queue", "nonsense", "--model", "a/b"], "--queue is a URL such as"),
        (["status", "--deployment", "{here}"], "no job in s3://"),
        (["status", "--queue", "https://sqs.eu-west-1.amazonaws.com/1/q"], "set AWS_REGION=eu-west-1"),
        (["plan", "--store", "/no/such/store"], "there is no store at /no/such/store"),
        (["plan", "--workers", "0"], "is not in the range"),
        (["begin"], "no command is called 'begin'"),
    ],
)
def test_mistakes_are_one_line(
    words: list[str],
    said: str,
    problems: None,
    deployed: Deployed,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    assert call(*(word.format(here=deployed.deployment) for word in words)) == 2
    err = capsys.readouterr().err
    assert said in err
    assert (err.startswith("error: "), err.count("\n")) == (True, 1)
    assert deployed.group()["DesiredCapacity"] == 0
