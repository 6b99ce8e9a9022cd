"""The rounds of the fit: which are asked, what they find, and what can't be fitted."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from mycelium.errors import UserInputError, WrongDatasetError
from mycelium.task import encode_part
from mycelium.templates.chunks import read_chunk
from mycelium.templates.find import find_templates
from mycelium.templates.fitted import Fitted
from tests.mycelium.templates.world import KINDS, PARAMS, Tables, ask_here, make_chunk, mark, recut, set_vectors

CHUNKS = [make_chunk(i) for i in range(6)]
SMALL = replace(PARAMS, sample=100)


def relabel(chunks: list[Tables], label: str | None) -> list[Tables]:
    """Give every step the same label."""
    out = []
    for problems, steps, labels, embeddings in chunks:
        at = labels.schema.get_field_index("primary")
        column = pa.array([label] * labels.num_rows, pa.string())
        out.append([problems, steps, labels.set_column(at, labels.schema.field(at), column), embeddings])
    return out


def test_few_steps_are_asked_for_twice_and_their_kinds_are_found() -> None:
    kinds: list[str] = []
    fitted = Fitted.from_table(find_templates(ask_here(CHUNKS, kinds=kinds), PARAMS))
    assert kinds == ["survey", "sample"]
    (facts,) = fitted.report["fit"]
    assert (facts["steps"], facts["sampled"], facts["without_label"], facts["labels"]) == (288, 288, 0, 5)
    assert facts["k"] == 5
    assert float(facts["held_out"] or 0) > 0.8 * float(facts["bound"] or 0) > 0
    # Each template is of one kind, nearly.
    assert sorted(KINDS[i] for i in fitted.centroids.argmax(axis=1)) == list(KINDS)
    assert [row["k"] for row in fitted.report["curve"]] == list(range(1, 9))
    assert [row["threshold"] for row in fitted.report["gains"]] == [0.30, 0.20, 0.15, 0.10]
    assert [row["child"] for row in fitted.report["tree"]] == list(range(1, 8))


def test_p_of_y_is_estimated_on_a_sample_where_there_are_many_steps_and_all_rows_are_gathered() -> None:
    kinds: list[str] = []
    fitted = Fitted.from_table(find_templates(ask_here(CHUNKS, SMALL, kinds), SMALL))
    assert kinds == ["survey", "sample", "rows"]
    (facts,) = fitted.report["fit"]
    assert 40 < int(facts["sampled"] or 0) < 160
    assert facts["steps"] == 288


def test_gathered_or_asked_for_sums_the_templates_are_the_same_bytes() -> None:
    kinds: list[str] = []
    asking = replace(SMALL, in_memory=0)
    gathered = find_templates(ask_here(CHUNKS, SMALL), SMALL)
    summed = find_templates(ask_here(CHUNKS, asking, kinds), asking)
    assert kinds[:2] == ["survey", "sample"]
    assert set(kinds[2:]) == {"sums"}
    assert encode_part(summed) == encode_part(gathered)


@pytest.mark.parametrize("n", [1, 7, 40])
@pytest.mark.parametrize("in_memory", [0, 10_000])
def test_however_the_steps_are_cut_the_artifact_is_the_same_bytes(n: int, in_memory: int) -> None:
    params = replace(SMALL, in_memory=in_memory)
    whole = encode_part(find_templates(ask_here(CHUNKS, params), params))
    assert encode_part(find_templates(ask_here(recut(CHUNKS, n), params), params)) == whole


def test_the_map_gives_steps_the_rows_that_the_templates_were_grown_on() -> None:
    fitted = Fitted.from_table(find_templates(ask_here(CHUNKS), PARAMS))
    rows = np.concatenate([fitted.rows(read_chunk(tables)) for tables in CHUNKS])
    counts = np.bincount(fitted.assign(rows), minlength=len(fitted.centroids))
    k = len(fitted.centroids)
    told = [row for row in fitted.report["tree"] if row["k"] == k]
    assert counts.sum() == 288
    assert told
    # I(T;Y) on the rows that the map sees is the one that the fit reports.
    joint = np.array([rows[fitted.assign(rows) == t].sum(axis=0) for t in range(k)], np.float64) / 288
    outer = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0)
    relevance = (joint[joint > 0] * np.log2(joint[joint > 0] / outer[joint > 0])).sum()
    assert relevance == pytest.approx(fitted.report["fit"][0]["relevance"], abs=1e-6)


def test_k_can_be_given() -> None:
    params = replace(PARAMS, k=3)
    fitted = Fitted.from_table(find_templates(ask_here(CHUNKS, params), params))
    assert len(fitted.centroids) == 3
    assert fitted.report["fit"][0]["chosen_by"] == "given"


def test_steps_without_a_label_are_counted_and_assigned_and_not_fitted_to() -> None:
    chunks = [make_chunk(i, blank=0.4) for i in range(6)]
    fitted = Fitted.from_table(find_templates(ask_here(chunks), PARAMS))
    blank = sum(tables[2]["primary"].null_count for tables in chunks)
    assert fitted.report["fit"][0]["without_label"] == blank > 50
    assert "?" not in fitted.names
    assert sum(len(fitted.assign(fitted.rows(read_chunk(tables)))) for tables in chunks) == 288


def test_shuffled_labels_make_one_template() -> None:
    rng = np.random.default_rng(0)
    chunks = []
    for problems, steps, labels, embeddings in (make_chunk(i) for i in range(12)):
        shuffled = labels["primary"].take(pa.array(rng.permutation(labels.num_rows)))
        at = labels.schema.get_field_index("primary")
        chunks.append([problems, steps, labels.set_column(at, labels.schema.field(at), shuffled), embeddings])
    assert Fitted.from_table(find_templates(ask_here(chunks), PARAMS)).report["fit"][0]["k"] == 1


@pytest.mark.parametrize(
    ("chunks", "params", "words"),
    [
        (relabel(CHUNKS, "mul"), PARAMS, "at least two different labels to be relevant to; got only 'mul'"),
        (relabel(CHUNKS, None), PARAMS, r"there are 288, 0 of them with a label"),
        (CHUNKS[:1], replace(PARAMS, min_size=50), r"at least 50 steps \(min_size\), and there are 48"),
        ([[t.slice(0, 0) for t in CHUNKS[0]]], PARAMS, r"at least 10 steps \(min_size\), and there are 0"),
        ([set_vectors(c, [[1.0] * 6] * 48) for c in CHUNKS], PARAMS, "every embedding is the same"),
    ],
    ids=["one label", "no label", "fewer than min_size", "no steps", "constant embeddings"],
)
def test_what_cannot_be_fitted_is_refused_in_one_line(chunks: list[Tables], params: object, words: str) -> None:
    with pytest.raises(UserInputError, match=words):
        find_templates(ask_here(chunks, params), params)  # type: ignore[arg-type]


def test_more_templates_than_posteriors_can_be_told_apart_are_refused() -> None:
    # Two different vectors in all: two posteriors, and so two templates at most.
    chunks = [set_vectors(c, [[float(label == "add")] * 6 for label in c[2]["primary"].to_pylist()]) for c in CHUNKS]
    params = replace(PARAMS, k=8)
    with pytest.raises(UserInputError, match=r"templates are from 1 to \d here, since no template can be split"):
        find_templates(ask_here(chunks, params), params)


def test_embeddings_of_two_models_are_refused_by_name() -> None:
    chunks = [CHUNKS[0], [*CHUNKS[1][:3], mark(CHUNKS[1][3], "other")], *CHUNKS[2:]]
    with pytest.raises(
        WrongDatasetError, match=r"made by one model; got other v1 .* in 1 chunks; test v1 .* in 5 chunks"
    ):
        find_templates(ask_here(chunks), PARAMS)


def test_embeddings_of_two_lengths_are_refused() -> None:
    short = set_vectors(CHUNKS[1], [vector[:4] for vector in CHUNKS[1][3]["embedding"].to_pylist()])
    with pytest.raises(WrongDatasetError, match="of one length; got 4 in 1 chunks; 6 in 5 chunks"):
        find_templates(ask_here([CHUNKS[0], short, *CHUNKS[2:]]), PARAMS)
