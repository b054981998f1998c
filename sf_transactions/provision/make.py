"""How each resource is made or set right: one function a resource, each safe to repeat."""

import json
import time
from collections.abc import Callable
from typing import Any

from sf_transactions.provision import actual
from sf_transactions.provision.actual import Aws
from sf_transactions.provision.desired import REDSHIFT_PORT, Desired, Role
from sf_transactions.provision.errors import code, message
from sf_transactions.provision.keys import Keys

NOT_PUBLIC = {
    "BlockPublicAcls": True,
    "IgnorePublicAcls": True,
    "BlockPublicPolicy": True,
    "RestrictPublicBuckets": True,
}


# A new role is known to all of AWS only after some seconds.
ROLE_SECONDS = 60
PAUSE_SECONDS = 3.0


def bucket(aws: Aws, want: Desired) -> None:
    client = aws.client("s3")
    # us-east-1 is the one region that must not be named.
    place = {} if aws.region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": aws.region}}
    client.create_bucket(Bucket=want.bucket, **place)
    client.put_bucket_tagging(Bucket=want.bucket, Tagging={"TagSet": want.tags})
    bucket_settings(aws, want)


def bucket_settings(aws: Aws, want: Desired) -> None:
    """Private, versioned and encrypted. There is no policy that refuses requests without TLS: it makes sense over
    https only, and a stand-in reached over http would lock everyone out."""
    client = aws.client("s3")
    client.put_public_access_block(Bucket=want.bucket, PublicAccessBlockConfiguration=NOT_PUBLIC)
    client.put_bucket_versioning(Bucket=want.bucket, VersioningConfiguration={"Status": "Enabled"})
    client.put_bucket_encryption(
        Bucket=want.bucket,
        ServerSideEncryptionConfiguration={
            "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
        },
    )


def bucket_drift(aws: Aws, want: Desired) -> str:
    """What is wrong with the bucket's settings, or nothing."""
    from botocore.exceptions import ClientError

    client = aws.client("s3")
    try:
        blocked = client.get_public_access_block(Bucket=want.bucket)["PublicAccessBlockConfiguration"]
    except ClientError as error:
        if code(error) != "NoSuchPublicAccessBlockConfiguration":
            raise
        blocked = {}
    if blocked != NOT_PUBLIC:
        return "public access is not blocked"
    if client.get_bucket_versioning(Bucket=want.bucket).get("Status") != "Enabled":
        return "versioning is off"
    try:
        client.get_bucket_encryption(Bucket=want.bucket)
    except ClientError as error:
        if code(error) != "ServerSideEncryptionConfigurationNotFoundError":
            raise
        return "it has no default encryption"
    return ""


def role(aws: Aws, want: Desired, role: Role) -> None:
    client = aws.client("iam")
    client.create_role(RoleName=role.name, AssumeRolePolicyDocument=json.dumps(role.trust), Tags=want.tags)
    client.get_waiter("role_exists").wait(RoleName=role.name)
    role_documents(aws, role)


def role_documents(aws: Aws, role: Role) -> None:
    client = aws.client("iam")
    client.update_assume_role_policy(RoleName=role.name, PolicyDocument=json.dumps(role.trust))
    client.put_role_policy(RoleName=role.name, PolicyName=role.policy_name, PolicyDocument=json.dumps(role.policy))


def role_arn(aws: Aws, name: str) -> str:
    found = actual.role(aws, name)
    return found["Arn"] if found else f"arn:aws:iam::{aws.account}:role/{name}"


def sftp_server(aws: Aws, want: Desired, keys: Keys) -> None:
    client = aws.client("transfer")
    server = client.create_server(
        Domain="S3",
        EndpointType="PUBLIC",
        IdentityProviderType="SERVICE_MANAGED",
        Protocols=["SFTP"],
        HostKey=keys.host_private(),
        Tags=want.tags,
    )["ServerId"]
    client.get_waiter("server_online").wait(ServerId=server)


def sftp_host_key(aws: Aws, server: str, keys: Keys) -> None:
    """Gives the server the host key that this home pins."""
    client = aws.client("transfer")
    client.update_server(ServerId=server, HostKey=keys.host_private())
    client.get_waiter("server_online").wait(ServerId=server)


def sftp_user(aws: Aws, want: Desired) -> None:
    client, role = aws.client("transfer"), role_arn(aws, want.transfer_role.name)
    server = actual.sftp_server(aws, want.owner)
    _once_role_is_known(
        lambda: client.create_user(
            ServerId=server,
            UserName=want.sftp_username,
            Role=role,
            HomeDirectoryType="LOGICAL",
            HomeDirectoryMappings=list(want.home_mapping),
            SshPublicKeyBody=want.client_public_key,
            Tags=want.tags,
        )
    )


def sftp_user_anew(aws: Aws, want: Desired, server: str) -> None:
    aws.client("transfer").delete_user(ServerId=server, UserName=want.sftp_username)
    sftp_user(aws, want)


