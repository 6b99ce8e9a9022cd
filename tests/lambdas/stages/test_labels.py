"""The stage that labels steps."""

from collections.abc import Sequence
from itertools import permutations

import pyarrow as pa
import pytest

from lambdas.stages import labels as stage_file
from lambdas.stages.labels import LABELS, STAGE, LabelsParams, map_steps, summarize_chunk
from lambdas.stages.steps import STEPS, digest_expression
from mycelium.errors import NothingReadError
from mycelium.schema import decode_chunk, encode_chunk
from mycelium.store import MemoryStore
from mycelium.task import Task, run_task
from tests.builders import GSM8K, build_run, make_header


def make_steps(expressions: Sequence[str], kind: str = "dollar") -> pa.Table:
    rows: list[dict[str, object]] = [
        {
            "problem_id": f"q{i // 2}",
            "index": i // 2,
            "level": 1,
            "step": i % 2,
            "start": 0,
            "end": len(expression),
            "kind": kind,
            "expression": expression,
            "digest": digest_expression(expression),
            "operands": [],
            "origins": [],
            "sources": [],
            "results": [],
            "refusal": None,
        }
        for i, expression in enumerate(expressions)
    ]
    return pa.Table.from_pylist(rows, schema=STEPS.arrow_schema())


def label(expressions: Sequence[str], kind: str = "dollar") -> pa.Table:
    (table,) = map_steps([make_steps(expressions, kind)], LabelsParams())
    return table


def test_a_step_has_its_labels_its_primary_label_and_its_root() -> None:
    (row,) = label([r"x = \frac{1}{2} + 3"]).to_pylist()
    assert (row["problem_id"], row["step"], row["level"]) == ("q0", 0, 1)
    assert (row["labels"], row["primary"], row["root"], row["refusal"]) == (["add", "div", "eq"], "add", "eq", None)


def test_plain_text_is_read_as_plain_text() -> None:
    assert label(["12 x 2 = 24"], "annotation")["labels"].to_pylist() == [["eq", "mul"]]


def test_a_refused_step_has_no_labels_and_a_reason() -> None:
    row = label(["1+1=2", "(1+"]).to_pylist()[1]
    assert (row["labels"], row["primary"], row["root"], row["refusal"]) == ([], None, None, "unclosed")


def test_each_expression_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    one = stage_file.label_expression

    def counting(expression: str, is_plain: bool) -> dict[str, object]:
        read.append(expression)
        return one(expression, is_plain)

    monkeypatch.setattr(stage_file, "label_expression", counting)
    assert label(["1+1=2", "x=5", "1+1=2", "1+1=2"]).num_rows == 4
    assert read == ["1+1=2", "x=5"]


def test_the_share_saved_is_in_the_result() -> None:
    result = STAGE.conclude(summarize_chunk([label(["1+1=2", "x=5", "1+1=2", "(1+"])]), LabelsParams())
    assert result["totals"] == [
        {"steps": 4, "expressions_parsed": 3, "share_saved": 0.25, "refused": 1, "without_operator": 0}
    ]
    assert result["primary"] == [{"label": "add", "count": 2}, {"label": "eq", "count": 1}]
    assert result["roots"] == [{"label": "eq", "count": 3}]
    assert result["refusals"] == [{"reason": "unclosed", "count": 1}]


def test_a_chunk_of_which_nothing_could_be_read_is_an_error() -> None:
    with pytest.raises(NothingReadError, match=r"of 2 none could.*unclosed"):
        label(["(1+", "(2+"])


def test_an_empty_chunk_is_no_error() -> None:
    table = label([])
    assert table.num_rows == 0
    assert STAGE.conclude(summarize_chunk([table]), LabelsParams())["totals"][0]["share_saved"] == 0.0


def test_the_reduce_is_associative() -> None:
    parts = [summarize_chunk([label(part)]) for part in (["1+1=2"], ["x=5", "x"], ["1+1=2", "(1+"])]
    whole = STAGE.reduce(parts)
    for one, two, three in permutations(parts):
        assert STAGE.reduce([STAGE.reduce([one, two]), three]).equals(whole)
        assert STAGE.reduce([one, STAGE.reduce([two, three])]).equals(whole)


def test_a_task_runs_the_stage() -> None:
    store = MemoryStore()
    run = build_run(store, [make_steps(["1+1=2"])], STEPS, "gsm8k-aaaaaaaaaaaa")
    task = Task("00000", "gsm8k-bbbbbbbbbbbb", "labels", {}, (run.manifest.chunks("steps")["00000"],), GSM8K, GSM8K)
    result = run_task(task, STAGE, LabelsParams(), store, store)
    assert result.outcome.error is None
    table, _ = decode_chunk(store.get("labels/gsm8k-bbbbbbbbbbbb/00000.parquet"), LABELS)
    assert table["primary"].to_pylist() == ["add"]


def test_the_same_chunk_gives_the_same_bytes() -> None:
    first, second = (encode_chunk(LABELS, label(["1+1=2", "x"]), make_header(LABELS)) for _ in range(2))
    assert first == second
