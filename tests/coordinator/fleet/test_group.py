"""How many machines, of which type, spot or not: all of it is the group's, and the stack's template stays."""

import pytest

from coordinator.fleet.group import Group, ask_spot_price, open_group
from mycelium.errors import DeploymentError, UserInputError
from tests.coordinator.fleet.conftest import Deployed


@pytest.fixture
def group(deployed: Deployed) -> Group:
    return open_group(str(deployed.places.group), deployed.places.region)


def test_it_is_none_at_first(group: Group) -> None:
    look = group.look()
    assert (look.desired, look.most, look.running) == (0, 4, 0)


@pytest.mark.parametrize(("spot", "percent"), [(True, 0), (False, 100)])
def test_it_has_as_many_as_are_wanted_of_the_type_that_is(
    spot: bool, percent: int, group: Group, deployed: Deployed
) -> None:
    before = deployed.group()["MixedInstancesPolicy"]["LaunchTemplate"]["LaunchTemplateSpecification"]
    group.start(3, "g5.xlarge", spot=spot)
    found = deployed.group()
    policy = found["MixedInstancesPolicy"]
    assert (found["DesiredCapacity"], len(found["Instances"]), group.look().running) == (3, 3, 3)
    assert policy["LaunchTemplate"]["Overrides"] == [{"InstanceType": "g5.xlarge"}]
    assert policy["InstancesDistribution"]["OnDemandPercentageAboveBaseCapacity"] == percent
    after = policy["LaunchTemplate"]["LaunchTemplateSpecification"]
    assert (after["LaunchTemplateId"], after["Version"]) == (before["LaunchTemplateId"], before["Version"])
    group.stop()
    assert (group.look().desired, group.look().running) == (0, 0)


def test_more_than_the_stack_allows_says_what_to_deploy(group: Group) -> None:
    group.check(4)
    with pytest.raises(UserInputError, match=r'at most 4 machines: .*`cdk deploy "gpu/\*" -c gpu_max=5`'):
        group.check(5)


def test_no_group_says_what_to_deploy(deployed: Deployed) -> None:
    gone = open_group("no-such-group", deployed.places.region)
    for call in (gone.look, gone.stop, lambda: gone.start(1, "g5.xlarge", spot=False)):
        with pytest.raises(DeploymentError, match=r"no Auto Scaling group no-such-group here: run `cdk"):
            call()


def test_the_spot_price_is_asked_of_ec2(aws: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ask_spot_price("g5.xlarge", "us-east-1") == 0.00001  # what this endpoint says
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    assert ask_spot_price("g5.xlarge", "us-east-1") is None
