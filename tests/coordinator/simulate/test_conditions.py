"""The conditions that the page names are those that the simulation has."""

from dataclasses import replace

from coordinator.simulate import page
from coordinator.simulate.conditions import render_conditions
from coordinator.simulate.limits import AWS
from coordinator.simulate.work import stated_work


def test_the_page_says_what_its_runs_assume() -> None:
    said = page.PAGE.read_text().partition(page.CONDITIONS_BEGIN)[2].partition(page.CONDITIONS_END)[0].strip()
    assert said == render_conditions(AWS, stated_work(page.STATED[0]))


def test_another_limit_is_another_condition() -> None:
    other = render_conditions(replace(AWS, concurrency=2000), stated_work("1"))
    assert "| tasks at a time | 2,000 | AWS's default, documented" in other
