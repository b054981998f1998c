"""What someone changed on AWS is found by the plan, resource by resource, and repaired."""

import json
from collections.abc import Callable
from dataclasses import replace
from itertools import chain

import boto3
import pytest

from sf_transactions.provision.apply import provision
from sf_transactions.provision.keys import ensure_keys
from sf_transactions.provision.plan import plan
from sf_transactions_tests.integration.moto_aws import (
    ACCOUNT,
    changes,
    city_books,
    clients_made_once,
    moto_aws,
    quiet,
)

ANYTHING = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
OPEN_TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}
ROLE, OTHER_ROLE = "sf-transactions-redshift", "arn:aws:iam::123456789012:role/other"
POLICY = f"arn:aws:iam::{ACCOUNT}:policy/sf-transactions/sf-transactions-redshift-s3"
BUCKET = {"Bucket": "city-books"}
USER = {"UserName": "sf-transactions"}
CLUSTER = {"ClusterIdentifier": "sf-transactions"}


def s3(operation: str, **asked) -> Callable[[], object]:
    return lambda: getattr(boto3.client("s3"), operation)(**BUCKET, **asked)


def iam(operation: str, **asked) -> Callable[[], object]:
    return lambda: getattr(boto3.client("iam"), operation)(**asked)


def redshift(operation: str, **asked) -> Callable[[], object]:
    return lambda: getattr(boto3.client("redshift"), operation)(**CLUSTER, **asked)


def on_server(operation: str, **asked) -> Callable[[], object]:
    def do() -> object:
        client = boto3.client("transfer")
        server = client.list_servers()["Servers"][0]["ServerId"]
        return getattr(client, operation)(ServerId=server, **{key: told(value) for key, value in asked.items()})

    return do


def told(value):
    return value() if callable(value) else value


def group() -> str:
    named = [{"Name": "group-name", "Values": [ROLE]}]
    return boto3.client("ec2").describe_security_groups(Filters=named)["SecurityGroups"][0]["GroupId"]


def lets_in(**rule) -> Callable[[], object]:
    return lambda: boto3.client("ec2").authorize_security_group_ingress(GroupId=group(), IpPermissions=[rule])


def remove_the_rule() -> None:
    client = boto3.client("ec2")
    rules = client.describe_security_groups(GroupIds=[group()])["SecurityGroups"][0]["IpPermissions"]
    client.revoke_security_group_ingress(GroupId=group(), IpPermissions=rules)


def remove_the_key() -> None:
    client = boto3.client("transfer")
    named = {"ServerId": client.list_servers()["Servers"][0]["ServerId"], **USER}
    for key in client.describe_user(**named)["User"]["SshPublicKeys"]:
        client.delete_ssh_public_key(SshPublicKeyId=key["SshPublicKeyId"], **named)


def other_groups() -> None:
    other = boto3.client("ec2").create_security_group(GroupName="open", Description="open")["GroupId"]
    boto3.client("redshift").modify_cluster(**CLUSTER, VpcSecurityGroupIds=[other])


def other_key(folder, name: str) -> str:
    keys = ensure_keys(folder)
    return keys.host_private() if name == "host" else keys.client_public


def attach_another_policy() -> None:
    client = boto3.client("iam")
    arn = client.create_policy(PolicyName="other", PolicyDocument=json.dumps(ANYTHING))["Policy"]["Arn"]
    client.attach_role_policy(RoleName=ROLE, PolicyArn=arn)


def role_gone() -> None:
    client = boto3.client("iam")
    client.detach_role_policy(RoleName=ROLE, PolicyArn=POLICY)
    client.delete_role(RoleName=ROLE)


def glue_elsewhere() -> None:
    given = {"Name": "sf_transactions", "LocationUri": "s3://elsewhere/"}
    boto3.client("glue").update_database(Name="sf_transactions", DatabaseInput=given)


SQL_FROM_ANYWHERE = {"IpProtocol": "tcp", "FromPort": 5439, "ToPort": 5439, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
SSH = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "203.0.113.7/32"}]}
IPV6 = {"IpProtocol": "tcp", "FromPort": 5439, "ToPort": 5439, "Ipv6Ranges": [{"CidrIpv6": "::/0"}]}
NO_BLOCK = {"BlockPublicAcls": False}

