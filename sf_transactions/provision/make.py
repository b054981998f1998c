"""How each resource is made or set right: one function a resource, each safe to repeat."""

import json
from typing import Any

from sf_transactions.provision import actual
from sf_transactions.provision.actual import Aws
from sf_transactions.provision.desired import REDSHIFT_PORT, Desired, Role
from sf_transactions.provision.keys import Keys

NOT_PUBLIC = {
    "BlockPublicAcls": True,
    "IgnorePublicAcls": True,
    "BlockPublicPolicy": True,
    "RestrictPublicBuckets": True,
}


def bucket(aws: Aws, want: Desired) -> None:
    client = aws.client("s3")
    # us-east-1 is the one region that must not be named.
    place = {} if aws.region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": aws.region}}
    client.create_bucket(Bucket=want.bucket, **place)
    client.put_bucket_tagging(Bucket=want.bucket, Tagging={"TagSet": want.tags})
    bucket_settings(aws, want)


def bucket_settings(aws: Aws, want: Desired) -> None:
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
        if actual.code(error) != "NoSuchPublicAccessBlockConfiguration":
            raise
        blocked = {}
    if blocked != NOT_PUBLIC:
        return "public access is not blocked"
    if client.get_bucket_versioning(Bucket=want.bucket).get("Status") != "Enabled":
        return "versioning is off"
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


def _role_arn(aws: Aws, name: str) -> str:
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


def sftp_user(aws: Aws, want: Desired) -> None:
    aws.client("transfer").create_user(
        ServerId=actual.sftp_server(aws, want.owner),
        UserName=want.sftp_username,
        Role=_role_arn(aws, want.transfer_role.name),
        HomeDirectoryType="LOGICAL",
        HomeDirectoryMappings=list(want.home_mapping),
        SshPublicKeyBody=want.client_public_key,
        Tags=want.tags,
    )


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


def open_ranges(group: dict[str, Any]) -> set[str]:
    """The address ranges that the group lets in."""
    return {each["CidrIp"] for rule in group.get("IpPermissions", []) for each in rule.get("IpRanges", [])}


def security_group_rules(aws: Aws, want: Desired, group: dict[str, Any]) -> None:
    client = aws.client("ec2")
    if group["IpPermissions"]:
        client.revoke_security_group_ingress(GroupId=group["GroupId"], IpPermissions=group["IpPermissions"])
    rule = {"IpProtocol": "tcp", "FromPort": REDSHIFT_PORT, "ToPort": REDSHIFT_PORT}
    client.authorize_security_group_ingress(
        GroupId=group["GroupId"], IpPermissions=[rule | {"IpRanges": [{"CidrIp": want.cidr}]}]
    )


def cluster(aws: Aws, want: Desired, password: str) -> None:
    client = aws.client("redshift")
    group = actual.security_group(aws, want.security_group)
    client.create_cluster(
        ClusterIdentifier=want.cluster,
        ClusterType="single-node",
        NodeType=want.node_type,
        DBName=want.database,
        MasterUsername=want.user,
        MasterUserPassword=password,
        VpcSecurityGroupIds=[group["GroupId"]] if group else [],
        IamRoles=[_role_arn(aws, want.redshift_role.name)],
        Port=REDSHIFT_PORT,
        Encrypted=True,
        PubliclyAccessible=False,
        Tags=want.tags,
    )
    client.get_waiter("cluster_available").wait(ClusterIdentifier=want.cluster)
