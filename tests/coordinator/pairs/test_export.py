"""Exports: what a trainer gets, what it is kept from, and what is left when an export dies."""

import gzip
import json
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from coordinator.pairs.export import ExportParams, ExportRecord, export_pairs, read_evaluation
from mycelium.errors import UserInputError, WrongDatasetError
from mycelium.manifest import digest
from mycelium.pairs.reading import read_targets
from mycelium.pairs.texts import group_of
from mycelium.store import LocalStore, MemoryStore
from tests.coordinator.pairs.pair_store import fill, fill_templates, problems_of

FILES = {"parquet": "{}.parquet", "jsonl": "{}.jsonl", "huggingface": "data/{}-00000-of-00001.parquet"}
SPLITS = ("train", "validation", "test")


@pytest.fixture(scope="module")
def store() -> MemoryStore:
    """Pairs of two origins."""
    made = MemoryStore()
    fill(made)
    fill(made, "math", "MATH")
    return made


def read(folder: Path, file_format: str = "jsonl") -> dict[str, list[dict[str, Any]]]:
    """Return the rows of each split."""
    found = {}
    for split in SPLITS:
        path = folder / FILES[file_format].format(split)
        if file_format == "jsonl":
            found[split] = [json.loads(line) for line in path.read_text().splitlines()]
        else:
            found[split] = pq.read_table(path).to_pylist()
    return found


@pytest.mark.parametrize("run", ["c2_pairs/gsm8k", "c3_pairs/gsm8k"])
def test_every_format_has_the_same_rows(store: MemoryStore, tmp_path: Path, run: str) -> None:
    rows = []
    for file_format in FILES:
        record = export_pairs(store, [run], tmp_path / file_format, ExportParams(file_format))
        rows.append(read(tmp_path / file_format, file_format))
        assert {split: len(found) for split, found in rows[-1].items()} == record.pairs
    assert rows[0] == rows[1] == rows[2]
    assert all(rows[0][split] for split in SPLITS)


def test_a_vector_has_a_place_for_each_class_and_twins_one_split(store: MemoryStore, tmp_path: Path) -> None:
    record = export_pairs(store, ["c2_pairs/gsm8k"], tmp_path / "out", ExportParams("jsonl"))
    splits: dict[int, set[str]] = {}
    for split, rows in read(tmp_path / "out").items():
        for row in rows:
            named = [name for name, bit in zip(record.vocabulary, row["vector"], strict=True) if bit]
            assert sorted(named) == row["classes"] == ["add", "div", "eq"]
            assert row["origin"] == "GSM8K"
            splits.setdefault(group_of(row["text"]), set()).add(split)
    assert {len(found) for found in splits.values()} == {1}
    assert sum(record.pairs.values()) == 24
    assert len(splits) == 23
    assert record.dropped == {"no_step": 1}


def test_c3_pairs_are_where_their_problems_are_and_their_targets_end(store: MemoryStore, tmp_path: Path) -> None:
    export_pairs(store, ["c2_pairs/gsm8k"], tmp_path / "c2", ExportParams("jsonl"))
    export_pairs(store, ["c3_pairs/gsm8k"], tmp_path / "c3", ExportParams("parquet"))
    split_of = {row["problem_id"]: split for split, rows in read(tmp_path / "c2").items() for row in rows}
    for split, rows in read(tmp_path / "c3", "parquet").items():
        assert {split_of[row["problem_id"]] for row in rows} == {split}
        table = read_targets(pq.read_table(tmp_path / "c3" / f"{split}.parquet"), "Qwen/Qwen2.5-Math-7B")
        assert table.num_rows == len(rows)
        assert "expression" not in rows[0]


def test_a_parquet_file_says_of_itself_what_it_is(store: MemoryStore, tmp_path: Path) -> None:
    export_pairs(store, ["c3_pairs/gsm8k"], tmp_path / "out", ExportParams("parquet"))
    said = json.loads(pq.read_schema(tmp_path / "out/train.parquet").metadata[b"mycelium"])
    assert (said["dataset"], said["origins"], said["params"]["eos"]) == ("c3_pairs", ["GSM8K"], "<|endoftext|>")


