"""What a run must be allowed to do: far less than provisioning, and all that a scheduled task should have."""

from typing import Any

from sf_transactions.provision import policies
from sf_transactions.provision.desired import Cluster, Desired
from sf_transactions.provision.policies import allow


def run_document(want: Desired) -> dict[str, Any]:
    """The policy for whoever runs the pipeline, asks the warehouse, or rebuilds it.

    Files of the star go in by SFTP, whose rights are those of the Transfer role; the rest by S3's own API.
    """
    objects = f"arn:{want.partition}:s3:::{want.bucket}/{want.prefix}*"
    return policies.policy(
        allow(["sts:GetCallerIdentity", "transfer:ListServers"], "*"),
        allow(["transfer:DescribeServer"], want.arn("transfer", "server/*")),
        allow(["iam:GetRole"], want.iam_arn("role", want.redshift_role.name)),
        *policies.listing(want.partition, want.bucket, want.prefix),
        allow(["s3:DeleteObject", "s3:GetObject", "s3:PutObject"], objects),
        *_warehouse(want),
        _catalog(want),
    )


def _warehouse(want: Desired) -> list[dict[str, Any]]:
    """Where the warehouse is, and any of the ways to log in (`REDSHIFT_AUTH`); a `REDSHIFT_SECRET` of another name has
    to be added."""
    secret = allow(["secretsmanager:GetSecretValue"], want.arn("secretsmanager", "secret:redshift!*"))
    if isinstance(want.warehouse, Cluster):
        name = want.warehouse.name
        users = [
            want.arn("redshift", each) for each in (f"dbuser:{name}/{want.user}", f"dbname:{name}/{want.database}")
        ]
        return [
            allow(["redshift:DescribeClusters"], want.arn("redshift", "cluster:*")),
            allow(["redshift:GetClusterCredentials"], users),
            secret,
        ]
    return [
        allow(
            ["redshift-serverless:GetCredentials", "redshift-serverless:GetWorkgroup"],
            want.arn("redshift-serverless", "workgroup/*"),
        ),
        allow(["redshift-serverless:GetNamespace"], want.arn("redshift-serverless", "namespace/*")),
        secret,
    ]


def _catalog(want: Desired) -> dict[str, Any]:
    return allow(
        [
            "glue:BatchCreatePartition",
            "glue:BatchDeletePartition",
            "glue:BatchUpdatePartition",
            "glue:CreateTable",
            "glue:GetPartitions",
            "glue:GetTables",
            "glue:UpdateTable",
        ],
        [want.arn("glue", each) for each in ("catalog", f"database/{want.catalog}", f"table/{want.catalog}/*")],
    )
