"""Redshift Serverless, which moto lacks: namespaces and workgroups, as far as the product calls them."""

import json
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

from moto.core.base_backend import BackendDict, BaseBackend
from moto.core.responses import BaseResponse

from sf_transactions.local.aws import passwords
from sf_transactions.local.aws.model import checked, refusal

SERVICE = "redshift-serverless"
PORT = 5439


class ServerlessBackend(BaseBackend):
    """What stands in a region: namespaces and workgroups as AWS describes them, and what it tells nobody."""

    def __init__(self, region_name: str, account_id: str) -> None:
        super().__init__(region_name, account_id)
        self.namespaces: dict[str, dict[str, Any]] = {}
        self.workgroups: dict[str, dict[str, Any]] = {}
        self.passwords: dict[str, str] = {}  # of administrators, by namespace
        self.temporary: dict[str, dict[str, tuple[str, datetime]]] = {}  # by workgroup, then user
        self.tags: dict[str, list[dict[str, str]]] = {}  # by ARN
        self.snapshots: dict[str, str] = {}  # namespace, by snapshot


serverless_backends = BackendDict(ServerlessBackend, SERVICE)


def logins(backend: ServerlessBackend, workgroup: dict[str, Any]) -> dict[str, str]:
    """Users and passwords that the workgroup's SQL endpoint takes now. Secret."""
    namespace, now = backend.namespaces[workgroup["namespaceName"]], datetime.now(UTC)
    temporary = backend.temporary.get(workgroup["workgroupName"], {})
    return {namespace["adminUsername"]: backend.passwords[namespace["namespaceName"]]} | {
        user: password for user, (password, expires) in temporary.items() if expires > now
    }