# What is done, to which resource, and what the plan says of it.
ONE_EACH = {
    "no block of public access": (
        s3("delete_public_access_block"),
        "bucket city-books",
        "public access is not blocked",
    ),
    "another policy version": (
        iam("create_policy_version", PolicyArn=POLICY, PolicyDocument=json.dumps(ANYTHING), SetAsDefault=True),
        "policy sf-transactions-redshift-s3",
        "it allows something else",
    ),
    "open trust": (
        iam("update_assume_role_policy", RoleName="sf-transactions-transfer", PolicyDocument=json.dumps(OPEN_TRUST)),
        "role sf-transactions-transfer",
        "someone else may assume it",
    ),
    "old ciphers": (
        on_server("update_server", SecurityPolicyName="TransferSecurityPolicy-2018-11"),
        "SFTP server of city-books",
        "SecurityPolicyName is TransferSecurityPolicy-2018-11, not TransferSecurityPolicy-2025-03",
    ),
    "no key": (remove_the_key, "SFTP user sf-transactions", "its public key is missing"),
    "SQL from anywhere": (
        lets_in(**SQL_FROM_ANYWHERE),
        "security group sf-transactions-redshift",
        "it lets in 0.0.0.0/0 tcp 5439-5439 besides 203.0.113.7/32 tcp 5439-5439",
    ),
    "public cluster": (
        redshift("modify_cluster", PubliclyAccessible=True),
        "cluster sf-transactions",
        "it is publicly accessible",
    ),
    "catalog elsewhere": (glue_elsewhere, "Glue database sf_transactions", "its files are at s3://elsewhere/"),
}
MORE = {
    "less of the block": (
        s3("put_public_access_block", PublicAccessBlockConfiguration=NO_BLOCK),
        "bucket city-books",
        "public access is not blocked",
    ),
    "no versions": (
        s3("put_bucket_versioning", VersioningConfiguration={"Status": "Suspended"}),
        "bucket city-books",
        "versioning is off",
    ),
    "no encryption": (s3("delete_bucket_encryption"), "bucket city-books", "it has no default encryption"),
    "no lifecycle": (s3("delete_bucket_lifecycle"), "bucket city-books", "old versions and unfinished uploads"),
    "no bucket policy": (s3("delete_bucket_policy"), "bucket city-books", "its policy does not refuse requests"),
    "policy detached": (
        iam("detach_role_policy", RoleName=ROLE, PolicyArn=POLICY),
        f"role {ROLE}",
        "it lacks the policy sf-transactions-redshift-s3",
    ),
    "policy attached": (attach_another_policy, f"role {ROLE}", "someone gave it the policy other"),
    "inline policy": (
        iam("put_role_policy", RoleName=ROLE, PolicyName="more", PolicyDocument=json.dumps(ANYTHING)),
        f"role {ROLE}",
        "someone gave it the inline policy more",
    ),
    "role gone": (role_gone, f"role {ROLE}", "not there"),
    "host key": (
        lambda folder: on_server("update_server", HostKey=other_key(folder, "host"))(),
        "SFTP server of city-books",
        "it shows another host key",
    ),
    "server stopped": (on_server("stop_server"), "SFTP server of city-books", "it is offline"),
    "user's role": (on_server("update_user", Role=OTHER_ROLE, **USER), "SFTP user sf-transactions", "another role"),
    "user's home": (
        on_server("update_user", HomeDirectoryMappings=[{"Entry": "/", "Target": "/other"}], **USER),
        "SFTP user sf-transactions",
        "its home is elsewhere",
    ),
    "another key": (
        lambda folder: on_server("import_ssh_public_key", SshPublicKeyBody=other_key(folder, "client"), **USER)(),
        "SFTP user sf-transactions",
        "a key that is not ours can log in, SHA256:",
    ),
    "user gone": (on_server("delete_user", **USER), "SFTP user sf-transactions", "not there"),
    "SSH opened": (lets_in(**SSH), f"security group {ROLE}", "it lets in 203.0.113.7/32 tcp 22-22"),
    "IPv6 opened": (lets_in(**IPV6), f"security group {ROLE}", "it lets in ::/0 tcp 5439-5439"),
    "all protocols opened": (
        lets_in(IpProtocol="-1", IpRanges=[{"CidrIp": "203.0.113.7/32"}]),
        f"security group {ROLE}",
        "it lets in 203.0.113.7/32 -1 any-any",
    ),
    "rule gone": (remove_the_rule, f"security group {ROLE}", "it does not let in 203.0.113.7/32"),
    "cluster elsewhere": (other_groups, "cluster sf-transactions", "it is in other security groups"),
    "cluster without role": (
        redshift(
            "modify_cluster_iam_roles",
            RemoveIamRoles=[f"arn:aws:iam::{ACCOUNT}:role/sf-transactions/{ROLE}"],
            DefaultIamRoleArn="",
        ),
        "cluster sf-transactions",
        f"it lacks the role {ROLE}",
    ),
    "cluster with more roles": (
        redshift("modify_cluster_iam_roles", AddIamRoles=[OTHER_ROLE]),
        "cluster sf-transactions",
        "someone gave it the role other",
    ),
    "cluster in the open": (redshift("modify_cluster", Encrypted=False), "cluster sf-transactions", "is not encrypted"),
    "cluster resized": (
        redshift("modify_cluster", ClusterType="multi-node", NumberOfNodes=4),
        "cluster sf-transactions",
        "it has 4 ra3.large, not 1 ra3.large",
    ),
    "cluster paused": (redshift("pause_cluster"), "cluster sf-transactions", "it is paused"),
    "cluster's password": (
        redshift("modify_cluster", ManageMasterPassword=True),
        "cluster sf-transactions",
        "its password is Redshift's own",
    ),
    "cluster gone": (redshift("delete_cluster", SkipFinalClusterSnapshot=True), "cluster sf-transactions", "not there"),
    "catalog gone": (
        lambda: boto3.client("glue").delete_database(Name="sf_transactions"),
        "Glue database sf_transactions",
        "not there",
    ),
}


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    """One provisioned project; every test leaves it as it should be."""
    with pytest.MonkeyPatch.context() as patch, clients_made_once(), moto_aws(patch):
        settings = city_books(tmp_path_factory.mktemp("home"))
        provision(settings, quiet)
        yield settings


