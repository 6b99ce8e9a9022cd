"""One limit over runs side by side: never more put by than there is, and no run stopped while money may come free."""

import random
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from coordinator.cost.limit import CostLimit
from coordinator.cost.shared import SharedLimit
from mycelium.manifest import Outcome
from tests.coordinator.cost.test_limit import make_limit, make_outcome


def test_a_run_alone_has_all_of_it() -> None:
    shared = SharedLimit(1.0)
    with shared.share(make_limit(0.0, dearest_usd=0.1)) as share:
        assert share.allow(100) == 10
    assert shared.spent_usd == 0


def test_what_another_has_spent_is_gone_after_its_end_too() -> None:
    shared = SharedLimit(1.0)
    with shared.share(make_limit(0.0, dearest_usd=0.1)) as first:
        assert first.allow(5) == 5
        for _ in range(5):
            first.take(make_outcome(100))
    with shared.share(make_limit(0.0, dearest_usd=0.2)) as second:
        assert second.allow(100) == 2
        assert second.describe() == (
            "$0.5 are spent by all stages, one more chunk of this one may cost $0.2, and --max-cost is $1.00"
        )


def test_a_run_waits_for_what_another_has_put_by_and_then_starts_all() -> None:
    shared = SharedLimit(1.0)
    with (
        shared.share(make_limit(0.0, dearest_usd=0.1)) as first,
        shared.share(make_limit(0.0, dearest_usd=0.1)) as second,
    ):
        assert first.allow(8) == 8
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(second.allow, 6)
            for _ in range(8):  # they turn out cheap: 0.01 each
                first.take(make_outcome(10))
            assert waiting.result() == 6


def test_a_run_that_ends_by_an_error_sets_free_what_it_had_put_by() -> None:
    shared = SharedLimit(1.0)
    with shared.share(make_limit(0.0, dearest_usd=0.1)) as second:

        def fail() -> None:
            with shared.share(make_limit(0.0, dearest_usd=0.1)) as first:
                first.allow(10)
                started.set()
                raise RuntimeError

        started = threading.Event()
        with ThreadPoolExecutor(1) as pool:
            failing = pool.submit(fail)
            started.wait()
            assert second.allow(10) == 10
            assert isinstance(failing.exception(), RuntimeError)


def test_nothing_is_waited_for_after_ctrl_c() -> None:
    shared, stop = SharedLimit(1.0), threading.Event()
    with (
        shared.share(make_limit(0.0, dearest_usd=0.1)) as first,
        shared.share(make_limit(0.0, dearest_usd=0.1), stop) as second,
    ):
        first.allow(10)
        stop.set()
        assert second.allow(10) == 0


@pytest.mark.parametrize("seed", range(20))
def test_many_runs_together_stay_within_it_and_use_it_up(seed: int) -> None:
    """Threads that start tasks as they are let; each costs at most the dearest, so the limit holds exactly."""
    shared = SharedLimit(10.0)
    dearest = [0.1, 0.3, 0.25, 0.05]

    def go(number: int) -> tuple[int, CostLimit]:
        rng, own = random.Random(f"{seed} {number}"), make_limit(0.0, dearest_usd=dearest[number])
        left = 60
        with shared.share(own) as share:
            while left and (n := share.allow(left)):
                left -= n
                for _ in range(n):
                    share.take(Outcome("0", "done", billed_ms=int(rng.uniform(0.3, 1.0) * dearest[number] * 1000)))
        return left, own

    with ThreadPoolExecutor(4) as pool:
        ends = list(pool.map(go, range(4)))
    assert shared.spent_usd <= 10.0 + 1e-9
    assert shared.spent_usd == pytest.approx(sum(own.spent_usd for _, own in ends))
    for number, (left, _) in enumerate(ends):
        assert left == 0 or shared.spent_usd + dearest[number] > 10.0
