"""The security group of the warehouse: the SQL port, for the addresses of the settings, and nothing else."""

import time
from collections.abc import Iterator
from functools import partial
from typing import Any

from sf_transactions.provision.aws import Aws, is_ours, tags_of
from sf_transactions.provision.desired import OWNER_TAG, REDSHIFT_PORT, Desired
from sf_transactions.provision.errors import code
from sf_transactions.provision.resource import Change, Named, Resource

# A deleted cluster's network interfaces hold on to the security group for a while.
GROUP_SECONDS = 300
PAUSE_SECONDS = 5.0


class SecurityGroup(Named):
    kind = "security group"

    @classmethod
    def owned(cls, aws: Aws, want: Desired) -> Iterator[Resource]:
        asked = [{"Name": f"tag:{OWNER_TAG}", "Values": [want.owner]}]
        for page in aws.client("ec2").get_paginator("describe_security_groups").paginate(Filters=asked):
            for group in page["SecurityGroups"]:
                yield cls(aws, want, group["GroupName"])

    def find(self) -> dict[str, Any] | None:
        return security_group(self.aws, self.name, self.want.owner)

    def tags(self, found: Any) -> dict[str, str]:
        return tags_of(found.get("Tags"))

    @property
    def _rules(self) -> list[dict[str, Any]]:
        ranges = [{"CidrIp": self.want.cidr, "Description": "SQL clients"}]
        return [{"IpProtocol": "tcp", "FromPort": REDSHIFT_PORT, "ToPort": REDSHIFT_PORT, "IpRanges": ranges}]

    def create(self) -> None:
        client = self.aws.client("ec2")
        group = client.create_security_group(
            GroupName=self.name,
            Description="SQL clients of sf_transactions",
            TagSpecifications=[{"ResourceType": "security-group", "Tags": self.want.tags}],
        )["GroupId"]
        client.get_waiter("security_group_exists").wait(GroupIds=[group])
        client.authorize_security_group_ingress(GroupId=group, IpPermissions=self._rules)

    def drift(self, found: Any) -> Iterator[Change]:
        client, group = self.aws.client("ec2"), found["GroupId"]
        opened, wanted = _opened(found["IpPermissions"]), _opened(self._rules)
        besides = "" if wanted - opened else f" besides {', '.join(wanted)}"
        for extra in sorted(opened - wanted):
            rule = _rule(found["IpPermissions"], extra)
            yield Change(
                f"it lets in {extra}{besides}",
                partial(client.revoke_security_group_ingress, GroupId=group, IpPermissions=[rule]),
            )
        if wanted - opened:
            yield Change(
                f"it does not let in {', '.join(wanted)}",
                lambda: client.authorize_security_group_ingress(GroupId=group, IpPermissions=self._rules),
            )

    def delete(self, found: Any) -> None:
        from botocore.exceptions import ClientError

        client, deadline = self.aws.client("ec2"), time.monotonic() + GROUP_SECONDS
        while True:
            try:
                client.delete_security_group(GroupId=found["GroupId"])
                return
            except ClientError as error:
                if code(error) != "DependencyViolation" or time.monotonic() > deadline:
                    raise
                time.sleep(PAUSE_SECONDS)


KINDS = (
    ("IpRanges", "CidrIp"),
    ("Ipv6Ranges", "CidrIpv6"),
    ("PrefixListIds", "PrefixListId"),
    ("UserIdGroupPairs", "GroupId"),
)


def _opened(permissions: list[dict[str, Any]]) -> set[str]:
    """What rules let in, each as text: addresses, lists or groups, with protocol and ports."""
    return {
        f"{each.get(name)} {_ports(rule)}"
        for rule in permissions
        for kind, name in KINDS
        for each in rule.get(kind, [])
    }


def _ports(rule: dict[str, Any]) -> str:
    return f"{rule['IpProtocol']} {rule.get('FromPort', 'any')}-{rule.get('ToPort', 'any')}"


def _rule(permissions: list[dict[str, Any]], text: str) -> dict[str, Any]:
    """The one rule that a text of `_opened` stands for."""
    for rule in permissions:
        for kind, name in KINDS:
            for each in rule.get(kind, []):
                if f"{each.get(name)} {_ports(rule)}" == text:
                    ports = {key: rule[key] for key in ("IpProtocol", "FromPort", "ToPort") if key in rule}
                    return ports | {kind: [{name: each[name]}]}
    raise LookupError(text)


def security_group(aws: Aws, name: str, owner: str) -> dict[str, Any] | None:
    """The group of this name, ours first: names are unique within a VPC only, and another VPC may have one."""
    found = aws.client("ec2").describe_security_groups(Filters=[{"Name": "group-name", "Values": [name]}])
    groups = found["SecurityGroups"]
    return next(
        (group for group in groups if is_ours(tags_of(group.get("Tags")), owner)), groups[0] if groups else None
    )
