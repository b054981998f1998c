"""What is on AWS: the resources of our names, and whether they are ours."""

from dataclasses import dataclass, field
from typing import Any

from sf_transactions.provision.desired import OWNER_TAG
from sf_transactions.provision.errors import ProvisionError, code, explained
from sf_transactions.provision.keys import fingerprint, public_of

# How Transfer Family says that a server or a user is not there.
GONE = ("ResourceNotFoundException", "UserNotFound", "ServerNotFound")


@dataclass(frozen=True)
class Aws:
    """boto3 clients of one session, the account and the region."""

    session: Any
    account: str
    region: str
    _clients: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    def client(self, service: str) -> Any:
        """One client a service: making one takes longer than most calls."""
        if service not in self._clients:
            self._clients[service] = self.session.client(service)
        return self._clients[service]


def connect() -> Aws:
    """The account that the credentials belong to. Raises ProvisionError when there are none, or no region."""
    import boto3

    with explained("credentials"):
        session = boto3.Session()
        if not session.region_name:  # S3 alone would do without, under a name that is no region
            raise ProvisionError("no AWS region; set AWS_DEFAULT_REGION")
        account = session.client("sts").get_caller_identity()["Account"]
        return Aws(session, account, session.region_name)


def _owned(tags: list[dict[str, str]], owner: str) -> bool:
    return {"Key": OWNER_TAG, "Value": owner} in [{"Key": tag["Key"], "Value": tag["Value"]} for tag in tags]


def refuse_foreign(what: str, tags: list[dict[str, str]], owner: str) -> None:
    """Raises ProvisionError unless the resource carries our tag: others' resources are never touched."""
    if not _owned(tags, owner):
        raise ProvisionError(
            f"{what} exists and does not carry the tag {OWNER_TAG}={owner}: it belongs to someone else; "
            "choose another name in the settings"
        )


def bucket_tags(aws: Aws, name: str) -> list[dict[str, str]] | None:
    """The bucket's tags, or None when there is no such bucket in this account."""
    from botocore.exceptions import ClientError

    client = aws.client("s3")
    try:
        client.head_bucket(Bucket=name)
    except ClientError as error:
        if code(error) == "404":
            return None
        if code(error) == "403":
            raise ProvisionError(
                f"bucket {name} belongs to another account, or these credentials may not see it: "
                "choose another S3_BUCKET, or use other credentials"
            ) from None
        raise
    try:
        return client.get_bucket_tagging(Bucket=name)["TagSet"]
    except ClientError as error:
        if code(error) == "NoSuchTagSet":
            return []
        raise


def role(aws: Aws, name: str) -> dict[str, Any] | None:
    from botocore.exceptions import ClientError

    try:
        return aws.client("iam").get_role(RoleName=name)["Role"]
    except ClientError as error:
        if code(error) == "NoSuchEntity":
            return None
        raise


def role_policy(aws: Aws, name: str, policy: str) -> dict[str, Any] | None:
    from botocore.exceptions import ClientError

    try:
        return aws.client("iam").get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
    except ClientError as error:
        if code(error) == "NoSuchEntity":
            return None
        raise


def sftp_server(aws: Aws, owner: str) -> str | None:
    """The id of our SFTP server, found by its tag: a server has no name. Its description is never kept whole,
    because it may hold the host key."""
    from botocore.exceptions import ClientError

    client = aws.client("transfer")
    for page in client.get_paginator("list_servers").paginate():
        for listed in page["Servers"]:
            try:
                tags = client.describe_server(ServerId=listed["ServerId"])["Server"].get("Tags", [])
            except ClientError as error:
                if code(error) in GONE:  # deleted since it was listed
                    continue
                raise
            if _owned(tags, owner):
                return listed["ServerId"]
    return None


def host_key_shown(aws: Aws, server: str) -> str:
    """The fingerprint of the server's host key; nothing when it does not tell."""
    told = aws.client("transfer").describe_server(ServerId=server)["Server"].get("HostKeyFingerprint") or ""
    if told.startswith("SHA256:"):
        return told.rstrip("=")
    # The stand-in answers with the private key itself, which must go no further than this.
    try:
        return fingerprint(public_of(told.encode()))
    except ValueError:
        return ""


def sftp_user(aws: Aws, server: str, name: str) -> dict[str, Any] | None:
    from botocore.exceptions import ClientError

    try:
        return aws.client("transfer").describe_user(ServerId=server, UserName=name)["User"]
    except ClientError as error:
        if code(error) in GONE:
            return None
        raise


def security_group(aws: Aws, name: str, owner: str) -> dict[str, Any] | None:
    found = aws.client("ec2").describe_security_groups(Filters=[{"Name": "group-name", "Values": [name]}])
    groups = found["SecurityGroups"]
    # Names are unique within a VPC only: another VPC may have one of this name.
    return next((group for group in groups if _owned(group.get("Tags", []), owner)), groups[0] if groups else None)


def cluster(aws: Aws, name: str) -> dict[str, Any] | None:
    from botocore.exceptions import ClientError

    try:
        return aws.client("redshift").describe_clusters(ClusterIdentifier=name)["Clusters"][0]
    except ClientError as error:
        if code(error) in ("ClusterNotFound", "ClusterNotFoundFault"):
            return None
        raise
