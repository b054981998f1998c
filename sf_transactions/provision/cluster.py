"""Redshift, provisioned: the cluster, and the role that COPY uses as its default."""

from collections.abc import Iterator
from typing import Any

from sf_transactions.provision import desired
from sf_transactions.provision.aws import Aws, is_ours, tags_of
from sf_transactions.provision.desired import OWNER_TAG, REDSHIFT_PORT, Desired
from sf_transactions.provision.errors import ProvisionError
from sf_transactions.provision.network import security_group
from sf_transactions.provision.resource import Change, Resource, once_role_is_known, unless_gone, wait
from sf_transactions.provision.roles import role_arn

SECONDS = 3600  # to create, resize or delete a cluster
GONE = ("ClusterNotFound", "ClusterNotFoundFault")


class Cluster(Resource):
    """An encrypted cluster in the default VPC. Its password is Redshift's own secret unless the settings give one."""

    kind = "cluster"

    def __init__(self, aws: Aws, want: Desired, cluster: desired.Cluster, password: str | None) -> None:
        super().__init__(aws, want)
        self.cluster, self._password = cluster, password

    @property
    def name(self) -> str:
        return self.cluster.name

    def find(self) -> dict[str, Any] | None:
        described = describe(self.aws, self.name)
        return None if described and described.get("ClusterStatus") == "deleting" else described

    def tags(self, found: Any) -> dict[str, str]:
        return tags_of(found.get("Tags"))

    @property
    def _size(self) -> dict[str, Any]:
        nodes = self.cluster.nodes
        size = {"ClusterType": "multi-node", "NumberOfNodes": nodes} if nodes > 1 else {"ClusterType": "single-node"}
        return {"NodeType": self.cluster.node_type, **size}

    @property
    def _login(self) -> dict[str, Any]:
        return {"MasterUserPassword": self._password} if self._password else {"ManageMasterPassword": True}

    def create(self) -> None:
        self._wait_until_gone()
        role, groups = role_arn(self.aws, self.want, self.want.redshift_role.name), self._groups
        once_role_is_known(
            lambda: self.aws.client("redshift").create_cluster(
                ClusterIdentifier=self.name,
                **self._size,
                **self._login,
                DBName=self.want.database,
                MasterUsername=self.want.user,
                VpcSecurityGroupIds=groups,
                IamRoles=[role],
                DefaultIamRoleArn=role,
                Port=REDSHIFT_PORT,
                Encrypted=True,
                PubliclyAccessible=self.want.public,
                Tags=self.want.tags,
            )
        )
        self._wait_until_available()

    @property
    def _groups(self) -> list[str]:
        group = security_group(self.aws, self.want.security_group, self.want.owner)
        return [group["GroupId"]] if group else []

    def _wait_until_available(self) -> None:
        wait(self.aws, f"the cluster {self.name}", lambda: _status(self.aws, self.name) == "available", SECONDS)

    def _wait_until_gone(self) -> None:
        wait(self.aws, f"deleting the cluster {self.name}", lambda: _status(self.aws, self.name) is None, SECONDS)

    def drift(self, found: Any) -> Iterator[Change]:
        if found.get("DBName") != self.want.database or found.get("MasterUsername") != self.want.user:
            raise ProvisionError(
                f"the cluster {self.name} was made with the database {found.get('DBName')} and the user "
                f"{found.get('MasterUsername')}, which cannot be changed: set REDSHIFT_DATABASE and REDSHIFT_USER to "
                "them, or tear it down"
            )
        status = found.get("ClusterStatus")
        if status == "paused":
            yield Change("it is paused", self._resume)
        elif status != "available":
            yield Change(f"it is {status}", self._wait_until_available)
        yield from self._roles(found)
        yield from self._network(found)
        yield from self._rest(found)

    def _roles(self, found: Any) -> Iterator[Change]:
        role = role_arn(self.aws, self.want, self.want.redshift_role.name)
        held = [each["IamRoleArn"] for each in found.get("IamRoles", [])]
        extra = [arn for arn in held if arn != role]
        if role not in held:
            yield Change(f"it lacks the role {self.want.redshift_role.name}", lambda: self._set_roles(role, extra))
        elif extra:
            names = ", ".join(arn.rsplit("/", 1)[-1] for arn in extra)
            yield Change(f"someone gave it the role {names}", lambda: self._set_roles(role, extra))
        elif found.get("DefaultIamRoleArn") != role:
            yield Change("its default role is another", lambda: self._set_roles(role, []))

    def _set_roles(self, role: str, extra: list[str]) -> None:
        given: dict[str, Any] = {"AddIamRoles": [role], "DefaultIamRoleArn": role}
        if extra:
            given["RemoveIamRoles"] = extra
        client = self.aws.client("redshift")
        once_role_is_known(lambda: client.modify_cluster_iam_roles(ClusterIdentifier=self.name, **given))
        self._wait_until_available()

    def _network(self, found: Any) -> Iterator[Change]:
        if bool(found.get("PubliclyAccessible")) != self.want.public:
            reason = "it is not publicly accessible" if self.want.public else "it is publicly accessible"
            yield Change(reason, lambda: self._modify(PubliclyAccessible=self.want.public))
        groups, wanted = [each["VpcSecurityGroupId"] for each in found.get("VpcSecurityGroups", [])], self._groups
        if groups != wanted:
            yield Change(
                "it is in other security groups",
                lambda: self._modify(VpcSecurityGroupIds=self._groups),
            )

    def _rest(self, found: Any) -> Iterator[Change]:
        if not found.get("Encrypted"):
            yield Change("it is not encrypted", lambda: self._modify(Encrypted=True))
        size = (found.get("NodeType"), int(found.get("NumberOfNodes", 1)))
        if size != (self.cluster.node_type, self.cluster.nodes):
            yield Change(
                f"it has {size[1]} {size[0]}, not {self.cluster.nodes} {self.cluster.node_type}: it is resized",
                lambda: self._modify(**self._size),
            )
        managed = bool(found.get("MasterPasswordSecretArn"))
        if managed == bool(self._password):
            reason = (
                "its password is Redshift's own, and the settings give one"
                if managed
                else ("its password is not Redshift's own secret, and the settings give none")
            )
            off = {"ManageMasterPassword": False} if managed else {}
            yield Change(reason, lambda: self._modify(**off, **self._login))

    def _modify(self, **asked: Any) -> None:
        self.aws.client("redshift").modify_cluster(ClusterIdentifier=self.name, **asked)
        self._wait_until_available()

    def _resume(self) -> None:
        self.aws.client("redshift").resume_cluster(ClusterIdentifier=self.name)
        self._wait_until_available()

    def delete(self, found: Any, snapshot: str | None = None) -> None:
        """With a last snapshot of this name, or without one."""
        last = {"FinalClusterSnapshotIdentifier": snapshot} if snapshot else {}
        if _status(self.aws, self.name) not in (None, "deleting"):
            self.aws.client("redshift").delete_cluster(
                ClusterIdentifier=self.name, SkipFinalClusterSnapshot=not snapshot, **last
            )
        self._wait_until_gone()

    @classmethod
    def owned(cls, aws: Aws, want: Desired) -> Iterator[Resource]:
        """Those that are being deleted, too: what they use is free only when they are gone."""
        asked = {"TagKeys": [OWNER_TAG], "TagValues": [want.owner]}
        for page in aws.client("redshift").get_paginator("describe_clusters").paginate(**asked):
            for found in page["Clusters"]:
                if is_ours(tags_of(found.get("Tags")), want.owner):
                    yield cls(aws, want, desired.Cluster(found["ClusterIdentifier"], "", 0), None)


def describe(aws: Aws, name: str) -> dict[str, Any] | None:
    answer = unless_gone(aws.client("redshift").describe_clusters, *GONE, ClusterIdentifier=name)
    return answer["Clusters"][0] if answer else None


def _status(aws: Aws, name: str) -> str | None:
    described = describe(aws, name)
    return described["ClusterStatus"] if described else None
