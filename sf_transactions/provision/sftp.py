"""Transfer Family: the SFTP server, found by its tag because it has no name, and its user."""

from collections.abc import Iterator
from functools import partial
from typing import Any

from sf_transactions.provision.aws import Aws, is_ours, tags_of
from sf_transactions.provision.desired import Desired
from sf_transactions.provision.errors import ProvisionError
from sf_transactions.provision.keys import Keys, fingerprint, same_key
from sf_transactions.provision.resource import Change, Named, Resource, once_role_is_known, unless_gone
from sf_transactions.provision.roles import role_arn

GONE = "ResourceNotFoundException"
SERVICE_MANAGED = "SERVICE_MANAGED"


class Server(Resource):
    """The SFTP endpoint, with a host key that this home made and pins. Nothing of `describe_server` is ever logged."""

    kind = "SFTP server"

    def __init__(self, aws: Aws, want: Desired, keys: Keys | None) -> None:
        super().__init__(aws, want)
        self._keys = keys

    @property
    def name(self) -> str:
        return f"of {self.want.owner}"

    @property
    def keys(self) -> Keys:
        assert self._keys is not None  # only a server that is to be deleted needs none
        return self._keys

    def find(self) -> dict[str, Any] | None:
        return next(servers(self.aws, self.want.owner), None)

    @classmethod
    def owned(cls, aws: Aws, want: Desired) -> Iterator[Resource]:
        for _ in servers(aws, want.owner):
            yield cls(aws, want, None)

    def tags(self, found: Any) -> dict[str, str]:
        return tags_of(found.get("Tags"))

    @property
    def _settings(self) -> dict[str, Any]:
        return {
            "EndpointType": "PUBLIC",
            "Protocols": ["SFTP"],
            "SecurityPolicyName": self.want.security_policy,
            **self._users,
        }

    @property
    def _users(self) -> dict[str, Any]:
        """Whose users they are: the service's own, or those of an identity provider behind a function."""
        if self.want.login is None:
            return {"IdentityProviderType": SERVICE_MANAGED}
        function = self.want.arn("lambda", f"function:{self.want.login.name}")
        methods = "PUBLIC_KEY_OR_PASSWORD"
        details = {"Function": function, "SftpAuthenticationMethods": methods}
        return {"IdentityProviderType": "AWS_LAMBDA", "IdentityProviderDetails": details}

    def create(self) -> None:
        client = self.aws.client("transfer")
        made = client.create_server(
            Domain="S3", HostKey=self.keys.host_private(), Tags=self.want.tags, **self._settings
        )["ServerId"]
        client.get_waiter("server_online").wait(ServerId=made)

    def drift(self, found: Any) -> Iterator[Change]:
        client, identifier = self.aws.client("transfer"), found["ServerId"]
        if found.get("Domain", "S3") != "S3":
            raise ProvisionError(
                f"the SFTP server {identifier} stores files in {found['Domain']}, not in S3: tear it down"
            )
        pinned = fingerprint(self.keys.host_public)
        if not _same(found.get("HostKeyFingerprint"), pinned):
            yield Change(
                f"it shows another host key than {self.keys.host_key}, {pinned}",
                lambda: client.update_server(ServerId=identifier, HostKey=self.keys.host_private()),
            )
        wrong = {name: value for name, value in self._settings.items() if found.get(name) != value}
        if wrong:
            yield Change(
                "; ".join(f"{name} is {found.get(name)}, not {value}" for name, value in wrong.items()),
                lambda: client.update_server(ServerId=identifier, **wrong),
            )
        if found.get("State") != "ONLINE":
            yield Change(f"it is {str(found.get('State')).lower()}", lambda: self._bring_online(found))

    def _bring_online(self, found: dict[str, Any]) -> None:
        client, identifier = self.aws.client("transfer"), found["ServerId"]
        if found.get("State") == "STOPPING":
            client.get_waiter("server_offline").wait(ServerId=identifier)
        if found.get("State") != "STARTING":
            client.start_server(ServerId=identifier)
        client.get_waiter("server_online").wait(ServerId=identifier)

    def delete(self, found: Any) -> None:
        """With its users."""
        client, identifier = self.aws.client("transfer"), found["ServerId"]
        if found.get("IdentityProviderType", SERVICE_MANAGED) == SERVICE_MANAGED:
            for page in client.get_paginator("list_users").paginate(ServerId=identifier):
                for user in page["Users"]:
                    client.delete_user(ServerId=identifier, UserName=user["UserName"])
        client.delete_server(ServerId=identifier)


