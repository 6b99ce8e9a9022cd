"""Outcomes: what two executors must agree on."""

from dataclasses import fields, replace

import pytest

from mycelium.outcome import ObjectRef, Outcome, count_written, digest, strip_times


def test_a_digest_is_sha256() -> None:
    assert digest(b"") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_what_decides_stays_and_what_it_took_goes() -> None:
    ref = ObjectRef("iaf", "iaf/x/00000.parquet", 3, "0" * 64)
    fast = Outcome("00000", "done", (ref,), n_input=3, wall_s=0.1, attempts=1)
    slow = Outcome("00000", "done", (ref,), n_input=3, wall_s=9.0, attempts=4, cold=True, billed_ms=9000)
    assert strip_times(fast) == strip_times(slow)
    assert strip_times(fast).outputs == (ref,)


def test_what_was_found_was_written_by_another() -> None:
    refs = (
        ObjectRef("tokens", "tokens/x/00000.parquet", 3, "0" * 64),
        ObjectRef("iaf", "iaf/x/0.parquet", 4, "0" * 64),
    )
    assert count_written(Outcome("00000", "done", refs)) == 7
    assert count_written(Outcome("00000", "found", refs)) == 0


AGREED = {"chunk_id", "status", "outputs", "error", "error_kind", "n_input", "n_output", "n_problems"}
"""What two executors must say alike; all else is when, how long, and what it took and cost."""


@pytest.mark.parametrize("name", [field.name for field in fields(Outcome)])
def test_what_executors_must_agree_on_stays_and_all_else_is_stripped(name: str) -> None:
    plain = Outcome("00000", "failed")
    other = {"status": "done", "outputs": (ObjectRef("iaf", "iaf/x/00000.parquet", 1, "0" * 64),), "cold": True}
    changed = replace(plain, **{name: other.get(name, "7" if name in {"chunk_id", "error", "error_kind"} else 7)})  # type: ignore[arg-type]
    assert (strip_times(changed) != strip_times(plain)) == (name in AGREED)