def repaired(settings) -> None:
    provision(settings, quiet)
    assert not plan(settings).changes


def test_drift_of_every_resource_is_found_with_its_reason_and_repaired_at_once(settings):
    for drift, _, _ in ONE_EACH.values():
        drift()
    found = changes(settings)
    assert found == {resource: f"~ {reason}" for _, resource, reason in ONE_EACH.values()}
    repaired(settings)


@pytest.mark.full
@pytest.mark.parametrize("name", MORE)
def test_a_single_drift_is_found_at_its_resource_and_repaired(settings, tmp_path, name):
    drift, resource, reason = MORE[name]
    drift(tmp_path) if name in ("host key", "another key") else drift()
    found = changes(settings)
    assert reason in found.pop(resource)
    assert not {each for each in found if not each.startswith(("role", "SFTP user", "cluster"))}, found
    repaired(settings)


@pytest.mark.full
def test_new_values_in_the_settings_take_the_place_of_the_old(settings):
    moved = replace(settings, redshift_cidr="198.51.100.0/24", redshift_node_type="ra3.xlplus", s3_noncurrent_days="7")
    found = changes(moved)
    assert set(found) == {"bucket city-books", f"security group {ROLE}", "cluster sf-transactions"}
    old, new = (f"{cidr} tcp 5439-5439" for cidr in ("203.0.113.7/32", "198.51.100.0/24"))
    assert found[f"security group {ROLE}"] == f"~ it lets in {old}; it does not let in {new}"
    repaired(moved)
    repaired(settings)


@pytest.mark.full
def test_what_was_renamed_in_the_settings_is_made_anew_and_the_old_deleted(settings):
    renamed = replace(settings, redshift_role="books-redshift", sftp_username="clerk", glue_database="books")
    signs = {(told[0], resource) for resource, told in changes(renamed).items()}
    assert {resource for sign, resource in signs if sign == "-"} == {
        f"role {ROLE}",
        "SFTP user sf-transactions",
        "Glue database sf_transactions",
    }
    repaired(renamed)
    repaired(settings)


@pytest.mark.full
def test_drift_of_a_serverless_workgroup_is_found_and_repaired(settings):
    serverless = replace(settings, redshift_workgroup="sf-books")
    repaired(serverless)
    client = boto3.client("redshift-serverless")
    drifts = {
        "publiclyAccessible is True, not False": {"publiclyAccessible": True},
        "baseCapacity is 32, not 8": {"baseCapacity": 32},
        "it takes connections without TLS": {"configParameters": []},
    }
    for change in drifts.values():
        client.update_workgroup(workgroupName="sf-books", **change)
    client.update_namespace(namespaceName="sf-books", iamRoles=[OTHER_ROLE], defaultIamRoleArn=OTHER_ROLE)
    found = changes(serverless)
    assert all(reason in found["workgroup sf-books"] for reason in chain(drifts))
    assert found["namespace sf-books"] == f"~ its one role is not {ROLE}"
    repaired(serverless)
    repaired(settings)
