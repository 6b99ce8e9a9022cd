r"""The grammar, in tables: which words there are, what kind each is, and how strongly it binds.

Reading is precedence climbing (`mycelium.labels.parser`): an operand, then every operator that binds more strongly than
the one that asked for it. A new operator is a new row here.

    strength  what                                     joins
    --------  ---------------------------------------  -------------------------------
           1  rows of an environment, sentences        statements
           2  comma, semicolon, "and", "if"            a list
           3  ⇒ ⟺, \over, \choose                        a chain of statements; a fraction
           4  such that, inside a set's braces         a condition
           5  = ≠ < ≤ ≡ ∈ ∥ → ...                      a chain of relations
           6  ∪ ∩ ∖, and the colon of a ratio          sets, numbers
           7  + − ±                                    sums; a minus before a term too
           8  · × ÷ / mod @, and juxtaposition         products
          10  ^                                        powers, from the right
          11  ! % ° ' and subscripts                   the operand just read
"""

from __future__ import annotations

from typing import Final

from mycelium.labels.tree import words

ROW, LIST, IMPLY, SUCH, REL, SETS, SUM, PRODUCT, POWER, POSTFIX = 1, 2, 3, 4, 5, 6, 7, 8, 10, 11

INFIX: Final[dict[str, tuple[int, str]]] = {
    **dict.fromkeys((",", ";", "،", "，"), (LIST, "list")),
    **dict.fromkeys(("\\over", "\\atop"), (IMPLY, "div")),
    "\\choose": (IMPLY, "binomial"),
    **dict.fromkeys(
        words(
            "\\Rightarrow \\implies \\Longrightarrow \\iff \\Leftrightarrow \\Longleftrightarrow \\rightarrow "
            "\\longrightarrow \\therefore \\leftrightarrow \\Leftarrow \\impliedby \\because ⇒ ⟹ → ⇔ ⟺ => ==> -> --> "
            "<=> ∴ \\land \\lor \\wedge \\vee \\leadsto \\models \\vdash \\leftarrow ⟶"
        ),
        (IMPLY, "implies"),
    ),
    **dict.fromkeys(words("= == := \\coloneqq \\doteq \\triangleq"), (REL, "eq")),
    **dict.fromkeys(words("\\ne \\neq != ≠ \\not="), (REL, "ne")),
    **dict.fromkeys(words("< \\lt \\ll &lt;"), (REL, "lt")),
    **dict.fromkeys(words("> \\gt \\gg &gt;"), (REL, "gt")),
    **dict.fromkeys(words("\\not> \\le \\leq \\leqslant <= ≤ ⩽ \\leqq"), (REL, "le")),
    **dict.fromkeys(words("\\not< \\ge \\geq \\geqslant >= ≥ ⩾ \\geqq"), (REL, "ge")),
    **dict.fromkeys(words("\\approx ≈ \\simeq ≅ \\approxeq"), (REL, "approx")),
    **dict.fromkeys(words("\\equiv ≡ \\not\\equiv"), (REL, "equiv")),
    **dict.fromkeys(words("\\sim ∼"), (REL, "similar")),
    **dict.fromkeys(words("\\cong \\ncong"), (REL, "congruent")),
    **dict.fromkeys(words("\\parallel ∥ \\nparallel"), (REL, "parallel")),
    **dict.fromkeys(words("\\perp ⊥"), (REL, "perp")),
    **dict.fromkeys(words("\\mid \\nmid ∣ ∤ \\not\\mid"), (REL, "divides")),
    **dict.fromkeys(words("\\in ∈ \\notin ∉ \\ni \\not\\in"), (REL, "member")),
    **dict.fromkeys(words("\\subset \\subseteq \\supset \\supseteq ⊂ ⊆ \\subsetneq"), (REL, "subset")),
    **dict.fromkeys(words("\\propto ∝"), (REL, "proportional")),
    **dict.fromkeys(
        words("\\to \\mapsto ↦ \\downarrow \\uparrow \\searrow \\nearrow \\swarrow \\longmapsto"), (REL, "arrow")
    ),
    **dict.fromkeys(words("\\cup ∪ \\bigcup"), (SETS, "union")),
    **dict.fromkeys(words("\\cap ∩ \\bigcap"), (SETS, "intersect")),
    **dict.fromkeys(words("\\setminus \\backslash ∖"), (SETS, "setminus")),
    **dict.fromkeys((":", "\\colon"), (SETS, "ratio")),
    "+": (SUM, "add"),
    **dict.fromkeys(words("- − – —"), (SUM, "sub")),
    **dict.fromkeys(words("\\pm \\mp ± ∓ +/-"), (SUM, "plus_minus")),
    **dict.fromkeys(words("\\cdot \\times * × · ∙ ⋅ \\ast •"), (PRODUCT, "mul")),
    **dict.fromkeys(words("/ \\div ÷ ∕ ⁄ //"), (PRODUCT, "div")),
    **dict.fromkeys(words("\\bmod"), (PRODUCT, "mod")),
    **dict.fromkeys(
        words(
            "@ # \\# \\star ★ \\diamond \\circ \\oplus \\otimes \\ominus \\odot \\bullet \\diamondsuit \\Diamond "
            "\\spadesuit \\clubsuit \\heartsuit \\bigstar \\bowtie \\& \\dagger \\circledast ∘ ⊕ ⊗ ♠ ♣ ♥ ♦ \\uplus "
            "\\boxplus \\boxtimes \\triangleleft \\triangleright \\bigcirc \\oslash \\ddagger"
        ),
        (PRODUCT, "custom_op"),
    ),
}

