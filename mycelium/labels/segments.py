r"""Where the mathematics of a text stands: between delimiters, in calculator annotations, or in the open.

Delimiters are ``$…$``, ``$$…$$``, ``\(…\)``, ``\[…\]``, environments such as ``align``, and GSM8K's ``<<…=…>>``. What
lies outside them is searched for equations without delimiters (`mycelium.labels.plain`).

A dollar sign opens mathematics unless it is money. It is money in a text that has calculator annotations; where it is
followed by a digit and its partner is followed by a digit or preceded by a space; and where plain prose would stand
between the two.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from mycelium.labels.plain import find_plain
from mycelium.labels.tree import Reason, Refusal

MAX_TEXT: Final = 24_576
"""Characters in one text. The longest of 20,611 real ones has 18,468."""

PLAIN_KINDS: Final = frozenset(("plain", "annotation"))
"""The kinds of segment that are read as plain text rather than LaTeX."""

_ENVIRONMENTS: Final = (
    "align|alignat|equation|gather|eqnarray|multline|flalign|displaymath|math|aligned|cases|array|[pbvBV]?matrix"
)
_OPENER = re.compile(rf"\[asy\]|\\begin\s*\{{(?P<environment>(?:{_ENVIRONMENTS})\*?)\}}|\\\\|\\\[|\\\(|\\\$|\$\$|\$|<<")
_CLOSER: Final = {"[asy]": "[/asy]", "\\[": "\\]", "\\(": "\\)", "$$": "$$", "<<": ">>"}
_KIND: Final = {"\\[": "bracket", "\\(": "paren", "$$": "display", "$": "dollar", "<<": "annotation"}
_SIGN = re.compile(r"[=\\^_+<>]")
_SENTENCE_END = re.compile(r"\n|[.;]\s")
_MAX_INLINE: Final = 1_000
_ASIDE = re.compile(r"\\[a-zA-Z]+\s*(?:\{[^{}]*\})?")
_PROSE = re.compile(r"(?<![\\a-z])[a-z]{2,},?\s+[a-z]{3,}(?![a-z{(])|[.!?]\s+[A-Z][a-z]+ |\n\s*\n")


class Segment(NamedTuple):
    """One piece of mathematics in a text.

    Args:
        start: First character of the expression itself, without its delimiter.
        end: One past its last character.
        kind: dollar, display, paren, bracket, environment, annotation; or plain (no delimiters) and bare (LaTeX
        without).
    """

    start: int
    end: int
    kind: str

    @property
    def is_plain(self) -> bool:
        """Whether it is to be read as plain text rather than LaTeX."""
        return self.kind in PLAIN_KINDS


def find_segments(text: str) -> list[Segment] | Refusal:
    """Find every piece of mathematics in a text, in order and without overlap.

    Args:
        text: A problem or a chain of thought, at most `MAX_TEXT` characters.

    Returns:
        The segments; or a refusal with reason ``too_long``. Time is linear in the length.
    """
    if len(text) > MAX_TEXT:
        return Refusal(Reason.TOO_LONG, f"{len(text)} characters")
    found: list[Segment] = []
    last = 0
    annotated = "<<" in text
    for outer, segment in _delimited(text, money=annotated):
        if segment is None or segment.kind != "annotation":
            _add_plain(found, text, last, outer[0])
        else:
            _add_plain(found, text, last, outer[0], before_annotation=True)
        if segment is not None and segment.start < segment.end:
            found.append(segment)
        last = outer[1]
    _add_plain(found, text, last, len(text))
    return found


def _add_plain(found: list[Segment], text: str, start: int, end: int, *, before_annotation: bool = False) -> None:
    """Add what stands in the open; the same sum written out just before its annotation is not counted twice."""
    if end - start < 3:
        return
    runs = find_plain(text, start, end)
    if before_annotation and runs:
        between = text[runs[-1][1] : end]
        if between.rstrip(" $€£").endswith("=") and not _SENTENCE_END.search(between):
            runs.pop()
    found.extend(Segment(*run) for run in runs)


def _delimited(text: str, *, money: bool) -> list[tuple[tuple[int, int], Segment | None]]:
    """Find what stands between delimiters, each with the span of text that it uses up; drawings use up text alone."""
    found: list[tuple[tuple[int, int], Segment | None]] = []
    missing: set[str] = set()
    place = 0
    while (match := _OPENER.search(text, place)) is not None:
        opener, place = match.group(), match.end()
        environment = match.group("environment")
        if opener in ("\\\\", "\\$") or (opener in ("$", "$$") and money):
            continue
        closer = f"\\end{{{environment}}}" if environment else _CLOSER.get(opener, "$")
        if closer in missing:
            continue
        end = text.find(closer, place)
        if end < 0:
            missing.add(closer)
            continue
        if opener == "$" and (end := _dollar_end(text, place, end)) < 0:
            continue
        if opener == "$$" and _PROSE.search(text, place, end) and not _SIGN.search(text, place, end):
            continue  # the second of a pair whose first is missing: what follows is prose
        outer = (match.start(), end + len(closer))
        if opener == "[asy]":
            found.append((outer, None))
        elif environment:
            found.append((outer, Segment(*outer, "environment")))
        else:
            found.append((outer, _trimmed(text, place, end, _KIND[opener])))
        place = outer[1]
    return found


def _dollar_end(text: str, start: int, end: int) -> int:
    """Return where the partner of a dollar sign stands, or -1 where the sign is money."""
    while end > 0 and text[end - 1] == "\\":
        end = text.find("$", end + 1)
    inner = text[start:end] if 0 < end <= start + _MAX_INLINE else ""
    if not inner.strip():
        return -1
    if inner[0].isdigit() and (inner[-1].isspace() or text[end + 1 : end + 2].isdigit()):
        return -1
    return -1 if _PROSE.search(_ASIDE.sub(" \\\\", inner)) else end


def _trimmed(text: str, start: int, end: int, kind: str) -> Segment:
    """Leave out the space at both ends."""
    inner = text[start:end]
    return Segment(start + len(inner) - len(inner.lstrip()), end - len(inner) + len(inner.rstrip()), kind)
