"""What the site takes from elsewhere in the tree, so that nothing is written twice.

The README is its front page; a notebook is a page with what its cells showed; a folder gets a list. Links are those
of the tree, so that they lead somewhere where the files are read as files, too; here they become those of the site.
"""

import html
import json
import posixpath
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]

ELSEWHERE = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "SECURITY.md": "security.md",
    "samples/teacher/README.md": "sample-teacher.md",
}
"""Files of the tree that are pages of the site, and where."""

FOLDERS = {
    "adr": ("Decisions", "Each says what it was chosen over, and what was measured."),
    "how-to": ("How to", "What one does after the first run."),
}
"""Folders below docs/ that get a page which lists theirs: its title, and a note."""

ORIGIN = {page: source for source, page in ELSEWHERE.items()}

_LINK = re.compile(r"\]\((?!https?:|#)([^)\s#]+)(#[^)\s]*)?\)")
_FRONT_MATTER = re.compile(r"\A---\n.*?\n---\n", re.DOTALL)


def on_config(config: "MkDocsConfig") -> "MkDocsConfig":
    """Write out the patterns of `nav`, and add the pages that it forgot."""
    named: set[str] = set()
    config.nav = _expand(config.nav or [], named)
    rest = sorted(set(_all_pages()) - named)
    if rest:
        config.nav.append({"More": rest})
    return config


def on_files(files: "Files", config: "MkDocsConfig") -> "Files":
    """Add the pages that are not Markdown below docs/."""
    from mkdocs.structure.files import File  # noqa: PLC0415 - what is tested of this module needs no mkdocs

    for source, page in ELSEWHERE.items():
        if (ROOT / source).exists():
            files.append(File.generated(config, page, content=_FRONT_MATTER.sub("", (ROOT / source).read_text())))
    for notebook in [file for file in files if file.src_uri.endswith(".ipynb")]:
        files.remove(notebook)
        text = show_notebook(json.loads((ROOT / "docs" / notebook.src_uri).read_text()))
        files.append(File.generated(config, _site_path(f"docs/{notebook.src_uri}"), content=text))
    for folder in FOLDERS:
        files.append(File.generated(config, f"{folder}/index.md", content=list_pages(folder)))
    return files


def on_page_markdown(markdown: str, page: "Page", **_: object) -> str:
    """Turn the links between files of the tree into links between pages."""
    source = ORIGIN.get(page.file.src_uri, f"docs/{page.file.src_uri}")

    def lead(match: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(source), match[1]))
        link = posixpath.relpath(_site_path(target), posixpath.dirname(page.file.src_uri) or ".")
        return f"]({link}{match[2] or ''})"

    return _LINK.sub(lead, markdown)


def show_notebook(notebook: dict[str, Any]) -> str:
    """Return a notebook as Markdown: its text, its cells, and what they showed."""
    parts = []
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(source)
        else:
            parts.append(f"```python\n{source}\n```")
            parts += [_show_output(output) for output in cell["outputs"]]
    return "\n\n".join(parts) + "\n"


def list_pages(folder: str) -> str:
    """Return the page that lists those of a folder, by their headings."""
    title, note = FOLDERS[folder]
    paths = sorted((ROOT / "docs" / folder).glob("*.md"))
    lines = [f"- [{path.read_text().splitlines()[0].lstrip('# ')}]({path.name})" for path in paths]
    return "\n".join([f"# {title}", "", note, "", *lines, ""])


def _show_output(output: dict[str, Any]) -> str:
    data = output.get("data", {})
    if "image/svg+xml" in data:
        return f'<div class="shown">{"".join(data["image/svg+xml"])}</div>'
    if "text/html" in data:
        # Blank lines would end the block of HTML in the eyes of Markdown.
        table = "\n".join(line for line in "".join(data["text/html"]).splitlines() if line.strip())
        return f'<div class="shown">\n{re.sub("<style.*?</style>", "", table, flags=re.DOTALL)}\n</div>'
    text = "".join(output.get("text") or data.get("text/plain", ""))
    return f"<pre>{html.escape(text)}</pre>"


def _expand(entries: list[Any], named: set[str]) -> list[Any]:
    found: list[Any] = []
    for entry in entries:
        if isinstance(entry, dict):
            ((title, below),) = entry.items()
            kept = _expand(below if isinstance(below, list) else [below], named)
            found.append({title: kept if isinstance(below, list) else kept[0]})
            continue
        pages = [page for page in _all_pages() if Path(page).match(entry)] if "*" in entry else [entry]
        found += [page for page in pages if page not in named]
        named.update(pages)
    return found


def _all_pages() -> list[str]:
    docs = ROOT / "docs"
    own = sorted(str(path.relative_to(docs)) for kind in ("*.md", "*.ipynb") for path in docs.rglob(kind))
    taken = [page for source, page in ELSEWHERE.items() if (ROOT / source).exists()]
    return [_site_path(f"docs/{page}") for page in own] + taken + [f"{folder}/index.md" for folder in FOLDERS]


def _site_path(path: str) -> str:
    """Return where a file of the tree is in the site."""
    inside = path.removeprefix("docs/")
    return f"{inside}/index.md" if inside in FOLDERS else ELSEWHERE.get(path, re.sub(r"\.ipynb$", ".md", inside))
