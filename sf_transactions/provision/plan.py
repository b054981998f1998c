"""The plan: what AWS lacks or has otherwise than it should be, as actions that know how to do themselves."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from sf_transactions.provision import actual, make
from sf_transactions.provision.actual import Aws
from sf_transactions.provision.desired import Desired, Role, desired
from sf_transactions.provision.errors import explained
from sf_transactions.provision.keys import Keys, ensure_keys, fingerprint
from sf_transactions.settings import Settings


@dataclass(frozen=True)
class Action:
    """A resource and what is to be done: + create, ~ change, = keep."""

    sign: str
    resource: str
    reason: str
    do: Callable[[], Any] | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True)
class Plan:
    actions: tuple[Action, ...]

    @property
    def changes(self) -> bool:
        return any(action.sign != "=" for action in self.actions)

    def lines(self) -> list[str]:
        lines = [f"{action.sign} {action.resource:<44} {action.reason}" for action in self.actions]
        count = sum(action.sign != "=" for action in self.actions)
        return [*lines, f"{count} to create or change" if count else "nothing to do"]


def plan(settings: Settings) -> Plan:
    """Compares AWS with what should be. Raises ProvisionError or SettingsError; changes nothing on AWS."""
    aws = actual.connect()
    keys = ensure_keys(settings.home)
    want = desired(settings, aws.account, aws.region, keys.client_public)
    return Plan(tuple(actions(aws, want, keys, settings)))


def actions(aws: Aws, want: Desired, keys: Keys, settings: Settings) -> Iterator[Action]:
    """The actions in dependency order. Each is worked out when it is asked for, so that applying them one by one
    sees what the ones before have made."""
    for what, step in (
        (f"bucket {want.bucket}", lambda: _bucket(aws, want)),
        (f"role {want.transfer_role.name}", lambda: _role(aws, want, want.transfer_role)),
        (f"role {want.redshift_role.name}", lambda: _role(aws, want, want.redshift_role)),
        ("SFTP server", lambda: _server(aws, want, keys)),
        (f"SFTP user {want.sftp_username}", lambda: _user(aws, want)),
        (f"security group {want.security_group}", lambda: _security_group(aws, want)),
        (f"cluster {want.cluster}", lambda: _cluster(aws, want, settings)),
    ):
        with explained(what):
            sign, reason, do = step()
        yield Action(sign, what, reason, do)


Step = tuple[str, str, Callable[[], Any] | None]
KEEP: Step = ("=", "as it should be", None)


def _bucket(aws: Aws, want: Desired) -> Step:
    tags = actual.bucket_tags(aws, want.bucket)
    if tags is None:
        return "+", "not there", lambda: make.bucket(aws, want)
    actual.refuse_foreign(f"bucket {want.bucket}", tags, want.owner)
    wrong = make.bucket_drift(aws, want)
    return ("~", wrong, lambda: make.bucket_settings(aws, want)) if wrong else KEEP


def _role(aws: Aws, want: Desired, role: Role) -> Step:
    found = actual.role(aws, role.name)
    if found is None:
        return "+", "not there", lambda: make.role(aws, want, role)
    actual.refuse_foreign(f"role {role.name}", found.get("Tags", []), want.owner)
    if found["AssumeRolePolicyDocument"] != role.trust:
        return "~", "who may assume it was changed", lambda: make.role_documents(aws, role)
    if actual.role_policy(aws, role.name, role.policy_name) != role.policy:
        return "~", "its policy was changed or is missing", lambda: make.role_documents(aws, role)
    return KEEP


def _server(aws: Aws, want: Desired, keys: Keys) -> Step:
    server = actual.sftp_server(aws, want.owner)
    if server is None:
        return "+", "not there", lambda: make.sftp_server(aws, want, keys)
    pinned = fingerprint(keys.host_public)
    if actual.host_key_shown(aws, server) != pinned:
        return (
            "~",
            f"it shows another host key than {keys.host_key}, {pinned}",
            lambda: make.sftp_host_key(aws, server, keys),
        )
    return KEEP


def _user(aws: Aws, want: Desired) -> Step:
    server = actual.sftp_server(aws, want.owner)
    found = actual.sftp_user(aws, server, want.sftp_username) if server else None
    if server is None or found is None:
        return "+", "not there", lambda: make.sftp_user(aws, want)
    if wrong := make.sftp_user_drift(want, found):
        return "~", wrong, lambda: make.sftp_user_anew(aws, want, server)
    bodies = [" ".join(key["SshPublicKeyBody"].split()[:2]) for key in found.get("SshPublicKeys", [])]
    if " ".join(want.client_public_key.split()[:2]) not in bodies:
        return "~", "its public key is missing", lambda: make.sftp_key(aws, want)
    return KEEP


def _security_group(aws: Aws, want: Desired) -> Step:
    found = actual.security_group(aws, want.security_group, want.owner)
    if found is None:
        return "+", "not there", lambda: make.security_group(aws, want)
    actual.refuse_foreign(f"security group {want.security_group}", found.get("Tags", []), want.owner)
    opened, wanted = make.opened(found["IpPermissions"]), make.opened(make.rules(want))
    if opened != wanted:
        return (
            "~",
            f"opens {', '.join(sorted(opened)) or 'nothing'}, not {', '.join(wanted)}",
            lambda: make.security_group_rules(aws, want, found),
        )
    return KEEP


def _cluster(aws: Aws, want: Desired, settings: Settings) -> Step:
    found = actual.cluster(aws, want.cluster)
    if found is None:
        return "+", "not there", lambda: make.cluster(aws, want, settings.required("redshift_password"))
    actual.refuse_foreign(f"cluster {want.cluster}", found.get("Tags", []), want.owner)
    repairs: list[tuple[str, Callable[[], Any]]] = []
    roles = [role["IamRoleArn"] for role in found.get("IamRoles", [])]
    if not any(arn.endswith(f":role/{want.redshift_role.name}") for arn in roles):
        repairs.append((f"it lacks the role {want.redshift_role.name}", lambda: make.cluster_role(aws, want)))
    group = actual.security_group(aws, want.security_group, want.owner)
    groups = [each["VpcSecurityGroupId"] for each in found.get("VpcSecurityGroups", [])]
    if found.get("PubliclyAccessible"):
        repairs.append(("it is publicly accessible", lambda: make.cluster_network(aws, want)))
    elif groups != [group["GroupId"]] if group else True:
        repairs.append(("it is in other security groups", lambda: make.cluster_network(aws, want)))
    if repairs:
        return "~", "; ".join(reason for reason, _ in repairs), lambda: [repair() for _, repair in repairs]
    return KEEP