FUNCTIONS: Final[dict[str, str]] = {
    **{name: name for name in words("sin cos tan cot sec csc sinh cosh tanh cis exp ln gcd lcm max min det arg")},
    **{name: name for name in words("arcsin arccos arctan arccot arcsec arccsc")},
    "log": "log",
    "lg": "log",
    "deg": "degree_of",
    "sgn": "sign",
    "sign": "sign",
    "abs": "abs",
    "floor": "floor",
    "ceil": "ceil",
    "Re": "real_part",
    "Im": "imag_part",
    "GCD": "gcd",
    "LCM": "lcm",
    "Arg": "arg",
    "gcf": "gcd",
    "arsinh": "apply",
    "coth": "apply",
    "proj": "apply",
    "dim": "apply",
    "ker": "apply",
    "tr": "apply",
    "sup": "max",
    "inf": "min",
    "asin": "arcsin",
    "acos": "arccos",
    "atan": "arctan",
    "cosec": "csc",
    "tg": "tan",
    "Pr": "apply",
    "hom": "apply",
    "rank": "apply",
    "lub": "max",
    "GCF": "gcd",
    "gcm": "gcd",
    "ceiling": "ceil",
}
"""Functions by name, with a backslash, in ``\\operatorname``, in ``\\text`` or bare."""

CHOICES: Final = {"C": "binomial", "P": "permutation"}
"""Letters that choose between two numbers, as in ``C(9, 4)`` and ``_9C_4``."""

INVERSES: Final = {name: "arc" + name for name in ("sin", "cos", "tan", "cot", "sec", "csc")}

BIG: Final[dict[str, str]] = {
    "\\sum": "sum",
    "∑": "sum",
    "Σ": "sum",
    "\\prod": "product",
    "∏": "product",
    "\\lim": "limit",
    **dict.fromkeys(words("\\int \\iint \\oint ∫"), "integral"),
}
"""Signs with bounds below and above and a body after them."""

CLOSERS: Final[dict[str, str]] = {
    "(": ")",
    "[": "]",
    "{": "}",
    "\\{": "\\}",
    "\\lbrace": "\\}",
    "\\lfloor": "\\rfloor",
    "⌊": "\\rfloor",
    "\\lceil": "\\rceil",
    "⌈": "\\rceil",
    "\\langle": "\\rangle",
    "⟨": "\\rangle",
    "\\lgroup": ")",
}
"""Opening brackets, each with the closing one that is looked for."""

