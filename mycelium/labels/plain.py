"""Equations in the open: ``196 ÷ 2 = 98`` or ``x = -1/2`` in the middle of a sentence, with no delimiter at all.

Text is cut into items; items that can stand side by side in an expression make a run; a run is trimmed to whole
operands and balanced brackets, and kept if something is computed or related in it. A word ends a run, unless it is a
unit before an operator (``2 * 4 combinations = 8``) or names the left side of an equation (``Total cost = 5 * 3``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, TypeAlias

from mycelium.labels.tree import words

Item: TypeAlias = tuple[str, int, int]

_ITEM = re.compile(
    r"(?P<number>[$€£]?\d+(?:,\d{3})*(?:\.\d+)?|[$€£]?\.\d+)"
    r"|(?P<function>(?<![A-Za-z])(?:(?:sqrt|log2|log10|gcd|lcm|max|min|abs|floor|ceil|mod)(?=\s*[(\d])"
    r"|(?:a?sin|a?cos|a?tan|cot|sec|csc|log|ln)(?=\s*[(\d]|\s[a-zθα-ω](?![A-Za-z]))))"
    r"|(?P<command>\\(?:d?frac|tfrac|sqrt|boxed|cdot|times|div|pi|theta|alpha|beta|le|leq|ge|geq|ne|neq|approx|pm|binom"
    r"|left|right|sin|cos|tan|log|ln|infty|equiv|pmod|text|angle|circ|sum|overline|triangle|[,;!%$])(?![a-zA-Z]))"
    r"|(?P<skip>\*\*+|--+|__+|\.{2,})"
    r"|(?P<relation>[=<>]=|[=<>≤≥≈≠≡])"
    r"|(?P<operator>[+×÷*/^·−√]|-|(?<=[\d)])\s[xX%]\s(?=[\d($]))"
    r"|(?P<open>[(\[{])|(?P<close>[)\]}])|(?P<mark>[%!°²³⁴'|&]|[₀-₉]+|_)"
    r"|(?P<variable>(?<![A-Za-z'’])[A-Za-zα-ωΑ-Ω](?![A-Za-z'’]))"
    r"|(?P<letters>(?<![A-Za-z])(?:[a-z]{2}|[A-Z]{2,4})(?![A-Za-z'’]))"
    r"|(?P<word>[^\W\d_]+(?:['’-][^\W\d_]+)*)|(?P<comma>,)|(?P<stop>[^\s])|(?P<line>\n\s*(?:[-*+•]\s|\d+[.)]\s)?)"
)
_OPERANDS: Final = frozenset(("number", "variable", "letters"))
_JOINS: Final = frozenset(("operator", "relation"))
_RUN: Final = frozenset(words("number function command relation operator open close mark variable letters"))
_PROSE_LETTERS: Final = frozenset(
    words(
        "am an as at be by do go he if in is it me my no of on or so to up us we A I a An As At If In Is It No On Or "
        "So To We My He st nd rd th vs ie eg OK"
    )
)
_NOT_IN_NAMES: Final = frozenset(
    words(
        "is are was were be been so then thus hence therefore if when since because that we get have has had find "
        "found know let where and or but also now this which gives give given the a an to becomes equals means implies "
        "see can it as by solving using equation obtain for case step with answer"
    )
)
_NEVER_OPERANDS: Final = (_NOT_IN_NAMES | _PROSE_LETTERS) - frozenset(words("of in a m A per"))
_UNIT_WORDS: Final = 3
_SIGNS: Final = frozenset(words(r"\cdot \times \div \le \leq \ge \geq \ne \neq \approx \equiv \pm \left \right"))
_NAME_WORDS: Final = 4
_PAIRS: Final = {"(": ")", "[": "]", "{": "}"}


def find_plain(text: str, start: int, end: int) -> list[tuple[int, int, str]]:
    """Find the equations and calculations that stand in the open between two places of a text.

    Args:
        text: The whole text.
        start: Where to begin.
        end: Where to stop.

    Returns:
        Spans in order, each with its kind: ``plain``, or ``bare`` for LaTeX without delimiters.
    """
    items: list[Item] = [
        (match.lastgroup or "", match.start(), match.end()) for match in _ITEM.finditer(text, start, end)
    ]
    found: list[tuple[int, int, str]] = []
    for run in _runs(text, items):
        for piece in _balanced(text, run):
            trimmed = _trim(text, piece)
            if trimmed and _computes(text, trimmed):
                kind = "bare" if any(item[0] == "command" for item in trimmed) else "plain"
                found.append((trimmed[0][1], trimmed[-1][2], kind))
    return found


def _runs(text: str, items: list[Item]) -> Iterator[list[Item]]:
    """Group the items that can stand side by side in an expression."""
    run: list[Item] = []
    depth = 0
    index = 0
    while index < len(items):
        kind = (item := items[index])[0]
        if kind == "word" or _is_prose(text, item):
            n_word, kept, is_new = _role_of_words(text, items, index, run)
            if is_new and run:
                yield run
            if is_new:
                run, depth = [], 0
            run.extend(kept)
            index += n_word
            if n_word:
                continue
        joins = (kind in _RUN and not _is_prose(text, item)) or (kind == "comma" and depth > 0)
        following = items[index + 1][0] if index + 1 < len(items) else ""
        is_factor = run and run[-1][0] == "number" and kind in ("variable", "letters") and following in _JOINS
        if joins and not (run and not is_factor and _parted(text, run[-1], item)):
            run.append(item)
            depth = max(0, depth + (kind == "open") - (kind == "close"))
        else:
            if run:
                yield run
            run = [item] if joins else []
            depth = int(kind == "open") if joins else 0
        index += 1
    if run:
        yield run


def _is_prose(text: str, item: Item) -> bool:
    """Say whether one or two letters are a word of prose rather than a variable."""
    kind, begin, end = item
    if kind not in ("letters", "variable") or text[begin:end] not in _PROSE_LETTERS:
        return False
    if kind == "variable":
        after = text[end : end + 3].lstrip(" ")[:1]
        return not after or after not in "=+*/^)<>≤≥≈²³(,-−]"
    return True


def _left_name(text: str, names: list[Item]) -> list[Item]:
    """Keep of the words before an equals sign those that name its left side: a variable, or what follows a verb."""
    if names[-1][0] != "word":
        return names[-1:]
    for index in range(len(names) - 1, -1, -1):
        if text[names[index][1] : names[index][2]].lower() in _NOT_IN_NAMES:
            return names[index + 1 :]
    return names


def _role_of_words(text: str, items: list[Item], index: int, run: list[Item]) -> tuple[int, list[Item], bool]:
    """Say what the words from here on are: a unit, an operand, the name of a left side, or mere prose.

    Returns:
        How many words that is (0 for prose), those that are kept, and whether they begin a new run.
    """
    count, ending = _words_ahead(items, index)
    names = items[index : index + count]
    before = run[-1] if run else ("", 0, 0)
    as_words = [("word", begin, end) for _, begin, end in names]
    is_prose = any(text[begin:end].lower() in _NEVER_OPERANDS for _, begin, end in names)
    if before[0] in ("number", "close") and ending in _JOINS and not is_prose and count <= _UNIT_WORDS:
        return count, as_words, False
    if before[0] in _JOINS and not is_prose and count <= _UNIT_WORDS:
        ends_there = before[0] == "operator" and text[before[1]] != "-" and ending in ("line", "stop", "comma", "")
        if ends_there or ending in _JOINS or ending == "close":
            return count, as_words, False
    if ending == "relation":
        return count, _left_name(text, names), True
    return 0, [], False


def _words_ahead(items: list[Item], index: int) -> tuple[int, str]:
    """Count the words from here on, and say what kind of item ends them; ``prose`` where there are too many."""
    for count in range(_NAME_WORDS + 1):
        if index + count >= len(items):
            return count, ""
        kind = items[index + count][0]
        if kind not in ("word", "letters", "variable"):
            return count, kind
    return 0, "prose"


def _parted(text: str, before: Item, after: Item) -> bool:
    """Say whether two neighbours are parted: two operands with a space and no operator between them."""
    gap = after[1] - before[2]
    if not gap:
        return after[0] == "number" and before[0] == "number"
    if "\n" in text[before[2] : after[1]]:
        return True
    ends = (
        before[0] in _OPERANDS or before[0] in ("close", "word") or (before[0] == "mark" and text[before[1]] in "%°²³")
    )
    return ends and (after[0] in _OPERANDS or after[0] == "function")


def _balanced(text: str, run: list[Item]) -> Iterator[list[Item]]:
    """Cut a run at brackets without a partner."""
    stack: list[int] = []
    cuts: set[int] = set()
    for index, (kind, begin, _) in enumerate(run):
        if kind == "open":
            stack.append(index)
        elif kind == "close":
            if stack and _PAIRS[text[run[stack[-1]][1]]] == text[begin]:
                stack.pop()
            else:
                cuts.add(index)
    cuts.update(stack)
    piece: list[Item] = []
    for index, item in enumerate(run):
        if index in cuts or (item[0] == "comma" and not piece):
            yield piece
            piece = []
        else:
            piece.append(item)
    yield piece


def _trim(text: str, run: list[Item]) -> list[Item]:
    """Leave out operators and marks at the ends that have no operand there."""
    first, last = 0, len(run)
    while last and run[last - 1][0] == "command" and text[run[last - 1][1] : run[last - 1][2]] in _SIGNS:
        last -= 1
    while first < last and run[first][0] == "command" and text[run[first][1] : run[first][2]] in _SIGNS - {r"\left"}:
        first += 1
    while first < last:
        kind, begin, end = run[first]
        sign = kind == "operator" and text[begin] in "-−√" and first + 1 < last and run[first + 1][1] == end
        opens_norm = kind == "mark" and text[begin] == "|" and first + 1 < last and run[first + 1][1] == end
        if (kind in ("operator", "relation", "mark", "comma") and not sign and not opens_norm) or (
            kind == "word" and (not any(item[0] == "relation" for item in run))
        ):
            first += 1
        else:
            break
    while last > first:
        kind, begin, _ = run[last - 1]
        if (
            kind in ("operator", "relation", "comma", "function")
            or (kind == "word" and not _ends_in_operand(run[:last]))
            or (kind == "mark" and (text[begin] in "&_'" or (text[begin] == "|" and text[begin - 1].isspace())))
        ):
            last -= 1
        else:
            break
    return run[first:last]


def _ends_in_operand(run: list[Item]) -> bool:
    """Say whether the words at the end of a run stand after an operator, and so are an operand."""
    kinds = [kind for kind, _, _ in run]
    while kinds and kinds[-1] == "word":
        kinds.pop()
    return bool(kinds) and kinds[-1] == "operator"


def _computes(text: str, run: list[Item]) -> bool:  # noqa: PLR0911 - a list of rules, the surest first
    """Say whether a run holds a calculation or a relation, and not a date, a range or a hyphen."""
    kinds = {item[0] for item in run}
    if len(run) < 2 or (run[0][0] == "command" and run[1][0] != "open" and len(run) < 3):
        return False
    if "relation" in kinds or "function" in kinds:
        return bool(kinds & _OPERANDS) or "command" in kinds or "operator" in kinds
    if "command" in kinds:
        return any(
            text[begin : begin + 3] in ("\\fr", "\\df", "\\sq", "\\bi", "\\bo", "\\tf")
            for kind, begin, _ in run
            if kind == "command"
        )
    if any(kind == "mark" and text[begin] in "²³⁴" for kind, begin, _ in run):
        return True
    operators = [item for item in run[1:] if item[0] == "operator"]
    if not operators:
        return _is_application(text, run)
    if len(run) == 3 and run[0][0] == "number" and text[run[1][1]] == "/" and run[2][0] in ("letters", "word"):
        return False  # a rate, such as $3/kg
    spaced = [text[begin - 1].isspace() for _, begin, _ in operators]
    signs = {text[begin:end].strip() for _, begin, end in operators}
    if signs <= {"-", "−", "/"} and "number" not in kinds:
        return any(spaced)
    return not (signs <= {"-", "−"} and not any(spaced) and "variable" not in kinds)


def _is_application(text: str, run: list[Item]) -> bool:
    """Say whether a run is a function of one letter with its argument, such as f(x)."""
    return (
        len(run) > 3
        and run[0][0] == "variable"
        and run[1][0] == "open"
        and run[0][2] == run[1][1]
        and text[run[0][1]] in "fghFGPQp"
    )