def test_a_mixture_is_recorded(store: MemoryStore, tmp_path: Path) -> None:
    runs = ["c2_pairs/gsm8k", "c2_pairs/math"]
    with pytest.raises(UserInputError, match="--allow-mix gsm8k,math"):
        export_pairs(store, runs, tmp_path / "out", ExportParams("jsonl"))
    assert not (tmp_path / "out").exists()
    export_pairs(store, runs, tmp_path / "out", ExportParams("jsonl", ("math", "gsm8k")))
    record = json.loads((tmp_path / "out/export.json").read_text())
    assert (record["origins"], record["allow_mix"]) == (["GSM8K", "MATH"], ["math", "gsm8k"])
    assert record["by_origin"] == {"GSM8K": 24, "MATH": 24}
    assert "mixing was asked for | math, gsm8k" in (tmp_path / "out/README.md").read_text()


def test_twins_of_two_runs_are_in_one_split(tmp_path: Path) -> None:
    store = MemoryStore()
    fill(store, "one", "GSM8K")
    fill(store, "two", "GSM8K", held_out=0.4)  # the same problems, dealt out otherwise
    record = export_pairs(store, ["c2_pairs/one", "c2_pairs/two"], tmp_path / "out", ExportParams("jsonl"))
    rows = read(tmp_path / "out")
    splits: dict[int, set[str]] = {}
    for split, found in rows.items():
        for row in found:
            splits.setdefault(group_of(row["text"]), set()).add(split)
    assert {len(found) for found in splits.values()} == {1}
    assert record.divided_twins > 0
    assert sum(record.pairs.values()) == 48


def test_templates_are_called_by_their_names(tmp_path: Path) -> None:
    store = MemoryStore()
    names = ["add (eq) #2", "div", "never met"]
    fill_templates(store, "gsm8k", "GSM8K", names)
    record = export_pairs(store, ["c2_pairs/gsm8k"], tmp_path / "c2", ExportParams("jsonl"))
    assert record.vocabulary == tuple(names)
    row = read(tmp_path / "c2")["train"][0]
    assert (row["classes"], row["vector"]) == (["add (eq) #2", "div"], [1, 1, 0])
    export_pairs(store, ["c3_pairs/gsm8k"], tmp_path / "c3", ExportParams("jsonl"))
    rows = read(tmp_path / "c3")["train"]
    assert {row["class"] for row in rows} == {"add (eq) #2", "div"}
    assert all(row["prompt"].startswith(f"[TEMPLATE: {row['class']}] ") for row in rows)
    assert not any("template_0" in row["prompt"] for row in rows)


def test_templates_of_several_fits_are_never_one_export(tmp_path: Path) -> None:
    store = MemoryStore()
    fill_templates(store, "gsm8k", "GSM8K", ["add", "div"])
    fill_templates(store, "math", "MATH", ["sum", "quotient"], fit="g")
    fill_templates(store, "more", "generated", ["plus", "by"])
    runs, mix = ["c2_pairs/gsm8k", "c2_pairs/math"], ("gsm8k", "math", "generated")
    with pytest.raises(UserInputError, match="one set of templates, and these runs have several"):
        export_pairs(store, runs, tmp_path / "out", ExportParams("jsonl", mix))
    fitted = ["c2_pairs/gsm8k", "c2_pairs/more"]
    record = export_pairs(store, fitted, tmp_path / "out", ExportParams("jsonl", mix))
    assert record.vocabulary == ("add", "div")


def test_what_quotes_the_evaluation_is_left_out_of_train_and_listed(store: MemoryStore, tmp_path: Path) -> None:
    asked = [{"question": text.upper()} for chunk in problems_of("GSM8K") for text, _ in chunk[:6]]
    path = tmp_path / "test.jsonl.gz"
    path.write_bytes(gzip.compress("\n".join([*map(json.dumps, asked), "not JSON", '{"other": 1}']).encode()))
    before = export_pairs(store, ["c3_pairs/gsm8k"], tmp_path / "all", ExportParams("jsonl"))
    record = export_pairs(store, ["c3_pairs/gsm8k"], tmp_path / "out", ExportParams("jsonl", against=(path,)))
    listed = [json.loads(line) for line in (tmp_path / "out/contamination.jsonl").read_text().splitlines()]
    assert record.contaminated == len(listed) > 0
    assert record.pairs["train"] == before.pairs["train"] - len(listed)
    assert record.pairs["test"] == before.pairs["test"]
    assert (record.evaluation_texts, record.evaluation_unread) == (12, 2)
    assert record.against == {"test.jsonl.gz": digest(path.read_bytes())}
    left = {row["problem_id"] for row in read(tmp_path / "out")["train"]}
    assert not left & {row["problem_id"] for row in listed}
    assert all(len(row["words"].split()) == 13 and row["evaluation"].startswith("test.jsonl.gz:") for row in listed)
    assert "was left out" in (tmp_path / "out/README.md").read_text()


