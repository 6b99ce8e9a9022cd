r"""One way to write an expression: what C3 learns to write, and what sympy and Python's own grammar read.

    sum         a + b - c
    product     a * b / c             a quotient is a slash, never ÷ and never \frac
    sign        -a
    power       a**b
    function    sqrt(a)  Abs(a)  factorial(a)  binomial(a, b)  …

Numbers are written without thousands separators and units, names as identifiers that mean nothing to sympy. Brackets
stand where the tree needs them and nowhere else, so that the text has one tree and the tree one text.

A text is read back by Python's own parser, which only builds a tree; nothing is run. Whatever is not in the table above
is refused.
"""

from __future__ import annotations

import ast
import re
import unicodedata
import warnings
from typing import Final

from mycelium.labels.operators import POWERS
from mycelium.labels.steps import canonical
from mycelium.labels.tree import Node, words

MAX_CHARACTERS: Final = 512
"""Of one written expression; the longest of 20,000 real ones has fewer."""
MAX_NODES: Final = 200
MAX_NESTING: Final = 40
MAX_DEPTH: Final = 256
"""Of a text read back, where a sum of n terms is n deep. Whoever walks the tree does so by recursion."""

_SUM, _PRODUCT, _SIGN, _POWER, _ATOM = 1, 2, 3, 4, 5
FUNCTIONS: Final[dict[str, tuple[str, int]]] = {
    "sqrt": ("sqrt", 1),
    "abs": ("Abs", 1),
    "factorial": ("factorial", 1),
    "floor": ("floor", 1),
    "ceil": ("ceiling", 1),
    "binomial": ("binomial", 2),
    "permutation": ("ff", 2),
    "mod": ("Mod", 2),
    "gcd": ("gcd", 2),
    "lcm": ("lcm", 2),
    "max": ("Max", 2),
    "min": ("Min", 2),
}
"""Operators that are written as functions: sympy's name, and how many arguments it takes."""
ARITIES: Final = dict(FUNCTIONS.values())
_UNITS: Final = frozenset(("degree",))
"""Read as units and left out: ``180° - 40°`` is ``180 - 40``. In a sine it would matter, and a sine is refused."""

_NUMERAL: Final = re.compile(r"\d+(?:\.\d+)?")
_RATIO: Final = re.compile(r"(-?)(\d+)/(\d+)")
_NAME: Final = re.compile(r"[A-Za-z](?:_[A-Za-z0-9]{1,8})?|[A-Z]{2,4}")
_GREEK: Final = frozenset(
    words(
        "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau upsilon phi chi psi "
        "omega Gamma Delta Theta Lambda Xi Pi Sigma Phi Psi Omega"
    )
)
RESERVED: Final = frozenset(
    words("CC E EX FF FU GF I ITE LC LM LT Lambda N O Q QQ RR S ZZ beta gamma lambda n_order zeta")
)
"""Names of these shapes that mean something to sympy or to Python: they get a ``_`` behind them."""
_SUBSCRIPTS: Final = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")


class NotWrittenError(Exception):
    """An expression has no canonical form; the message names what stands in the way: an operator, or a bound."""


def write(tree: Node) -> str:
    r"""Write an expression in its canonical form.

    Args:
        tree: as `mycelium.labels.parser.parse` returns it, without relations.

    Returns:
        A text that Python and sympy read as that expression: ``\frac{48}{2}`` gives ``48 / 2``.

    Raises:
        NotWrittenError: it has none, or is beyond a bound; the message is the operator, ``name``, ``numeral``,
            ``hole`` or ``size``.
    """
    text, _ = _Writer().node(tree, 0)
    if len(text) > MAX_CHARACTERS:
        raise NotWrittenError("size")
    return text


