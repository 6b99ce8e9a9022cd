"""`inspect` as a person types it."""

from tests.coordinator.command_line import Cli


def test_nothing_to_look_at_is_said(filled: Cli) -> None:
    assert "has a key that begins with 'no/such'" in filled.fails("inspect", "no/such")


def test_a_key_a_folder_and_a_file_are_looked_at(filled: Cli) -> None:
    key = "iaf/gsm8k-aaaaaaaaaaaa/00000.parquet"
    code, out, _ = filled("inspect", key)
    assert (code, "dataset iaf v1, chunk 00000" in out) == (0, True)
    assert filled("inspect", str(filled.store / key))[1].splitlines()[1:] == out.splitlines()[1:]
    assert "3 objects" in filled("inspect", str(filled.store / "iaf"))[1]
    assert "3 objects" in filled("inspect", "iaf/", "--json")[1]
