"""The Redshift API where moto lacks it: managed passwords, roles, credentials by IAM, and what AWS refuses."""

import re
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

from moto.core.responses import ActionResult
from moto.redshift.exceptions import InvalidParameterCombinationError, InvalidParameterValueError
from moto.redshift.models import Cluster
from moto.redshift.responses import RedshiftResponse

from sf_transactions.local.aws import passwords
from sf_transactions.local.aws.model import checked

NODE_TYPES = ("ra3.large", "ra3.xlplus", "ra3.4xlarge", "ra3.16xlarge", "rg.xlarge", "rg.4xlarge")
USERS_KEPT = 900  # seconds that a temporary password is good for


class Redshift(RedshiftResponse):
    """moto's responses, and ours."""

    def create_cluster(self) -> ActionResult:
        managed, password = self._get_bool_param("ManageMasterPassword"), self._get_param("MasterUserPassword")
        if bool(managed) == bool(password):
            raise InvalidParameterCombinationError(
                "Give either MasterUserPassword or ManageMasterPassword, and not both"
            )
        if password:
            _refuse_weak(password)
        node_type = self._get_param("NodeType")
        if node_type not in NODE_TYPES:
            raise InvalidParameterValueError(f"Invalid node type: {node_type}")
        default = self._get_param("DefaultIamRoleArn")
        if default and default not in self._get_param("IamRoles", []):
            raise InvalidParameterValueError(f"The default role {default} is not associated with the cluster")
        created = super().create_cluster()
        cluster = self.redshift_backend.clusters[self._get_param("ClusterIdentifier")]
        cluster.default_iam_role_arn = default  # type: ignore[attr-defined]
        if managed:
            _manage_password(cluster)
        return created

    def modify_cluster(self) -> ActionResult:
        cluster = self.redshift_backend.describe_clusters(self._get_param("ClusterIdentifier"))[0]
        managed, password = self._get_bool_param("ManageMasterPassword"), self._get_param("MasterUserPassword")
        if password:
            _refuse_weak(password)
        answer = super().modify_cluster()
        if managed and not cluster.__dict__.get("master_password_secret_arn"):
            _manage_password(cluster)
        elif managed is False or password:
            _forget_password(cluster)
        return answer

    def modify_cluster_iam_roles(self) -> ActionResult:
        cluster = self.redshift_backend.describe_clusters(self._get_param("ClusterIdentifier"))[0]
        removed = self._get_param("RemoveIamRoles", [])
        kept = [arn for arn in cluster.iam_roles_arn if arn not in removed]
        cluster.iam_roles_arn = list(dict.fromkeys([*kept, *self._get_param("AddIamRoles", [])]))
        default = self._get_param("DefaultIamRoleArn")
        if default is not None:
            if default and default not in cluster.iam_roles_arn:
                raise InvalidParameterValueError(f"The default role {default} is not associated with the cluster")
            cluster.default_iam_role_arn = default or None  # type: ignore[attr-defined]
        return ActionResult({"Cluster": cluster})

    def delete_cluster(self) -> ActionResult:
        found = self.redshift_backend.clusters.get(self._get_param("ClusterIdentifier"))
        answer = super().delete_cluster()
        if found is not None:
            _forget_password(found)
        return answer

    def get_cluster_credentials(self) -> ActionResult:
        """A password for a database user, which the SQL endpoint takes until it expires."""
        prefix = "IAMA" if self._get_bool_param("AutoCreate") else "IAM"
        return self._temporary("GetClusterCredentials", f"{prefix}:{self._get_param('DbUser')}")

    def get_cluster_credentials_with_iam(self) -> ActionResult:
        """A password for the database user that stands for the caller."""
        return self._temporary("GetClusterCredentialsWithIAM", f"IAM:{self.access_key}")

    def _temporary(self, operation: str, user: str) -> ActionResult:
        cluster = self.redshift_backend.describe_clusters(self._get_param("ClusterIdentifier"))[0]
        password, expires = secrets.token_urlsafe(32), datetime.now(UTC) + timedelta(seconds=USERS_KEPT)
        cluster.__dict__.setdefault("temporary", {})[user] = (password, expires)
        answer = {"DbUser": user, "DbPassword": password, "Expiration": expires}
        return ActionResult(checked("redshift", operation, answer))


def logins(cluster: Any) -> dict[str, str]:
    """Users and passwords that the cluster's SQL endpoint takes now. Secret."""
    now = datetime.now(UTC)
    temporary = cluster.__dict__.get("temporary", {})
    return {cluster.master_username: cluster.master_user_password} | {
        user: password for user, (password, expires) in temporary.items() if expires > now
    }


def _refuse_weak(password: str) -> None:
    """The rules for a master password of Redshift's documentation."""
    fits = 8 <= len(password) <= 64 and not re.search(r"['\"\\/@ ]|[^\x21-\x7e]", password)
    if not fits or not all(re.search(kind, password) for kind in ("[a-z]", "[A-Z]", "[0-9]")):
        raise InvalidParameterValueError(
            "The master password needs 8 to 64 characters with an upper-case letter, a lower-case letter and a digit, "
            "and none of ' \" \\ / @ and space"
        )


def _manage_password(cluster: Cluster) -> None:
    """Redshift makes the password, and a secret that it owns holds it."""
    name = f"{cluster.cluster_identifier}-{cluster.master_username}"
    password, arn = passwords.make(cluster.account_id, cluster.region, "redshift", name, cluster.master_username)
    cluster.master_user_password = password
    cluster.master_password_secret_arn = arn  # type: ignore[attr-defined]
    cluster.master_password_secret_kms_key_id = "alias/aws/secretsmanager"  # type: ignore[attr-defined]


def _forget_password(cluster: Cluster) -> None:
    arn = cluster.__dict__.pop("master_password_secret_arn", None)
    cluster.__dict__.pop("master_password_secret_kms_key_id", None)
    passwords.forget(cluster.account_id, cluster.region, arn)
