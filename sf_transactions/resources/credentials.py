"""How a connection to the warehouse logs in: a password, the one in a secret, or a temporary one that IAM gives."""

import contextlib
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from sf_transactions.provision import cluster, serverless
from sf_transactions.provision.aws import Aws, connect
from sf_transactions.provision.errors import NotProvisioned, explained
from sf_transactions.settings import Settings, SettingsError

WAYS = ("auto", "password", "secret", "iam")
SECONDS = 900  # how long a temporary password may be used to log in; a session lasts as long as it likes


@dataclass(frozen=True)
class Login:
    """A database user and its password, which no text shows."""

    user: str
    password: str = field(repr=False)


def login(settings: Settings, password: str | None) -> Login:
    """The login that REDSHIFT_AUTH asks for. `auto` takes the password of the settings, and without one the secret.

    Raises SettingsError, or ProvisionError when AWS does not give it.
    """
    way = settings.one_of("redshift_auth", WAYS)
    if way == "auto":
        way = "password" if password else "secret"
    if way == "password":
        if not password:
            raise SettingsError("REDSHIFT_PASSWORD is not set: the password of the database user")
        return Login(settings.redshift_user, password)
    aws = connect(settings)
    with _unlogged():
        return _by_iam(aws, settings) if way == "iam" else _of_secret(aws, settings)


@contextlib.contextmanager
def _unlogged() -> Iterator[None]:
    """At level DEBUG botocore writes whole answers into the log, and these are secret."""
    logger = logging.getLogger("botocore")
    before = logger.level
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.setLevel(before)


def _of_secret(aws: Aws, settings: Settings) -> Login:
    name = settings.redshift_secret or _managed_secret(aws, settings)
    with explained(f"secret {name}"):
        text = aws.client("secretsmanager").get_secret_value(SecretId=name).get("SecretString", "")
    try:
        found = json.loads(text)
        return Login(str(found.get("username") or settings.redshift_user), str(found["password"]))
    except (ValueError, KeyError, TypeError, AttributeError):
        raise SettingsError(
            f"secret {name} is not of the form that Redshift uses: a JSON object with username and password"
        ) from None


def _managed_secret(aws: Aws, settings: Settings) -> str:
    """The secret in which the cluster, or the namespace of the workgroup, keeps its own password."""
    what, arn = _place(settings), None
    with explained(what):
        if settings.redshift_workgroup:
            workgroup = serverless.describe(aws, "workgroup", settings.redshift_workgroup)
            namespace = serverless.describe(aws, "namespace", workgroup["namespaceName"]) if workgroup else None
            arn = (namespace or {}).get("adminPasswordSecretArn")
        else:
            arn = (cluster.describe(aws, settings.redshift_cluster) or {}).get("MasterPasswordSecretArn")
    if not arn:
        raise NotProvisioned(
            f"there is no {what} that keeps its password in Secrets Manager: set REDSHIFT_PASSWORD or REDSHIFT_SECRET, "
            "or REDSHIFT_AUTH=iam, or run `sf-transactions provision`"
        )
    return arn


def _by_iam(aws: Aws, settings: Settings) -> Login:
    what = f"temporary password for {_place(settings)}"
    with explained(what):
        if settings.redshift_workgroup:
            found: Any = aws.client("redshift-serverless").get_credentials(
                workgroupName=settings.redshift_workgroup, dbName=settings.redshift_database, durationSeconds=SECONDS
            )
            return Login(found["dbUser"], found["dbPassword"])
        found = aws.client("redshift").get_cluster_credentials(
            ClusterIdentifier=settings.redshift_cluster,
            DbUser=settings.redshift_user,
            DbName=settings.redshift_database,
            DurationSeconds=SECONDS,
            AutoCreate=False,
        )
        return Login(found["DbUser"], found["DbPassword"])


def _place(settings: Settings) -> str:
    if settings.redshift_workgroup:
        return f"workgroup {settings.redshift_workgroup}"
    return f"cluster {settings.redshift_cluster}"
