"""From characters to tokens: one regular expression, and a cached look-up of what each word is.

A token is ``(kind, strength, name, leaf)``. Kinds are small integers in an order that the parser uses: everything up to
`LAST_START` can begin an operand, and so multiplies what stands before it.

There are two ways of writing. In *LaTeX* letters are variables one by one, in *plain* text a run of letters is a
word, an ``x`` between numbers is a product, and a dollar sign is money.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, TypeAlias

from mycelium.labels import grammar as g
from mycelium.labels.tree import HOLE, MAX_LENGTH, MAX_TOKENS, Node, Reason, RefusedError, leaf, words

Token: TypeAlias = tuple[int, int, str, Node]

IGNORE: Final = 0
NUM, SYM, TEXT, LETTERS, OPEN, FRAC, ROOT, FUNC, BIG, BINOM, ACCENT, WRAP, BEGIN, NAMED, BAR_OPEN, SKIP = range(1, 17)
LAST_START: Final = SKIP
INFIX, CARET, SUBSCRIPT, MARK, RAISED, MOD, ROWEND, CELL, PRIME = range(20, 29)
CLOSE, BAR_CLOSE, ENV_END, END, BAR, BAD = range(30, 36)

STOPS: Final = frozenset((CLOSE, END, CELL, ROWEND, ENV_END, BAR_CLOSE))
"""What no operand can begin with, and every operand ends before."""

END_TOKEN: Final[Token] = (END, 0, "", HOLE)
# As many as the parser ever looks ahead, so that no look-ahead needs a test of the length.
_PADDING: Final = (END_TOKEN,) * 8

_ARGUMENT = r"\s*\{[^{}]*\}"
_TEXTS = r"(?:text|mbox|textrm|textnormal|textbf|textit|textsf|mathrm|operatorname\*?|mathop|hbox|rm|emph)"
_SHARED = (
    r"\d+\.\d*\\overline\s*\{\d+\}"
    r"|\d{1,3}(?:(?:,|\{,\}|\\!,|,\\!|\\,)\d{3}){1,7}(?!\d)(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+|[½⅓⅔¼¾⅕⅛]"
)
# The commonest words, where they are no beginning of a longer one: tried first, they save a third of the time.
_COMMON = (
    r"[()}_,\-/]|\{(?=[\da-zA-Z(])|=(?!=)|\+(?!/)|\^(?=[\da-zA-Z]|\{[\d\-a-mo-qu-zA-Z])|\d+(?![\d.,{\\])|[a-zA-Z](?![a-zA-Z])"
    r"|\\(?:[dt]?frac|cdot|times|sqrt|boxed|theta|pi|sin|cos|tan|left(?=[(\[])|right(?=[)\]])|le|ge|equiv)(?![a-zA-Z])|"
)
_LATEX = re.compile(
    _COMMON
    + _SHARED
    + r"|\\(?:text|textbf|textrm)\{\s*(?=\\)|\{\s*(?:\\times|\\cdot|\\div|[-+*/=<>])\s*\}"
    + r"|(?<=[A-Z])\s*\|\|\s*(?=[A-Z])|"
    + r"\\renewcommand\s*\{\\arraystretch\}\s*\{[^{}]*\}|"
    + rf"\\mathop\s*\{{\s*\\(?:text|rm|mathrm)\s*\{{?[^{{}}]*\}}?\s*\}}|\\{_TEXTS}{_ARGUMENT}|\{{\s*\\rm\s[^{{}}]*\}}"
    + r"|\\(?:mathbf|bold|boldsymbol|bm|bf)\s*\{\s*[a-zA-Z0-9]\s*\}"
    + r"|\\(?:h?phantom|vphantom|hspace\*?|vspace|tag\*?|label|color|textcolor|rule|cancelto|hyperref|mspace|eqref|ref)"
    + _ARGUMENT
    + r"|\\(?:stackrel|overset|underset)\s*\{[^{}]*\}\s*(?:\{\s*(?:[=<>]|\\[a-zA-Z]+)\s*\})?"
    + r"|\\begin\s*\{[a-zA-Z]{1,20}\*?\}(?:\s*\{(?:[lcr|@\s.!:*\d]|\{[^{}]{0,20}\}){0,80}\})?"
    + r"|\\end\s*\{[a-zA-Z]{1,20}\*?\}"
    + r"|\\\\(?:\s*\[-?[\d.]+\s*[a-z]{2}\])?|\\cr(?![a-z])"
    + r"|\\(?:left|right)\s*(?:\.|\\[{}|]|[|])"
    + r"|\\not\s*(?:[=<>]|\\[a-zA-Z]+)|\\[a-zA-Z]+|\\.|\\"
    + r"|\^\s*(?:\\circ|\\degree|\{\s*\\circ\s*\}|\\prime|\{\s*\\prime\s*\}|\{\s*(?:\\,)?\\circ\s*\})|°|'+|’+|′+"
    + r"|\^\s*\{\s*(?:th|st|nd|rd|\\rm\s*[a-z]+|\\(?:text|mbox|mathrm|textrm|textnormal|textsuperscript)"
    + r"\s*\{[^{}]*\})\s*\}"
    + r"|\^\s*\\(?:text|mathrm|mbox|textrm)\{[^{}]*\}"
    + r"|[⁰¹²³⁴⁵⁶⁷⁸⁹⁻]+|[₀₁₂₃₄₅₆₇₈₉]+"
    + r"|[A-Z]{2,}(?![a-z])|[A-Z]?[a-z]{3,}|[a-zA-Z]|\.{2,}|…|(?<=\s)!=|[<>=]=|&lt;|&gt;|\+/-|[^\s~]"
)
_PLAIN = re.compile(
    r"\d{1,4}[CP]\d{1,4}\b|"
    + _SHARED
    + r"|(?<=[\d)%])\s+[xX](?=\s*[\d($])|(?<=[\d)])\s+%(?=\s+[\d(])|\\[a-zA-Z]+|\\.|\\"
    + r"|(?:log|ln)(?=\d)|(?:a?sinh?|a?cosh?|a?tanh?|sqrt|sec|csc|cot|arcsin|arccos|arctan)(?=\s*\()"
    + r"|(?<=\d)(?:st|nd|rd|th)\b|[⁰¹²³⁴⁵⁶⁷⁸⁹⁻]+|[₀₁₂₃₄₅₆₇₈₉]+|°|\^\s*°"
    + r"|(?<![A-Za-z\d])[A-Za-z]\d{1,2}\b|[A-Za-z]+|\.{2,}|…|(?<=\s)!=|==?>|<=>|[<>=:]=|&lt;|&gt;"
    + r"|\+/-|-->?|->|\*\*|//|'+|’+|\|\||\^\{\s*\\circ\s*\}|[^\s~]"
)

_FRACTIONS = {"½": "1/2", "⅓": "1/3", "⅔": "2/3", "¼": "1/4", "¾": "3/4", "⅕": "1/5", "⅛": "1/8"}
_RAISED = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")
_VOWELS = frozenset("aeiouyAEIOUY")
_LATE_ALPHABET = frozenset("tuvwxyz")
_UNITS = frozenset(words("cm km kg mg ml mm ft lb oz hr in yd am pm of lbs mph"))
_FIRST_GREEK, _LAST_GREEK = "\u0370", "\u03ff"
_MATH_LETTERS = frozenset("ℓıℝℤℕℚℂ∂∇∅∞∠△□ϕϵ∈ℎ′″⊙ℜℑℵ")
_MONEY = frozenset("$€£¥")
_SPACES = frozenset(",;!: $/>-.'\"\n\t")
_FIXED: Final[dict[str, Token]] = {
    "^": (CARET, g.POWER, "^", HOLE),
    "**": (CARET, g.POWER, "^", HOLE),
    "_": (SUBSCRIPT, g.POSTFIX, "_", HOLE),
    "!": (MARK, g.POSTFIX, "factorial", HOLE),
    "%": (MARK, g.POSTFIX, "percent", HOLE),
    "\\%": (MARK, g.POSTFIX, "percent", HOLE),
    "&": (CELL, g.POSTFIX, "&", HOLE),
    "|": (BAR, 0, "|", HOLE),
    "\\|": (BAR, 0, "\\|", HOLE),
    "‖": (BAR, 0, "\\|", HOLE),
    "||": (BAR, 0, "\\|", HOLE),
    "\\vert": (BAR, 0, "|", HOLE),
    "\\mod": (MOD, g.PRODUCT, "mod", HOLE),
    "\\pmod": (MOD, g.PRODUCT, "mod", HOLE),
    "\\pod": (MOD, g.PRODUCT, "mod", HOLE),
    "mod": (MOD, g.PRODUCT, "mod", HOLE),
    "\\binom": (BINOM, g.PRODUCT, "binomial", HOLE),
    "\\dbinom": (BINOM, g.PRODUCT, "binomial", HOLE),
    "\\tbinom": (BINOM, g.PRODUCT, "binomial", HOLE),
    "√": (ROOT, g.PRODUCT, "sqrt", HOLE),
    "sqrt": (ROOT, g.PRODUCT, "sqrt", HOLE),
    "\\sqrt": (ROOT, g.PRODUCT, "sqrt", HOLE),
    "\\root": (ROOT, g.PRODUCT, "root", HOLE),
    "∛": (ROOT, g.PRODUCT, "cbrt", HOLE),
    "cbrt": (ROOT, g.PRODUCT, "cbrt", HOLE),
    "?": (SYM, g.PRODUCT, "?", leaf("sym", "?")),
    "\\_": (SYM, g.PRODUCT, "_", leaf("sym", "_")),
    "\\left.": (IGNORE, 0, "", HOLE),
    "\\right.": (IGNORE, 0, "", HOLE),
    "\\left|": (BAR_OPEN, g.PRODUCT, "|", HOLE),
    "\\right|": (BAR_CLOSE, 0, "|", HOLE),
    "\\lvert": (BAR_OPEN, g.PRODUCT, "|", HOLE),
    "\\rvert": (BAR_CLOSE, 0, "|", HOLE),
    "\\left\\|": (BAR_OPEN, g.PRODUCT, "\\|", HOLE),
    "\\right\\|": (BAR_CLOSE, 0, "\\|", HOLE),
    "\\lVert": (BAR_OPEN, g.PRODUCT, "\\|", HOLE),
    "\\rVert": (BAR_CLOSE, 0, "\\|", HOLE),
    "\\of": (IGNORE, 0, "", HOLE),
    "\\cline": (BAD, 0, Reason.TABLE, HOLE),
    "\\hline": (BAD, 0, Reason.TABLE, HOLE),
    "\\multicolumn": (BAD, 0, Reason.TABLE, HOLE),
    ".": (INFIX, g.ROW, "rows", HOLE),
}
_ACCENTS = {
    **dict.fromkeys(("vec", "overrightarrow", "overleftarrow"), "vector"),
    **dict.fromkeys(("overline", "bar"), "conj"),
}
_LAYOUT = frozenset(
    words(
        "phantom hphantom vphantom hspace vspace tag label color textcolor rule stackrel overset underset cancelto "
        "mspace hyperref eqref ref"
    )
)
_BOLD = ("mathbf", "bold", "boldsymbol", "bm", "bf")
_TEXT_COMMANDS = frozenset(words("text mbox textrm textnormal textbf textit textsf mathrm mathop hbox rm emph"))


def _number(word: str) -> Token:
    repeated = "\\overline" in word
    text = _FRACTIONS.get(word) or word.replace("\\!", "").replace("\\,", "").replace("{", "").replace("}", "")
    if repeated:
        return (NUM, g.PRODUCT, "", leaf("num", word.replace("\\overline", "").replace(" ", "")))
    text = text.replace(",", "")
    return (NUM, g.PRODUCT, text, leaf("num", text))


def _symbol(text: str) -> Token:
    return (SYM, g.PRODUCT, text, leaf("sym", text))


def _text(content: str) -> Token:
    """Say what a piece of prose inside mathematics is: a function, a separator, a modulus, or a name or unit."""
    parts = content.replace("}", " ").replace("{", " ").split()
    word = parts[0].strip(".,;:()[]") if parts else ""
    if len(parts) == 1 and word in g.FUNCTIONS:
        return (FUNC, g.PRODUCT, g.FUNCTIONS[word], leaf("sym", word))
    if word == "mod":
        return _FIXED["mod"]
    if word.lower() in g.SEPARATORS:
        return (INFIX, g.LIST, "list", HOLE)
    if not word:
        return (INFIX, g.LIST, "list", HOLE) if "," in content else (IGNORE, 0, "", HOLE)
    return (TEXT, g.PRODUCT, content, leaf("text", " ".join(parts)[:64]))


def _command(word: str) -> Token:  # noqa: C901, PLR0911 - a flat list of what a command can be, in order of frequency
    name = word[1:]
    if name in ("frac", "dfrac", "tfrac", "cfrac"):
        return (FRAC, g.PRODUCT, "div", HOLE)
    if name in g.NAMED:
        return (NAMED, g.PRODUCT, word, leaf("sym", word))
    if name in g.FUNCTIONS:
        return (FUNC, g.PRODUCT, g.FUNCTIONS[name], leaf("sym", name))
    if name in g.SYMBOLS:
        return _symbol(word)
    if name in g.DOTS:
        return (TEXT, g.PRODUCT, "...", leaf("text", "..."))
    if name in g.IGNORED:
        return (IGNORE, 0, "", HOLE)
    if name in _ACCENTS:
        return (ACCENT, g.PRODUCT, _ACCENTS[name], HOLE)
    if name in g.TRANSPARENT:
        return (WRAP, g.PRODUCT, name, HOLE)
    if name in g.MACROS:
        return (BAD, 0, Reason.MACRO, leaf("sym", word))
    if name == "cr":
        return (ROWEND, g.ROW, "rows", HOLE)
    return (BAD, 0, Reason.UNKNOWN_COMMAND, leaf("sym", word[:40]))


def _braced(word: str) -> Token:  # noqa: PLR0911 - a flat list of cases
    """Read a command that was matched together with its argument in braces."""
    command, _, argument = word.partition("{")
    name = command.strip(" \\\n\t*")
    content = argument.rpartition("}")[0]
    if name in ("begin", "end"):
        environment = argument.partition("}")[0]
        return (BEGIN if name == "begin" else ENV_END, g.PRODUCT if name == "begin" else 0, environment, HOLE)
    if name == "operatorname":
        content = content.strip()
        return (FUNC, g.PRODUCT, g.FUNCTIONS.get(content, "apply"), leaf("sym", content[:64]))
    if name == "mathop":
        return _text(content.replace("\\text", "").replace("\\mathrm", "").replace("\\rm", ""))
    if name in _BOLD:
        symbol = leaf("sym", content.strip())
        return (SYM, g.PRODUCT, "", ("vector", (symbol,), "") if content.strip().islower() else symbol)
    if name in _LAYOUT:
        relation = word.rpartition("{")[2].strip(" }\n")
        token = g.INFIX.get(relation)
        return (INFIX, *token, HOLE) if token else (IGNORE, 0, "", HOLE)
    if name in _TEXT_COMMANDS:
        return _text(content)
    return _text(content.replace("\\rm", "")) if command.strip() == "" else _command(command.strip())


def _letters(word: str) -> Token:
    """Tell a word, which is a name or a unit, from a product of letters such as ``abc`` or ``xyz``."""
    if word in g.FUNCTIONS:
        return (FUNC, g.PRODUCT, g.FUNCTIONS[word], leaf("sym", word))
    if word in ("and", "for", "where", "when", "then"):
        return (INFIX, g.LIST, "list", HOLE)
    if len(word) == 1:
        return _symbol(word)
    if word.isupper():
        return (SYM, g.PRODUCT, word, leaf("sym", word))
    in_order = list(word) == sorted(word) or _LATE_ALPHABET.issuperset(word)
    if (len(word) > 3 or word[0].isupper()) and not in_order and _VOWELS.intersection(word):
        return (TEXT, g.PRODUCT, word, leaf("text", word[:64]))
    return (LETTERS, g.PRODUCT, word, HOLE)


def _word(word: str) -> Token:
    """Read a run of letters in plain text, where two letters are a unit or a product and three are a word."""
    if len(word) == 1 or word in g.FUNCTIONS or word == "and":
        return _letters(word)
    in_order = list(word) == sorted(word) or _LATE_ALPHABET.issuperset(word)
    if len(word) == 2 and word not in _UNITS and not word.isupper():
        return (LETTERS, g.PRODUCT, word, HOLE)
    if word.isupper() and len(word) < 5:
        return (SYM, g.PRODUCT, word, leaf("sym", word))
    return (LETTERS if len(word) == 3 and in_order else TEXT, g.PRODUCT, word, leaf("text", word[:64]))


def _classify(word: str) -> Token:  # noqa: C901, PLR0911, PLR0912 - a flat list of cases
    if word in _FIXED:
        return _FIXED[word]
    first = word[0]
    if (first.isdigit() and first.isascii()) or first in _FRACTIONS or (first == "." and word[-1].isdigit()):
        return _number(word)
    if word in g.INFIX:
        return (INFIX, *g.INFIX[word], HOLE)
    if word in g.CLOSERS:
        return (OPEN, g.PRODUCT, word, leaf("sym", g.CLOSERS[word]))
    if word in g.CLOSING:
        return (CLOSE, 0, g.CLOSING[word], HOLE)
    if word in g.BIG:
        return (BIG, g.PRODUCT, g.BIG[word], HOLE)
    if first == "\\":
        return _backslash(word)
    if "||" in word:
        return (INFIX, g.REL, "parallel", HOLE)
    if first == "{":
        inner = word.strip("{} \n\t")
        return (INFIX, *g.INFIX[inner], HOLE) if inner in g.INFIX else _braced(word)
    if first == "^" or first in "°'’′":
        return _mark(word)
    if first.isascii() and first.isalpha():
        return _letters(word)
    if first in ".…":
        return (TEXT, g.PRODUCT, "...", leaf("text", "..."))
    if first in "⁰¹²³⁴⁵⁶⁷⁸⁹⁻":
        return (RAISED, g.POWER, word.translate(_RAISED), HOLE)
    if first in "₀₁₂₃₄₅₆₇₈₉":
        return (SUBSCRIPT, g.POSTFIX, word, HOLE)
    if first in _MONEY or first in "\u200b\ufeff\u2061\u2062":
        return (IGNORE, 0, "", HOLE)
    if _FIRST_GREEK <= first <= _LAST_GREEK or first in _MATH_LETTERS:
        return _symbol(word)
    return (BAD, 0, Reason.UNKNOWN_CHARACTER, leaf("sym", ascii(word)))


def _backslash(word: str) -> Token:  # noqa: PLR0911 - a flat list of cases
    if word.startswith("\\\\"):
        return (ROWEND, g.ROW, "rows", HOLE)
    if word.startswith("\\renewcommand{"):
        return (IGNORE, 0, "", HOLE)
    if word.startswith("\\not") and len(word) > 4:
        return (
            _classify(word.replace(" ", ""))
            if " " in word
            else (BAD, 0, Reason.UNKNOWN_COMMAND, leaf("sym", word[:40]))
        )
    if "{" in word and word != "\\{":
        if word.startswith(("\\left", "\\right")):
            return _classify(word.removeprefix("\\left").removeprefix("\\right").strip())
        if word.endswith("{"):
            return (OPEN, g.PRODUCT, "{", leaf("sym", "}"))
        return _braced(word)
    if word.startswith(("\\left ", "\\right ", "\\left\\", "\\right\\")):
        joined = word.replace(" ", "")
        return _FIXED.get(joined) or _classify(joined.removeprefix("\\left").removeprefix("\\right"))
    if len(word) > 1 and word[1].isalpha():
        return _command(word)
    if word[1:] in _SPACES:
        return (IGNORE, 0, "", HOLE)
    return (BAD, 0, Reason.UNKNOWN_COMMAND, leaf("sym", ascii(word)))


def _mark(word: str) -> Token:
    if "circ" in word or "°" in word or "degree" in word:
        return (MARK, g.POSTFIX, "degree", HOLE)
    if "prime" in word or word[0] in "'’′":
        return (PRIME, g.POSTFIX, "'", HOLE)
    return (IGNORE, 0, "", HOLE)


_latex_token = lru_cache(maxsize=4_096)(_classify)


@lru_cache(maxsize=4_096)
def _plain_token(word: str) -> Token:
    if word[0].isspace():  # the signs of 12 x 2 and 12 % 2 are matched with the space before them
        return (INFIX, g.PRODUCT, "mod" if word[-1] == "%" else "mul", HOLE)
    if word.isascii() and word.isalpha() and word not in _FIXED:
        return _word(word)
    if word[0].isalpha() and word[-1].isdecimal() and word.isascii():
        return _symbol(word)
    if word[0].isdecimal() and word.isalnum() and ("C" in word or "P" in word):  # 8C2
        letter = "C" if "C" in word else "P"
        top, bottom = word.split(letter)
        label = "binomial" if letter == "C" else "permutation"
        return (SYM, g.PRODUCT, "", (label, (leaf("num", top), leaf("num", bottom)), ""))
    return _classify(word)


def tokenize(text: str, *, plain: bool = False) -> list[Token]:
    """Cut a text into tokens, last one first, so that the parser pops them from the end of a list.

    Args:
        text: One expression, without its delimiters.
        plain: Read it as plain text rather than LaTeX.

    Returns:
        The tokens in reverse order; the first eight are `END_TOKEN`.

    Raises:
        RefusedError: The text is too long or has too many tokens, or a token can't be read.
    """
    if len(text) > MAX_LENGTH:
        raise RefusedError(Reason.TOO_LONG)
    parts = (_PLAIN if plain else _LATEX).findall(text)
    if len(parts) > MAX_TOKENS:
        raise RefusedError(Reason.TOO_MANY_TOKENS)
    tokens = [token for token in map(_plain_token if plain else _latex_token, parts) if token[0]]
    while tokens and tokens[-1][1] in (g.ROW, g.LIST):
        tokens.pop()
    tokens.extend(_PADDING)
    tokens.reverse()
    return tokens
