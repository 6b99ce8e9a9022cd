"""Any text at all: never an exception, never a tree that its readers can't walk."""

from hypothesis import example, given
from hypothesis import strategies as st

from mycelium.labels import grammar as g
from mycelium.labels.extract import extract_all_ops, primary_label, root_operator
from mycelium.labels.operators import NAMES
from mycelium.labels.parser import parse
from mycelium.labels.segments import find_segments
from mycelium.labels.steps import find_steps
from mycelium.labels.tree import Reason, Refusal, words

COMMANDS = words(
    r"\frac \sqrt \binom \overline \vec \root \of \text{and} \text{cm} \operatorname{Re} \left| \right| \mod "
    r"\begin{pmatrix} \end{pmatrix} \begin{cases} \end{cases} \begin{aligned} \end{aligned}"
)
SIGNS = words("^ _ ! % & | ' ² ₁ ½ √ 12 0.5 x f m C P d abc AB mod sqrt log2 8C2 $ << >> \\[ \\] \\( \\) \\\\")
NAMES_OF_COMMANDS = sorted(g.FUNCTIONS) + sorted(g.TRANSPARENT) + sorted(g.NAMED) + sorted(g.DOTS)
FRAGMENTS = [
    *g.INFIX,
    *g.CLOSERS,
    *g.CLOSING,
    *g.BIG,
    *("\\" + name for name in NAMES_OF_COMMANDS),
    *COMMANDS,
    *SIGNS,
    " ",
    "\n",
]
mixtures = st.lists(st.sampled_from(FRAGMENTS), max_size=60).map("".join)
spaced = st.lists(st.sampled_from(FRAGMENTS), max_size=60).map(" ".join)
anything = st.text(max_size=200)
texts = st.one_of(mixtures, spaced, anything)


@given(texts, st.booleans())
@example("{}_", False)
@example("\\begin{pmatrix} . \\end{pmatrix}", False)
@example("\\text{", False)
def test_every_text_is_a_tree_or_a_refusal(text: str, plain: bool) -> None:
    tree = parse(text, plain=plain)
    if isinstance(tree, Refusal):
        assert tree.reason in Reason
        return
    labels = extract_all_ops(tree)
    assert labels <= NAMES
    assert primary_label(tree) in labels | {"none"}
    assert root_operator(tree) in labels | {"none"}
    assert parse(text, plain=plain) == tree


@given(texts)
def test_segments_lie_in_the_text_in_order_and_apart(text: str) -> None:
    segments = find_segments(text)
    assert not isinstance(segments, Refusal)
    end = 0
    for segment in segments:
        assert end <= segment.start < segment.end <= len(text)
        end = segment.end


@given(texts, texts)
def test_every_segment_is_a_step_or_a_mention(problem: str, chain: str) -> None:
    found = find_steps(problem, chain)
    assert len(found.steps) + found.n_mention == found.n_segment
    assert sum(bool(step.refusal) for step in found.steps) == sum(found.refusals.values())
    for index, step in enumerate(found.steps):
        assert step.index == index
        assert chain[step.start : step.end] == step.expression
        assert all(operand.step < index for operand in step.operands)
