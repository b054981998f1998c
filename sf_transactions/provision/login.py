"""The optional identity provider: the Lambda function that answers for it, its secret, its table and its log."""

import base64
import hashlib
import json
from collections.abc import Iterator
from functools import partial
from typing import Any

from sf_transactions import identity
from sf_transactions.provision import desired
from sf_transactions.provision.aws import Aws, is_ours, tags_of
from sf_transactions.provision.desired import OWNER_TAG, Desired
from sf_transactions.provision.errors import ProvisionError
from sf_transactions.provision.resource import Change, Named, Resource, once_role_is_known, unless_gone
from sf_transactions.provision.roles import role_arn

GONE = "ResourceNotFoundException"
RUNTIME, SECONDS, MEGABYTES = "python3.13", 25, 256
LOG_DAYS = 90
INVOKE = "transfer-family"  # the statement that lets Transfer Family call the function


class Secret(Named):
    """The provider's client secret. Without one in the settings, what is kept stays."""

    kind = "secret"

    def __init__(self, aws: Aws, want: Desired, name: str, value: str | None) -> None:
        super().__init__(aws, want, name)
        self._value = value

    def find(self) -> Any | None:
        return unless_gone(self.aws.client("secretsmanager").describe_secret, GONE, SecretId=self.name)

    def tags(self, found: Any) -> dict[str, str]:
        return tags_of(found.get("Tags"))

    def create(self) -> None:
        if not self._value:
            raise ProvisionError("SFTP_OIDC_CLIENT_SECRET is not set, and AWS keeps none yet")
        self.aws.client("secretsmanager").create_secret(Name=self.name, SecretString=self._value, Tags=self.want.tags)

    def drift(self, found: Any) -> Iterator[Change]:
        client = self.aws.client("secretsmanager")
        if self._value and client.get_secret_value(SecretId=self.name)["SecretString"] != self._value:
            yield Change(
                "the settings give another one",
                partial(client.put_secret_value, SecretId=self.name, SecretString=self._value),
            )

    def delete(self, found: Any) -> None:
        """At once: the provider still has it."""
        self.aws.client("secretsmanager").delete_secret(SecretId=self.name, ForceDeleteWithoutRecovery=True)

    @classmethod
    def owned(cls, aws: Aws, want: Desired) -> Iterator[Resource]:
        asked = [{"Key": "tag-key", "Values": [OWNER_TAG]}]
        for page in aws.client("secretsmanager").get_paginator("list_secrets").paginate(Filters=asked):
            for found in page["SecretList"]:
                if is_ours(tags_of(found.get("Tags")), want.owner):
                    yield cls(aws, want, found["Name"], None)


class Table(Named):
    """The counts by which logins are limited; each forgets itself."""

    kind = "table"

    def find(self) -> Any | None:
        answer = unless_gone(self.aws.client("dynamodb").describe_table, GONE, TableName=self.name)
        return answer["Table"] if answer else None

    def tags(self, found: Any) -> dict[str, str]:
        return tags_of(self.aws.client("dynamodb").list_tags_of_resource(ResourceArn=found["TableArn"])["Tags"])

    def create(self) -> None:
        client = self.aws.client("dynamodb")
        client.create_table(
            TableName=self.name,
            AttributeDefinitions=[{"AttributeName": "who", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "who", "KeyType": "HASH"}],
            BillingMode="PAY_PER_REQUEST",
            Tags=self.want.tags,
        )
        client.get_waiter("table_exists").wait(TableName=self.name)
        self._forget()

    def _forget(self) -> None:
        self.aws.client("dynamodb").update_time_to_live(
            TableName=self.name, TimeToLiveSpecification={"Enabled": True, "AttributeName": "expires"}
        )

    def drift(self, found: Any) -> Iterator[Change]:
        told = self.aws.client("dynamodb").describe_time_to_live(TableName=self.name)["TimeToLiveDescription"]
        if told["TimeToLiveStatus"] not in ("ENABLED", "ENABLING"):
            yield Change("old counts stay", self._forget)

    def delete(self, found: Any) -> None:
        client = self.aws.client("dynamodb")
        client.delete_table(TableName=self.name)
        client.get_waiter("table_not_exists").wait(TableName=self.name)

    @classmethod
    def owned(cls, aws: Aws, want: Desired) -> Iterator[Resource]:
        for page in aws.client("dynamodb").get_paginator("list_tables").paginate():
            for name in page["TableNames"]:
                table = cls(aws, want, name)
                described = table.find()
                if described and is_ours(table.tags(described), want.owner):
                    yield table


class LogGroup(Named):
    """The function's log: made here, because Lambda would make one that is kept for ever."""

    kind = "log group"

    def find(self) -> Any | None:
        pages = self.aws.client("logs").get_paginator("describe_log_groups").paginate(logGroupNamePrefix=self.name)
        groups = [group for page in pages for group in page["logGroups"]]
        return next((group for group in groups if group["logGroupName"] == self.name), None)

    def tags(self, found: Any) -> dict[str, str]:
        arn = found["arn"].removesuffix(":*")
        return tags_of(self.aws.client("logs").list_tags_for_resource(resourceArn=arn)["tags"])

    def create(self) -> None:
        self.aws.client("logs").create_log_group(logGroupName=self.name, tags=tags_of(self.want.tags))
        self._retain()

    def _retain(self) -> None:
        self.aws.client("logs").put_retention_policy(logGroupName=self.name, retentionInDays=LOG_DAYS)

    def drift(self, found: Any) -> Iterator[Change]:
        if found.get("retentionInDays") != LOG_DAYS:
            yield Change(f"it is kept {found.get('retentionInDays', 'for ever')}, not {LOG_DAYS} days", self._retain)

    def delete(self, found: Any) -> None:
        self.aws.client("logs").delete_log_group(logGroupName=self.name)

    @classmethod
    def owned(cls, aws: Aws, want: Desired) -> Iterator[Resource]:
        for page in aws.client("logs").get_paginator("describe_log_groups").paginate(logGroupNamePrefix="/aws/lambda/"):
            for found in page["logGroups"]:
                group = cls(aws, want, found["logGroupName"])
                if is_ours(group.tags(found), want.owner):
                    yield group


