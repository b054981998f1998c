"""What should be on AWS, as pure data from the settings: names, sizes, tags, policies."""

import ipaddress
import re
import urllib.parse
from dataclasses import dataclass
from typing import Any

from sf_transactions.provision import policies
from sf_transactions.settings import Settings, SettingsError, env_name

OWNER_TAG = "sf-transactions:owner"
REDSHIFT_PORT = 5439
# Roles and policies stand under a path of their own, by which all of them are found.
IAM_PATH = "/sf-transactions/"


@dataclass(frozen=True)
class Policy:
    """A customer-managed IAM policy."""

    name: str
    document: dict[str, Any]


@dataclass(frozen=True)
class Role:
    """An IAM role: who may assume it, its own policy, and AWS's policies attached to it, by ARN."""

    name: str
    trust: dict[str, Any]
    policy: Policy
    aws_policies: tuple[str, ...] = ()


@dataclass(frozen=True)
class Cluster:
    """A provisioned cluster."""

    name: str
    node_type: str
    nodes: int


@dataclass(frozen=True)
class Workgroup:
    """A Serverless workgroup, and the namespace of the same name that holds its data."""

    name: str
    capacity: int  # RPUs


@dataclass(frozen=True)
class Login:
    """Logins by an OpenID Connect provider: the function of this name, and what it needs."""

    name: str
    role: Role
    issuer: str
    client_id: str
    group: str
    secret: str
    log_group: str


@dataclass(frozen=True)
class Desired:
    """Everything the project owns on AWS. `owner` is the value of the tag that all of it carries."""

    account: str
    region: str
    partition: str
    owner: str
    bucket: str
    prefix: str  # empty, or ends with /
    noncurrent_days: int
    transfer_role: Role
    redshift_role: Role
    security_policy: str
    sftp_username: str
    client_public_key: str
    home_mapping: tuple[dict[str, str], ...]
    security_group: str
    cidr: str
    public: bool
    warehouse: Cluster | Workgroup
    database: str
    user: str
    catalog: str
    login: Login | None

    @property
    def tags(self) -> list[dict[str, str]]:
        return [{"Key": OWNER_TAG, "Value": self.owner}]

    def iam_arn(self, kind: str, name: str) -> str:
        return f"arn:{self.partition}:iam::{self.account}:{kind}{IAM_PATH}{name}"

    @property
    def roles(self) -> tuple[Role, ...]:
        others = (self.login.role,) if self.login else ()
        return (self.transfer_role, self.redshift_role, *others)

    def arn(self, service: str, resource: str) -> str:
        return f"arn:{self.partition}:{service}:{self.region}:{self.account}:{resource}"


def desired(settings: Settings, account: str, region: str, client_public_key: str, partition: str = "aws") -> Desired:
    """The desired state. Raises SettingsError naming the setting that is missing or cannot be."""
    bucket = _bucket(settings.required("s3_bucket"))
    prefix = settings.prefix
    _fits("sftp_username", settings.sftp_username, r"\w[\w@.-]{2,99}", "3 to 100 letters, digits, _ @ . -")
    for name in ("transfer_role", "redshift_role", "transfer_s3_policy", "redshift_s3_policy"):
        _fits(name, getattr(settings, name), r"[\w+=,.@-]{1,64}", "1 to 64 letters, digits, + = , . @ - _")
    catalog = _fits("glue_database", settings.glue_database, r"[a-z0-9_]{1,252}", "lower-case letters, digits, _")
    of_glue = [
        f"arn:{partition}:glue:{region}:{account}:{each}"
        for each in ("catalog", f"database/{catalog}", f"table/{catalog}/*")
    ]
    return Desired(
        account=account,
        region=region,
        partition=partition,
        owner=bucket,
        bucket=bucket,
        prefix=prefix,
        noncurrent_days=settings.number("s3_noncurrent_days", 1),
        transfer_role=Role(
            settings.transfer_role,
            policies.transfer_trust(partition, region, account),
            Policy(settings.transfer_s3_policy, policies.transfer_policy(partition, bucket, prefix)),
            _aws_policies(settings.transfer_aws_policies, partition),
        ),
        redshift_role=Role(
            settings.redshift_role,
            policies.redshift_trust(),
            Policy(settings.redshift_s3_policy, policies.redshift_policy(partition, bucket, prefix, of_glue)),
        ),
        security_policy=settings.sftp_security_policy,
        sftp_username=settings.sftp_username,
        client_public_key=client_public_key,
        home_mapping=({"Entry": "/", "Target": f"/{bucket}/{prefix}".rstrip("/")},),
        security_group=settings.redshift_security_group,
        cidr=_cidr(settings.required("redshift_cidr")),
        public=settings.flag("redshift_public"),
        warehouse=_warehouse(settings),
        database=_fits("redshift_database", settings.redshift_database, r"[a-z_][a-z0-9_$]{0,63}", "a lower-case name"),
        user=_fits("redshift_user", settings.redshift_user, r"[a-z_][a-z0-9_$]{0,127}", "a lower-case name"),
        login=_login(settings, partition, region, account),
        catalog=catalog,
    )


