"""AWS::EC2::LaunchTemplate, AWS::EC2::SecurityGroupIngress, AWS::EC2::SecurityGroupEgress."""

from typing import Any, ClassVar

from localstack_process_executor.resources.base import Model, Resource, named, only, schema


class LaunchTemplate(Resource):
    """A launch template; a change makes a new version, as on AWS."""

    SCHEMA = schema("AWS::EC2::LaunchTemplate", "LaunchTemplateId", create_only=("LaunchTemplateName",))
    kept = ("LaunchTemplateId", "LaunchTemplateName", "DefaultVersionNumber")

    def put(self, model: Model, clients: Any, request: Any) -> None:  # noqa: D102, ANN401 - see the base
        named(model, "LaunchTemplateName", request)
        arguments = only(model, "LaunchTemplateName", "LaunchTemplateData", "VersionDescription", "TagSpecifications")
        self._fill(model, clients.ec2.create_launch_template(**arguments)["LaunchTemplate"])

    def change(self, model: Model, previous: Model, clients: Any) -> None:  # noqa: D102, ANN401 - see the base
        if model.get("LaunchTemplateData") != previous.get("LaunchTemplateData"):
            arguments = only(model, "LaunchTemplateId", "LaunchTemplateData", "VersionDescription")
            clients.ec2.create_launch_template_version(**arguments)
        found = clients.ec2.describe_launch_templates(LaunchTemplateIds=[model["LaunchTemplateId"]])
        self._fill(model, found["LaunchTemplates"][0])

    def remove(self, model: Model, clients: Any) -> None:  # noqa: D102, ANN401 - see the base
        clients.ec2.delete_launch_template(LaunchTemplateId=model["LaunchTemplateId"])

    @staticmethod
    def _fill(model: Model, template: Model) -> None:
        model["LaunchTemplateId"] = template["LaunchTemplateId"]
        # CloudFormation gives both as strings.
        model["DefaultVersionNumber"] = str(template["DefaultVersionNumber"])
        model["LatestVersionNumber"] = str(template["LatestVersionNumber"])


class _SecurityGroupRule(Resource):
    """A rule that stands beside its group, as CDK writes it when two groups name each other."""

    direction: ClassVar[str]
    peer: ClassVar[str]
    kept = ("Id",)

    def put(self, model: Model, clients: Any, request: Any) -> None:  # noqa: ANN401, ARG002 - see the base
        authorize = getattr(clients.ec2, f"authorize_security_group_{self.direction}")
        rules = authorize(GroupId=model["GroupId"], IpPermissions=[self._permission(model)])["SecurityGroupRules"]
        model["Id"] = rules[0]["SecurityGroupRuleId"]

    def change(self, model: Model, previous: Model, clients: Any) -> None:  # noqa: ANN401 - see the base
        self.remove(previous, clients)
        self.put(model, clients, None)

    def remove(self, model: Model, clients: Any) -> None:  # noqa: ANN401 - see the base
        revoke = getattr(clients.ec2, f"revoke_security_group_{self.direction}")
        revoke(GroupId=model["GroupId"], IpPermissions=[self._permission(model)])

    def _permission(self, model: Model) -> Model:
        permission = only(model, "IpProtocol", "FromPort", "ToPort")
        description = only(model, "Description")
        if "CidrIp" in model:
            permission["IpRanges"] = [{"CidrIp": model["CidrIp"], **description}]
        if "CidrIpv6" in model:
            permission["Ipv6Ranges"] = [{"CidrIpv6": model["CidrIpv6"], **description}]
        if self.peer in model:
            permission["UserIdGroupPairs"] = [{"GroupId": model[self.peer], **description}]
        return permission


class SecurityGroupIngress(_SecurityGroupRule):
    """A rule for what comes in."""

    SCHEMA = schema("AWS::EC2::SecurityGroupIngress", "Id", create_only=("GroupId",))
    direction = "ingress"
    peer = "SourceSecurityGroupId"


class SecurityGroupEgress(_SecurityGroupRule):
    """A rule for what goes out."""

    SCHEMA = schema("AWS::EC2::SecurityGroupEgress", "Id", create_only=("GroupId",))
    direction = "egress"
    peer = "DestinationSecurityGroupId"