class User(Named):
    """The one user of the pipeline: a logical home, and the client key of this home."""

    kind = "SFTP user"

    @classmethod
    def owned(cls, aws: Aws, want: Desired) -> Iterator[Resource]:
        client = aws.client("transfer")
        for server in servers(aws, want.owner):
            if server.get("IdentityProviderType", SERVICE_MANAGED) != SERVICE_MANAGED:
                continue
            for page in client.get_paginator("list_users").paginate(ServerId=server["ServerId"]):
                for each in page["Users"]:
                    user = cls(aws, want, each["UserName"])
                    described = user.find()
                    if described and is_ours(user.tags(described), want.owner):
                        yield user

    def find(self) -> dict[str, Any] | None:
        on = server_id(self.aws, self.want.owner)
        if on is None:
            return None
        answer = unless_gone(self.aws.client("transfer").describe_user, GONE, ServerId=on, UserName=self.name)
        return answer["User"] | {"ServerId": on} if answer else None

    def tags(self, found: Any) -> dict[str, str]:
        return tags_of(found.get("Tags"))

    def create(self) -> None:
        on = server_id(self.aws, self.want.owner)
        if on is None:
            raise ProvisionError("there is no SFTP server of this project: run `sf-transactions provision`")
        role = role_arn(self.aws, self.want, self.want.transfer_role.name)
        once_role_is_known(
            lambda: self.aws.client("transfer").create_user(
                ServerId=on,
                UserName=self.name,
                Role=role,
                HomeDirectoryType="LOGICAL",
                HomeDirectoryMappings=list(self.want.home_mapping),
                SshPublicKeyBody=self.want.client_public_key,
                Tags=self.want.tags,
            )
        )

    def drift(self, found: Any) -> Iterator[Change]:
        client, named = self.aws.client("transfer"), {"ServerId": found["ServerId"], "UserName": self.name}
        role = role_arn(self.aws, self.want, self.want.transfer_role.name)
        if found.get("Role") != role:
            yield Change(
                "it has another role",
                lambda: once_role_is_known(lambda: client.update_user(Role=role, **named)),
            )
        mappings = tuple(
            {"Entry": each["Entry"], "Target": each["Target"]} for each in found.get("HomeDirectoryMappings", [])
        )
        if found.get("HomeDirectoryType") != "LOGICAL" or mappings != self.want.home_mapping:
            yield Change(
                "its home is elsewhere",
                lambda: client.update_user(
                    HomeDirectoryType="LOGICAL", HomeDirectoryMappings=list(self.want.home_mapping), **named
                ),
            )
        yield from self._keys(found, named)

    def _keys(self, found: Any, named: dict[str, str]) -> Iterator[Change]:
        client, held = self.aws.client("transfer"), found.get("SshPublicKeys", [])
        if not any(same_key(key["SshPublicKeyBody"], self.want.client_public_key) for key in held):
            yield Change(
                "its public key is missing",
                lambda: client.import_ssh_public_key(SshPublicKeyBody=self.want.client_public_key, **named),
            )
        for key in held:
            if not same_key(key["SshPublicKeyBody"], self.want.client_public_key):
                yield Change(
                    f"a key that is not ours can log in, {fingerprint_or_text(key['SshPublicKeyBody'])}",
                    partial(client.delete_ssh_public_key, SshPublicKeyId=key["SshPublicKeyId"], **named),
                )

    def delete(self, found: Any) -> None:
        self.aws.client("transfer").delete_user(ServerId=found["ServerId"], UserName=self.name)


def fingerprint_or_text(body: str) -> str:
    try:
        return fingerprint(body)
    except ValueError:
        return "which is no key"


def servers(aws: Aws, owner: str) -> Iterator[dict[str, Any]]:
    """Our servers as AWS describes them, found by their tag; one, unless two were provisioned at the same moment."""
    client = aws.client("transfer")
    for page in client.get_paginator("list_servers").paginate():
        for listed in page["Servers"]:
            answer = unless_gone(client.describe_server, GONE, ServerId=listed["ServerId"])
            # None: deleted since it was listed.
            if answer and is_ours(tags_of(answer["Server"].get("Tags")), owner):
                yield answer["Server"]


def server_id(aws: Aws, owner: str) -> str | None:
    return next((server["ServerId"] for server in servers(aws, owner)), None)


def _same(told: str | None, pinned: str) -> bool:
    """AWS pads a fingerprint with `=`, OpenSSH does not."""
    return (told or "").rstrip("=") == pinned
