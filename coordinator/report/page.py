"""Write the page: a template, sections with their figures, and the library that draws them, all in one file."""

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2
import vl_convert

from coordinator.report.family import Family, count_under_way, find_family
from coordinator.report.graph import draw_lineage
from coordinator.report.section import POLICY, Section, show_cell
from coordinator.report.sections.clocks import describe_clocks
from coordinator.report.sections.heartbeats import describe_heartbeats
from coordinator.report.sections.labels import describe_labels
from coordinator.report.sections.pairs import describe_pairs
from coordinator.report.sections.templates import describe_templates
from coordinator.report.sections.times import describe_times
from mycelium.errors import UserInputError
from mycelium.manifest import Manifest
from mycelium.store import Store


def write_report(store: Store, manifest: Manifest, path: Path, problem: str | None = None) -> None:
    """Write one self-contained HTML page about a run and its relatives.

    Args:
        store: where the runs are.
        manifest: the run; what was made of the same problems is shown with it.
        path: the file to write.
        problem: the problem whose trace is drawn; None for one of each level.

    Raises:
        UserInputError: the problem is in no run of heartbeats, or the file can't be written.
    """
    page = render_page(store, manifest, problem)
    try:
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise UserInputError(f"{path} can't be written: {error.strerror or error}") from None


def render_page(store: Store, manifest: Manifest, problem: str | None = None, refresh_s: int | None = None) -> str:
    """Return the page as HTML.

    Args:
        store: where the runs are.
        manifest: see `write_report`.
        problem: see `write_report`.
        refresh_s: let the browser ask for it again after so many seconds, and say what is under way; None for never.
    """
    family = find_family(store, manifest)
    sections = describe(family, store, problem)
    figures = {section.id: section.figure for section in sections if section.figure is not None}
    return (
        _environment()
        .get_template("template.html")
        .render(
            family=family,
            manifest=family.of,
            sections=sections,
            lineage=draw_lineage(family),
            under_way=count_under_way(store, family) if refresh_s else [],
            refresh_s=refresh_s,
            policy=POLICY,
            finished=time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(manifest.finished_s)),
            figures=_to_script(figures),
            library=vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;"),
        )
    )


def describe(family: Family, store: Store, problem: str | None) -> Sequence[Section]:
    """Return the sections of a page, in order."""
    return (
        *describe_heartbeats(family, store, problem),
        *describe_clocks(family, store),
        *describe_labels(family),
        *describe_templates(family),
        *describe_pairs(family),
        *describe_times(family),
    )


def _environment() -> jinja2.Environment:
    # Everything that comes from data is escaped by default; the template says where it is not.
    environment = jinja2.Environment(loader=jinja2.PackageLoader("coordinator.report", "."), autoescape=True)
    environment.filters["cell"] = show_cell
    return environment


def _to_script(figures: dict[str, Any]) -> str:
    """Return JSON that can stand in a script element: no text in it can close the element or open another."""
    return (
        json.dumps(figures, ensure_ascii=True).replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    )
