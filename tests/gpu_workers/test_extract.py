"""Extraction: chunks of problems in, tokens and signals out."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch

from gpu_workers.extract import (
    N_NAMED,
    ExtractParams,
    add_tokens,
    conclude_tokens,
    cut_plan,
    extract_chunk,
    make_reader,
    make_stage,
    summarize_tokens,
    tidy_params,
)
from gpu_workers.pipeline import Desk, PipelineExecutor
from gpu_workers.teacher import Teacher
from mycelium.datasets import CONNECTIVITY, DIVERGENCE, ENTROPY, IAF, PROBLEMS, RECEIVED, TOKENS
from mycelium.errors import BadSignalError, UserInputError
from mycelium.manifest import Manifest
from mycelium.plan import Plan, plan_run
from mycelium.run import run_plan
from mycelium.schema import Provenance, head_columns
from mycelium.store import LocalStore, open_store
from tests.builders import build_run, make_problems
from tests.gpu_workers.conftest import make_model, make_tokenizer

BEFORE = Provenance("gsm8k", "GSM8K")


@pytest.fixture(scope="module")
def teacher() -> Teacher:
    return Teacher(make_model("qwen2"), make_tokenizer(), "tiny@1")


def test_a_chunk_s_signals_are_those_of_its_problems(teacher: Teacher) -> None:
    problems = make_problems(5)
    tokens, iaf = extract_chunk(problems, teacher, ExtractParams(), batch_tokens=100)
    assert tokens.schema.equals(TOKENS.arrow_schema())
    assert iaf.schema.equals(IAF.arrow_schema(4))
    assert head_columns(iaf) == ["head_000", "head_001", "head_002", "head_003"]
    for row, told in zip(problems.to_pylist(), tokens.to_pylist(), strict=True):
        encoded = teacher.encode(row["problem"], row["chain_of_thought"])
        assert "".join(told["tokens"]) == row["chain_of_thought"]
        (alone,) = teacher.read_attention([encoded])
        mine = iaf.filter(np.asarray(iaf["problem_id"]) == row["problem_id"])
        assert mine["t"].to_pylist() == list(range(told["n_generated"])) * 3
        assert set(mine["level"].to_pylist()) == {row["level"]}
        for h, name in enumerate(head_columns(iaf)):
            ours = np.asarray(mine[name]).astype(np.float32).reshape(3, -1)
            np.testing.assert_allclose(ours, alone[:, h].numpy(), atol=5e-4)


def test_a_problem_that_does_not_fit_is_recorded_with_the_reason(teacher: Teacher) -> None:
    problems = make_problems(3, text="a chain of thought that is long enough for the third to be too long")
    tokens, iaf = extract_chunk(problems, teacher, ExtractParams())
    rows = tokens.to_pylist()
    assert [row["skipped"] is None for row in rows] == [True, False, False]
    assert "tokens, and the model's context is 128" in rows[2]["skipped"]
    assert rows[2]["tokens"] == []
    assert set(iaf["problem_id"].to_pylist()) == {"q0"}


def test_a_chunk_of_which_nothing_fits_is_empty_and_whole(teacher: Teacher) -> None:
    tokens, iaf = extract_chunk(make_problems(2, text="x" * 200), teacher, ExtractParams())
    assert tokens["skipped"].null_count == 0
    assert iaf.num_rows == 0
    assert iaf.schema.equals(IAF.arrow_schema(4))


def test_every_signal_has_the_layout_of_iaf(teacher: Teacher) -> None:
    params = ExtractParams(signals="iaf,entropy,connectivity,received,jsd", window=3)
    tokens, *signals = extract_chunk(make_problems(4), teacher, params)
    datasets = (ENTROPY, CONNECTIVITY, RECEIVED, DIVERGENCE, IAF)
    for dataset, table in zip(datasets, signals, strict=True):
        assert table.schema.equals(dataset.arrow_schema(4)), dataset.name
        rows = [
            told["n_generated"] + (told["n_input"] - 1 if dataset is RECEIVED else 0) for told in tokens.to_pylist()
        ]
        assert table.num_rows == 3 * sum(rows)
        place = dataset.columns[-1].name
        assert table[place].to_pylist() == [i for _ in range(3) for n in rows for i in range(n)]
        assert table["problem_id"].to_pylist() == [
            f"q{i}" for _ in range(3) for i, n in enumerate(rows) for _ in range(n)
        ]
        assert np.asarray(table["head_000"]).astype(np.float64).std() > 0


def test_each_generated_token_has_one_unit_of_attention_to_give(teacher: Teacher) -> None:
    tokens, received = extract_chunk(make_problems(3), teacher, ExtractParams(signals="received"))
    for told in tokens.to_pylist():
        mine = received.filter(np.asarray(received["problem_id"]) == told["problem_id"])
        for name in head_columns(mine):
            per_layer = np.asarray(mine[name]).astype(np.float64).reshape(3, -1).sum(axis=1)
            np.testing.assert_allclose(per_layer, told["n_generated"], rtol=2e-3)


def test_compact_signals_are_within_what_is_said(teacher: Teacher) -> None:
    params = ExtractParams(signals="iaf,entropy,connectivity,jsd", window=3)
    exact = extract_chunk(make_problems(4), teacher, params)
    compact = extract_chunk(make_problems(4), teacher, replace(params, compact=True))
    bounds = {"entropy": (0.016, 0), "connectivity": (0, 0.017), "divergence": (0.0025, 0), "iaf": (0.0025, 0)}
    assert exact[0].equals(compact[0])
    for (absolute, relative), one, other in zip(bounds.values(), exact[1:], compact[1:], strict=True):
        for name in head_columns(one):
            left, right = (np.asarray(table[name]).astype(np.float64) for table in (one, other))
            np.testing.assert_allclose(right, left, atol=absolute, rtol=relative)
            assert not np.array_equal(left, right)


def test_the_order_and_spelling_of_what_is_asked_for_make_no_other_run(teacher: Teacher) -> None:
    one = tidy_params(ExtractParams(signals="iaf, raw,entropy", layers="1,0", heads="3,0-1", window=9), teacher)
    other = tidy_params(ExtractParams(signals="entropy,iaf,raw", layers="0-1", heads="0,1,3"), teacher)
    assert one == other
    assert (one.signals, one.layers, one.heads) == ("entropy,iaf,raw", "0,1", "0,1,3")


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"signals": "iaf,beats"}, "--signals is a list of .*'beats' is none"),
        ({"signals": ""}, "--signals is a list of .*none is given"),
        ({"signals": "raw"}, "--signals raw wants --layers and --heads"),
        ({"layers": "1"}, "they go with --signals raw"),
        ({"signals": "raw", "layers": "3", "heads": "0"}, "--layers is between 0 and 2 for this model; got 3"),
        ({"signals": "raw", "layers": "0", "heads": "2-5"}, "--heads is between 0 and 3 for this model; got 2-5"),
        ({"signals": "raw", "layers": "0", "heads": "-1"}, "--heads is a list such as 0,3-5"),
        ({"window": 0}, "--window is 1 or more"),
        ({"sink": "maybe"}, "sink is keep or exclude"),
    ],
)
def test_what_can_t_be_read_is_refused_in_one_line(teacher: Teacher, params: dict[str, Any], words: str) -> None:
    with pytest.raises(UserInputError, match=words):
        tidy_params(ExtractParams(**params), teacher)


class TestBadProblems:
    """One problem that can't be read is named, with the reason, and the others are read."""

    def poison(self, token: int) -> Teacher:
        """Make the model compute NaN wherever a token is seen."""
        model = make_model("qwen2")
        with torch.no_grad():
            model.model.embed_tokens.weight[token] = float("nan")
        return Teacher(model, make_tokenizer(), "bad")

    def test_a_nan_names_its_problem_and_the_others_are_read(self, teacher: Teacher) -> None:
        problems = make_problems(3)
        token = make_tokenizer()("1", add_special_tokens=False)["input_ids"][0]
        tokens, iaf = extract_chunk(problems, self.poison(token), ExtractParams())
        told = {row["problem_id"]: row["skipped"] for row in tokens.to_pylist()}
        assert told["q0"] is None
        assert told["q2"] is None
        assert "its attention is not finite: iaf of layer 0, head 0" in told["q1"]
        assert set(iaf["problem_id"].to_pylist()) == {"q0", "q2"}
        assert np.isfinite(np.asarray(iaf["head_000"])).all()

    def test_a_model_that_reads_nothing_fails_the_chunk_by_its_first_problem(self, teacher: Teacher) -> None:
        model = make_model("qwen2")
        with torch.no_grad():
            model.model.layers[1].self_attn.q_proj.weight.fill_(float("nan"))
        with pytest.raises(
            BadSignalError, match="problem q0: its attention is not finite.*nor could any other be read"
        ):
            extract_chunk(make_problems(3), Teacher(model, make_tokenizer(), "bad"), ExtractParams())

    def test_a_tokenizer_without_an_end_reads_as_any_other(self, teacher: Teacher) -> None:
        assert make_tokenizer().eos_token is None
        tokens, _ = extract_chunk(make_problems(3), teacher, ExtractParams())
        assert tokens["skipped"].null_count == 3

    def test_reasons_are_counted_and_the_first_are_named(self, teacher: Teacher) -> None:
        long = make_problems(1, text="x" * 200).to_pylist()[0]
        chunks = [
            pa.Table.from_pylist([{**long, "problem_id": f"q{i:03d}{j}"} for j in range(3)], PROBLEMS.arrow_schema())
            for i in range(9)
        ]
        parts = [summarize_tokens(extract_chunk(chunk, teacher, ExtractParams())) for chunk in chunks]
        whole = add_tokens(parts)
        assert add_tokens([add_tokens(parts[:4]), add_tokens(parts[4:])]).equals(whole)
        result = conclude_tokens(whole, ExtractParams())
        assert result["read"] == [{"problems": 0, "skipped": 27, "tokens": 0}]
        assert [row["problem_id"] for row in result["skipped"]] == [f"q{i // 3:03d}{i % 3}" for i in range(N_NAMED)]
        assert "the model's context is 128" in str(result["skipped"][0]["reason"])