class Function(Named):
    """The function, deployed from this package, which Transfer Family alone may call."""

    kind = "function"

    def __init__(
        self, aws: Aws, want: Desired, login: desired.Login, client_keys: tuple[str, ...] | None = None
    ) -> None:
        """`client_keys` are those of the pipeline's own user: the one of this home, or two while it is rotated."""
        super().__init__(aws, want, login.name)
        self.login = login
        self._client_keys = client_keys or (want.client_public_key,)

    @property
    def arn(self) -> str:
        return self.want.arn("lambda", f"function:{self.name}")

    def find(self) -> Any | None:
        return unless_gone(self.aws.client("lambda").get_function, GONE, FunctionName=self.name)

    def tags(self, found: Any) -> dict[str, str]:
        return tags_of(found.get("Tags"))

    @property
    def _settings(self) -> dict[str, Any]:
        return {
            "Runtime": RUNTIME,
            "Handler": identity.HANDLER,
            "Role": role_arn(self.aws, self.want, self.login.role.name),
            "Timeout": SECONDS,
            "MemorySize": MEGABYTES,
            "Environment": {"Variables": self._variables},
        }

    @property
    def _variables(self) -> dict[str, str]:
        keys = {self.want.sftp_username: list(self._client_keys)}
        return {
            "ISSUER": self.login.issuer,
            "CLIENT_ID": self.login.client_id,
            "SECRET_ID": self.login.secret,
            "GROUP": self.login.group,
            "ROLE": role_arn(self.aws, self.want, self.want.transfer_role.name),
            "BUCKET": self.want.bucket,
            "PREFIX": self.want.prefix,
            "TABLE": self.login.name,
            "PUBLIC_KEYS": json.dumps(keys),
        }

    def create(self) -> None:
        client = self.aws.client("lambda")
        once_role_is_known(
            lambda: client.create_function(
                FunctionName=self.name,
                Code={"ZipFile": identity.package()},
                Tags=tags_of(self.want.tags),
                **self._settings,
            )
        )
        client.get_waiter("function_active_v2").wait(FunctionName=self.name)
        self._let_transfer_family_call()

    def _let_transfer_family_call(self) -> None:
        self.aws.client("lambda").add_permission(
            FunctionName=self.name,
            StatementId=INVOKE,
            Action="lambda:InvokeFunction",
            Principal="transfer.amazonaws.com",
            SourceAccount=self.want.account,
            SourceArn=self.want.arn("transfer", "server/*"),
        )

    def drift(self, found: Any) -> Iterator[Change]:
        told, client = found["Configuration"], self.aws.client("lambda")
        package = identity.package()
        if told["CodeSha256"] != base64.b64encode(hashlib.sha256(package).digest()).decode():
            yield Change(
                "its code is not that of this version",
                lambda: self._updated(client.update_function_code, ZipFile=package),
            )
        wrong = [name for name, value in self._settings.items() if told.get(name) != value]
        if wrong:
            reason = f"{', '.join(wrong)} {'is' if len(wrong) == 1 else 'are'} otherwise"
            yield Change(reason, lambda: self._updated(client.update_function_configuration, **self._settings))
        yield from self._callers()

    def _updated(self, update: Any, **asked: Any) -> None:
        once_role_is_known(lambda: update(FunctionName=self.name, **asked))
        self.aws.client("lambda").get_waiter("function_updated_v2").wait(FunctionName=self.name)

    def _callers(self) -> Iterator[Change]:
        client = self.aws.client("lambda")
        told = unless_gone(client.get_policy, GONE, FunctionName=self.name)
        statements = json.loads(told["Policy"])["Statement"] if told else []
        for statement in statements:
            if statement["Sid"] != INVOKE:
                yield Change(
                    f"someone else may call it ({statement['Sid']})",
                    partial(client.remove_permission, FunctionName=self.name, StatementId=statement["Sid"]),
                )
        if INVOKE not in [statement["Sid"] for statement in statements]:
            yield Change("Transfer Family may not call it", self._let_transfer_family_call)

    def delete(self, found: Any) -> None:
        self.aws.client("lambda").delete_function(FunctionName=self.name)

    @classmethod
    def owned(cls, aws: Aws, want: Desired) -> Iterator[Resource]:
        client = aws.client("lambda")
        for page in client.get_paginator("list_functions").paginate():
            for found in page["Functions"]:
                if is_ours(tags_of(client.list_tags(Resource=found["FunctionArn"])["Tags"]), want.owner):
                    none = desired.Role("", {}, desired.Policy("", {}))
                    yield cls(aws, want, desired.Login(found["FunctionName"], none, "", "", "", "", ""))


KINDS: tuple[type[Resource], ...] = (Function, Secret, Table, LogGroup)


def resources(aws: Aws, want: Desired, client_secret: str | None) -> list[Resource]:
    """What the identity provider needs, each after what it needs itself; nothing when there is none."""
    if want.login is None:
        return []
    return [
        Secret(aws, want, want.login.secret, client_secret),
        Table(aws, want, want.login.name),
        LogGroup(aws, want, want.login.log_group),
        Function(aws, want, want.login),
    ]
