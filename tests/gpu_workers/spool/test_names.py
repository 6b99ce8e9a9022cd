"""A file's name says key and digest, and nothing else does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpu_workers.spool.names import file_name, parse_name
from mycelium.errors import UserInputError
from mycelium.store import check_key

SHA = "0" * 64


@given(st.text(max_size=30))
def test_a_file_name_says_key_and_digest_and_nothing_else_does(text: str) -> None:
    try:
        check_key(text)
    except UserInputError:
        with pytest.raises(UserInputError):
            file_name(text, SHA)
    else:
        assert parse_name(file_name(text, SHA)) == (text, SHA)
    parsed = parse_name(text + "," + SHA)
    assert parsed is None or file_name(*parsed) == text + "," + SHA


@pytest.mark.parametrize("name", ["x", f"x{SHA}", f",{SHA}", f"..,x,{SHA}", f".x,{SHA}", f"x,{SHA[1:]}", f"x,{SHA}~"])
def test_other_names_are_none_of_ours(name: str) -> None:
    assert parse_name(name) is None
