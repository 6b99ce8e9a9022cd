"""The stack makes of each stage what the stage says."""

from typing import Any

import aws_cdk as cdk
import pytest

from infra import packaging
from infra.cloud_stack import CloudStack, plan_reduce, plan_stage
from infra.options import Options
from lambdas.stages import find_stage, stage_names
from mycelium.errors import UserInputError
from mycelium.stage import Stage


def all_stages() -> list[Stage[Any]]:
    return [find_stage(name) for name in stage_names()]


@pytest.mark.parametrize("name", stage_names())
def test_a_function_carries_what_its_stage_requires(name: str) -> None:
    stage = find_stage(name)
    plan = plan_stage(stage)
    assert plan.requires == stage.requires
    assert (plan.memory_mb, plan.timeout_s) == (stage.memory_mb, stage.timeout_s)


def test_the_reduce_carries_what_any_stage_requires() -> None:
    stages = all_stages()
    plan = plan_reduce(stages)
    for stage in stages:
        assert set(stage.requires) <= set(plan.requires)
        assert plan.memory_mb >= stage.memory_mb
        assert plan.timeout_s >= stage.timeout_s


def test_a_stack_whose_function_is_too_large_is_not_built(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: str, *_others: object) -> None:
        raise UserInputError(f"function {name} has 300.0 MB")

    monkeypatch.setattr("infra.cloud_stack.build_asset", refuse)
    with pytest.raises(UserInputError, match="function heartbeat has"):
        CloudStack(cdk.App(), "stack", stages=[find_stage("heartbeat")], options=Options())


def test_nothing_is_packaged_where_nothing_is_deployed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packaging, "build_asset", None)
    app = cdk.App(context={"aws:cdk:bundling-stacks": []})
    CloudStack(app, "stack", stages=all_stages(), options=Options())
