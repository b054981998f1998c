"""Every setting: its name in the environment, its default and what it means. Nothing else reads the environment.

boto3 reads its own variables (AWS_ENDPOINT_URL, AWS_DEFAULT_REGION, AWS_ACCESS_KEY_ID, AWS_PROFILE, ...).
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path


class SettingsError(ValueError):
    """A setting is missing or cannot be understood; the message names the variable and what to do."""


def _setting(env: str, default: str | None, description: str, *, secret: bool = False):
    return field(default=default, repr=not secret, metadata={"env": env, "description": description, "secret": secret})


@dataclass(frozen=True)
class Settings:
    """The settings as given, each a text or None. Empty variables count as unset."""

    home_dir: str = _setting("SF_TRANSACTIONS_HOME", ".sf_transactions", "where state and output live")
    datasf_base_url: str = _setting("DATASF_BASE_URL", "https://data.sf.gov", "the portal")
    datasf_app_token: str | None = _setting("DATASF_APP_TOKEN", None, "the portal's app token, optional", secret=True)
    datasf_api: str = _setting(
        "DATASF_API", "auto", "soda2, soda3, or auto: SODA 3 with an app token where the portal has it, else SODA 2"
    )
    datasf_years_at_once: str = _setting("DATASF_YEARS_AT_ONCE", "4", "fiscal years that are fetched side by side")
    datasf_deadline_seconds: str = _setting(
        "DATASF_DEADLINE_SECONDS", "3600", "how long a pull may take before it stops, keeping the pages that arrived"
    )
    sweep_weeks: str = _setting(
        "SF_TRANSACTIONS_SWEEP_WEEKS", "4", "after how many weeks a fiscal year is fetched although it seems unchanged"
    )
    previous_versions: str = _setting(
        "SF_TRANSACTIONS_PREVIOUS_VERSIONS", "3", "how many earlier versions of a restated fiscal year are kept"
    )
    quarantine: str = _setting(
        "SF_TRANSACTIONS_QUARANTINE", "stop", "rows of unknown form: stop the run, or continue without them"
    )
    restatement_percent: str = _setting(
        "SF_TRANSACTIONS_RESTATEMENT_PERCENT", "1", "percent of a closed fiscal year's dollars that may move unwarned"
    )
    aws_account_id: str | None = _setting(
        "AWS_ACCOUNT_ID", None, "the account that the credentials must belong to; not checked when unset"
    )
    s3_bucket: str | None = _setting(
        "S3_BUCKET", None, "the bucket; its name is unique in the world, so it has no default"
    )
    s3_prefix: str | None = _setting(
        "S3_PREFIX", None, "the part of the bucket that is the project's; all of it when unset"
    )
    s3_noncurrent_days: str = _setting("S3_NONCURRENT_DAYS", "30", "days after which overwritten versions are deleted")
    sftp_username: str = _setting("SFTP_USERNAME", "sf-transactions", "user of the Transfer Family server")
    sftp_host: str | None = _setting("SFTP_HOST", None, "SFTP endpoint; looked up from AWS when unset")
    sftp_port: str = _setting("SFTP_PORT", "22", "its port")
    sftp_security_policy: str = _setting(
        "SFTP_SECURITY_POLICY",
        "TransferSecurityPolicy-2025-03",
        "the server's ciphers and key exchanges, by AWS's name",
    )
    sftp_oidc_issuer: str | None = _setting(
        "SFTP_OIDC_ISSUER", None, "an OpenID Connect provider by which people log in to the SFTP server; optional"
    )
    sftp_oidc_client_id: str | None = _setting("SFTP_OIDC_CLIENT_ID", None, "the SFTP server's client id there")
    sftp_oidc_client_secret: str | None = _setting(
        "SFTP_OIDC_CLIENT_SECRET", None, "its secret; kept in Secrets Manager", secret=True
    )
    sftp_oidc_group: str = _setting("SFTP_OIDC_GROUP", "sf-transactions", "the group there whose members may log in")
    sftp_function: str = _setting(
        "SFTP_FUNCTION",
        "sf-transactions-login",
        "the Lambda function that asks it, with role, secret and table of that name",
    )
    transfer_role: str = _setting("TRANSFER_ROLE", "sf-transactions-transfer", "IAM role Transfer Family assumes")
    transfer_s3_policy: str = _setting(
        "TRANSFER_S3_POLICY", "sf-transactions-transfer-s3", "IAM policy of that role: the project's part of the bucket"
    )
    transfer_aws_policies: str | None = _setting(
        "TRANSFER_AWS_POLICIES", None, "AWS's own policies for that role, by name, separated by commas"
    )
    redshift_role: str = _setting("REDSHIFT_ROLE", "sf-transactions-redshift", "IAM role the cluster assumes for COPY")
    redshift_s3_policy: str = _setting(
        "REDSHIFT_S3_POLICY", "sf-transactions-redshift-s3", "IAM policy of that role: reading the same part"
    )
    redshift_security_group: str = _setting(
        "REDSHIFT_SECURITY_GROUP", "sf-transactions-redshift", "security group that lets in SQL clients"
    )
    redshift_cidr: str | None = _setting(
        "REDSHIFT_CIDR", None, "addresses that may connect to the cluster, such as 203.0.113.7/32; needed to provision"
    )
    redshift_cluster: str = _setting("REDSHIFT_CLUSTER", "sf-transactions", "the cluster")
    redshift_node_type: str = _setting("REDSHIFT_NODE_TYPE", "ra3.large", "node type of a new cluster")
    redshift_nodes: str = _setting("REDSHIFT_NODES", "1", "number of nodes of a new cluster")
    redshift_public: str = _setting("REDSHIFT_PUBLIC", "false", "whether the warehouse has a public address")
    redshift_workgroup: str | None = _setting(
        "REDSHIFT_WORKGROUP", None, "a Serverless workgroup, in the place of the cluster"
    )
    redshift_rpus: str = _setting("REDSHIFT_RPUS", "8", "base capacity of the workgroup, in RPUs")
    redshift_database: str = _setting("REDSHIFT_DATABASE", "san_francisco", "database")
    redshift_user: str = _setting("REDSHIFT_USER", "sf_transactions", "database user")
    redshift_password: str | None = _setting(
        "REDSHIFT_PASSWORD",
        None,
        "its password; unset, a new cluster keeps one of its own in Secrets Manager",
        secret=True,
    )
    redshift_auth: str = _setting(
        "REDSHIFT_AUTH",
        "auto",
        "how to log in: password, secret (Secrets Manager), iam (temporary password), or auto: the password if it is "
        "set, else the secret",
    )
    redshift_secret: str | None = _setting(
        "REDSHIFT_SECRET", None, "name or ARN of the secret; unset, the one that the cluster or workgroup keeps itself"
    )
    redshift_host: str | None = _setting("REDSHIFT_HOST", None, "SQL endpoint; looked up from AWS when unset")
    redshift_port: str | None = _setting("REDSHIFT_PORT", None, "its port; looked up from AWS when unset")
    redshift_ssl: str = _setting("REDSHIFT_SSL", "true", "whether SQL connections must use TLS")
    glue_database: str = _setting("GLUE_DATABASE", "sf_transactions", "Glue database that the files are registered in")
    sample_rows: str = _setting(
        "SF_TRANSACTIONS_SAMPLE_ROWS", "40000", "rows of the synthetic sample of the stand-in portal"
    )

    @classmethod
    def from_environ(cls, environ: Mapping[str, str] | None = None) -> "Settings":
        environ = os.environ if environ is None else environ
        return cls(**{f.name: environ[f.metadata["env"]] for f in fields(cls) if environ.get(f.metadata["env"])})

    @property
    def home(self) -> Path:
        return Path(self.home_dir).expanduser().absolute()

    @property
    def prefix(self) -> str:
        """What the keys of all objects begin with: nothing, or names that end with a slash. Raises SettingsError."""
        text = (self.s3_prefix or "").strip("/")
        names = text.split("/")
        if text and not all(re.fullmatch(r"[\w.-]+", name) and name.strip(".") for name in names):
            raise SettingsError(
                f"S3_PREFIX is {self.s3_prefix!r}: write names of letters, digits, _ . - with / between"
            )
        return f"{text}/" if text else ""

    @property
    def ssl(self) -> bool:
        return self.flag("redshift_ssl")

    def flag(self, name: str) -> bool:
        """Whether field `name` says yes. Raises SettingsError when it says neither yes nor no."""
        words = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
        value = getattr(self, name)
        try:
            return words[value.lower()]
        except KeyError:
            raise SettingsError(f"{env_name(name)} is {value!r}: write true or false") from None

    def port(self, name: str) -> int | None:
        """The port in field `name`, or None when unset. Raises SettingsError when it is no port."""
        value = getattr(self, name)
        if value is None:
            return None
        if not value.isdigit() or not 0 < int(value) < 65536:
            raise SettingsError(f"{env_name(name)} is {value!r}: a port is a number from 1 to 65535")
        return int(value)

    def number(self, name: str, least: int = 0) -> int:
        """The whole number in field `name`. Raises SettingsError when it is none or less than `least`."""
        value = getattr(self, name)
        if not value.isdigit() or int(value) < least:
            raise SettingsError(f"{env_name(name)} is {value!r}: write a whole number from {least}")
        return int(value)

    def one_of(self, name: str, words: tuple[str, ...]) -> str:
        """The word in field `name`. Raises SettingsError when it is none of these."""
        value = getattr(self, name)
        if value not in words:
            raise SettingsError(f"{env_name(name)} is {value!r}: write {' or '.join(words)}")
        return value

    def required(self, name: str) -> str:
        """The text in field `name`. Raises SettingsError naming its variable when it is unset."""
        value = getattr(self, name)
        if not value:
            raise SettingsError(f"{env_name(name)} is not set: {describe(name)}")
        return value


def env_name(name: str) -> str:
    return Settings.__dataclass_fields__[name].metadata["env"]


def describe(name: str) -> str:
    return Settings.__dataclass_fields__[name].metadata["description"]
