"""What should be on AWS, as pure data from the settings: names, tags, policies."""

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
            _trust("transfer.amazonaws.com", account),
            f"{settings.transfer_role}-s3",
            transfer_policy(bucket),
        ),
        redshift_role=Role(
            settings.redshift_role,
            _trust("redshift.amazonaws.com", account),
            f"{settings.redshift_role}-s3",
            redshift_policy(bucket),
        ),
        sftp_username=settings.sftp_username,
        client_public_key=client_public_key,
        home_mapping=({"Entry": "/", "Target": f"/{bucket}"},),
        security_group=settings.redshift_security_group,
        cidr=settings.required("redshift_cidr"),
        cluster=settings.redshift_cluster,
        node_type=settings.redshift_node_type,
        database=settings.redshift_database,
        user=settings.redshift_user,
    )


def _trust(service: str, account: str) -> dict[str, Any]:
    """The service may assume the role, on behalf of this account only (no confused deputy)."""
    return _policy(
        {
            "Effect": "Allow",
            "Principal": {"Service": service},
            "Action": "sts:AssumeRole",
            "Condition": {"StringEquals": {"aws:SourceAccount": account}},
        }
    )


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
