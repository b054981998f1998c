"""IAM: the two roles and their policies. A policy is deleted only when no role holds it."""

import json
from collections.abc import Iterator
from functools import partial
from typing import Any

from sf_transactions.provision import desired
from sf_transactions.provision.aws import Aws, is_ours, tags_of
from sf_transactions.provision.desired import IAM_PATH, Desired
from sf_transactions.provision.resource import Change, Resource, once_role_is_known, unless_gone

GONE = "NoSuchEntity"
VERSIONS = 5  # of a policy, at most


class Policy(Resource):
    kind = "policy"

    def __init__(self, aws: Aws, want: Desired, policy: desired.Policy) -> None:
        super().__init__(aws, want)
        self.policy = policy

    @property
    def name(self) -> str:
        return self.policy.name

    @property
    def arn(self) -> str:
        return self.want.iam_arn("policy", self.name)

    def find(self) -> dict[str, Any] | None:
        answer = unless_gone(self.aws.client("iam").get_policy, GONE, PolicyArn=self.arn)
        return answer["Policy"] if answer else None

    def tags(self, found: Any) -> dict[str, str]:
        return tags_of(found.get("Tags"))

    def create(self) -> None:
        client = self.aws.client("iam")
        client.create_policy(
            PolicyName=self.name, Path=IAM_PATH, PolicyDocument=json.dumps(self.policy.document), Tags=self.want.tags
        )
        client.get_waiter("policy_exists").wait(PolicyArn=self.arn)

    def drift(self, found: Any) -> Iterator[Change]:
        version = self.aws.client("iam").get_policy_version(PolicyArn=self.arn, VersionId=found["DefaultVersionId"])
        if version["PolicyVersion"]["Document"] != self.policy.document:
            yield Change("it allows something else", self._new_version)

    def _new_version(self) -> None:
        client = self.aws.client("iam")
        old = [each for each in self._versions() if not each["IsDefaultVersion"]]
        if len(old) + 1 >= VERSIONS:
            client.delete_policy_version(PolicyArn=self.arn, VersionId=old[-1]["VersionId"])
        client.create_policy_version(
            PolicyArn=self.arn, PolicyDocument=json.dumps(self.policy.document), SetAsDefault=True
        )

    def _versions(self) -> list[dict[str, Any]]:
        """Newest first."""
        return self.aws.client("iam").list_policy_versions(PolicyArn=self.arn)["Versions"]

    def delete(self, found: Any) -> None:
        client = self.aws.client("iam")
        holders = client.list_entities_for_policy(PolicyArn=self.arn)
        for role in holders.get("PolicyRoles", []):
            client.detach_role_policy(RoleName=role["RoleName"], PolicyArn=self.arn)
        for version in self._versions():
            if not version["IsDefaultVersion"]:
                client.delete_policy_version(PolicyArn=self.arn, VersionId=version["VersionId"])
        client.delete_policy(PolicyArn=self.arn)

    @classmethod
    def owned(cls, aws: Aws, want: Desired) -> Iterator[Resource]:
        client = aws.client("iam")
        for page in client.get_paginator("list_policies").paginate(Scope="Local", PathPrefix=IAM_PATH):
            for each in page["Policies"]:
                if is_ours(tags_of(client.list_policy_tags(PolicyArn=each["Arn"])["Tags"]), want.owner):
                    yield cls(aws, want, desired.Policy(each["PolicyName"], {}))


class Role(Resource):
    kind = "role"

    def __init__(self, aws: Aws, want: Desired, role: desired.Role) -> None:
        super().__init__(aws, want)
        self.role = role

    @property
    def name(self) -> str:
        return self.role.name

    @property
    def policies(self) -> list[str]:
        return [self.want.iam_arn("policy", self.role.policy.name), *self.role.aws_policies]

    def find(self) -> dict[str, Any] | None:
        answer = unless_gone(self.aws.client("iam").get_role, GONE, RoleName=self.name)
        return answer["Role"] if answer else None

    def tags(self, found: Any) -> dict[str, str]:
        return tags_of(found.get("Tags"))

    def create(self) -> None:
        client = self.aws.client("iam")
        client.create_role(
            RoleName=self.name,
            Path=IAM_PATH,
            AssumeRolePolicyDocument=json.dumps(self.role.trust),
            Description="sf_transactions",
            Tags=self.want.tags,
        )
        client.get_waiter("role_exists").wait(RoleName=self.name)
        for policy in self.policies:
            self._attach(policy)

    def _attach(self, arn: str) -> None:
        client = self.aws.client("iam")
        once_role_is_known(lambda: client.attach_role_policy(RoleName=self.name, PolicyArn=arn))

    def drift(self, found: Any) -> Iterator[Change]:
        client = self.aws.client("iam")
        if found["AssumeRolePolicyDocument"] != self.role.trust:
            document = json.dumps(self.role.trust)
            yield Change(
                "someone else may assume it",
                lambda: client.update_assume_role_policy(RoleName=self.name, PolicyDocument=document),
            )
        attached = self._attached()
        for arn in self.policies:
            if arn not in attached:
                yield Change(
                    f"it lacks the policy {arn.rsplit('/', 1)[-1]}",
                    partial(self._attach, arn),
                )
        for arn in attached:
            if arn not in self.policies:
                yield Change(
                    f"someone gave it the policy {arn.rsplit('/', 1)[-1]}",
                    partial(client.detach_role_policy, RoleName=self.name, PolicyArn=arn),
                )
        for inline in client.list_role_policies(RoleName=self.name)["PolicyNames"]:
            yield Change(
                f"someone gave it the inline policy {inline}",
                partial(client.delete_role_policy, RoleName=self.name, PolicyName=inline),
            )

    def _attached(self) -> list[str]:
        pages = self.aws.client("iam").get_paginator("list_attached_role_policies").paginate(RoleName=self.name)
        return [each["PolicyArn"] for page in pages for each in page["AttachedPolicies"]]

    def delete(self, found: Any) -> None:
        client = self.aws.client("iam")
        for arn in self._attached():
            client.detach_role_policy(RoleName=self.name, PolicyArn=arn)
        for inline in client.list_role_policies(RoleName=self.name)["PolicyNames"]:
            client.delete_role_policy(RoleName=self.name, PolicyName=inline)
        client.delete_role(RoleName=self.name)

    @classmethod
    def owned(cls, aws: Aws, want: Desired) -> Iterator[Resource]:
        client = aws.client("iam")
        for page in client.get_paginator("list_roles").paginate(PathPrefix=IAM_PATH):
            for each in page["Roles"]:
                if is_ours(tags_of(client.list_role_tags(RoleName=each["RoleName"])["Tags"]), want.owner):
                    yield cls(aws, want, desired.Role(each["RoleName"], {}, desired.Policy("", {})))


def role_arn(aws: Aws, want: Desired, name: str) -> str:
    """The role's ARN as AWS tells it: a role of ours that stands under another path is taken as it is."""
    answer = unless_gone(aws.client("iam").get_role, GONE, RoleName=name)
    return answer["Role"]["Arn"] if answer else want.iam_arn("role", name)
