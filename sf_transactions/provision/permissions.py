"""What the person who provisions must be allowed to do: the least that plan, provision and teardown ask for."""

from typing import Any

from sf_transactions.provision import policies
from sf_transactions.provision.desired import OWNER_TAG, Cluster, Desired, Login
from sf_transactions.provision.policies import allow

# Actions for which AWS knows no resource (Service Authorization Reference): the only ones that may stand with `*`.
WITHOUT_RESOURCE = frozenset(
    {
        "ec2:DescribeSecurityGroups",
        "dynamodb:ListTables",
        "iam:ListPolicies",
        "iam:ListRoles",
        "lambda:ListFunctions",
        "logs:DescribeLogGroups",
        "redshift-serverless:ListNamespaces",
        "redshift-serverless:ListWorkgroups",
        "secretsmanager:GetRandomPassword",
        "secretsmanager:ListSecrets",
        "sts:GetCallerIdentity",
        "transfer:CreateServer",
        "transfer:ListServers",
    }
)


LARGEST = 6144  # characters of a managed policy


def needed(want: Desired) -> tuple[str, ...]:
    """The IAM actions, sorted."""
    statements = [statement for document in documents(want).values() for statement in document["Statement"]]
    return tuple(sorted({action for statement in statements for action in statement["Action"]}))


def documents(want: Desired) -> dict[str, dict[str, Any]]:
    """The policies for the person, or role, who provisions and tears down, by name: IAM takes no single one so long."""
    return {
        "sf-transactions-provision-access": policies.policy(*_account(want), *_iam(want), *_transfer(want)),
        **({"sf-transactions-provision-login": policies.policy(*_login(want, want.login))} if want.login else {}),
        "sf-transactions-provision-data": policies.policy(
            *_bucket(want), *_network(want), *_warehouse(want), *_catalog(want)
        ),
    }


def _tagged(want: Desired, where: str) -> dict[str, Any]:
    return {"StringEquals": {f"aws:{where}Tag/{OWNER_TAG}": want.owner}}


def _account(want: Desired) -> list[dict[str, Any]]:
    return [allow(sorted(WITHOUT_RESOURCE - {"transfer:CreateServer"}), "*")]


def _bucket(want: Desired) -> list[dict[str, Any]]:
    arn = f"arn:{want.partition}:s3:::{want.bucket}"
    configuration = ["BucketPolicy", "BucketPublicAccessBlock", "BucketVersioning", "EncryptionConfiguration"]
    both = [f"s3:{verb}{what}" for what in (*configuration, "LifecycleConfiguration") for verb in ("Get", "Put")]
    listing = ["s3:ListBucket", "s3:ListBucketMultipartUploads", "s3:ListBucketVersions", "s3:GetBucketTagging"]
    return [
        allow(["s3:CreateBucket", "s3:DeleteBucket", "s3:TagResource", *listing, *both], arn),
        allow(["s3:AbortMultipartUpload", "s3:DeleteObject", "s3:DeleteObjectVersion"], f"{arn}/*"),
    ]


