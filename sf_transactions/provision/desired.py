"""What should be on AWS, as pure data from the settings: names, tags, policies."""

import ipaddress
from dataclasses import dataclass
from typing import Any

from sf_transactions.settings import Settings, SettingsError

OWNER_TAG = "sf-transactions:owner"
REDSHIFT_PORT = 5439


@dataclass(frozen=True)
class Role:
    """An IAM role: who may assume it, and the one inline policy it has."""

    name: str
    trust: dict[str, Any]
    policy_name: str
    policy: dict[str, Any]


@dataclass(frozen=True)
class Desired:
    """Everything the project owns on AWS. `owner` is the value of the tag that all of it carries."""

    account: str
    region: str
    owner: str
    bucket: str
    transfer_role: Role
    redshift_role: Role
    sftp_username: str
    client_public_key: str
    home_mapping: tuple[dict[str, str], ...]
    security_group: str
    cidr: str
    cluster: str
    node_type: str
    nodes: int
    database: str
    user: str

    @property
    def tags(self) -> list[dict[str, str]]:
        return [{"Key": OWNER_TAG, "Value": self.owner}]


def desired(settings: Settings, account: str, region: str, client_public_key: str) -> Desired:
    """The desired state. Raises SettingsError naming the setting that is missing."""
    bucket = settings.required("s3_bucket")
    if len(settings.sftp_username) < 3:
        raise SettingsError("SFTP_USERNAME needs at least three characters: Transfer Family takes no shorter names")
    return Desired(
        account=account,
        region=region,
        owner=bucket,
        bucket=bucket,
        transfer_role=Role(
            settings.transfer_role,
            _trust("transfer.amazonaws.com", {"StringEquals": {"aws:SourceAccount": account}}),
            f"{settings.transfer_role}-s3",
            transfer_policy(bucket),
        ),
        redshift_role=Role(
            settings.redshift_role,
            # Redshift documents no condition on the source account, and COPY must be able to assume the role.
            _trust("redshift.amazonaws.com"),
            f"{settings.redshift_role}-s3",
            redshift_policy(bucket),
        ),
        sftp_username=settings.sftp_username,
        client_public_key=client_public_key,
        home_mapping=({"Entry": "/", "Target": f"/{bucket}"},),
        security_group=settings.redshift_security_group,
        cidr=_cidr(settings.required("redshift_cidr")),
        cluster=settings.redshift_cluster,
        node_type=settings.redshift_node_type,
        nodes=_nodes(settings.redshift_nodes),
        database=settings.redshift_database,
        user=settings.redshift_user,
    )


def _cidr(text: str) -> str:
    """The range as AWS writes it. Strict, because AWS would widen 203.0.113.7/0 to all addresses without a word."""
    try:
        return str(ipaddress.IPv4Network(text))
    except ValueError as error:
        raise SettingsError(
            f"REDSHIFT_CIDR is {text!r}: {error}; write an IPv4 range such as 203.0.113.7/32 or 203.0.113.0/24"
        ) from None


def _nodes(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 128:
        raise SettingsError(f"REDSHIFT_NODES is {text!r}: write a number of nodes from 1 to 128")
    return int(text)


def _trust(service: str, condition: dict[str, Any] | None = None) -> dict[str, Any]:
    """The service may assume the role; a condition on the account keeps it from doing so for others."""
    statement: dict[str, Any] = {
        "Effect": "Allow",
        "Principal": {"Service": service},
        "Action": "sts:AssumeRole",
    }
    return _policy(statement | {"Condition": condition} if condition else statement)


def transfer_policy(bucket: str) -> dict[str, Any]:
    """What Transfer Family does for the user: list the bucket, and read, write and delete in it."""
    return _policy(
        _list_bucket(bucket),
        {
            "Effect": "Allow",
            "Action": ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"],
            "Resource": f"arn:aws:s3:::{bucket}/*",
        },
    )


def redshift_policy(bucket: str) -> dict[str, Any]:
    """What COPY does: list the bucket and read in it."""
    return _policy(
        _list_bucket(bucket),
        {"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": f"arn:aws:s3:::{bucket}/*"},
    )


def _list_bucket(bucket: str) -> dict[str, Any]:
    return {
        "Effect": "Allow",
        "Action": ["s3:ListBucket", "s3:GetBucketLocation"],
        "Resource": f"arn:aws:s3:::{bucket}",
    }


def _policy(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}