class _Writer:
    """Writes one tree, and counts how large it is."""

    def __init__(self) -> None:
        self.n_node = 0

    def node(self, tree: Node, depth: int) -> tuple[str, int]:  # noqa: PLR0911 - a flat list of cases
        """Return the text of a node and how strongly it binds."""
        operator, arguments, text = tree
        self.n_node += 1
        if depth > MAX_NESTING or self.n_node > MAX_NODES:
            raise NotWrittenError("size")
        if not arguments:
            return _leaf(operator, text)
        below = depth + 1
        if operator in _UNITS:
            return self.node(arguments[0], below)
        if operator in FUNCTIONS:
            return self.function(operator, arguments, below), _ATOM
        if operator in POWERS:
            return self.power(arguments[0], self.exponent(arguments[1], below), below), _POWER
        if operator == "nth_root" and len(arguments) == 2:
            index = self.within(arguments[1], _SIGN, below)
            return self.power(arguments[0], f"(1 / {index})", below), _POWER
        if operator == "neg":
            return f"-{self.within(arguments[0], _POWER, below)}", _SIGN
        if operator == "percent":
            return f"{self.within(arguments[0], _PRODUCT, below)} / 100", _PRODUCT
        signs = {"add": (" + ", _SUM), "mixed": (" + ", _SUM), "sub": (" - ", _SUM)}
        signs |= {"mul": (" * ", _PRODUCT), "div": (" / ", _PRODUCT)}
        if operator not in signs or len(arguments) < 2:
            raise NotWrittenError(operator)
        sign, strength = signs[operator]
        first, *rest = arguments
        parts = [self.within(first, strength, below)]
        parts += [self.within(argument, strength + 1, below, leads=False) for argument in rest]
        return sign.join(parts), strength

    def within(self, tree: Node, strength: int, depth: int, *, leads: bool = True) -> str:
        """Write an operand, in brackets if it binds less strongly than that, or is a sign that does not lead."""
        text, binds = self.node(tree, depth)
        return f"({text})" if binds < strength or (text.startswith("-") and not leads) else text

    def power(self, base: Node, exponent: str, depth: int) -> str:
        return f"{self.within(base, _ATOM, depth)}**{exponent}"

    def exponent(self, tree: Node, depth: int) -> str:
        """Write an exponent: a numeral may hold a sign and a slash."""
        if tree[0] == "num" and tree[2].startswith("-") and _NUMERAL.fullmatch(tree[2][1:]):
            return f"(-{canonical(tree[2][1:])})"
        return self.within(tree, _ATOM, depth)

    def function(self, operator: str, arguments: tuple[Node, ...], depth: int) -> str:
        """Write a function; of one that takes two, more arguments are nested from the left."""
        name, arity = FUNCTIONS[operator]
        inner = [self.node(argument, depth)[0] for argument in arguments]
        nests = operator in {"gcd", "lcm", "max", "min"}
        if len(inner) != arity and not (nests and len(inner) > arity):
            raise NotWrittenError(operator)
        text = f"{name}({', '.join(inner[:arity])})"
        for argument in inner[arity:]:
            text = f"{name}({text}, {argument})"
        return text


def _leaf(operator: str, text: str) -> tuple[str, int]:
    if operator == "num":
        ratio = _RATIO.fullmatch(text)
        if ratio:
            return f"{ratio[1]}{canonical(ratio[2])} / {canonical(ratio[3])}", _PRODUCT
        if not _NUMERAL.fullmatch(written := canonical(text)):
            raise NotWrittenError("numeral")
        return written, _ATOM
    if operator == "sym":
        return write_name(text), _ATOM
    raise NotWrittenError(operator)


def write_name(text: str) -> str:
    r"""Write a name as an identifier that sympy takes for a symbol: ``\theta`` is ``theta``, ``E`` is ``E_``.

    Raises:
        NotWrittenError: it is no letter, Greek letter, letter with a short index, or two to four capitals.
    """
    letter, mark, index = text.translate(_SUBSCRIPTS).partition("_")
    if letter.startswith("\\var"):
        letter = "\\" + letter.removeprefix("\\var")
    name = letter.removeprefix("\\") if letter.startswith("\\") else _spell(letter)
    index = index.strip("{}")
    if mark and not re.fullmatch(r"[A-Za-z0-9]{1,8}", index):
        raise NotWrittenError("name")
    if not (_NAME.fullmatch(name) or name in _GREEK):
        raise NotWrittenError("name")
    if name == "pi" and not mark:
        return name
    whole = f"{name}_{index}" if mark else name
    return f"{whole}_" if whole in RESERVED else whole


def _spell(letter: str) -> str:
    """Return the name of a Greek letter that is written as itself."""
    if len(letter) != 1 or letter.isascii():
        return letter
    kind, _, name = unicodedata.name(letter, "").rpartition(" LETTER ")
    name = name.replace("LAMDA", "LAMBDA")  # as Unicode spells it
    return {"GREEK SMALL": name.lower(), "GREEK CAPITAL": name.capitalize()}.get(kind, letter)


def read_back(text: str) -> ast.expr | None:
    """Read a canonical text; None if it is none.

    Args:
        text: any text.

    Returns:
        Python's tree of it: numbers, names, the signs of sums, products and powers, and the functions of `FUNCTIONS`.
    """
    if len(text) > MAX_CHARACTERS or not text.isascii() or "\n" in text:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)  # of foreign text, such as "1(2)"
            tree = ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return None
    return tree if _is_canonical(tree, text) else None


_SIGNS: Final = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.Pow)


def _is_canonical(tree: ast.expr, text: str) -> bool:
    """Say whether a tree holds nothing but what `write` writes: no `1e9`, no `0x1f`, no function as a value."""
    pending = [(tree, 1)]
    for node, depth in pending:
        if depth > MAX_DEPTH:
            return False
        if isinstance(node, ast.BinOp) and isinstance(node.op, _SIGNS):
            pending += ((node.left, depth + 1), (node.right, depth + 1))
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            pending.append((node.operand, depth + 1))
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.keywords:
            if ARITIES.get(node.func.id) != len(node.args):
                return False
            pending += ((argument, depth + 1) for argument in node.args)
        elif isinstance(node, ast.Constant):
            if not _NUMERAL.fullmatch(ast.get_source_segment(text, node) or ""):
                return False
        elif not isinstance(node, ast.Name) or node.id in ARITIES:
            return False
    return True
