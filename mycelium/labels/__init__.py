"""From text to expressions to labels: what each step of a chain of thought computes.

    text ── segments, plain ──> expressions ── tokens, bars, parser ──> trees ── extract ──> labels
                                                                          └── convert, judge ──> verdicts

`parser` and what it imports (`names`, `operands`, `suffixes`, `forms`, `grammar`) read one expression into an
unevaluated operator tree (`tree`); `operators` defines the labels; `steps` puts it together for a chain of thought.
Nothing here imports sympy but `convert` and `verdict`, on their first call.
"""
