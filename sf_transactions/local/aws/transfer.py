"""The Transfer API where moto lacks it or differs: host keys, updates, tags, states, and what AWS refuses.

moto answers `describe_server` with the private host key in the place of its fingerprint; here it stays in the process.
"""

import base64
import hashlib
import json
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import asyncssh
from moto.transfer.exceptions import TransferError
from moto.transfer.responses import TransferResponse
from moto.transfer.types import Server, ServerDomain, ServerEndpointType, ServerIdentityProviderType, ServerState, User

from sf_transactions.local.aws.model import checked, refusal

SERVICE = "transfer"
KEY_KINDS = {"ssh-rsa", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-ed25519"}
# moto's own names of errors, which AWS does not know.
NOT_FOUND = ("ServerNotFound", "UserNotFound", "PublicKeyNotFound")


@dataclass
class HostKey:
    """A host key of a server. The private key is secret."""

    body: str = field(repr=False)
    kind: str
    fingerprint: str
    description: str
    tags: list[dict[str, str]]
    identifier: str = field(default_factory=lambda: f"hostkey-{secrets.token_hex(9)[:17]}")
    imported: datetime = field(default_factory=lambda: datetime.now(UTC))


def active_host_keys(server: Server) -> list[str]:
    """The private keys that the endpoint shows: the oldest of each kind."""
    kinds: dict[str, str] = {}
    for key in _host_keys(server):
        kinds.setdefault(key.kind, key.body)
    return list(kinds.values())


def _host_keys(server: Server) -> list[HostKey]:
    return server.__dict__.setdefault("host_keys", [])


class Transfer(TransferResponse):
    """moto's responses, and ours."""

    def call_action(self) -> Any:
        self._operation = self._get_action()
        return super().call_action()

    def _answer(self, answer: dict[str, Any]) -> str:
        return json.dumps(checked(SERVICE, self._operation, answer), default=lambda when: when.timestamp())

    def _refuse(self, code: str, message: str) -> Exception:
        return refusal(SERVICE, self._operation, code, message)

    @property
    def _asked(self) -> dict[str, Any]:
        return json.loads(self.body)

    def _server(self) -> Server:
        server = self.transfer_backend.servers.get(self._asked["ServerId"])
        if server is None:
            raise self._refuse("ResourceNotFoundException", f"Unknown server {self._asked['ServerId']}")
        return server

    def _user(self) -> User:
        name = self._asked["UserName"]
        for user in self._server()._users:
            if user.user_name == name:
                return user
        raise self._refuse("ResourceNotFoundException", f"Unknown user {name}")

    def _as_aws(self, answer: Any) -> Any:
        """moto's answer, with AWS's names of errors."""
        try:
            return answer()
        except TransferError as error:
            if error.error_type in NOT_FOUND:
                raise self._refuse("ResourceNotFoundException", error.message) from None
            raise

    # Servers

    def create_server(self) -> str:
        asked = self._asked
        key = self._host_key(asked.get("HostKey") or _new_host_key(), "", [])
        created = json.loads(super().create_server())
        server = self.transfer_backend.servers[created["ServerId"]]
        _host_keys(server).append(key)
        _show(server)
        server.security_policy_name = asked.get("SecurityPolicyName") or "TransferSecurityPolicy-2024-01"
        server.endpoint_type = ServerEndpointType(asked.get("EndpointType", "PUBLIC"))
        server.domain = ServerDomain(asked.get("Domain", "S3"))
        server.identity_provider_type = ServerIdentityProviderType(asked.get("IdentityProviderType", "SERVICE_MANAGED"))
        return self._answer(created)

    def describe_server(self) -> str:
        return self._as_aws(super().describe_server)

    def delete_server(self) -> str:
        return self._as_aws(super().delete_server)

    def update_server(self) -> str:
        asked, server = self._asked, self._server()
        if "HostKey" in asked:
            # The key that UpdateServer gives takes the place of the oldest of its kind.
            key = self._host_key(asked["HostKey"], "", [])
            keys = _host_keys(server)
            place = next((at for at, each in enumerate(keys) if each.kind == key.kind), None)
            if place is None:
                keys.insert(0, key)
            else:
                keys[place] = key
            _show(server)
        for name, attribute in (
            ("SecurityPolicyName", "security_policy_name"),
            ("LoggingRole", "logging_role"),
            ("EndpointType", "endpoint_type"),
            ("Protocols", "protocols"),
            ("IdentityProviderType", "identity_provider_type"),
            ("StructuredLogDestinations", "structured_log_destinations"),
        ):
            if name in asked:
                setattr(server, attribute, asked[name])
        if "IdentityProviderDetails" in asked:
            given = asked["IdentityProviderDetails"]
            server.identity_provider_details = {
                "function": given.get("Function"),
                "sftp_authentication_methods": given.get("SftpAuthenticationMethods"),
            }
        return self._answer({"ServerId": server.server_id})

    def stop_server(self) -> str:
        self._server().state = ServerState.OFFLINE
        return "{}"

    def start_server(self) -> str:
        self._server().state = ServerState.ONLINE
        return "{}"

    # Host keys

    def _host_key(self, body: str, description: str, tags: list[dict[str, str]]) -> HostKey:
        try:
            key = asyncssh.import_private_key(body)
        except asyncssh.KeyImportError:
            raise self._refuse("InvalidRequestException", "Unsupported or invalid SSH host key format") from None
        return HostKey(body, key.get_algorithm(), _fingerprint(key), description, tags)

    def import_host_key(self) -> str:
        asked, server = self._asked, self._server()
        key = self._host_key(asked["HostKeyBody"], asked.get("Description", ""), asked.get("Tags", []))
        if key.fingerprint in [each.fingerprint for each in _host_keys(server)]:
            raise self._refuse("ResourceExistsException", "The host key is already associated with the server")
        _host_keys(server).append(key)
        _show(server)
        return self._answer({"ServerId": server.server_id, "HostKeyId": key.identifier})

    def list_host_keys(self) -> str:
        server = self._server()
        return self._answer(
            {
                "ServerId": server.server_id,
                "HostKeys": [
                    {
                        "Arn": _key_arn(server, key),
                        "HostKeyId": key.identifier,
                        "Fingerprint": key.fingerprint,
                        "Description": key.description,
                        "Type": key.kind,
                        "DateImported": key.imported,
                    }
                    for key in _host_keys(server)
                ],
            }
        )

    def describe_host_key(self) -> str:
        server = self._server()
        key = self._known_host_key(server)
        return self._answer(
            {
                "HostKey": {
                    "Arn": _key_arn(server, key),
                    "HostKeyId": key.identifier,
                    "HostKeyFingerprint": key.fingerprint,
                    "Description": key.description,
                    "Type": key.kind,
                    "DateImported": key.imported,
                    "Tags": key.tags,
                }
            }
        )

    def delete_host_key(self) -> str:
        server = self._server()
        _host_keys(server).remove(self._known_host_key(server))
        _show(server)
        return "{}"

    def _known_host_key(self, server: Server) -> HostKey:
        for key in _host_keys(server):
            if key.identifier == self._asked["HostKeyId"]:
                return key
        raise self._refuse("ResourceNotFoundException", f"Unknown host key {self._asked['HostKeyId']}")

    # Users

    def create_user(self) -> str:
        asked, server = self._asked, self._server()
        if server.identity_provider_type != "SERVICE_MANAGED":
            raise self._refuse("InvalidRequestException", "The server's users are not managed by the service")
        if asked["UserName"] in [user.user_name for user in server._users]:
            raise self._refuse("ResourceExistsException", "User already exists")
        if asked.get("SshPublicKeyBody"):
            self._public_key(asked["SshPublicKeyBody"])
        created = super().create_user()
        for key in server._users[-1].ssh_public_keys:
            key["ssh_public_key_id"] = _public_key_id()
        return created

    def describe_user(self) -> str:
        return self._as_aws(super().describe_user)

    def delete_user(self) -> str:
        return self._as_aws(super().delete_user)

    def list_users(self) -> str:
        server = self._server()
        return self._answer(
            {
                "ServerId": server.server_id,
                "Users": [
                    {
                        "Arn": user.arn,
                        "UserName": user.user_name,
                        "Role": user.role,
                        "HomeDirectoryType": str(getattr(user.home_directory_type, "value", user.home_directory_type)),
                        "SshPublicKeyCount": len(user.ssh_public_keys),
                    }
                    for user in server._users
                ],
            }
        )

    def update_user(self) -> str:
        asked, user = self._asked, self._user()
        for name, attribute in (
            ("Role", "role"),
            ("Policy", "policy"),
            ("HomeDirectory", "home_directory"),
            ("HomeDirectoryType", "home_directory_type"),
        ):
            if name in asked:
                setattr(user, attribute, asked[name])
        if "HomeDirectoryMappings" in asked:
            user.home_directory_mappings = [
                {"entry": each["Entry"], "target": each["Target"], "type": each.get("Type")}
                for each in asked["HomeDirectoryMappings"]
            ]
        return self._answer({"ServerId": asked["ServerId"], "UserName": user.user_name})

    def _public_key(self, body: str) -> asyncssh.SSHKey:
        try:
            key = asyncssh.import_public_key(body)
        except (asyncssh.KeyImportError, ValueError):
            raise self._refuse("InvalidRequestException", "Unsupported or invalid SSH public key format") from None
        if key.get_algorithm() not in KEY_KINDS:
            raise self._refuse("InvalidRequestException", "Unsupported or invalid SSH public key format")
        return key

    def import_ssh_public_key(self) -> str:
        asked, user = self._asked, self._user()
        key = self._public_key(asked["SshPublicKeyBody"])
        if key in [asyncssh.import_public_key(each["ssh_public_key_body"]) for each in user.ssh_public_keys]:
            raise self._refuse("ResourceExistsException", "The key is already associated with the user")
        imported = json.loads(super().import_ssh_public_key())
        user.ssh_public_keys[-1]["ssh_public_key_id"] = imported["SshPublicKeyId"] = _public_key_id()
        return self._answer(imported)

    def delete_ssh_public_key(self) -> str:
        return self._as_aws(super().delete_ssh_public_key)

    def test_identity_provider(self) -> str:
        from sf_transactions.local.aws import functions

        asked, server = self._asked, self._server()
        function = server.identity_provider_details.get("function")
        if not function:
            raise self._refuse("InvalidRequestException", "The server has no custom identity provider")
        event = {
            "username": asked["UserName"],
            "password": asked.get("UserPassword", ""),
            "protocol": asked.get("ServerProtocol", "SFTP"),
            "serverId": server.server_id,
            "sourceIp": asked.get("SourceIp", "127.0.0.1"),
        }
        response = functions.invoke(function, event)
        return self._answer({"Response": json.dumps(response), "StatusCode": 200, "Message": "", "Url": ""})

    # Tags

    def _tags_of(self, arn: str) -> list[dict[str, str]]:
        for server in self.transfer_backend.servers.values():
            for known, tags in ((server.arn, server.tags), *((user.arn, user.tags) for user in server._users)):
                if known == arn:
                    return tags
        raise self._refuse(
            "ResourceNotFoundException" if self._operation != "ListTagsForResource" else "InvalidRequestException",
            f"Unknown resource {arn}",
        )

    def list_tags_for_resource(self) -> str:
        return self._answer({"Arn": self._asked["Arn"], "Tags": self._tags_of(self._asked["Arn"])})

    def tag_resource(self) -> str:
        tags, given = self._tags_of(self._asked["Arn"]), self._asked["Tags"]
        tags[:] = [tag for tag in tags if tag["Key"] not in [each["Key"] for each in given]] + given
        return "{}"

    def untag_resource(self) -> str:
        tags = self._tags_of(self._asked["Arn"])
        tags[:] = [tag for tag in tags if tag["Key"] not in self._asked["TagKeys"]]
        return "{}"


def _new_host_key() -> str:
    return asyncssh.generate_private_key("ssh-ed25519").export_private_key().decode()


def _fingerprint(key: asyncssh.SSHKey) -> str:
    return "SHA256:" + base64.b64encode(hashlib.sha256(key.public_data).digest()).decode()


def _show(server: Server) -> None:
    """The server tells of one key: the oldest."""
    keys = _host_keys(server)
    server.host_key_fingerprint = keys[0].fingerprint if keys else None


def _key_arn(server: Server, key: HostKey) -> str:
    return f"arn:aws:transfer:{server.region_name}:{server.account_id}:host-key/{server.server_id}/{key.identifier}"


def _public_key_id() -> str:
    return f"key-{secrets.token_hex(9)[:17]}"
