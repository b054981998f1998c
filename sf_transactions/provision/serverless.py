"""Redshift Serverless: a namespace, which holds the data, and a workgroup, which computes."""

from collections.abc import Iterator
from functools import partial
from typing import Any

from sf_transactions.provision import desired
from sf_transactions.provision.aws import Aws, is_ours, tags_of
from sf_transactions.provision.desired import REDSHIFT_PORT, Desired
from sf_transactions.provision.errors import ProvisionError
from sf_transactions.provision.network import security_group
from sf_transactions.provision.resource import Change, Resource, once_role_is_known, unless_gone, wait
from sf_transactions.provision.roles import role_arn

SECONDS = 1800
GONE = "ResourceNotFoundException"
TLS = {"parameterKey": "require_ssl", "parameterValue": "true"}


class _Serverless(Resource):
    def __init__(self, aws: Aws, want: Desired, workgroup: desired.Workgroup) -> None:
        super().__init__(aws, want)
        self.workgroup = workgroup

    @property
    def name(self) -> str:
        return self.workgroup.name

    @property
    def _client(self) -> Any:
        return self.aws.client("redshift-serverless")

    @property
    def _tags(self) -> list[dict[str, str]]:
        return [{"key": tag["Key"], "value": tag["Value"]} for tag in self.want.tags]

    def tags(self, found: Any) -> dict[str, str]:
        return tags_of(self._client.list_tags_for_resource(resourceArn=found[f"{self.kind}Arn"])["tags"])

    def find(self) -> dict[str, Any] | None:
        found = describe(self.aws, self.kind, self.name)
        return None if found and found["status"] == "DELETING" else found

    @classmethod
    def _all(cls, aws: Aws, want: Desired) -> Iterator[str]:
        """The names of those that carry our tag."""
        client = aws.client("redshift-serverless")
        for page in client.get_paginator(f"list_{cls.kind}s").paginate():
            for found in page[f"{cls.kind}s"]:
                if is_ours(
                    tags_of(client.list_tags_for_resource(resourceArn=found[f"{cls.kind}Arn"])["tags"]), want.owner
                ):
                    yield found[f"{cls.kind}Name"]

    def _status(self) -> str | None:
        found = describe(self.aws, self.kind, self.name)
        return found["status"] if found else None

    def _wait_until_available(self) -> None:
        wait(self.aws, f"the {self.title}", lambda: self._status() == "AVAILABLE", SECONDS)

    def _wait_until_gone(self) -> None:
        wait(self.aws, f"deleting the {self.title}", lambda: self._status() is None, SECONDS)


class Namespace(_Serverless):
    kind = "namespace"

    def __init__(self, aws: Aws, want: Desired, workgroup: desired.Workgroup, password: str | None) -> None:
        super().__init__(aws, want, workgroup)
        self._password = password

    @classmethod
    def owned(cls, aws: Aws, want: Desired) -> Iterator[Resource]:
        for name in cls._all(aws, want):
            yield cls(aws, want, desired.Workgroup(name, 0), None)

    @property
    def _login(self) -> dict[str, Any]:
        if self._password:
            return {"adminUsername": self.want.user, "adminUserPassword": self._password}
        return {"manageAdminPassword": True}

    def create(self) -> None:
        self._wait_until_gone()
        role = role_arn(self.aws, self.want, self.want.redshift_role.name)
        once_role_is_known(
            lambda: self._client.create_namespace(
                namespaceName=self.name,
                dbName=self.want.database,
                **{"adminUsername": self.want.user, **self._login},
                iamRoles=[role],
                defaultIamRoleArn=role,
                tags=self._tags,
            )
        )
        self._wait_until_available()

    def drift(self, found: Any) -> Iterator[Change]:
        if found.get("dbName") != self.want.database or found.get("adminUsername", self.want.user) != self.want.user:
            raise ProvisionError(
                f"the namespace {self.name} was made with the database {found.get('dbName')} and the user "
                f"{found.get('adminUsername')}: set REDSHIFT_DATABASE and REDSHIFT_USER to them, or tear it down"
            )
        if found["status"] != "AVAILABLE":
            yield Change(f"it is {found['status'].lower()}", self._wait_until_available)
        role = role_arn(self.aws, self.want, self.want.redshift_role.name)
        # AWS writes a role here as `IamRole(applyStatus=in-sync, iamRoleArn=arn:...)`.
        held = [each for each in found.get("iamRoles", []) if role not in each]
        if held or not found.get("iamRoles") or found.get("defaultIamRoleArn") != role:
            yield Change(
                f"its one role is not {self.want.redshift_role.name}",
                lambda: self._update(iamRoles=[role], defaultIamRoleArn=role),
            )
        managed = bool(found.get("adminPasswordSecretArn"))
        if managed == bool(self._password):
            reason = (
                "its password is Redshift's own, and the settings give one"
                if managed
                else ("its password is not Redshift's own secret, and the settings give none")
            )
            yield Change(reason, lambda: self._update(**self._login))

    def _update(self, **asked: Any) -> None:
        once_role_is_known(lambda: self._client.update_namespace(namespaceName=self.name, **asked))
        self._wait_until_available()

    def delete(self, found: Any, snapshot: str | None = None) -> None:
        last = {"finalSnapshotName": snapshot} if snapshot else {}
        if self._status() not in (None, "DELETING"):
            self._client.delete_namespace(namespaceName=self.name, **last)
        self._wait_until_gone()


class Workgroup(_Serverless):
    kind = "workgroup"

    @classmethod
    def owned(cls, aws: Aws, want: Desired) -> Iterator[Resource]:
        for name in cls._all(aws, want):
            yield cls(aws, want, desired.Workgroup(name, 0))

    @property
    def _settings(self) -> dict[str, Any]:
        group = security_group(self.aws, self.want.security_group, self.want.owner)
        return {
            "baseCapacity": self.workgroup.capacity,
            "publiclyAccessible": self.want.public,
            "securityGroupIds": [group["GroupId"]] if group else [],
        }

    def create(self) -> None:
        self._wait_until_gone()
        self._client.create_workgroup(
            workgroupName=self.name,
            namespaceName=self.name,
            port=REDSHIFT_PORT,
            configParameters=[TLS],
            tags=self._tags,
            **self._settings,
        )
        self._wait_until_available()

    def drift(self, found: Any) -> Iterator[Change]:
        if found["status"] != "AVAILABLE":
            yield Change(f"it is {found['status'].lower()}", self._wait_until_available)
        for name, value in self._settings.items():
            if found.get(name) != value:
                yield Change(f"{name} is {found.get(name)}, not {value}", partial(self._update, name, value))
        parameters = {each["parameterKey"]: each["parameterValue"] for each in found.get("configParameters", [])}
        if parameters.get("require_ssl") != "true":
            yield Change("it takes connections without TLS", lambda: self._update("configParameters", [TLS]))

    def _update(self, name: str, value: Any) -> None:
        """One setting a call: AWS refuses several at once."""
        self._client.update_workgroup(workgroupName=self.name, **{name: value})
        self._wait_until_available()

    def delete(self, found: Any) -> None:
        if self._status() not in (None, "DELETING"):
            self._client.delete_workgroup(workgroupName=self.name)
        self._wait_until_gone()


def describe(aws: Aws, kind: str, name: str) -> dict[str, Any] | None:
    client = aws.client("redshift-serverless")
    answer = unless_gone(getattr(client, f"get_{kind}"), GONE, **{f"{kind}Name": name})
    return answer[kind] if answer else None
