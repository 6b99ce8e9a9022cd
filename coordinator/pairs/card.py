"""The data card of an export: what it is, where it comes from, what is not in it; written from the record alone."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mycelium.schema import Result, Row

_WHAT = {
    "c2_pairs": "Each row is a problem and the operations that its solution takes: `classes` by name, and `vector`, a "
    "zero or one for each class of the vocabulary, in its order. `n_heartbeat`, `n_step` and `n_segment` count the "
    "steps of the solution by three clocks; `n_heartbeat` is missing where no attention was read.",
    "c3_pairs": "Each row is one step: `prompt` names its class and has the problem, `target` is the expression to be "
    "written and ends with the tokenizer's end of sequence. Every expression was read back, comes to what the step "
    "claims, and has no operand that stands neither in the problem nor in an earlier step.",
}
_TASKS = {"c2_pairs": "text-classification", "c3_pairs": "text-generation"}


def write_card(path: Path, record: Mapping[str, Any], results: Mapping[str, Result], files: Mapping[str, str]) -> None:
    """Write a card.

    Args:
        path: the file.
        record: the export's record, as plain data.
        results: what the runs concluded, by run.
        files: the file of each split that has pairs, relative to the card.
    """
    path.write_text("\n".join([*_front_matter(record, files), *_body(record, results)]) + "\n", encoding="utf-8")


def _front_matter(record: Mapping[str, Any], files: Mapping[str, str]) -> list[str]:
    """Return the YAML that `datasets` reads; JSON's strings are YAML's, so that no name can break out of its line."""
    name = f"Mycelium {record['kind']} of {' and '.join(record['origins'])}"
    lines = [
        "---",
        f"pretty_name: {json.dumps(name)}",
        "license: unknown",
        f"task_categories: [{_TASKS[record['kind']]}]",
    ]
    lines += ["tags: [mathematics, chain-of-thought]", "configs:", "- config_name: default", "  data_files:"]
    for split, file in files.items():
        lines += [f"  - split: {split}", f"    path: {json.dumps(file)}"]
    return [*lines, "---", "", f"# {_in_line(name)}", ""]


def _body(record: Mapping[str, Any], results: Mapping[str, Result]) -> list[str]:
    lines = [_WHAT[record["kind"]], "", "## Where it comes from", ""]
    lines += _table(record["runs"])
    mixed = ", ".join(map(str, record["allow_mix"])) or "no"
    facts = {"mixing was asked for": mixed, "code": record["commit"], **record["params"]}
    lines += ["", *_table([{"what": name, "value": value} for name, value in facts.items()])]
    lines += ["", "The licence is that of the problems, which this project does not know.", "", "## How much", ""]
    lines += _table([{"split": split, "pairs": count} for split, count in record["pairs"].items()])
    lines += ["", *_table([{"origin": origin, "pairs": count} for origin, count in record["by_origin"].items()])]
    lines += ["", "Problems that differ in their numbers only are twins, and all twins are in one split.", ""]
    lines += ["## What is not in it", ""]
    left_out = dict(record["dropped"])
    left_out |= {"quotes the evaluation": record["contaminated"], "has no split": record["without_split"]}
    lines += _table([{"reason": reason, "rows": count} for reason, count in left_out.items()])
    lines += ["", _say_contamination(record), "", "## Vocabulary", ""]
    lines += [", ".join(f"`{_in_line(name)}`" for name in record["vocabulary"]) or "none"]
    for run, result in results.items():
        for name in ("levels", "claims"):
            if result.get(name):
                lines += ["", f"## {name.capitalize()}, {_in_line(run)}", "", *_table(result[name])]
    return lines


def _say_contamination(record: Mapping[str, Any]) -> str:
    if not record["against"]:
        return "It was checked against no evaluation set."
    files = ", ".join(map(_in_line, record["against"]))
    return (
        f"Train was checked against {record['evaluation_texts']} problems of {files}: a row that shares "
        f"{record['ngram']} words in a row with one of them was left out and stands in `contamination.jsonl`."
    )


def _table(rows: Sequence[Mapping[str, Any] | Row]) -> list[str]:
    """Return rows as a Markdown table."""
    if not rows:
        return ["none"]
    names = list(rows[0])
    lines = [f"| {' | '.join(map(_in_line, names))} |", f"|{'---|' * len(names)}"]
    return lines + [f"| {' | '.join(_show(row[name]) for name in names)} |" for row in rows]


def _show(value: object) -> str:
    if value is None:
        return "–"
    return f"{value:.2f}" if isinstance(value, float) else _in_line(str(value))


def _in_line(text: str) -> str:
    """Return a text that can't end a line, a cell or a code span."""
    return " ".join(text.split()).replace("|", "\\|").replace("`", "'").replace("<", "&lt;")