class Serverless(BaseResponse):
    def __init__(self) -> None:
        super().__init__(service_name=SERVICE)

    @property
    def _backend(self) -> ServerlessBackend:
        return serverless_backends[self.current_account][self.region]

    @property
    def _asked(self) -> dict[str, Any]:
        return json.loads(self.body)

    def _answer(self, answer: dict[str, Any]) -> str:
        return json.dumps(checked(SERVICE, self._get_action(), answer), default=lambda when: when.timestamp())

    def _refuse(self, code: str, message: str) -> Exception:
        return refusal(SERVICE, self._get_action(), code, message)

    def _known(self, kind: str, name: str) -> dict[str, Any]:
        found = getattr(self._backend, f"{kind}s").get(name)
        if found is None:
            raise self._refuse("ResourceNotFoundException", f"The {kind} {name} was not found")
        return found

    def _arn(self, kind: str) -> tuple[str, str]:
        identifier = str(secrets.token_hex(16))
        return identifier, f"arn:aws:{SERVICE}:{self.region}:{self.current_account}:{kind}/{identifier}"

    # Namespaces

    def create_namespace(self) -> str:
        asked = self._asked
        name = asked["namespaceName"]
        if name in self._backend.namespaces:
            raise self._refuse("ConflictException", f"The namespace {name} already exists")
        if bool(asked.get("manageAdminPassword")) == bool(asked.get("adminUserPassword")):
            raise self._refuse("ValidationException", "Give either adminUserPassword or manageAdminPassword")
        identifier, arn = self._arn("namespace")
        namespace = {
            "namespaceName": name,
            "namespaceId": identifier,
            "namespaceArn": arn,
            "status": "AVAILABLE",
            "creationDate": datetime.now(UTC),
            "dbName": asked.get("dbName", "dev"),
            "adminUsername": asked.get("adminUsername", "admin"),
            "iamRoles": asked.get("iamRoles", []),
            "logExports": asked.get("logExports", []),
        }
        self._backend.namespaces[name] = namespace
        self._backend.tags[arn] = asked.get("tags", [])
        self._set(namespace, asked)
        return self._answer({"namespace": namespace})

    def update_namespace(self) -> str:
        asked = self._asked
        namespace = self._known("namespace", asked["namespaceName"])
        self._set(namespace, asked)
        return self._answer({"namespace": namespace})

    def _set(self, namespace: dict[str, Any], asked: dict[str, Any]) -> None:
        roles = asked.get("iamRoles", namespace["iamRoles"])
        default = asked.get("defaultIamRoleArn", namespace.get("defaultIamRoleArn"))
        if default and default not in roles:
            raise self._refuse("ValidationException", f"The default role {default} is not among the roles")
        namespace["iamRoles"] = roles
        if default:
            namespace["defaultIamRoleArn"] = default
        name, place = namespace["namespaceName"], (self.current_account, self.region)
        if asked.get("adminUserPassword"):
            self._backend.passwords[name] = asked["adminUserPassword"]
            passwords.forget(*place, namespace.pop("adminPasswordSecretArn", None))
        elif asked.get("manageAdminPassword") and "adminPasswordSecretArn" not in namespace:
            made = passwords.make(*place, SERVICE, f"{name}-admin", namespace["adminUsername"])
            self._backend.passwords[name], namespace["adminPasswordSecretArn"] = made

    def get_namespace(self) -> str:
        return self._answer({"namespace": self._known("namespace", self._asked["namespaceName"])})

    def list_namespaces(self) -> str:
        return self._answer({"namespaces": list(self._backend.namespaces.values())})

    def delete_namespace(self) -> str:
        asked = self._asked
        namespace = self._known("namespace", asked["namespaceName"])
        if any(each["namespaceName"] == asked["namespaceName"] for each in self._backend.workgroups.values()):
            raise self._refuse("ConflictException", "A workgroup still uses the namespace")
        if asked.get("finalSnapshotName"):
            self._backend.snapshots[asked["finalSnapshotName"]] = asked["namespaceName"]
        del self._backend.namespaces[asked["namespaceName"]]
        passwords.forget(self.current_account, self.region, namespace.get("adminPasswordSecretArn"))
        return self._answer({"namespace": namespace | {"status": "DELETING"}})

    # Workgroups

    def create_workgroup(self) -> str:
        asked = self._asked
        name = asked["workgroupName"]
        if name in self._backend.workgroups:
            raise self._refuse("ConflictException", f"The workgroup {name} already exists")
        self._known("namespace", asked["namespaceName"])
        identifier, arn = self._arn("workgroup")
        port = asked.get("port", PORT)
        workgroup = {
            "workgroupName": name,
            "workgroupId": identifier,
            "workgroupArn": arn,
            "namespaceName": asked["namespaceName"],
            "status": "AVAILABLE",
            "creationDate": datetime.now(UTC),
            "baseCapacity": asked.get("baseCapacity", 128),
            "enhancedVpcRouting": asked.get("enhancedVpcRouting", False),
            "publiclyAccessible": asked.get("publiclyAccessible", False),
            "configParameters": asked.get("configParameters", []),
            "securityGroupIds": asked.get("securityGroupIds", []),
            "subnetIds": asked.get("subnetIds", []),
            "port": port,
            "endpoint": {
                "address": f"{name}.{self.current_account}.{self.region}.redshift-serverless.amazonaws.com",
                "port": port,
            },
        }
        self._backend.workgroups[name] = workgroup
        self._backend.tags[arn] = asked.get("tags", [])
        return self._answer({"workgroup": workgroup})

    def update_workgroup(self) -> str:
        asked = self._asked
        workgroup = self._known("workgroup", asked["workgroupName"])
        for name in (
            "baseCapacity",
            "enhancedVpcRouting",
            "publiclyAccessible",
            "securityGroupIds",
            "configParameters",
        ):
            if name in asked:
                workgroup[name] = asked[name]
        return self._answer({"workgroup": workgroup})

    def get_workgroup(self) -> str:
        return self._answer({"workgroup": self._known("workgroup", self._asked["workgroupName"])})

    def list_workgroups(self) -> str:
        return self._answer({"workgroups": list(self._backend.workgroups.values())})

    def delete_workgroup(self) -> str:
        workgroup = self._known("workgroup", self._asked["workgroupName"])
        del self._backend.workgroups[workgroup["workgroupName"]]
        return self._answer({"workgroup": workgroup | {"status": "DELETING"}})

    def get_credentials(self) -> str:
        workgroup = self._known("workgroup", self._asked["workgroupName"])
        expires = datetime.now(UTC) + timedelta(seconds=self._asked.get("durationSeconds", 900))
        user, password = f"IAM:{self.access_key}", secrets.token_urlsafe(32)
        self._backend.temporary.setdefault(workgroup["workgroupName"], {})[user] = (password, expires)
        return self._answer({"dbUser": user, "dbPassword": password, "expiration": expires, "nextRefreshTime": expires})

    # Tags

    def _tags(self) -> list[dict[str, str]]:
        arn = self._asked["resourceArn"]
        if arn not in self._backend.tags:
            raise self._refuse("ResourceNotFoundException", f"{arn} was not found")
        return self._backend.tags[arn]

    def list_tags_for_resource(self) -> str:
        return self._answer({"tags": self._tags()})

    def tag_resource(self) -> str:
        tags, given = self._tags(), self._asked["tags"]
        tags[:] = [tag for tag in tags if tag["key"] not in [each["key"] for each in given]] + given
        return self._answer({})

    def untag_resource(self) -> str:
        tags = self._tags()
        tags[:] = [tag for tag in tags if tag["key"] not in self._asked["tagKeys"]]
        return self._answer({})
