"""What a benchmark found, as texts: cells, rows, a terminal's page, and the line that says where it comes from."""

import re
from collections.abc import Sequence

from benchmarks.result import Cell, Column, Figure, Result, Table, middle, spread


def format_cell(cell: Cell, form: str = "") -> str:
    """Return a cell as it is read: three digits that matter, unless `form` says otherwise."""
    if cell is None or isinstance(cell, str):
        return cell or ""
    value = middle(cell)
    if value is None:
        return "–"
    if form:
        text = format(value, form)
    elif isinstance(cell, int) or abs(value) >= 1000:
        text = f"{value:,.0f}"
    else:
        text = f"{value:#.3g}".rstrip(".") if value else "0"
    return text.replace("-", "−", 1) if text.startswith("-") else text


def lay_out(table: Table, bold: str = "") -> list[list[str]]:
    """Return the head and the rows of a table as texts, with ratio and spread if there are any.

    Args:
        table: What to lay out.
        bold: What to put around the best number of a column.
    """
    columns = [*table.columns]
    head = [table.label, *(f"{column.name}, {column.unit}" if column.unit else column.name for column in columns)]
    lines = [[str(row[0]), *map(format_cell, row[1:], [column.form for column in columns])] for row in table.rows]
    for j, column in enumerate(columns, 1):
        values = [middle(row[j]) for row in table.rows]
        known = [value for value in values if value is not None]
        if bold and column.best and known:
            best = min(known) if column.best == "least" else max(known)
            for line, value in zip(lines, values, strict=True):
                line[j] = f"{bold}{line[j]}{bold}" if value == best else line[j]
    if table.base:
        of = 1 + [column.name for column in columns].index(table.by)
        base = next(middle(row[of]) for row in table.rows if row[0] == table.base)
        head.append(f"× {table.base}")
        for line, row in zip(lines, table.rows, strict=True):
            value = middle(row[of])
            line.append(format_cell(value / base) if value is not None and base else "")
    spreads = [spread(row[1:]) for row in table.rows]
    if any(value is not None for value in spreads):
        head.append("spread")
        for line, value in zip(lines, spreads, strict=True):
            line.append("" if value is None else f"±{value:.0%}".replace("%", " %"))
    return [head, *lines]


def figures_table(figures: Sequence[Figure]) -> Table:
    """Return figures as a table: ours, the peer's, the ratio, what was asked."""
    verdicts = {None: "", True: "met", False: "missed"}
    rows = tuple(
        (
            figure.what,
            say(figure),
            f"{format_cell(figure.theirs, figure.form)} ({figure.peer})" if figure.peer else "",
            _ratio(figure),
            _asked(figure),
            verdicts[figure.is_met],
        )
        for figure in figures
    )
    columns = tuple(map(Column, ("ours", "peer", "ratio", "target", "")))
    return Table("", columns, rows)


def say(figure: Figure) -> str:
    """Return a figure with its unit."""
    return f"{format_cell(figure.ours, figure.form)} {figure.unit}".rstrip()


def _ratio(figure: Figure) -> str:
    ours, theirs = middle(figure.ours), middle(figure.theirs)
    return format_cell(ours / theirs) if ours is not None and theirs else ""


def _asked(figure: Figure) -> str:
    bounds = [("≤", figure.at_most), ("≥", figure.at_least)]
    return " and ".join(f"{sign} {bound:,g} {figure.unit}".rstrip() for sign, bound in bounds if bound is not None)


def format_text(result: Result) -> str:
    """Return a result as a terminal shows it."""
    parts = [f"\n{result.title}"]
    tables = [*result.tables, *([figures_table(result.figures)] if result.figures else [])]
    for table in tables:
        lines = lay_out(table)
        widths = [max(len(line[j]) for line in lines) for j in range(len(lines[0]))]
        rows = ["  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]).rstrip() for line in lines]
        parts += ["", *([re.sub("[`*]", "", table.caption)] if table.caption else []), *rows]
    return "\n".join([*parts, "", format_origin(result)])


def format_origin(result: Result) -> str:
    """Return in one line by what, when and where a result was found."""
    at = result.machine
    machine = [at.cpu, f"{at.cores} cores", f"{at.memory_gb:.0f} GB", at.gpu, f"{at.system}, Python {at.python}"]
    loads = " to ".join(f"{load:.1f}" for load in dict.fromkeys(result.load))
    parts = [
        f"`{result.command}`, {result.date}" + (f", commit {result.commit}" if result.commit else ""),
        ", ".join(word for word in machine if word) + (f", load {loads}" if loads else ""),
        ", ".join(result.packages),
        result.by_hand,
    ]
    return "; ".join(part for part in parts if part)
