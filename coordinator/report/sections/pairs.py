"""The products: pairs for C2 and C3, their classes and splits, and what was dropped and why."""

from collections.abc import Iterator

from coordinator.report.charts import draw_bars, draw_together
from coordinator.report.family import Family
from coordinator.report.section import Section, Table

MAX_BARS = 40
MAX_TOGETHER = 16


def describe_pairs(family: Family) -> Iterator[Section]:
    """Yield what C2's and C3's pairs are made of."""
    yield from _describe_c2(family)
    yield from _describe_c3(family)


def _describe_c2(family: Family) -> Iterator[Section]:
    classes = [row for row in family.result("c2_pairs", "classes") if row["problems"]]
    if not classes:
        return
    classes.sort(key=lambda row: -int(str(row["problems"])))
    yield Section(
        "c2",
        "C2: problems and their operations",
        (
            Table("The pairs", family.result("c2_pairs", "totals")),
            Table("Splits", family.result("c2_pairs", "splits")),
            Table("Classes, with the weight that evens them out", classes, is_filtered=True),
            Table("Problems that are no pair, by reason", family.result("c2_pairs", "drops")),
        ),
        "Problems that differ in their numbers only are in one split.",
        draw_bars(classes[:MAX_BARS], "class", "problems", "problems"),
        "How many problems bear each class, the most frequent first",
    )
    together = family.result("c2_pairs", "together")
    if together:
        names = [str(row["class"]) for row in classes[:MAX_TOGETHER]]
        yield Section(
            "together",
            "Classes that come together",
            (Table("Problems that bear both", together, is_filtered=True),),
            "",
            draw_together(together, names),
            "For each two of the most frequent classes, how many problems bear both",
        )


def _describe_c3(family: Family) -> Iterator[Section]:
    totals, drops = family.result("c3_pairs", "totals"), family.result("c3_pairs", "drops")
    if not totals:
        return
    tables = tuple(
        Table(caption, family.result("c3_pairs", name), is_filtered=name in {"classes", "details"})
        for name, caption in (
            ("totals", "The pairs"),
            ("drops", "Steps that are no pair, by reason"),
            ("details", "What stood in the way"),
            ("levels", "By level"),
            ("classes", "Classes of the pairs"),
            ("claims", "What bears out an expression"),
            ("origins", "Where operands come from"),
        )
    )
    yield Section(
        "c3",
        "C3: expressions to be written",
        tables,
        "A pair is kept if its expression comes to what the step claims and its operands are found.",
        draw_bars(drops[:MAX_BARS], "reason", "count", "steps") if drops else None,
        "How many steps were dropped for each reason, the most frequent first",
    )