def plan_extract(store: LocalStore, source: Manifest, teacher: Teacher) -> tuple[Plan, PipelineExecutor]:
    desk, params = Desk(), ExtractParams()
    reader = make_reader(teacher, params, 300)
    stage = make_stage(teacher, params, desk.read)
    plan = plan_run(store, store, stage, params, [source], teacher.identity)
    return plan, PipelineExecutor(stage, desk, reader, open_store)


def extract(store: LocalStore, planned: tuple[Plan, PipelineExecutor]) -> Manifest:
    return run_plan(store, *planned, quiet=True)


def test_a_run_writes_both_datasets_and_the_teacher_into_them(tmp_path: Path, teacher: Teacher) -> None:
    store = LocalStore(tmp_path)
    built = build_run(store, [make_problems(3), make_problems(2)], PROBLEMS, provenance=BEFORE)
    manifest = extract(store, plan_extract(store, built.manifest, teacher))
    assert manifest.complete
    assert manifest.provenance == Provenance("gsm8k", "GSM8K", "tiny@1")
    assert manifest.result["read"][0]["problems"] == 5
    assert set(manifest.chunks("tokens")) == set(manifest.chunks("iaf")) == {"00000", "00001"}
    again = extract(store, plan_extract(store, built.manifest, teacher))
    assert again == manifest


