"""What templates look like: sizes, histograms of labels, levels and subjects, names, and the steps nearest to each.

A part has two kinds of rows: counts, which add, and examples, of which the ten nearest of each template are kept. Two
steps that say the same are one example: the first in the order of divergence, then digest, then place.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mycelium.bottleneck.information import entropy
from mycelium.schema import Result, Row

N_EXAMPLE: Final = 10
MAX_TEXT: Final = 200
"""Characters of an example that are kept."""

NAMED_FROM: Final = 0.25
"""The share from which a further label stands in a template's name."""
MAX_IN_NAME: Final = 3
MARKED_FROM: Final = 0.05
"""The share from which a label may tell two templates of the same name apart."""
NO_LABEL: Final = "?"

_COUNTED: Final = ("label", "level", "subject")
_EXAMPLE: Final = ("divergence", "digest", "index", "step", "start", "end", "problem_id", "expression")

_SCHEMA: Final = pa.schema(
    [
        ("name", pa.string()),
        ("template", pa.int16()),
        ("key", pa.string()),
        ("count", pa.int64()),
        ("divergence", pa.float32()),
        ("digest", pa.binary()),
        ("index", pa.int64()),
        ("step", pa.int32()),
        ("start", pa.int32()),
        ("end", pa.int32()),
        ("problem_id", pa.string()),
        ("expression", pa.string()),
    ]
)


def summarize_assignments(tables: Sequence[pa.Table]) -> pa.Table:
    """Return the part of one chunk.

    Args:
        tables: one table of `assignments`.
    """
    (table,) = tables
    parts = [_count(table, name) for name in _COUNTED]
    texts = pc.utf8_slice_codeunits(table["expression"], 0, MAX_TEXT)
    columns = {name: table[name] for name in ("template", *_EXAMPLE[:-1])} | {"expression": texts}
    parts.append(_shape("example", _nearest(pa.table(columns))))
    return pa.concat_tables(parts).combine_chunks()


def add_portraits(parts: Sequence[pa.Table]) -> pa.Table:
    """Add parts: counts are summed, and of the examples the nearest are kept; so exact and associative."""
    total = pa.concat_tables(parts)
    is_example = pc.equal(total["name"], "example")
    counts = total.filter(pc.invert(is_example)).group_by(["name", "template", "key"], use_threads=False)
    counted = counts.aggregate([("count", "sum")]).rename_columns(["name", "template", "key", "count"])
    counted = counted.sort_by([(name, "ascending") for name in ("name", "template", "key")])
    added = [_shape(None, counted), _shape("example", _nearest(total.filter(is_example)))]
    return pa.concat_tables(added).combine_chunks()


def _count(table: pa.Table, name: str) -> pa.Table:
    keys = pc.fill_null(table[name].cast(pa.string()), NO_LABEL)
    counts = pa.table({"template": table["template"], "key": keys}).group_by(["template", "key"], use_threads=False)
    counted = counts.aggregate([([], "count_all")]).rename_columns(["template", "key", "count"])
    return _shape(name, counted.sort_by([("template", "ascending"), ("key", "ascending")]))


def _nearest(table: pa.Table) -> pa.Table:
    """Return the nearest examples of each template, each expression once."""
    order = [(name, "ascending") for name in ("template", "divergence", "digest", "index", "step")]
    ranked = table.sort_by(order)
    seen: dict[int, set[bytes]] = {}
    kept = []
    for i, (template, digest) in enumerate(
        zip(ranked["template"].to_pylist(), ranked["digest"].to_pylist(), strict=True)
    ):
        found = seen.setdefault(template, set())
        if len(found) < N_EXAMPLE and digest not in found:
            found.add(digest)
            kept.append(i)
    return ranked.take(pa.array(kept, pa.int64()))


def _shape(name: str | None, table: pa.Table) -> pa.Table:
    """Give a table the columns of a part; what it has not is null."""
    columns = []
    for field in _SCHEMA:
        if field.name == "name" and name is not None:
            columns.append(pa.array([name] * table.num_rows, field.type))
        elif field.name in table.column_names:
            columns.append(table[field.name].cast(field.type))
        else:
            columns.append(pa.nulls(table.num_rows, field.type))
    return pa.table(columns, schema=_SCHEMA)


