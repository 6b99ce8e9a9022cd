"""One peer, served line by line: runs in the benchmark's own environment and imports nothing of ours.

``python labels_peers.py PEER``: reads one JSON string a line and answers ``{"ok", "labels", "paper", "root", "cpu"}``.
"""

import json
import resource
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import sympy

Parse = Callable[[str], Any]

MEMORY_BYTES = 4 << 30
FUNCTIONS = {
    **{name: name for name in ("sin", "cos", "tan", "cot", "sec", "csc", "sinh", "cosh", "tanh", "exp", "floor")},
    "asin": "arcsin",
    "acos": "arccos",
    "atan": "arctan",
    "acot": "arccot",
    "asec": "arcsec",
    "acsc": "arccsc",
    "Abs": "abs",
    "ceiling": "ceil",
    "conjugate": "conj",
    "re": "real_part",
    "im": "imag_part",
    "log": "log",
    "factorial": "factorial",
    "binomial": "binomial",
    "Max": "max",
    "Min": "min",
    "Mod": "mod",
    "gcd": "gcd",
    "Sum": "sum",
    "Product": "product",
    "Integral": "integral",
    "Limit": "limit",
    "Derivative": "derivative",
    "lcm": "lcm",
    "Determinant": "det",
    "Norm": "norm",
    "arg": "arg",
    "sign": "sign",
}
CLASSES = {
    "Equality": "eq",
    "Unequality": "ne",
    "StrictLessThan": "lt",
    "StrictGreaterThan": "gt",
    "LessThan": "le",
    "GreaterThan": "ge",
    "Union": "union",
    "Intersection": "intersect",
    "Complement": "setminus",
    "And": "",
    "Interval": "interval",
    "FiniteSet": "set",
    "Tuple": "tuple",
    "Contains": "member",
}


def sympy_antlr() -> Parse:
    """Return sympy's own LaTeX parser."""
    from sympy.parsing.latex import parse_latex  # noqa: PLC0415 - one peer of several

    return parse_latex  # type: ignore[no-any-return]


def sympy_antlr_unevaluated() -> Parse:
    """Return the same, computing nothing."""
    parse_latex = sympy_antlr()
    parse_latex("x + 1")  # what it imports on its first call can't be imported without evaluation

    def parse(text: str) -> Any:
        with sympy.evaluate(False):  # noqa: FBT003 - sympy's own signature
            return parse_latex(text)

    return parse


def latex2sympy() -> Parse:
    """Return latex2sympy2_extended."""
    import latex2sympy2_extended  # noqa: PLC0415 - as above

    return latex2sympy2_extended.latex2sympy  # type: ignore[no-any-return]


def math_verify() -> Parse:
    """Return math-verify, without its own timeout; a string is no expression."""
    import math_verify as peer  # noqa: PLC0415 - as above

    def parse(text: str) -> Any:
        found = [one for one in peer.parse(f"${text}$", parsing_timeout=None) if not isinstance(one, str)]
        if not found:
            raise ValueError(text)
        return found[0]

    return parse


PEERS: dict[str, Callable[[], Parse]] = {
    "sympy antlr, evaluated": sympy_antlr,
    "sympy antlr, unevaluated": sympy_antlr_unevaluated,
    "latex2sympy2_extended": latex2sympy,
    "math-verify": math_verify,
}


def labels_of(tree: Any) -> set[str]:
    """Read our labels from a sympy tree as generously as it allows: a product with an inverse is a division."""
    found: set[str] = set()
    pending = [tree]
    while pending:
        node = pending.pop()
        if isinstance(node, (list, tuple, set)):
            pending.extend(node)
            continue
        name = type(node).__name__
        arguments = list(getattr(node, "args", ()))
        if name in CLASSES:
            found.add(CLASSES[name])
        elif "Matrix" in name and "Symbol" not in name:
            found.add("matrix")
            arguments = list(node) if hasattr(node, "__iter__") and not arguments else arguments
        elif isinstance(node, sympy.Rational):
            found.update(number_labels(node))
        elif isinstance(node, sympy.Add):
            arguments = sum_parts(node, found)
        elif isinstance(node, sympy.Mul):
            arguments = product_parts(node, found)
        elif isinstance(node, sympy.Pow):
            arguments = power_parts(node, found)
        elif arguments:
            label = FUNCTIONS.get(name, "apply")
            found.add("log_base" if label == "log" and len(arguments) > 1 else label)
        pending.extend(arguments)
    return found - {""}


def number_labels(node: sympy.Rational) -> set[str]:
    """Return what a number stands for that was computed from signs."""
    return ({"neg"} if node.is_negative else set()) | ({"div"} if node.q != 1 and "." not in str(node) else set())


