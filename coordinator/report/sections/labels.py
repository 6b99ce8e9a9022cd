"""What the steps compute: labels by meaning beside the bare root operator, and what could not be read."""

from collections.abc import Iterator

from coordinator.report.charts import draw_bars
from coordinator.report.family import Family
from coordinator.report.section import Section, Table

MAX_BARS = 24


def describe_labels(family: Family) -> Iterator[Section]:
    """Yield how often each label occurs."""
    labels, roots = family.result("labels", "labels"), family.result("labels", "roots")
    if not labels:
        return
    yield Section(
        "labels",
        "Labels by meaning",
        (Table("Steps that bear each label; a step may bear several", labels, is_filtered=True),),
        "Every operator of a step's expression, powers told apart by what they mean: sqrt, square, inverse and others.",
        draw_bars(labels[:MAX_BARS], "label", "count", "steps"),
        "How many steps bear each label, the most frequent first",
    )
    if roots:
        yield Section(
            "roots",
            "Root operators",
            (Table("Steps by the operator at the root of their expression", roots),),
            "What is left when a step is called by its outermost operator alone.",
            draw_bars(roots[:MAX_BARS], "label", "count", "steps"),
            "How many steps have each root operator, the most frequent first",
        )
    refused = [
        *({"stage": "labels", **row} for row in family.result("labels", "refusals")),
        *({"stage": "steps", **row} for row in family.result("steps", "refusals")),
    ]
    if refused:
        yield Section(
            "refusals",
            "What could not be read",
            (Table("Expressions and chains refused, by reason", refused),),
        )
