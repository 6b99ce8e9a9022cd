"""The text around a step, by hand and by law."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mycelium.labels.context import Place, write_contexts, write_mathematics
from mycelium.labels.steps import find_steps


def contexts(chain: str) -> list[str]:
    steps = find_steps("", chain).steps
    return write_contexts(chain, [Place(step.start, step.end, step.kind) for step in steps])


@pytest.mark.parametrize(
    ("chain", "texts"),
    [
        ("He buys pens. They cost $2+2=4$ dollars. Fine.", ["They cost $2+2=4$ dollars."]),
        ("First $2+2=4$ and then $4+1=5$ is it. End", ["First $2+2=4$", "and then $4+1=5$ is it."]),
        ("Sold 48/2 = <<48/2=24>>24 in May\nThen 24+1 = <<24+1=25>>25 in all", None),
        ("So $3.5 + 1 = 4.5$ is. No! But $1+1=2$? Yes.", ["So $3.5 + 1 = 4.5$ is.", "But $1+1=2$?"]),
        ("We get\n\\[2+2=4\\]\nwhich is even. Well.", ["We get \\[2+2=4\\] which is even."]),
        ("A list\n$2+2=4$\nmore", ["$2+2=4$"]),
        ("Then\n$$\n5-2=3\n$$\n so. $1+2=3$", ["Then $$ 5-2=3 $$ so.", "$1+2=3$"]),
        ("$2+2=4$", ["$2+2=4$"]),
        ("No mathematics at all.", []),
    ],
)
def test_a_step_s_text_is_its_own_stretch_of_its_sentence(chain: str, texts: list[str] | None) -> None:
    gsm8k = ["Sold 48/2 = <<48/2=24>>24 in May", "Then 24+1 = <<24+1=25>>25 in all"]
    assert contexts(chain) == (gsm8k if texts is None else texts)


PIECES = st.sampled_from(
    ["$2+2=4$", "\\[3-1=2\\]", "$$4/2=2$$", "\n", ". ", "\n\n", " and ", "so! ", "<<1+1=2>>", "2*3=6 ", "x", "; ", "é"]
)


@given(st.lists(PIECES, max_size=12).map("".join))
def test_stretches_are_disjoint_in_order_and_hold_their_expressions(chain: str) -> None:
    steps = find_steps("", chain).steps
    texts = write_contexts(chain, [Place(step.start, step.end, step.kind) for step in steps])
    squeezed, at = "".join(chain.split()), 0
    for step, text in zip(steps, texts, strict=True):
        assert write_mathematics(step.expression) in text
        found = squeezed.find("".join(text.split()), at)
        assert found >= at
        at = found + len("".join(text.split()))


@given(st.text(max_size=60))
def test_any_text_has_a_context_for_each_step(chain: str) -> None:
    assert all(contexts(chain))


def test_mathematics_is_the_same_however_it_is_spaced() -> None:
    assert write_mathematics("2 +\n  2\t= 4 ") == "2 + 2 = 4"
