"""What a run took, from its own manifest."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.cost.actual import actual_cost
from coordinator.cost.headline import Headline, measure_run
from coordinator.cost.prices import LIST_PRICES
from mycelium.manifest import Manifest, Outcome
from mycelium.schema import Provenance

MANIFEST = Manifest(
    "run-000000000000",
    Provenance("x", "X", "t"),
    "heartbeat",
    1,
    {},
    "",
    "local",
    (),
    0.0,
    2.0,
    complete=True,
    n_chunks=2,
    outcomes=(
        Outcome("00000", "done", wall_s=1.5, bytes_read=1_000_000),
        Outcome("00001", "done", wall_s=2.0, bytes_read=3_500_000, attempts=3),
    ),
)


def test_a_run_on_one_s_own_machine_costs_nothing() -> None:
    assert measure_run(MANIFEST) == Headline(3.5, 2.0, 0.0, (), 4_500_000)
    assert measure_run(MANIFEST).describe() == "3.5 s of tasks in 2.0 s (1.8 at once), $0.00, 4.5 MB read"


def test_a_run_on_lambda_costs_what_was_billed_at_the_prices_given() -> None:
    outcomes = tuple(replace(outcome, billed_ms=10_000) for outcome in MANIFEST.outcomes)
    manifest = replace(MANIFEST, executor="lambda", outcomes=outcomes)
    dear = replace(LIST_PRICES, lambda_arm64_gb_s=0.5)
    for prices in (LIST_PRICES, dear):
        found = measure_run(manifest, prices)
        assert found.usd == actual_cost(manifest, prices).usd > 0
    assert "s (1.8 at once), $17.28, 4.5 MB read" in measure_run(manifest, dear).describe()


def test_dollars_that_nobody_measured_are_not_made_up() -> None:
    found = measure_run(replace(MANIFEST, executor="in process"))
    assert found.usd is None
    assert "dollars not known" in found.describe()


def test_dollars_that_lack_something_are_a_least() -> None:
    found = measure_run(replace(MANIFEST, executor="step-functions"))
    assert found.usd_lacks
    assert "at least $0.0" in found.describe()


@given(st.lists(st.tuples(st.floats(0, 1e6), st.integers(0, 1 << 50)), max_size=5), st.floats(0, 1e9))
def test_the_figures_are_sums_and_always_have_words(tasks: list[tuple[float, int]], wall_s: float) -> None:
    outcomes = tuple(Outcome(str(i), "done", wall_s=s, bytes_read=n) for i, (s, n) in enumerate(tasks))
    found = measure_run(replace(MANIFEST, outcomes=outcomes, wall_s=wall_s))
    assert found.task_s == pytest.approx(sum(s for s, _ in tasks))  # from Python 3.12 on sums are compensated
    assert found.bytes_read == sum(n for _, n in tasks)
    assert found.wall_s == wall_s
    assert "\n" not in found.describe()
