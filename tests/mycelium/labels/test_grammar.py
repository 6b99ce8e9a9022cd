"""The tables of the grammar, row by row."""

import pytest

from mycelium.labels import grammar as g
from mycelium.labels.extract import extract_all_ops
from mycelium.labels.operators import NAMES
from mycelium.labels.parser import parse
from mycelium.labels.tree import Reason, Refusal

UNLABELLED = {"list"}


@pytest.mark.parametrize("sign", [sign for sign in g.INFIX if sign not in ("!=", "|")])
def test_every_sign_between_two_operands_is_read(sign: str) -> None:
    tree = parse(f"{{x {sign} y}}", plain=not sign.startswith("\\"))
    label = g.INFIX[sign][1]
    assert not isinstance(tree, Refusal)
    assert extract_all_ops(tree) == ({label} if label in NAMES else set())


@pytest.mark.parametrize("name", g.FUNCTIONS)
def test_every_function_is_known_with_a_backslash_and_by_name(name: str) -> None:
    for text in (f"\\{name} x", f"\\operatorname{{{name}}} x", f"\\text{{{name}}}(x)"):
        tree = parse(text)
        assert not isinstance(tree, Refusal)
        assert extract_all_ops(tree) == {g.FUNCTIONS[name]}


@pytest.mark.parametrize("name", sorted(g.MACROS))
def test_every_command_that_changes_others_is_refused(name: str) -> None:
    assert parse(f"\\{name} x") == Refusal(Reason.MACRO, f"\\{name}")


@pytest.mark.parametrize("name", sorted(g.SYMBOLS - {"colon", "bullet", "bigstar"}))
def test_every_symbol_stands_for_itself(name: str) -> None:
    assert parse(f"\\{name}") == ("sym", (), f"\\{name}")


@pytest.mark.parametrize("opener", g.CLOSERS)
def test_every_bracket_is_closed_by_its_partner(opener: str) -> None:
    assert not isinstance(parse(f"{opener} x {g.CLOSERS[opener]}"), Refusal)
    assert isinstance(parse(f"{opener} x"), Refusal)


def test_all_labels_of_the_grammar_are_defined() -> None:
    named = {label for _, label in g.INFIX.values()} | {*g.FUNCTIONS.values()} | {*g.BIG.values(), *g.INVERSES.values()}
    assert named - UNLABELLED <= NAMES
