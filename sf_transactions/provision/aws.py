"""The account that the credentials lead to, and whose its resources are."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sf_transactions.provision.desired import OWNER_TAG
from sf_transactions.provision.errors import ProvisionError, explained
from sf_transactions.settings import Settings

# Throttled requests are repeated with a growing pause: an account is shared with others.
ATTEMPTS = 8


@dataclass(frozen=True)
class Aws:
    """boto3 clients of one session, the account and the region."""

    session: Any
    account: str
    region: str
    partition: str = "aws"
    say: Callable[[str], object] = field(default=lambda line: None, repr=False, compare=False)
    _clients: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    def client(self, service: str) -> Any:
        """One client a service: making one takes longer than most calls."""
        if service not in self._clients:
            self._clients[service] = self.session.client(service)
        return self._clients[service]


def connect(settings: Settings, say: Callable[[str], object] = lambda line: None) -> Aws:
    """The account that the credentials belong to. `say` is told how long waits go on.

    Raises ProvisionError when there are none, no region, or when it is not the account of the settings.
    """
    import boto3
    from botocore.config import Config

    with explained("credentials"):
        session = boto3.Session()
        if not session.region_name:  # S3 alone would do without, under a name that is no region
            raise ProvisionError("no AWS region; set AWS_DEFAULT_REGION")
        core = session._session
        if core.get_config_variable("max_attempts") is None:  # boto3's own settings count more
            core.set_default_client_config(Config(retries={"mode": "standard", "total_max_attempts": ATTEMPTS}))
        aws = Aws(session, "", session.region_name, session.get_partition_for_region(session.region_name))
        account = aws.client("sts").get_caller_identity()["Account"]
    wanted = settings.aws_account_id
    if wanted and wanted != account:
        raise ProvisionError(
            f"the credentials belong to the AWS account {account}, not to AWS_ACCOUNT_ID {wanted}: nothing was "
            "touched; check AWS_PROFILE, or AWS_ACCOUNT_ID"
        )
    return replace(aws, account=account, say=say)


def tags_of(tags: Sequence[Mapping[str, str]] | Mapping[str, str] | None) -> dict[str, str]:
    """Tags as AWS's services write them (Key or key, a list or a map), as one map."""
    if isinstance(tags, Mapping):
        return dict(tags)
    return {tag.get("Key", tag.get("key", "")): tag.get("Value", tag.get("value", "")) for tag in tags or ()}


def is_ours(tags: Mapping[str, str], owner: str) -> bool:
    return tags.get(OWNER_TAG) == owner


def refuse_foreign(what: str, tags: Mapping[str, str], owner: str) -> None:
    """Raises ProvisionError unless the resource carries our tag: others' resources are never touched."""
    if not is_ours(tags, owner):
        raise ProvisionError(
            f"{what} exists and does not carry the tag {OWNER_TAG}={owner}: it belongs to someone else; "
            "choose another name in the settings"
        )