CLOSING: Final[dict[str, str]] = {
    ")": ")",
    "]": "]",
    "}": "}",
    "\\}": "\\}",
    "\\rbrace": "\\}",
    "\\rfloor": "\\rfloor",
    "⌋": "\\rfloor",
    "\\rceil": "\\rceil",
    "⌉": "\\rceil",
    "\\rangle": "\\rangle",
    "⟩": "\\rangle",
    "\\rgroup": ")",
}

ROWS: Final = frozenset(
    words(
        "align align* aligned alignat alignat* alignedat gather gather* gathered split equation equation* eqnarray "
        "eqnarray* multline multline* flalign flalign* displaymath math subarray"
    )
)
"""Environments that only lay rows out."""

APPLIED: Final = frozenset(words(r"f g F G P Q T \phi \varphi \tau \sigma f_ g_"))
"""Names that are functions before any bracket."""
APPLIED_TO_LEAF: Final = frozenset(words("h p q r s u v w y H S N L R A V E C D \\mu \\psi \\Phi \\omega ℓ \\ell"))
"""Names that are functions where the bracket holds a bare number or variable, as in ``S(3)`` or ``h(x)``."""

TRANSPARENT: Final = frozenset(
    words(
        "boxed fbox cancel bcancel xcancel mathstrut emph underline textit hat widehat tilde widetilde check overbrace "
        "underbrace mathbb mathcal mathfrak mathscr mathsf mathit mathrm rm bf it cal mathbf bold boldsymbol bm "
        "mathop mathrel mathbin mathord ensuremath overparen wideparen overarc arc dot ddot text textbf mbox textrm "
        "textnormal textsf operatorname sf frown smash"
    )
)
"""Commands whose one argument is read as if they were not there."""

IGNORED: Final = frozenset(
    words(
        "left right middle big Big bigg Bigg bigl bigr Bigl Bigr biggl biggr Biggl Biggr quad qquad displaystyle "
        "textstyle scriptstyle limits nolimits hline nonumber notag allowbreak centering small large Large normalsize "
        "medskip smallskip bigskip noindent hfill hskip strut null relax thinspace space nobreak newline protect "
        "mathsurround endgroup begingroup hfil vspace displaylimits enspace enskip negthinspace !"
    )
)
"""Commands that only lay out."""

MACROS: Final = frozenset(
    words(
        "def newcommand renewcommand let gdef edef xdef input include write immediate openout openin read "
        "catcode csname expandafter usepackage documentclass DeclareMathOperator newenvironment loop repeat special "
        "futurelet afterassignment directlua lua everypar jobname newwrite outer long global require"
    )
)
"""Commands that would change what others mean, or reach out of the text: refused by name."""

SYMBOLS: Final = frozenset(
    words(
        "alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu nu xi pi varpi rho "
        "varrho sigma varsigma tau upsilon phi varphi chi psi omega Gamma Theta Lambda Xi Pi Sigma Upsilon Phi Psi "
        "Omega infty ell hbar imath jmath emptyset varnothing aleph partial nabla wp top bot forall exists neg lnot "
        "square Box blacksquare bigtriangleup bigtriangledown checkmark clubs prime degree "
        "copyright S P dag qed bigstar lozenge triangledown bullet Alpha Beta colon cosx"
    )
)
"""Commands that stand for themselves."""

DOTS: Final = frozenset(words("ldots cdots dots dotsb dotsc dotsm dotsi vdots ddots hdots dotso mathellipsis"))
NAMED: Final = frozenset(words("angle triangle measuredangle sphericalangle Delta arc overarc"))
"""Commands that make one name with what follows: an angle, a triangle, a difference."""

SEPARATORS: Final = frozenset(
    words(
        "and or if for where when so then thus hence therefore since because gives with but otherwise is are we while "
        "as which implies either both unless iff let now that to from also all by on"
    )
)
"""A first word of ``\\text{}`` that parts two statements; any other text is a name or a unit."""
