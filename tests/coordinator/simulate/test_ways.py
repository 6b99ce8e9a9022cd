"""Ways to do a run: which is taken when, and why."""

from dataclasses import replace

import pytest

from coordinator.simulate.limits import AWS
from coordinator.simulate.ways import advise, prefixes_needed, reduce_parts, try_lambda, try_step_functions
from coordinator.simulate.work import Work, stated_work
from mycelium.reduce import MANY_PARTS, STORED_FAN_IN

FIXED = Work((1.0,), (0.0,), 0.0, 0.0)


def test_few_parts_are_reduced_as_they_come_and_many_in_levels() -> None:
    assert reduce_parts(MANY_PARTS, AWS) == (0.0, 0)
    wall_s, n = reduce_parts(MANY_PARTS + 1, AWS)
    assert n == -(-(MANY_PARTS + 1) // STORED_FAN_IN) + 2 + 1
    assert wall_s > 3 * STORED_FAN_IN * AWS.round_trip_s


def test_chunks_made_one_are_fewer_tasks_of_the_same_work() -> None:
    one, ten = (try_lambda(FIXED, 1000, AWS, factor) for factor in (1, 10))
    assert (one.run.n_tasks, ten.run.n_tasks) == (1000, 100)
    assert one.sequential_s == ten.sequential_s == pytest.approx(1000)
    assert (one.requests, ten.requests) == (1000, 100)


def test_a_state_machine_is_looked_at_now_and_then() -> None:
    way = try_step_functions(FIXED, 1000, AWS)
    assert way.wall_s > way.run.wall_s
    assert way.wall_s <= way.run.wall_s + AWS.poll_s + 2.0
    assert way.requests == 2000


def test_small_tasks_keep_one_coordinator_from_filling_the_account() -> None:
    # 1,000 at once of 0.1 s are 10,000 a second, and one coordinator sends 3,333.
    ways = [try_lambda(stated_work("0.1"), 9_000, AWS, factor) for factor in (1, 10)]
    assert ways[0].run.bound_by == "dispatch"
    assert ways[0].run.wall_s == pytest.approx(ways[0].run.bounds["dispatch"], rel=0.15)
    assert "lambda, chunks 10 times as large" in advise(ways, AWS)


def test_what_is_as_fast_and_simpler_is_taken() -> None:
    work = stated_work("30")
    ways = [try_lambda(work, 5000, AWS), try_lambda(work, 5000, AWS, 10), try_step_functions(work, 5000, AWS)]
    assert advise(ways, AWS).startswith("lambda; bound by concurrency; one prefix")


def test_what_takes_hours_is_for_the_state_machine() -> None:
    work = stated_work("600")
    ways = [try_lambda(work, 10_000, AWS), try_step_functions(work, 10_000, AWS)]
    assert advise(ways, AWS).startswith("step-functions; bound by concurrency")


def test_a_way_whose_tasks_run_out_of_time_is_not_taken() -> None:
    work = stated_work("100")
    ways = [try_lambda(work, 2000, AWS), try_lambda(work, 2000, AWS, 10)]
    assert ways[1].run.timeouts == 200
    assert advise(ways, AWS).startswith("lambda; ")


def test_the_paper_s_117_chunks_take_one_round() -> None:
    way = try_lambda(Work((0.3,), (0.35,), 1.0, 1.0), 117, AWS)
    assert way.wall_s == pytest.approx(117 * AWS.dispatch_s + 0.35 + 0.3 + AWS.round_trip_s, abs=0.05)


def test_keys_are_spread_where_puts_are_what_bounds_a_run() -> None:
    limits = replace(AWS, concurrency=20_000, burst=20_000, dispatch_s=0.00001)
    work = Work((0.3,), (0.0,), 1.0, 1.0)
    slow = try_lambda(work, 30_000, limits)
    assert slow.run.bound_by == "PUTs"
    n = prefixes_needed([slow], limits)
    assert n > 1
    spread = try_lambda(work, 30_000, replace(limits, n_prefixes=4 * n))
    assert spread.run.bound_by != "PUTs"
    assert prefixes_needed([try_lambda(work, 9_000, AWS)], AWS) == 1
