"""Every label Y: its name, its family, what it means and an example.

`docs/labels.md` is generated from this table. The table is the law for the tests too: each example is parsed and must
bear its label.

Two families matter to the primary label (`mycelium.labels.extract`): *relation* labels join the sides of a chain, and
*notation* labels say how something is written rather than what is computed.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Label(NamedTuple):
    """One label.

    Args:
        name: As it stands in a dataset.
        family: arithmetic, power, function, combinatorics, calculus, number, relation, structure or notation.
        meaning: When an expression bears it.
        example: An expression in LaTeX that bears it.
    """

    name: str
    family: str
    meaning: str
    example: str


_ARITHMETIC: Final = (
    ("add", "A written plus between two terms.", "16 + 84"),
    ("sub", "A written minus between two terms.", "x - 90"),
    ("mul", "A product, with a sign or by juxtaposition.", r"2x \cdot 7"),
    ("div", "A quotient: a fraction, a slash or the sign ÷.", r"\frac{48}{2}"),
    ("plus_minus", "Plus or minus, before a term or between two.", r"\pm 8"),
    ("custom_op", "A sign that a problem defines for itself, such as @, # or a star.", r"5 \star 3"),
)
_POWER: Final = (
    ("sqrt", "A square root: a radical, or the exponent 1/2.", r"\sqrt{169}"),
    ("square", "The exponent 2.", "x^2"),
    ("cube", "The exponent 3.", "s^3"),
    ("inverse", "The exponent -1, of a number or of a function's name.", "5^{-1}"),
    ("high_pow", "A whole exponent of 4 or more.", "x^{2008}"),
    ("frac_pow", "A fraction or decimal as exponent that is not one over a whole number.", "8^{2/3}"),
    ("nth_root", "A root with an index, or the exponent 1/n for n of 3 or more.", r"\sqrt[3]{2}"),
    ("pow_general", "Any other exponent: a symbol, a sum, 0, 1, or a negative one other than -1.", "9^{n-1}"),
)
_FUNCTION: Final = (
    ("sin", "The sine.", r"\sin 2\theta"),
    ("cos", "The cosine.", r"\cos x"),
    ("tan", "The tangent.", r"\tan x"),
    ("cot", "The cotangent.", r"\cot x"),
    ("sec", "The secant.", r"\sec x"),
    ("csc", "The cosecant.", r"\csc x"),
    ("arcsin", "The inverse sine, by name or with the exponent -1.", r"\arcsin x"),
    ("arccos", "The inverse cosine, by name or with the exponent -1.", r"\cos^{-1} x"),
    ("arctan", "The inverse tangent, by name or with the exponent -1.", r"\tan^{-1} 942"),
    ("arccot", "The inverse cotangent, by name or with the exponent -1.", r"\cot^{-1} 3"),
    ("arcsec", "The inverse secant, by name or with the exponent -1.", r"\sec^{-1} 2"),
    ("arccsc", "The inverse cosecant, by name or with the exponent -1.", r"\csc^{-1} 2"),
    ("sinh", "The hyperbolic sine.", r"\sinh x"),
    ("cosh", "The hyperbolic cosine.", r"\cosh x"),
    ("tanh", "The hyperbolic tangent.", r"\tanh x"),
    ("cis", "cos + i sin of an angle.", r"\operatorname{cis} 60"),
    ("exp", "The exponential: by name, or e to a power that is not a number.", r"e^{i\pi}"),
    ("ln", "The natural logarithm.", r"\ln x"),
    ("log", "A logarithm whose base is not written.", r"\log x"),
    ("log_base", "A logarithm with its base written.", r"\log_2 8"),
    ("apply", "Another function, given by name, applied to arguments.", "f(x)"),
)
_NUMBER: Final = (
    ("mod", "A remainder, or the modulus of a congruence.", r"5^n \pmod{11}"),
    ("gcd", "The greatest common divisor.", r"\gcd(12, 18)"),
    ("lcm", "The least common multiple.", r"\operatorname{lcm}(4, 6)"),
    ("floor", "Rounded down.", r"\lfloor x \rfloor"),
    ("ceil", "Rounded up.", r"\lceil x \rceil"),
    ("abs", "An absolute value, or the size of a set.", "|x|"),
    ("norm", "The length of a vector.", r"\|\mathbf{v}\|"),
    ("max", "The greatest of several.", r"\max(a, b)"),
    ("min", "The least of several.", r"\min(a, b)"),
    ("conj", "The conjugate of a complex number.", r"\overline{z}"),
    ("real_part", "The real part.", r"\operatorname{Re}(z)"),
    ("imag_part", "The imaginary part.", r"\operatorname{Im}(z)"),
    ("arg", "The argument of a complex number.", r"\arg z"),
    ("degree_of", "The degree of a polynomial.", r"\deg f"),
    ("sign", "The sign of a number.", r"\operatorname{sgn}(x)"),
    ("percent", "A percent sign after a number.", r"20\%"),
    ("ratio", "A ratio written with a colon.", "3:4"),
    ("base", "A numeral in a base that is written beside it.", "121_3"),
    ("mixed", "A whole number and a proper fraction side by side.", r"2\frac{1}{3}"),
)
_COMBINATORICS: Final = (
    ("factorial", "A factorial.", "6!"),
    ("binomial", "A binomial coefficient, in any of its notations.", r"\binom{9}{4}"),
    ("permutation", "Ordered choices, nPk.", "{}_5P_2"),
)
_CALCULUS: Final = (
    ("sum", "A sum with the sign Σ.", r"\sum_{k=1}^{n} k"),
    ("product", "A product with the sign Π.", r"\prod_{k=1}^{n} k"),
    ("limit", "A limit.", r"\lim_{x \to 0} x"),
    ("integral", "An integral.", r"\int_0^1 x \, dx"),
    ("derivative", "A derivative, as a quotient of differentials or with a prime.", "f'(x)"),
)
_STRUCTURE: Final = (
    ("union", "The union of sets.", r"A \cup B"),
    ("intersect", "The intersection of sets.", r"A \cap B"),
    ("setminus", "The difference of sets.", r"A \setminus B"),
    ("det", "A determinant.", r"\det A"),
    ("transpose", "A transposed matrix.", r"\mathbf{A}^T"),
    ("matrix", "A matrix or column written out.", r"\begin{pmatrix} 1 & 2 \\ 3 & 4 \end{pmatrix}"),
    ("cases", "A value that is given case by case.", r"\begin{cases} 1 & x > 0 \\ 0 & x \le 0 \end{cases}"),
)
_RELATION: Final = (
    ("eq", "Equal.", "x = 5"),
    ("ne", "Not equal.", r"x \ne 5"),
    ("lt", "Less, or much less.", "x < 5"),
    ("gt", "Greater, or much greater.", "x > 5"),
    ("le", "Less or equal.", r"x \le 5"),
    ("ge", "Greater or equal.", r"x \ge 5"),
    ("approx", "Nearly equal.", r"\pi \approx 3.14"),
    ("equiv", "Congruent to a modulus, or identically equal.", r"42 \equiv 8 \pmod{34}"),
    ("similar", "Similar figures, or of the same order.", r"\triangle ABC \sim \triangle DEF"),
    ("congruent", "Congruent figures.", r"\triangle ABC \cong \triangle DEF"),
    ("parallel", "Parallel lines.", r"AB \parallel CD"),
    ("perp", "Perpendicular lines.", r"AB \perp CD"),
    ("divides", "One number divides another.", r"3 \mid 12"),
    ("member", "An element of a set, or not one.", r"x \in A"),
    ("subset", "A part of a set, or not one.", r"A \subset B"),
    ("proportional", "Proportional to.", r"y \propto x"),
    ("arrow", "Tends to, or maps to.", r"x \mapsto x"),
    ("implies", "One statement follows from another, or each from the other.", r"2x = 4 \Rightarrow x = 2"),
)
_NOTATION: Final = (
    ("neg", "A minus before a term that has nothing on its left.", "-5"),
    ("tuple", "A point or another ordered list in brackets.", "(2, 5)"),
    ("interval", "An interval: a square bracket, an infinite end, or next to ∪, ∩ or ∈.", "[0, 1)"),
    ("set", "A set in braces.", r"\{3, 4, 5\}"),
    ("vector", "A vector: under an arrow, in angle brackets, or a small bold letter.", r"\vec{v}"),
)

_FAMILIES: Final = {
    "arithmetic": _ARITHMETIC,
    "power": _POWER,
    "function": _FUNCTION,
    "number": _NUMBER,
    "combinatorics": _COMBINATORICS,
    "calculus": _CALCULUS,
    "structure": _STRUCTURE,
    "relation": _RELATION,
    "notation": _NOTATION,
}

LABELS: Final[dict[str, Label]] = {
    name: Label(name, family, meaning, example) for family, rows in _FAMILIES.items() for name, meaning, example in rows
}
"""Every label by name, in the order of the documentation."""

NAMES: Final = frozenset(LABELS)
RELATIONS: Final = frozenset(name for name, *_ in _RELATION)
POWERS: Final = frozenset(("square", "cube", "inverse", "high_pow", "frac_pow", "pow_general"))
"""The labels of a base and its exponent; a root is written in another way."""
STATEMENTS: Final = frozenset(("rows", "list"))
"""What holds statements side by side; no labels."""
# What a number or a point looks like, rather than what is done to it.
NOTATIONS: Final = frozenset(
    [name for name, *_ in _NOTATION] + ["apply", "percent", "base", "mixed", "matrix", "cases", "ratio"]
)


def describe() -> str:
    """Return the page of labels, ``docs/labels.md``, as Markdown."""
    lines = [
        "# The labels Y",
        "",
        "<!-- Made from mycelium/labels/operators.py by `python -m mycelium.labels.operators`; tested for it. -->",
        "",
        "A step bears the set of labels of every operator that is written in it (`extract_all_ops`), one *primary*",
        "label, and the operator at its *root*. Nothing is computed before it is labelled: `48/2` bears `div`.",
        "",
        "The primary label is the outermost operator that computes, on the first side of the relation chain, from left",
        "to right, that computes anything. The families *relation* and *notation* do not compute, nor do",
        ", ".join(f"`{name}`" for name, label in LABELS.items() if name in NOTATIONS and label.family != "notation")
        + ".",
        "Where no side computes, the outermost notation is primary, then the relation, then `none`.",
        "",
        "A numeral as exponent is part of the label: `x^{-1}` bears `inverse` and neither `neg` nor `pow_general`.",
        "What is written in a subscript is part of a name. The relation that names the index of a sum bears no label.",
    ]
    for family, rows in _FAMILIES.items():
        lines += ["", f"## {family.capitalize()}", "", "| label | meaning | example |", "|---|---|---|"]
        for name, meaning, example in rows:
            written = example.replace("|", "\\|")
            lines.append(f"| `{name}` | {meaning} | `{written}` |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    import sys

    sys.stdout.write(describe())
