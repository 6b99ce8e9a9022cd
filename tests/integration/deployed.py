"""The real stack at an endpoint, and the runs that are made there."""

import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path

import boto3

from mycelium.datasets import IAF
from mycelium.manifest import ARCHITECTURE, Manifest, find_run, latest_run, read_manifest, strip_times
from mycelium.store import LocalStore, S3Store, Store
from tests.integration.cloud import Cloud


@dataclass(slots=True)
class Deployed:
    """The stack, until it is destroyed.

    Attributes:
        cloud: where it is.
        assembly: what `cdk synth` wrote.
        bucket: the data bucket, which stays.
        said: what `cdk deploy` said.
        is_there: whether it is not destroyed yet.
    """

    cloud: Cloud
    assembly: Path
    bucket: str
    said: str
    is_there: bool = True

    def destroy(self) -> None:
        """Run `cdk destroy`, once."""
        if self.is_there:
            self.is_there = False
            name = self.cloud.deployment
            self.cloud.cdk("destroy", "--force", "--app", str(self.assembly), name, name="destroy")

    def delete_bucket(self) -> None:
        """Delete the data, too, as docs/deploy.md says."""
        given = self.cloud.environment
        session = boto3.Session(region_name=given["AWS_REGION"])
        bucket = session.resource("s3", endpoint_url=given.get("AWS_ENDPOINT_URL")).Bucket(self.bucket)
        bucket.object_versions.delete()
        bucket.delete()


def deploy(cloud: Cloud) -> Deployed:
    """Run `cdk bootstrap` and `cdk deploy`."""
    assembly = cloud.scratch / "cdk.out"
    cloud.cdk("synth", "--quiet", "--output", str(assembly), *cloud.settings(), name="synth")
    empty = cloud.scratch / "empty"
    empty.mkdir()
    account = cloud.client("sts").get_caller_identity()["Account"]
    # Named, it need not be asked of the app, which would be synthesized for that.
    cloud.cdk("bootstrap", f"aws://{account}/{cloud.environment['AWS_REGION']}", name="bootstrap", folder=empty)
    words = ["--app", str(assembly), "--require-approval", "never", cloud.deployment]
    said = cloud.cdk("deploy", *words, name="deploy")
    return Deployed(cloud, assembly, cloud.bucket, said)


@dataclass(frozen=True, slots=True)
class SampleRun:
    """A run of iaf that the sample's teacher wrote, and what `--executor local` makes of it.

    Attributes:
        run: the run, as ``iaf/…``.
        n_chunks: its chunks.
        expected: the manifest of the heartbeats that this machine counts.
        outputs: their bytes, by key.
        extract_s: how long the teacher took.
    """

    run: str
    n_chunks: int
    expected: Manifest
    outputs: dict[str, bytes] = field(repr=False)
    extract_s: float = 0.0

    @property
    def heartbeats(self) -> str:
        """The run of heartbeats."""
        return self.expected.run_id


def extract_sample(cloud: Cloud, name: str, n_problems: int, chunk_size: int) -> SampleRun:
    """Ingest some of the sample's problems, read the teacher's attention, and count the beats on this machine."""
    size = ["--chunk-size", str(chunk_size), "--limit", str(n_problems)]
    problems = ["ingest", "samples/problems.jsonl.gz", "--dataset", name, *size, "--quiet", "--json"]
    told = cloud.run(*problems)
    assert told.code == 0, told.err
    run_id = told.summary["run"]
    teacher = ["extract", "--model", "samples/teacher", "--problems", run_id, "--quiet"]
    told = cloud.run(*teacher, room="gpu_workers")
    assert told.code == 0, told.err
    iaf = find_run(cloud.store, name, IAF.name) if cloud.is_ours else latest_run(cloud.store, IAF)
    expected, outputs = run_here(cloud, f"iaf/{iaf.run_id}", cloud.scratch / f"local-{name}")
    return SampleRun(f"iaf/{iaf.run_id}", n_problems // chunk_size, expected, outputs, told.usage.wall_s)


def run_here(cloud: Cloud, run: str, folder: Path) -> tuple[Manifest, dict[str, bytes]]:
    """Run the heartbeat through `--executor local`, from the bucket into a folder; return what came of it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()  # a run reads what is there already, and refuses a folder that is not
    store = LocalStore(folder)
    words = ["run-stage", "heartbeat", "--input", run, "--output", str(folder), "--quiet", "--json"]
    told = cloud.run(*words, "--executor", "local")
    assert told.code == 0, told.err
    return read_result(store, told.summary["run"])


def read_result(store: Store, run_id: str) -> tuple[Manifest, dict[str, bytes]]:
    """Return the manifest of a run of heartbeats, and the bytes of every output."""
    manifest = read_manifest(store, "heartbeats", run_id)
    return manifest, {info.key: store.get(info.key) for info in store.list(f"heartbeats/{run_id}/")}


def without_times(manifest: Manifest) -> Manifest:
    """Return what the manifests of two executors must agree on."""
    outcomes = tuple(replace(strip_times(outcome), status="done") for outcome in manifest.outcomes)
    notes = {name: value for name, value in manifest.notes.items() if name != ARCHITECTURE}
    return replace(manifest, executor="", finished_s=0.0, wall_s=0.0, outcomes=outcomes, trace_id="", notes=notes)


def check_same(store: Store, run_id: str, expected: Manifest, outputs: dict[str, bytes]) -> Manifest:
    """Hold a run to what this machine made of it, byte for byte, and return its manifest."""
    manifest, found = read_result(store, run_id)
    assert sorted(found) == sorted(outputs)
    assert [key for key in found if found[key] != outputs[key]] == []
    assert without_times(manifest) == without_times(expected)
    assert manifest.complete
    return manifest


def forget_outputs(store: S3Store, run_id: str) -> None:
    """Delete the outputs of a run and its manifest, so that another executor can make them."""
    for prefix in (f"heartbeats/{run_id}/", f"work/{run_id}/", f"manifests/heartbeats/{run_id}.json"):
        for info in list(store.list(prefix)):
            store.delete(info.key)