def test_a_run_cut_off_between_its_two_outputs_is_carried_on(tmp_path: Path, teacher: Teacher) -> None:
    store = LocalStore(tmp_path)
    built = build_run(store, [make_problems(3)], PROBLEMS, provenance=BEFORE)
    first = extract(store, plan_extract(store, built.manifest, teacher))
    store.delete(first.chunks("iaf")["00000"].key)
    store.delete(f"manifests/iaf/{first.run_id}.json")
    second = extract(store, plan_extract(store, built.manifest, teacher))
    assert second.chunks("iaf") == first.chunks("iaf")
    assert second.chunks("tokens") == first.chunks("tokens")


class TestRanges:
    """Index ranges, as the hand-off plan writes them."""

    def plan(self, tmp_path: Path, teacher: Teacher) -> tuple[Plan, Manifest]:
        store = LocalStore(tmp_path)
        built = build_run(store, [make_problems(4) for _ in range(5)], PROBLEMS, provenance=BEFORE)
        return plan_extract(store, built.manifest, teacher)[0], built.manifest

    @pytest.mark.parametrize(
        "cuts", [[(0, 6), (7, 12), (13, 20)], [(0, 3), (4, 7), (8, 19)], [(0, None)], [(None, None)]]
    )
    def test_ranges_that_cover_the_indices_do_every_chunk_once(
        self, tmp_path: Path, teacher: Teacher, cuts: list[tuple[Any, Any]]
    ) -> None:
        plan, source = self.plan(tmp_path, teacher)
        done = [task.chunk_id for start, end in cuts for task in cut_plan(plan, source, start, end)[0].tasks]
        assert sorted(done) == [f"{i:05d}" for i in range(5)]

    def test_what_is_covered_is_said(self, tmp_path: Path, teacher: Teacher) -> None:
        plan, source = self.plan(tmp_path, teacher)
        assert cut_plan(plan, source, 1, 9)[1] == "problems 4 to 11 in 2 chunks"

    @pytest.mark.parametrize(
        ("start", "end", "words"),
        [
            (20, None, "--start-idx is 0 to 19, the problems there are; got 20"),
            (-1, None, "--start-idx is 0 to 19"),
            (8, 3, "--end-idx is the last problem, 8 or more; got 3"),
            (5, 6, "no chunk begins between problems 5 and 6"),
        ],
    )
    def test_a_range_that_means_nothing_is_one_line(
        self, tmp_path: Path, teacher: Teacher, start: int, end: int | None, words: str
    ) -> None:
        plan, source = self.plan(tmp_path, teacher)
        with pytest.raises(UserInputError, match=words):
            cut_plan(plan, source, start, end)

    def test_a_part_leaves_a_run_that_another_worker_completes(self, tmp_path: Path, teacher: Teacher) -> None:
        store = LocalStore(tmp_path)
        plan, source = self.plan(tmp_path, teacher)
        first = extract(store, (cut_plan(plan, source, 0, 6)[0], plan_extract(store, source, teacher)[1]))
        assert not first.complete
        assert len(first.outcomes) == 2
        again, executor = plan_extract(store, source, teacher)
        second = extract(store, (cut_plan(again, source, 7, 19)[0], executor))
        assert second.complete
        assert second.run_id == first.run_id
        assert [o.status for o in second.outcomes] == ["found"] * 2 + ["done"] * 3