def test_an_evaluation_without_problems_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "test.jsonl"
    path.write_text('{"other": 1}\n{"problem": "  "}\n')
    with pytest.raises(UserInputError, match="test.jsonl holds no problem"):
        read_evaluation([path])
    assert read_evaluation([]) == ([], 0)


def test_a_folder_that_is_there_is_not_touched(store: MemoryStore, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    export_pairs(store, ["c2_pairs/gsm8k"], tmp_path / "out", ExportParams("jsonl"))  # an empty one will do
    before = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*.*")}
    with pytest.raises(UserInputError, match="into a new folder, and .*out is there already"):
        export_pairs(store, ["c2_pairs/gsm8k"], tmp_path / "out", ExportParams("jsonl"))
    assert {path: path.read_bytes() for path in (tmp_path / "out").rglob("*.*")} == before


def test_the_same_runs_give_the_same_bytes(store: MemoryStore, tmp_path: Path) -> None:
    first, second = (
        export_pairs(store, ["c3_pairs/gsm8k"], tmp_path / name, ExportParams("parquet")) for name in ("one", "two")
    )
    assert first == second
    assert first.files["train.parquet"] == digest((tmp_path / "one/train.parquet").read_bytes())


def test_a_target_without_its_end_is_never_exported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = MemoryStore()
    fill(store)

    def bare(table: pa.Table) -> pa.Table:  # as if an older stage had written expressions for targets
        place = table.schema.get_field_index("target")
        return table.set_column(place, "target", table["expression"])

    monkeypatch.setattr("coordinator.pairs.export.keep_pairs", bare)
    with pytest.raises(WrongDatasetError, match=r"every target ends with '<\|endoftext\|>'"):
        export_pairs(store, ["c3_pairs/gsm8k"], tmp_path / "out", ExportParams("jsonl"))
    assert list(tmp_path.iterdir()) == []


def test_an_export_that_is_killed_leaves_nothing_under_its_name(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    fill(LocalStore(tmp_path / "store"))
    code = """
        import os, signal, sys
        from pathlib import Path
        from coordinator.pairs import export
        from mycelium.store import open_store
        export.write_card = lambda *_: os.kill(os.getpid(), signal.SIGKILL)  # when everything else is there
        params = export.ExportParams("jsonl")
        export.export_pairs(open_store(sys.argv[1]), ["c3_pairs/gsm8k"], Path(sys.argv[2]), params)
    """
    out = tmp_path / "out"
    killed = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), str(tmp_path / "store"), str(out)],
        cwd=Path(__file__).parents[3],
        check=False,
    )
    assert killed.returncode == -9
    assert not out.exists()
    record = export_pairs(LocalStore(tmp_path / "store"), ["c3_pairs/gsm8k"], out, ExportParams("jsonl"))
    assert isinstance(record, ExportRecord)


def test_an_exported_folder_is_opened_by_the_datasets_library(
    store: MemoryStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    datasets = pytest.importorskip("datasets")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    for run in ("c2_pairs/gsm8k", "c3_pairs/gsm8k"):
        out = tmp_path / run.replace("/", "-")
        record = export_pairs(store, [run], out, ExportParams("huggingface"))
        loaded = datasets.load_dataset(str(out), cache_dir=str(tmp_path / "cache"))
        assert {split: rows.num_rows for split, rows in loaded.items()} == record.pairs
        expected = read(out, "huggingface")
        assert all(list(loaded[split]) == expected[split] for split in SPLITS)
