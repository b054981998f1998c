"""Every policy document, as pure functions: who may do what, and nothing more."""

from collections.abc import Sequence
from typing import Any


def policy(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def allow(
    actions: Sequence[str], resource: str | Sequence[str], condition: dict[str, Any] | None = None
) -> dict[str, Any]:
    """A statement that allows these actions on this resource, or on these."""
    named = resource if isinstance(resource, str) else list(resource)
    statement: dict[str, Any] = {"Effect": "Allow", "Action": list(actions), "Resource": named}
    return statement | {"Condition": condition} if condition else statement


def trust(service: str, condition: dict[str, Any] | None = None) -> dict[str, Any]:
    """The service may assume the role; a condition keeps it from doing so on behalf of others."""
    statement: dict[str, Any] = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    return policy(statement | {"Condition": condition} if condition else statement)


def transfer_trust(partition: str, region: str, account: str) -> dict[str, Any]:
    """Transfer Family assumes a user's role in the name of the user (its guide, "confused deputy"): of ours only."""
    users = f"arn:{partition}:transfer:{region}:{account}:user/*"
    condition = {"StringEquals": {"aws:SourceAccount": account}, "ArnLike": {"aws:SourceArn": users}}
    return trust("transfer.amazonaws.com", condition)


def redshift_trust() -> dict[str, Any]:
    """Redshift documents no condition on the source account, and COPY must be able to assume the role."""
    return trust("redshift.amazonaws.com")


def transfer_policy(partition: str, bucket: str, prefix: str) -> dict[str, Any]:
    """What Transfer Family does for the user: list its prefix, and read, write and delete below it."""
    objects = f"arn:{partition}:s3:::{bucket}/{prefix}*"
    return policy(
        *listing(partition, bucket, prefix),
        allow(["s3:GetObject", "s3:GetObjectVersion", "s3:PutObject", "s3:DeleteObject"], objects),
    )


def redshift_policy(partition: str, bucket: str, prefix: str, catalog: Sequence[str]) -> dict[str, Any]:
    """What COPY does, list the prefix and read below it; and Spectrum, which besides looks up these ARNs of Glue."""
    return policy(
        *listing(partition, bucket, prefix),
        allow(["s3:GetObject"], f"arn:{partition}:s3:::{bucket}/{prefix}*"),
        allow(
            [
                "glue:BatchGetPartition",
                "glue:GetDatabase",
                "glue:GetDatabases",
                "glue:GetPartition",
                "glue:GetPartitions",
                "glue:GetTable",
                "glue:GetTables",
            ],
            catalog,
        ),
    )


def listing(partition: str, bucket: str, prefix: str) -> list[dict[str, Any]]:
    """Listing the prefix, and finding the bucket's region."""
    arn = f"arn:{partition}:s3:::{bucket}"
    within = {"StringLike": {"s3:prefix": [prefix, f"{prefix}*"]}} if prefix else None
    return [allow(["s3:GetBucketLocation"], arn), allow(["s3:ListBucket"], arn, within)]


def login_trust() -> dict[str, Any]:
    return trust("lambda.amazonaws.com")


def login_policy(secret: str, table: str, logs: str) -> dict[str, Any]:
    """What the function of the identity provider does: read its secret, count logins, write its log."""
    return policy(
        allow(["secretsmanager:GetSecretValue"], secret),
        allow(["dynamodb:DeleteItem", "dynamodb:UpdateItem"], table),
        allow(["logs:CreateLogStream", "logs:PutLogEvents"], f"{logs}:*"),
    )


def tls_only(partition: str, bucket: str) -> dict[str, Any]:
    """The bucket's own policy: nobody reaches it without TLS."""
    arn = f"arn:{partition}:s3:::{bucket}"
    return policy(
        {
            "Sid": "TlsOnly",
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:*",
            "Resource": [arn, f"{arn}/*"],
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        }
    )
