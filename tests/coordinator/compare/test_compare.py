"""Two runs of templates beside each other."""

from dataclasses import replace
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.compare.compare import Change, compare_runs, match_templates, tell_changes
from mycelium.errors import UserInputError, WrongDatasetError
from mycelium.manifest import Manifest
from mycelium.schema import Provenance
from mycelium.store import LocalStore, Store
from tests.coordinator.compare.conftest import run
from tests.mycelium.templates.world import make_chunk


def manifests(store: Store, *names: str) -> list[Manifest]:
    from mycelium.manifest import find_run  # noqa: PLC0415 - one use

    return [find_run(store, name, "assignments") for name in names]


def test_a_run_agrees_with_itself(store: LocalStore) -> None:
    found = compare_runs(store, *manifests(store, "whole", "whole"))
    assert found.agreement == pytest.approx(1.0)
    assert (found.common, found.in_place) == (288, 1.0)
    assert {match.overlap for match in found.matches} == {1.0}
    assert {change.what for change in found.changes} == {"goes on"}


def test_a_run_over_a_part_is_compared_on_the_steps_that_both_have(store: LocalStore) -> None:
    found = compare_runs(store, *manifests(store, "part", "whole"))
    assert found.steps == (240, 288)
    assert found.common == 240
    assert found.agreement > 0.6
    assert {match.first_name for match in found.matches} == {match.second_name for match in found.matches}
    assert all(match.first_name == match.second_name for match in found.matches)


def test_coarser_templates_are_split(store: LocalStore) -> None:
    found = compare_runs(store, *manifests(store, "coarse", "whole"))
    whats = [change.what for change in found.changes]
    assert "split" in whats
    back = compare_runs(store, *manifests(store, "whole", "coarse"))
    assert back.agreement == pytest.approx(found.agreement)
    assert [c.what for c in back.changes].count("merged") == whats.count("split")


def test_the_words_mean_what_they_say() -> None:
    #        b0  b1  b2  b3  b4  b5
    counts = np.array(
        [
            [90, 0, 0, 0, 0, 0],  # goes on as b0
            [0, 50, 40, 0, 0, 0],  # split into b1 and b2
            [0, 0, 0, 30, 0, 0],  # merged with a3 into b3
            [5, 0, 0, 25, 0, 0],
            [0, 0, 0, 0, 0, 0],  # disappeared
            [3, 3, 3, 3, 3, 0],  # into everywhere: disappeared, though all of b4 came from it
        ]
    )
    names = {i: f"a{i}" for i in range(6)}
    others = {i: f"b{i}" for i in range(6)}
    assert tell_changes(counts, names, others) == (
        Change("goes on", "0 a0", "0 b0", 90),
        Change("split", "1 a1", "1 b1, 2 b2", 90),
        Change("merged", "2 a2, 3 a3", "3 b3", 58),
        Change("disappeared", "5 a5", "", 15),
        Change("disappeared", "4 a4", "", 0),
        Change("appeared", "", "4 b4", 3),
        Change("appeared", "", "5 b5", 0),
    )


@given(st.integers(1, 5), st.integers(1, 5), st.randoms(use_true_random=False))
def test_the_assignment_is_the_best_of_all(n: int, m: int, random: object) -> None:
    counts = np.array([[random.randint(0, 9) for _ in range(m)] for _ in range(n)])  # type: ignore[attr-defined]
    got = sum(match.shared for match in match_templates(counts, {}, {}))
    wide = counts if n <= m else counts.T
    best = max(
        sum(int(wide[i, j]) for i, j in enumerate(chosen))
        for chosen in permutations(range(wide.shape[1]), wide.shape[0])
    )
    assert got == best


def test_what_cannot_be_compared_is_refused(store: LocalStore, tmp_path: Path) -> None:
    (whole,) = manifests(store, "whole")
    with pytest.raises(WrongDatasetError, match="only problems of one origin are compared; got MATH and GSM8K"):
        compare_runs(store, whole, replace(whole, provenance=Provenance("gsm8k", "GSM8K")))
    with pytest.raises(UserInputError, match="is no complete run of templates"):
        compare_runs(store, whole, replace(whole, complete=False))
    other = run(store, [make_chunk(70 + i) for i in range(5)], "elsewhere")
    with pytest.raises(UserInputError, match="have no step in common"):
        compare_runs(store, whole, other)