def _iam(want: Desired) -> list[dict[str, Any]]:
    roles = [want.iam_arn("role", role.name) for role in want.roles]
    own = [want.iam_arn("policy", role.policy.name) for role in want.roles]
    attached = [*own, *(arn for role in want.roles for arn in role.aws_policies)]
    return [
        allow(
            [
                "iam:CreateRole",
                "iam:DeleteRole",
                "iam:DeleteRolePolicy",
                "iam:GetRole",
                "iam:ListAttachedRolePolicies",
                "iam:ListRolePolicies",
                "iam:ListRoleTags",
                "iam:TagRole",
                "iam:UpdateAssumeRolePolicy",
            ],
            roles,
        ),
        allow(["iam:AttachRolePolicy"], roles, {"ArnEquals": {"iam:PolicyARN": attached}}),
        allow(["iam:DetachRolePolicy"], roles),
        allow(
            [
                "iam:CreatePolicy",
                "iam:CreatePolicyVersion",
                "iam:DeletePolicy",
                "iam:DeletePolicyVersion",
                "iam:GetPolicy",
                "iam:GetPolicyVersion",
                "iam:ListEntitiesForPolicy",
                "iam:ListPolicyTags",
                "iam:ListPolicyVersions",
                "iam:TagPolicy",
            ],
            own,
        ),
        allow(["iam:PassRole"], roles[0], {"StringEquals": {"iam:PassedToService": "transfer.amazonaws.com"}}),
        allow(["iam:PassRole"], roles[1], {"StringEquals": {"iam:PassedToService": "redshift.amazonaws.com"}}),
        *(
            allow(["iam:PassRole"], role, {"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}})
            for role in roles[2:]
        ),
        # An account's first cluster or workgroup has Redshift make its service-linked role, in the caller's name.
        allow(
            ["iam:CreateServiceLinkedRole"],
            f"arn:{want.partition}:iam::{want.account}:role/aws-service-role/redshift.amazonaws.com/"
            "AWSServiceRoleForRedshift",
            {"StringEquals": {"iam:AWSServiceName": "redshift.amazonaws.com"}},
        ),
    ]


def _login(want: Desired, login: Login) -> list[dict[str, Any]]:
    return [
        allow(
            [
                "lambda:AddPermission",
                "lambda:CreateFunction",
                "lambda:DeleteFunction",
                "lambda:GetFunction",
                "lambda:GetPolicy",
                "lambda:ListTags",
                "lambda:RemovePermission",
                "lambda:TagResource",
                "lambda:UpdateFunctionCode",
                "lambda:UpdateFunctionConfiguration",
            ],
            want.arn("lambda", f"function:{login.name}"),
        ),
        allow(
            [
                "secretsmanager:CreateSecret",
                "secretsmanager:DeleteSecret",
                "secretsmanager:DescribeSecret",
                "secretsmanager:GetSecretValue",
                "secretsmanager:PutSecretValue",
                "secretsmanager:TagResource",
            ],
            want.arn("secretsmanager", f"secret:{login.secret}-??????"),
        ),
        allow(
            [
                "dynamodb:CreateTable",
                "dynamodb:DeleteTable",
                "dynamodb:DescribeTable",
                "dynamodb:DescribeTimeToLive",
                "dynamodb:ListTagsOfResource",
                "dynamodb:TagResource",
                "dynamodb:UpdateTimeToLive",
            ],
            want.arn("dynamodb", f"table/{login.name}"),
        ),
        allow(
            [
                "logs:CreateLogGroup",
                "logs:DeleteLogGroup",
                "logs:ListTagsForResource",
                "logs:PutRetentionPolicy",
                "logs:TagResource",
            ],
            [want.arn("logs", f"log-group:{login.log_group}{end}") for end in ("", ":*")],
        ),
    ]


def _transfer(want: Desired) -> list[dict[str, Any]]:
    server, user = want.arn("transfer", "server/*"), want.arn("transfer", "user/*")
    return [
        allow(["transfer:CreateServer"], "*", _tagged(want, "Request")),
        allow(["transfer:DescribeServer", "transfer:ListHostKeys", "transfer:ListUsers"], server),
        allow(
            ["transfer:CreateUser", "transfer:DeleteServer", "transfer:StartServer", "transfer:UpdateServer"],
            server,
            _tagged(want, "Resource"),
        ),
        allow(["transfer:DeleteHostKey"], want.arn("transfer", "host-key/*")),
        allow(["transfer:TagResource"], [server, user], _tagged(want, "Request")),
        allow(
            [
                "transfer:DeleteSshPublicKey",
                "transfer:DeleteUser",
                "transfer:DescribeUser",
                "transfer:ImportSshPublicKey",
                "transfer:UpdateUser",
            ],
            user,
        ),
    ]


def _network(want: Desired) -> list[dict[str, Any]]:
    group, vpc = want.arn("ec2", "security-group/*"), want.arn("ec2", "vpc/*")
    changes = [
        "ec2:AuthorizeSecurityGroupIngress",
        "ec2:DeleteSecurityGroup",
        "ec2:RevokeSecurityGroupIngress",
    ]
    return [
        allow(["ec2:CreateSecurityGroup"], [group, vpc]),
        allow(["ec2:CreateTags"], group, {"StringEquals": {"ec2:CreateAction": "CreateSecurityGroup"}}),
        allow(changes, group, _tagged(want, "Resource")),
    ]


def _warehouse(want: Desired) -> list[dict[str, Any]]:
    """Redshift makes and deletes the secret of a managed password in the name of the caller."""
    vault = allow(
        [
            "secretsmanager:CreateSecret",
            "secretsmanager:DeleteSecret",
            "secretsmanager:DescribeSecret",
            "secretsmanager:RotateSecret",
            "secretsmanager:TagResource",
            "secretsmanager:UpdateSecret",
        ],
        want.arn("secretsmanager", "secret:redshift!*"),
    )
    listing = allow(["redshift:DescribeClusters"], want.arn("redshift", "cluster:*"))
    if isinstance(want.warehouse, Cluster):
        cluster = want.arn("redshift", f"cluster:{want.warehouse.name}")
        return [
            listing,
            allow(
                [
                    "redshift:CreateCluster",
                    "redshift:CreateTags",
                    "redshift:DeleteCluster",
                    "redshift:ModifyCluster",
                    "redshift:ModifyClusterIamRoles",
                    "redshift:ResumeCluster",
                ],
                cluster,
            ),
            allow(["redshift:CreateClusterSnapshot"], want.arn("redshift", f"snapshot:{want.warehouse.name}/*")),
            vault,
        ]
    actions = [
        f"redshift-serverless:{verb}{what}"
        for what in ("Namespace", "Workgroup")
        for verb in ("Create", "Delete", "Get", "Update")
    ]
    both = [want.arn("redshift-serverless", kind) for kind in ("namespace/*", "workgroup/*")]
    tagging = ["redshift-serverless:ListTagsForResource", "redshift-serverless:TagResource"]
    return [listing, allow([*actions, *tagging], both), vault]


def _catalog(want: Desired) -> list[dict[str, Any]]:
    """Glue's tables and databases are allowed only together with the catalog that holds them."""
    database = want.arn("glue", f"database/{want.catalog}")
    return [
        allow(
            ["glue:CreateDatabase", "glue:DeleteDatabase", "glue:DeleteTable", "glue:GetTables", "glue:UpdateDatabase"],
            [
                want.arn("glue", "catalog"),
                database,
                *(want.arn("glue", f"{kind}/{want.catalog}/*") for kind in ("table", "userDefinedFunction")),
            ],
        ),
        # All databases are looked at: ours is known by its tag, whatever it is called.
        allow(
            ["glue:GetDatabase", "glue:GetDatabases", "glue:GetTags"],
            [want.arn("glue", "catalog"), want.arn("glue", "database/*")],
        ),
        allow(["glue:TagResource"], database),
    ]
