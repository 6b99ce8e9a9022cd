"""Templates: how many there are, what that rests on, and what each of them is."""

from collections.abc import Iterator

from coordinator.report.charts import draw_bars, draw_lines
from coordinator.report.family import Family
from coordinator.report.section import Section, Table

MAX_BARS = 60


def describe_templates(family: Family) -> Iterator[Section]:
    """Yield the information curve, the gains with their elbow, the tree, and the templates."""
    curve, templates = family.result("templates", "curve"), family.result("templates", "templates")
    fit = next(iter(family.result("templates", "fit")), {})
    if curve:
        lines = {"relevance": "I(T;Y), where they were found", "held_out": "I(T;Y), held out"}
        yield Section(
            "curve",
            "Information against number of templates",
            (Table("The information curve, bits", curve), Table("The fit", [fit])),
            f"{fit.get('k', '?')} templates were chosen. What is held out counts: the other curve rises for ever.",
            draw_lines(curve, "k", lines, ("templates", "bits")),
            "Information between template and label, found and held out, against the number of templates",
        )
    tree, gains = family.result("templates", "tree"), family.result("templates", "gains")
    if tree:
        lines = {"gain": "gain of the split", "corrected_gain": "less what chance gives"}
        yield Section(
            "gains",
            "Gain of each split, and the elbow",
            (
                Table("How many templates each threshold of the paper's leaves", gains),
                Table("The splits, in order", tree),
            ),
            "Where the gain of one more template falls to what chance gives, there are no more.",
            draw_lines(tree, "k", lines, ("templates after the split", "bits")),
            "Gain of each split in bits, in the order of splitting",
        )
    if templates:
        yield Section(
            "templates",
            "Templates",
            (
                Table("Each template, the largest first", templates, is_filtered=True),
                Table("Steps nearest to each template", family.result("templates", "examples"), is_filtered=True),
            ),
            "A template is named after its labels; entropy, in bits, says how mixed they are.",
            draw_bars(templates[:MAX_BARS], "name", "steps", "steps"),
            "How many steps each template has, the largest first",
        )