def is_negative(node: Any) -> bool:
    """Say whether a term was written with a minus before it."""
    if isinstance(node, sympy.Mul):
        return any(factor.is_Number and factor.is_negative for factor in node.args)
    return bool(node.is_Number and node.is_negative)


def positive(node: Any) -> list[Any]:
    """Return a term without its minus."""
    if not isinstance(node, sympy.Mul):
        return [-node]
    factors = list(node.args)
    place = next(index for index, factor in enumerate(factors) if factor.is_Number and factor.is_negative)
    factors[place : place + 1] = [] if factors[place] == -1 else [sympy.Integer(abs(factors[place].p))]
    return [sympy.Mul(*factors, evaluate=False)] if len(factors) > 1 else factors


def sum_parts(node: sympy.Add, found: set[str]) -> list[Any]:
    """Tell additions from subtractions among the terms of a sum."""
    parts: list[Any] = []
    for index, term in enumerate(node.args):
        if is_negative(term):
            found.add("sub" if index or not is_negative(node.args[-1]) else "neg")
            parts.extend(positive(term))
        else:
            parts.append(term)
            if index:
                found.add("add")
    return parts


def product_parts(node: sympy.Mul, found: set[str]) -> list[Any]:
    """Tell multiplications from divisions and signs among the factors of a product."""
    top: list[Any] = []
    parts: list[Any] = []
    for factor in node.args:
        if factor == -1:
            found.add("neg")
        elif isinstance(factor, sympy.Pow) and factor.exp == -1:
            found.add("div")
            parts.append(factor.base)
        else:
            top.append(factor)
    if len(top) > 1 and not (len(top) == 2 and sympy.S.One in top):
        found.add("mul")
    return top + parts


def power_parts(node: sympy.Pow, found: set[str]) -> list[Any]:
    """Name a power by its exponent."""
    base, exponent = node.args
    half = sympy.Rational(1, 2)
    if base == sympy.E and not exponent.is_number:
        found.add("exp")
        return [exponent]
    if exponent == -1:
        found.add("div")
    elif exponent == half:
        found.add("sqrt")
    elif exponent.is_Integer and exponent > 1:
        found.add({2: "square", 3: "cube"}.get(int(exponent), "high_pow"))
    elif exponent.is_Rational and not exponent.is_Integer:
        found.add("nth_root" if exponent.p == 1 else "frac_pow")
    else:
        found.add("pow_general")
        return [base] if exponent.is_number else [base, exponent]
    return [base]


def walk(tree: Any) -> Iterator[Any]:
    """Visit a tree, root first."""
    yield tree
    for child in getattr(tree, "args", ()):
        yield from walk(child)


def paper_labels(tree: Any) -> list[str]:
    """Return the labels of the paper's function as it was described to us.

    Powers by exponent and functions by name, in order; Add and Mul only where there is neither (``if not ops``); and it
    does not descend into relations.
    """
    if isinstance(tree, sympy.core.relational.Relational):
        return []
    nodes = list(walk(tree))
    found = [
        "Pow" if isinstance(node, sympy.Pow) else type(node).__name__
        for node in nodes
        if isinstance(node, (sympy.Pow, sympy.Function))
    ]
    if not found:
        found = [
            name for kind, name in ((sympy.Add, "Add"), (sympy.Mul, "Mul")) if any(isinstance(n, kind) for n in nodes)
        ]
    return list(dict.fromkeys(found))


def answer(parse: Parse, text: str) -> dict[str, object]:
    """Parse one expression and say what came of it."""
    start = time.process_time()
    try:
        tree = parse(text)
    except Exception as error:  # noqa: BLE001 - a peer may raise anything
        return {"ok": False, "error": type(error).__name__, "cpu": time.process_time() - start}
    cpu = time.process_time() - start
    try:
        return {
            "ok": tree is not None,
            "cpu": cpu,
            "labels": sorted(labels_of(tree)),
            "paper": paper_labels(tree),
            "root": type(tree).__name__,
        }
    except Exception as error:  # noqa: BLE001 - a tree that can't be walked has no labels
        return {"ok": True, "cpu": cpu, "labels": [], "paper": [], "root": type(error).__name__}


def main() -> None:
    """Serve one peer."""
    warnings.simplefilter("ignore")
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    parse = PEERS[sys.argv[1]]()
    answer(parse, "x + 1")  # what a peer loads on its first call is not counted
    out = sys.stdout
    sys.stdout = sys.stderr  # some peers print
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for line in sys.stdin:
        result = answer(parse, json.loads(line))
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        result["grown_mb"] = (after - peak) / 1024
        out.write(json.dumps(result) + "\n")
        out.flush()


if __name__ == "__main__":
    main()