def sftp_user_drift(want: Desired, found: dict[str, Any]) -> str:
    """What is wrong with the user besides its keys, or nothing."""
    if not found.get("Role", "").endswith(f":role/{want.transfer_role.name}"):
        return "it has another role"
    mappings = tuple(
        {"Entry": each["Entry"], "Target": each["Target"]} for each in found.get("HomeDirectoryMappings", [])
    )
    if found.get("HomeDirectoryType") != "LOGICAL" or mappings != want.home_mapping:
        return "its home is elsewhere"
    return ""


def sftp_key(aws: Aws, want: Desired) -> None:
    aws.client("transfer").import_ssh_public_key(
        ServerId=actual.sftp_server(aws, want.owner),
        UserName=want.sftp_username,
        SshPublicKeyBody=want.client_public_key,
    )


def security_group(aws: Aws, want: Desired) -> None:
    client = aws.client("ec2")
    group = client.create_security_group(
        GroupName=want.security_group,
        Description="SQL clients of sf_transactions",
        TagSpecifications=[{"ResourceType": "security-group", "Tags": want.tags}],
    )["GroupId"]
    security_group_rules(aws, want, {"GroupId": group, "IpPermissions": []})


def rules(want: Desired) -> list[dict[str, Any]]:
    """The one rule: the SQL port, for the addresses of the settings."""
    ranges = [{"CidrIp": want.cidr}]
    return [{"IpProtocol": "tcp", "FromPort": REDSHIFT_PORT, "ToPort": REDSHIFT_PORT, "IpRanges": ranges}]


def opened(permissions: list[dict[str, Any]]) -> set[str]:
    """What rules let in, each as text: addresses, lists or groups, with protocol and ports."""
    found = set()
    for rule in permissions:
        ports = f"{rule['IpProtocol']} {rule.get('FromPort', 'any')}-{rule.get('ToPort', 'any')}"
        for kind, name in (
            ("IpRanges", "CidrIp"),
            ("Ipv6Ranges", "CidrIpv6"),
            ("PrefixListIds", "PrefixListId"),
            ("UserIdGroupPairs", "GroupId"),
        ):
            found |= {f"{each.get(name)} {ports}" for each in rule.get(kind, [])}
    return found


def security_group_rules(aws: Aws, want: Desired, group: dict[str, Any]) -> None:
    client = aws.client("ec2")
    if group["IpPermissions"]:
        client.revoke_security_group_ingress(GroupId=group["GroupId"], IpPermissions=group["IpPermissions"])
    client.authorize_security_group_ingress(GroupId=group["GroupId"], IpPermissions=rules(want))


def cluster(aws: Aws, want: Desired, password: str) -> None:
    client, role = aws.client("redshift"), role_arn(aws, want.redshift_role.name)
    group = actual.security_group(aws, want.security_group, want.owner)
    size: dict[str, Any] = {"ClusterType": "single-node"}
    if want.nodes > 1:
        size = {"ClusterType": "multi-node", "NumberOfNodes": want.nodes}
    _once_role_is_known(
        lambda: client.create_cluster(
            ClusterIdentifier=want.cluster,
            **size,
            NodeType=want.node_type,
            DBName=want.database,
            MasterUsername=want.user,
            MasterUserPassword=password,
            VpcSecurityGroupIds=[group["GroupId"]] if group else [],
            IamRoles=[role],
            Port=REDSHIFT_PORT,
            Encrypted=True,
            PubliclyAccessible=False,
            Tags=want.tags,
        )
    )
    client.get_waiter("cluster_available").wait(ClusterIdentifier=want.cluster)


def cluster_network(aws: Aws, want: Desired) -> None:
    """Not public, and behind the one security group."""
    client = aws.client("redshift")
    group = actual.security_group(aws, want.security_group, want.owner)
    client.modify_cluster(
        ClusterIdentifier=want.cluster,
        PubliclyAccessible=False,
        **({"VpcSecurityGroupIds": [group["GroupId"]]} if group else {}),
    )
    client.get_waiter("cluster_available").wait(ClusterIdentifier=want.cluster)


def cluster_role(aws: Aws, want: Desired) -> None:
    client, role = aws.client("redshift"), role_arn(aws, want.redshift_role.name)
    _once_role_is_known(lambda: client.modify_cluster_iam_roles(ClusterIdentifier=want.cluster, AddIamRoles=[role]))
    client.get_waiter("cluster_available").wait(ClusterIdentifier=want.cluster)


def _once_role_is_known(call: Callable[[], Any]) -> Any:
    """Repeats a call that AWS refuses only because it does not know a new role everywhere yet."""
    from botocore.exceptions import ClientError

    deadline = time.monotonic() + ROLE_SECONDS
    while True:
        try:
            return call()
        except ClientError as error:
            invalid = code(error).startswith(("InvalidParameter", "InvalidRequest"))
            if not invalid or "role" not in message(error).lower() or time.monotonic() > deadline:
                raise
            time.sleep(PAUSE_SECONDS)
