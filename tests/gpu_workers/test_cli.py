"""The GPU machine's command line: a real run, and every mistake in one line."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from coordinator.executors.local import LocalExecutor
from gpu_workers.cli import gpu_workers
from gpu_workers.spool import Spool, State
from lambdas.stages.steps import STAGE as STEPS_STAGE
from lambdas.stages.steps import StepsParams
from mycelium.command import call_command
from mycelium.datasets import EMBEDDINGS, IAF, PROBLEMS
from mycelium.manifest import find_run, latest_run
from mycelium.plan import plan_run
from mycelium.run import run_plan
from mycelium.schema import Provenance
from mycelium.store import LocalStore, S3Store
from tests.builders import build_run, make_problems
from tests.gpu_workers.conftest import make_model, make_tokenizer

ROOT = Path(__file__).parents[2]


@pytest.fixture
def model(tmp_path: Path) -> str:
    folder = tmp_path / "tiny"
    make_model("llama").save_pretrained(folder)
    make_tokenizer().save_pretrained(folder)
    return str(folder)


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    made = LocalStore(tmp_path / "store")
    tables = [make_problems(3), make_problems(2)]
    build_run(made, tables, PROBLEMS, "gsm8k-bbbbbbbbbbbb", provenance=Provenance("gsm8k", "GSM8K"))
    return made


def call(*words: str) -> int:
    return call_command(gpu_workers, "python -m gpu_workers", words)


def test_extract_reads_the_latest_problems_and_carries_on(
    model: str, store: LocalStore, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("extract", "--model", model, "--store", store.uri, "--device", "cpu")
    assert call(*words) == 0
    out, err = capsys.readouterr()
    assert "2 of 2 chunks" in out
    assert "5 problems read, 0 skipped" in out
    assert "extract: 2/2 chunks" in err
    assert latest_run(store, IAF).provenance.origin == "GSM8K"
    assert call(*words) == 0
    assert "2 there already" in capsys.readouterr().err


def test_through_a_spool_the_same_chunks_arrive_and_the_manifest_after_them(
    model: str, store: LocalStore, bucket: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("extract", "--model", model, "--store", store.uri, "--device", "cpu", "--quiet") == 0
    target, folder = S3Store(bucket, "pre"), str(tmp_path / "spool")
    for info in store.list("problems/"):
        target.put(info.key, store.get(info.key))
    for info in store.list("manifests/problems/"):
        target.put(info.key, store.get(info.key))
    words = [sys.executable, "-m", "gpu_workers", "upload", "--spool", folder, "--to", target.uri]
    uploader = subprocess.Popen(words, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    extract = ("extract", "--model", model, "--store", target.uri, "--device", "cpu", "--spool", folder)
    assert call(*extract, "--quiet") == 0
    assert call(*extract) == 0
    assert "2 there already" in capsys.readouterr().err
    uploader.terminate()
    assert uploader.stderr is not None
    with uploader.stderr as lines:
        assert "upload: " in lines.read()
    assert uploader.wait() == 0
    signals = [info.key for dataset in ("iaf", "tokens") for info in store.list(f"{dataset}/")]
    assert len(signals) == 4
    assert [target.get(key) for key in signals] == [store.get(key) for key in signals]
    assert latest_run(target, IAF).chunks("iaf") == latest_run(store, IAF).chunks("iaf")


def test_a_budget_smaller_than_a_chunk_ends_it_in_one_line(
    model: str, store: LocalStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spool = Spool(tmp_path / "spool")
    spool.write_state(State(target=store.uri, budget=17_000, cap=17_000))
    words = ("extract", "--model", model, "--store", store.uri, "--device", "cpu", "--spool", str(spool.folder))
    assert call(*words, "--quiet") == 2
    err = capsys.readouterr().err
    assert err.startswith("error: a chunk has ")
    assert err.endswith("start the uploader with a larger --max-spool, or make smaller chunks at ingest\n")


def test_a_range_says_what_it_covers(model: str, store: LocalStore, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("extract", "--model", model, "--store", store.uri, "--device", "cpu", "--problems", "gsm8k")
    assert call(*words, "--start-idx", "0", "--end-idx", "2") == 0
    out, err = capsys.readouterr()
    assert "extract problems 0 to 2 in 1 chunks" in err
    assert "1 of 2 chunks" in out


def test_the_sink_is_part_of_the_run(model: str, store: LocalStore, capsys: pytest.CaptureFixture[str]) -> None:
    for sink in ("keep", "exclude"):
        assert (
            call("extract", "--model", model, "--store", store.uri, "--device", "cpu", "--sink", sink, "--quiet") == 0
        )
    capsys.readouterr()
    assert len(list(store.list("manifests/iaf/"))) == 2


def test_what_was_written_and_how_long_the_device_waited_is_said(
    model: str, store: LocalStore, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("extract", "--model", model, "--store", store.uri, "--device", "cpu")
    assert call(*words, "--signals", "raw,jsd", "--layers", "0", "--heads", "1-2", "--window", "3") == 0
    out, err = capsys.readouterr()
    assert "2 of 2 chunks of tokens, attention, divergence" in out
    assert re.search(r"the device waited for \d+\.\d% of its time", out)
    assert "device waited" in err
    assert {info.key.split("/")[0] for info in store.list("")} >= {"tokens", "attention", "divergence"}
    assert list(store.list("iaf/")) == []


def test_json_names_what_was_skipped_and_counts_the_device_s_time(
    model: str, store: LocalStore, capsys: pytest.CaptureFixture[str]
) -> None:
    table = make_problems(2).to_pylist()
    table[1]["chain_of_thought"] = "x" * 200
    table[0]["problem_id"], table[1]["problem_id"] = "short", "long"
    problems = pa.Table.from_pylist(table, PROBLEMS.arrow_schema())
    build_run(store, [problems], PROBLEMS, "odd-cccccccccccc", provenance=Provenance("odd", "ODD"), finished_s=2.0)
    words = ("extract", "--model", model, "--store", store.uri, "--device", "cpu", "--quiet")
    assert call(*words, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["read"] == {"problems": 1, "skipped": 1, "tokens": len(table[0]["chain_of_thought"])}
    assert told["datasets"] == ["tokens", "entropy", "connectivity", "iaf"]
    assert [row["problem_id"] for row in told["skipped"]] == ["long"]
    assert told["device"]["batches"] == 1
    assert 0 <= told["device"]["device_waited_share"] < 1
    assert (told["chunks"], told["n_chunks"], told["failed"]) == (1, 1, [])
    assert call(*words) == 0
    assert "skipped: problem long: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--model", "/no/such/model"], "there is no model folder /no/such/model"),
        (["--start-idx", "5"], "--start-idx is 0 to 4, the problems there are; got 5"),
        (["--problems", "nothing"], "no run 'nothing'"),
        (["--store", "/no/such/store"], "there is no store at /no/such/store"),
        (["--sink", "maybe"], "is not one of 'keep', 'exclude'"),
        (["--batch-tokens", "0"], "is not in the range"),
        (
            ["--signals", "beats"],
            "--signals is a list of connectivity, entropy, iaf, jsd, received, raw; 'beats' is none",
        ),
        (["--signals", "raw"], "--signals raw wants --layers and --heads"),
        (["--heads", "1"], "they go with --signals raw"),
        (["--device", "abacus"], "device"),
    ],
)
def test_mistakes_are_one_line(
    model: str, store: LocalStore, words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    given = dict(zip(["--model", "--store", "--device"], [model, store.uri, "cpu"], strict=True))
    given.update(dict(zip(words[::2], words[1::2], strict=True)))
    assert call("extract", *(word for pair in given.items() for word in pair)) == 2
    out, err = capsys.readouterr()
    assert said in err.splitlines()[-1]
    assert err.splitlines()[-1].startswith("error: ")
    assert (out, "Traceback" in err) == ("", False)
    assert list(store.list("iaf/")) == []


@pytest.fixture
def steps(store: LocalStore) -> LocalStore:
    chains = pa.array(["$2 + 2 = 4$. Then $4 + 1 = 5$.", "So $4 + 1 = 5$.", "None."])
    at = PROBLEMS.arrow_schema().get_field_index("chain_of_thought")
    table = make_problems(3).set_column(at, PROBLEMS.arrow_schema().field(at), chains)
    build_run(store, [table], PROBLEMS, "math-aaaaaaaaaaaa", provenance=Provenance("math", "MATH"))
    plan = plan_run(store, store, STEPS_STAGE, StepsParams(), [find_run(store, "math-aaaaaaaaaaaa")])
    run_plan(store, plan, LocalExecutor(max_workers=1), quiet=True)
    return store


@pytest.mark.parametrize(("text", "distinct"), [("mathematics", 2), ("full", 3)])
def test_embed_reads_the_latest_steps_and_carries_on(
    model: str, steps: LocalStore, text: str, distinct: int, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("embed", "--model", model, "--store", steps.uri, "--device", "cpu", "--text", text)
    assert call(*words) == 0
    out, err = capsys.readouterr()
    assert "1 of 1 chunks" in out
    assert "3 steps, 32 dimensions" in out
    assert f"{distinct} distinct texts read for 3 steps" in err
    assert latest_run(steps, EMBEDDINGS).provenance == Provenance("math", "MATH")
    assert call(*words) == 0
    assert "1 there already" in capsys.readouterr().err


def test_embed_without_steps_is_one_line(model: str, store: LocalStore, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("embed", "--model", model, "--store", store.uri) == 2
    assert "no complete run of dataset steps" in capsys.readouterr().err


def test_help_does_not_wait_for_torch() -> None:
    code = (
        "import sys\nfrom gpu_workers.cli import gpu_workers\nfrom mycelium.command import call_command\n"
        "call_command(gpu_workers, 'x', ['extract', '--help'])\nprint({'torch', 'transformers'} & set(sys.modules))"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert answer.stdout.splitlines()[-1] == "set()"
