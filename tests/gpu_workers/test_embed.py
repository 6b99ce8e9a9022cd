"""Embedding: steps in, vectors out, against transformers asked for one text at a time."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
import torch
from transformers import AutoModel, BertConfig, BertModel, T5Config, T5ForConditionalGeneration

from gpu_workers.embed import Embedder, EmbedParams, embed_chunk, load_embedder, make_stage
from gpu_workers.in_process import InProcessExecutor
from lambdas.stages.steps import STEPS, StepsParams, map_chains
from mycelium.datasets import EMBEDDINGS, PROBLEMS
from mycelium.errors import BadSignalError, ModelError, UserInputError
from mycelium.manifest import Manifest
from mycelium.plan import plan_run
from mycelium.run import run_plan
from mycelium.schema import Provenance
from mycelium.store import LocalStore, open_store
from tests.builders import build_run
from tests.gpu_workers.conftest import make_model, make_tokenizer

BEFORE = Provenance("gsm8k", "GSM8K")
CHAINS = ["Half is $48 / 2 = 24$. Then $24 + 1 = 25$ in all.", "So $24 + 1 = 25$ again, $2 + 2 = 4$.", "Nothing."]


def make_problems(chains: list[str]) -> pa.Table:
    rows = [
        {"problem_id": f"q{i}", "index": i, "problem": "48?", "chain_of_thought": chain}
        for i, chain in enumerate(chains)
    ]
    schema = PROBLEMS.arrow_schema()
    return pa.table({name: [row.get(name) for row in rows] for name in schema.names}, schema=schema)


def make_steps(problems: pa.Table) -> pa.Table:
    return map_chains([problems], StepsParams())[1]


def slow_vector(model: Any, text: str) -> npt.NDArray[np.float64]:
    """Ask for one text without padding, and average in float64."""
    with torch.inference_mode():
        ids = torch.tensor([make_tokenizer()(text)["input_ids"]])
        states = model(input_ids=ids).last_hidden_state[0]
    return np.asarray(states.double().mean(dim=0).numpy())


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A decoder, an encoder and an encoder with a decoder."""
    torch.manual_seed(0)
    small = {"vocab_size": 256, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    models = {
        "qwen2": make_model("qwen2"),
        "bert": BertModel(BertConfig(**small, intermediate_size=24), add_pooling_layer=False),
        "t5": T5ForConditionalGeneration(
            T5Config(vocab_size=256, d_model=16, d_kv=8, d_ff=24, num_layers=2, num_heads=2, decoder_start_token_id=0)
        ),
    }
    made = {}
    for name, model in models.items():
        made[name] = tmp_path_factory.mktemp("models") / f"tiny-{name}"
        model.eval().save_pretrained(made[name])
        make_tokenizer().save_pretrained(made[name])
    return made


@pytest.mark.parametrize("name", ["qwen2", "bert", "t5"])
def test_a_vector_is_the_mean_of_the_last_hidden_states(folders: dict[str, Path], name: str) -> None:
    embedder = load_embedder(str(folders[name]), device="cpu", batch_tokens=64)
    model: Any = AutoModel.from_pretrained(folders[name]).eval()
    texts = ["48 / 2 = 24", "1", "24 + 1 = 25, which is more than any other text here", "x^2"]
    encoder = model.get_encoder() if name == "t5" else model
    for text, vector in zip(texts, embedder.embed(texts), strict=True):
        expected = slow_vector(encoder, text)
        assert vector.dtype == np.float16
        np.testing.assert_allclose(vector.astype(np.float64), expected, rtol=2e-3, atol=2e-3)
        assert expected.std() > 0.01


def test_a_text_is_read_once_in_a_run(folders: dict[str, Path]) -> None:
    embedder = load_embedder(str(folders["qwen2"]), device="cpu")
    first = embedder.embed(["a", "b", "a"])
    again = embedder.embed(["b", "c"])
    assert (embedder.counts["steps"], embedder.counts["texts"]) == (5, 3)
    np.testing.assert_array_equal(first[0], first[2])
    np.testing.assert_array_equal(first[1], again[0])


def test_what_is_remembered_is_bounded(folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gpu_workers.embed.KEPT_BYTES", 2_000)
    embedder = load_embedder(str(folders["qwen2"]), device="cpu")
    texts = [f"text {i}" for i in range(9)]
    for vector, alone in zip(embedder.embed(texts), map(embedder.embed, [[text] for text in texts]), strict=True):
        np.testing.assert_allclose(vector, alone[0], rtol=2e-3, atol=2e-3)
    assert embedder.counts["texts"] > 9
    assert len(embedder._kept) <= 3


def test_a_chunk_s_rows_are_its_steps(folders: dict[str, Path]) -> None:
    embedder = load_embedder(str(folders["qwen2"]), device="cpu")
    problems = make_problems(CHAINS)
    steps = make_steps(problems)
    table = embed_chunk(steps, None, embedder)
    assert table.schema.equals(EMBEDDINGS.arrow_schema())
    assert table["problem_id"].to_pylist() == steps["problem_id"].to_pylist() == ["q0", "q0", "q1", "q1"]
    assert table["step"].to_pylist() == [0, 1, 0, 1]
    vectors = table["embedding"].to_pylist()
    assert vectors[1] == vectors[2], "the same expression"
    assert embedder.counts["texts"] == 3
    full = embed_chunk(steps, problems, embedder)["embedding"].to_pylist()
    assert full[1] != full[2], "in other sentences"
    (expected,) = embedder.embed(["Then $24 + 1 = 25$ in all."])
    np.testing.assert_array_equal(np.array(full[1], np.float16), expected)


def test_a_chunk_without_steps_is_empty_and_whole(folders: dict[str, Path]) -> None:
    embedder = load_embedder(str(folders["qwen2"]), device="cpu")
    table = embed_chunk(make_steps(make_problems(["Nothing."])), None, embedder)
    assert table.num_rows == 0
    assert table.schema.equals(EMBEDDINGS.arrow_schema())


@pytest.mark.parametrize(("value", "said"), [(float("nan"), "is NaN"), (1e9, "is beyond the range of float16")])
def test_a_vector_that_is_no_number_names_its_step(value: float, said: str) -> None:
    model = make_model("qwen2").model
    with torch.no_grad():
        model.norm.weight.fill_(value)
    embedder = Embedder(model, make_tokenizer(), "bad")
    with pytest.raises(BadSignalError, match=f"the embedding of step 0 of problem q0 {said}"):
        embed_chunk(make_steps(make_problems(CHAINS)), None, embedder)


def test_a_text_beyond_the_model_s_limit_is_cut_and_counted(folders: dict[str, Path]) -> None:
    embedder = load_embedder(str(folders["qwen2"]), device="cpu")
    assert embedder.max_tokens == 128
    long, cut = embedder.embed(["x" * 200, "x" * 128])
    assert (embedder.counts["cut"], embedder.counts["tokens"]) == (1, 256)
    np.testing.assert_allclose(long, cut, rtol=2e-3, atol=2e-3)


def test_memory_that_runs_out_halves_the_batch(folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    embedder = load_embedder(str(folders["qwen2"]), device="cpu")
    texts = [f"{i} + {i} = {2 * i}" for i in range(13)]
    expected = embedder.embed(texts)
    small = load_embedder(str(folders["qwen2"]), device="cpu")
    forward = small._model.forward

    def full(**values: Any) -> Any:
        if len(values["input_ids"]) > 3:
            raise torch.OutOfMemoryError("full")
        return forward(**values)

    monkeypatch.setattr(small._model, "forward", full)
    for mine, theirs in zip(small.embed(texts), expected, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=2e-3, atol=2e-3)


def test_another_text_is_refused() -> None:
    with pytest.raises(UserInputError, match="text is full or mathematics; got 'some'"):
        EmbedParams("m", "some")


def test_a_stage_without_a_model_says_how_to_run_it() -> None:
    stage = make_stage(None, EmbedParams("m"))
    with pytest.raises(UserInputError, match="python -m gpu_workers embed"):
        stage.map([], stage.params)


def test_weights_that_nobody_reads_may_be_missing(tmp_path: Path) -> None:
    config = BertConfig(
        vocab_size=256, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=24
    )
    BertModel(config, add_pooling_layer=False).save_pretrained(tmp_path)
    make_tokenizer().save_pretrained(tmp_path)
    assert len(load_embedder(str(tmp_path), device="cpu").embed(["x"])[0]) == 16


def test_a_model_that_is_no_language_model_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="can't be loaded"):
        load_embedder(str(tmp_path))


class TestRuns:
    """The stage over a store."""

    def embed(self, store: LocalStore, folders: dict[str, Path], text: str) -> Manifest:
        problems = [make_problems(CHAINS), make_problems(CHAINS[1:])]
        inputs = [
            build_run(store, [make_steps(table) for table in problems], STEPS, "gsm8k-cccc", provenance=BEFORE),
            build_run(store, problems, PROBLEMS, "gsm8k-bbbb", provenance=BEFORE),
        ]
        embedder = load_embedder(str(folders["qwen2"]), device="cpu")
        params = EmbedParams(embedder.identity, text)
        stage = make_stage(embedder, params)
        plan = plan_run(store, store, stage, params, [run.manifest for run in inputs[: len(stage.reads)]])
        return run_plan(store, plan, InProcessExecutor(stage, open_store), quiet=True)

    @pytest.mark.parametrize("text", ["full", "mathematics"])
    def test_a_run_keeps_the_steps_provenance_and_names_its_model(
        self, tmp_path: Path, folders: dict[str, Path], text: str
    ) -> None:
        store = LocalStore(tmp_path)
        manifest = self.embed(store, folders, text)
        assert manifest.complete
        assert manifest.provenance == BEFORE, "so that it joins with labels of the same steps"
        assert str(manifest.params["model"]).startswith("tiny-qwen2@")
        (sums,) = manifest.result["embedded"]
        assert sums == {"steps": 6, "distinct": 5, "dimensions": 32} if text == "mathematics" else sums["steps"] == 6
        assert self.embed(store, folders, text) == manifest

    def test_a_run_that_was_cut_off_gives_the_same_bytes(self, tmp_path: Path, folders: dict[str, Path]) -> None:
        store = LocalStore(tmp_path)
        first = self.embed(store, folders, "full")
        store.delete(first.chunks("embeddings")["00001"].key)
        store.delete(f"manifests/embeddings/{first.run_id}.json")
        second = self.embed(store, folders, "full")
        assert [outcome.status for outcome in second.outcomes] == ["found", "done"]
        assert second.chunks("embeddings") == first.chunks("embeddings")
