"""The real problems that labels are measured on, and the gold set."""

import argparse
import gzip
import json
import os
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.record import ROOT
from mycelium.labels.extract import extract_all_ops, primary_label, root_operator
from mycelium.labels.parser import parse
from mycelium.labels.segments import Segment, find_segments
from mycelium.labels.tree import Refusal

SOURCES = {
    "math_visible.jsonl.gz": ("problem", "solution"),
    "cot_zeroeval_math_l5.jsonl.gz": ("problem", "cot"),
    "cot_llama31_8b_math_train.jsonl.gz": ("problem", "cot"),
    "cot_qwen_official_math100x8.jsonl.gz": ("problem", "cot"),
    "gsm8k_train.jsonl.gz": ("question", "answer"),
}


def add_data(parser: argparse.ArgumentParser) -> None:
    """Add the option that says where the real problems are."""
    default = Path(os.environ.get("MYCELIUM_DATA", ROOT.parent / "shared" / "data"))
    parser.add_argument("--data", type=Path, default=default, help="folder of the real problems")


def check_data(data: Path) -> None:
    """End the program if the real problems are not there."""
    if not (data / "gsm8k_train.jsonl.gz").is_file():
        sys.exit(f"the real data are not here: no {data}/gsm8k_train.jsonl.gz; say where with --data")


def read_rows(data: Path, name: str) -> Iterator[dict[str, Any]]:
    """Read one file of the real data."""
    with gzip.open(data / name, "rt", encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


def segments_of(text: str) -> list[Segment]:
    """Return the segments of a text; one that is too long has none."""
    found = find_segments(text)
    return [] if isinstance(found, Refusal) else found


def label(text: str, *, plain: bool) -> tuple[bool, list[str]]:
    """Do all that a label costs."""
    tree = parse(text, plain=plain)
    if isinstance(tree, Refusal):
        return False, []
    primary_label(tree)
    root_operator(tree)
    return True, sorted(extract_all_ops(tree))


def read_gold(data: Path) -> list[dict[str, Any]]:
    """Return the gold set with its texts."""
    path = ROOT / "tests" / "mycelium" / "labels" / "gold.jsonl"
    gold = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    rows = {name: list(read_rows(data, name)) for name in {one["file"] for one in gold}}
    for one in gold:
        one["text"] = rows[one["file"]][one["row"]][one["field"]][one["start"] : one["end"]]
    return gold


def find_distinct(data: Path) -> tuple[dict[tuple[str, bool], str], list[str]]:
    """Return every distinct segment, whether it is plain text, with its first file; and every annotation of GSM8K."""
    distinct: dict[tuple[str, bool], str] = {}
    annotations: list[str] = []
    for name, (_, field) in SOURCES.items():
        for row in read_rows(data, name):
            for segment in segments_of(row[field]):
                text = row[field][segment.start : segment.end]
                distinct.setdefault((text, segment.is_plain), name)
                if segment.kind == "annotation":
                    annotations.append(text)
    return distinct, annotations


def draw_latex(distinct: dict[tuple[str, bool], str], n: int) -> list[str]:
    """Draw some distinct segments of LaTeX of the MATH files."""
    latex = [text for (text, is_plain), name in distinct.items() if not is_plain and not name.startswith("gsm")]
    return random.Random(20_261_120).sample(latex, n)