def _login(settings: Settings, partition: str, region: str, account: str) -> Login | None:
    if not settings.sftp_oidc_issuer:
        return None
    parts = urllib.parse.urlsplit(settings.sftp_oidc_issuer)
    if parts.scheme != "https" and parts.hostname not in ("127.0.0.1", "::1"):
        raise SettingsError(f"SFTP_OIDC_ISSUER is {settings.sftp_oidc_issuer!r}: passwords go to https:// only")
    name = _fits("sftp_function", settings.sftp_function, r"[\w-]{3,56}", "3 to 56 letters, digits, _ and -")
    place = f"{region}:{account}"
    logs = f"/aws/lambda/{name}"
    document = policies.login_policy(
        f"arn:{partition}:secretsmanager:{place}:secret:{name}-??????",
        f"arn:{partition}:dynamodb:{place}:table/{name}",
        f"arn:{partition}:logs:{place}:log-group:{logs}",
    )
    return Login(
        name=name,
        role=Role(name, policies.login_trust(), Policy(name, document)),
        issuer=settings.sftp_oidc_issuer,
        client_id=settings.required("sftp_oidc_client_id"),
        group=settings.sftp_oidc_group,
        secret=name,
        log_group=logs,
    )


def _warehouse(settings: Settings) -> Cluster | Workgroup:
    words = "3 to 63 lower-case letters, digits and single hyphens"
    if settings.redshift_workgroup:
        name = _fits("redshift_workgroup", settings.redshift_workgroup, r"[a-z0-9-]{3,64}", words)
        capacity = settings.number("redshift_rpus", 4)
        if capacity > 1024:
            raise SettingsError(f"REDSHIFT_RPUS is {capacity}: a workgroup has at most 1024")
        return Workgroup(name, capacity)
    name = _fits("redshift_cluster", settings.redshift_cluster, r"[a-z](-?[a-z0-9])*", words)
    return Cluster(name, settings.redshift_node_type, _nodes(settings.redshift_nodes))


def _fits(name: str, value: str, pattern: str, words: str) -> str:
    """The value, if AWS takes it. moto takes everything, and AWS's own refusal comes late."""
    if not re.fullmatch(pattern, value):
        raise SettingsError(f"{env_name(name)} is {value!r}: AWS wants {words}")
    return value


def _bucket(name: str) -> str:
    """S3's rules for names (User Guide, "General purpose bucket naming rules"); dots would break TLS."""
    return _fits(
        "s3_bucket", name, r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]", "3 to 63 lower-case letters, digits and hyphens"
    )


def _aws_policies(text: str | None, partition: str) -> tuple[str, ...]:
    """Policies that AWS manages, by name or ARN, separated by commas."""
    named = [each.strip() for each in (text or "").split(",") if each.strip()]
    return tuple(each if each.startswith("arn:") else f"arn:{partition}:iam::aws:policy/{each}" for each in named)


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