def describe_templates(total: pa.Table) -> Result:
    """Tabulate templates.

    Args:
        total: the sum of all parts.

    Returns:
        ``templates``: for each, the largest first, its number, name, steps, share of all steps, entropy of its labels
        in bits, and in words its labels, subjects and levels, and three examples. ``histogram``: template, what
        (label, level, subject), value, count. ``examples``: template, rank, divergence in bits, where it stands, and
        the first 200 characters.
    """
    rows = total.to_pylist()
    counts: dict[str, dict[int, dict[str, int]]] = {name: {} for name in _COUNTED}
    examples: dict[int, list[Row]] = {}
    for row in rows:
        if row["name"] == "example":
            kept = examples.setdefault(row["template"], [])
            kept.append({"template": row["template"], "rank": len(kept) + 1, **_show_example(row)})
        else:
            counts[row["name"]].setdefault(row["template"], {})[row["key"]] = row["count"]
    sizes = {template: sum(found.values()) for template, found in counts["label"].items()}
    order = sorted(sizes, key=lambda template: (-sizes[template], template))
    names = name_templates([counts["label"][template] for template in order])
    n_step = sum(sizes.values())
    return {
        "templates": [
            {
                "template": template,
                "name": name,
                "steps": sizes[template],
                "share": sizes[template] / n_step,
                "entropy": measure_entropy(counts["label"][template]),
                "labels": _say_shares(counts["label"][template]),
                "subjects": _say_shares(counts["subject"][template]),
                "levels": _say_shares(counts["level"][template]),
                "examples": "  ¦  ".join(_shorten(row) for row in examples[template][:3]),
            }
            for template, name in zip(order, names, strict=True)
        ],
        "histogram": [
            {"template": template, "of": name, "value": value, "count": count}
            for name in _COUNTED
            for template in order
            for value, count in _rank(counts[name][template])
        ],
        "examples": [row for template in order for row in examples[template]],
    }


def name_templates(histograms: Sequence[Mapping[str, int]]) -> list[str]:
    """Return a name for each template, made of its labels: no two are the same.

    The commonest label, and up to two more that at least a quarter of the steps bear. Where that is another's name too,
    the label follows that sets it apart most, of those that a twentieth of the steps bear: the one that adds most bits
    to D(p(y|t)‖p(y)). Where there is none, or that is another's name too, a number follows.

    Args:
        histograms: label counts of each template; steps without label count as ``?``.
    """
    whole: dict[str, int] = {}
    for histogram in histograms:
        for label, count in histogram.items():
            whole[label] = whole.get(label, 0) + count
    plain = [_name(histogram) for histogram in histograms]
    names: list[str] = []
    for histogram, name in zip(histograms, plain, strict=True):
        if plain.count(name) > 1:
            mark = _find_mark(histogram, whole, set(name.split("+")))
            name = f"{name} ({mark})" if mark else name  # noqa: PLW2901 - the same name, told apart
        again = sum(other == name or other.startswith(f"{name} #") for other in names)
        names.append(f"{name} #{again + 1}" if again else name)
    return names


def _name(histogram: Mapping[str, int]) -> str:
    total = sum(histogram.values())
    ranked = _rank(histogram)
    return "+".join(
        label for place, (label, count) in enumerate(ranked[:MAX_IN_NAME]) if not place or count >= NAMED_FROM * total
    )


def _find_mark(histogram: Mapping[str, int], whole: Mapping[str, int], named: set[str]) -> str | None:
    n, n_whole = sum(histogram.values()), sum(whole.values())
    gain = {
        label: count / n * float(np.log2(count / n * n_whole / whole[label]))
        for label, count in histogram.items()
        if label not in {*named, NO_LABEL} and count >= MARKED_FROM * n
    }
    best = max(gain, key=lambda label: (gain[label], label), default=None)
    return best if best is not None and gain[best] > 0 else None


def _rank(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def _say_shares(counts: Mapping[str, int]) -> str:
    total = sum(counts.values())
    return ", ".join(f"{value} {count / total:.0%}" for value, count in _rank(counts)[:4])


def measure_entropy(counts: Mapping[str, int]) -> float:
    """Return the entropy of the labels of a template, bits; steps without a label are left out."""
    known = np.array([count for label, count in counts.items() if label != NO_LABEL], np.float64)
    return float(entropy(known / known.sum())) + 0.0 if known.size else 0.0  # no negative nought


def _shorten(row: Row) -> str:
    return " ".join(str(row["expression"]).split())[:40]


def _show_example(row: Row) -> Row:
    return {name: row[name] for name in ("divergence", "problem_id", "step", "start", "end", "expression")}
