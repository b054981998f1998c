"""The plan: what AWS lacks, has otherwise than it should be, or has too much, as actions that do it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import groupby
from operator import itemgetter
from textwrap import wrap
from typing import Any

from sf_transactions.provision import prices, stack
from sf_transactions.provision.aws import Aws, connect
from sf_transactions.provision.desired import Desired, desired
from sf_transactions.provision.errors import ProvisionError, explained
from sf_transactions.provision.keys import Keys, ensure_keys, has_keys
from sf_transactions.provision.permissions import needed
from sf_transactions.provision.resource import Resource
from sf_transactions.provision.sftp import server_id
from sf_transactions.settings import Settings

NO_CIDR, NO_KEY = "127.0.0.1/32", ""
WIDTH = 100  # columns of a list that is wrapped


@dataclass(frozen=True)
class Action:
    """A resource and what is to be done: + create, ~ change, = keep, - delete."""

    sign: str
    resource: str
    reason: str
    do: Callable[[], Any] | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True)
class Plan:
    account: str
    region: str
    actions: tuple[Action, ...]
    costs: tuple[prices.Cost, ...]
    permissions: tuple[str, ...]  # IAM actions that provision and teardown ask for

    @property
    def changes(self) -> bool:
        return any(action.sign != "=" for action in self.actions)

    def lines(self) -> list[str]:
        wide = max(len(action.resource) for action in self.actions)
        lines = [f"AWS account {self.account}, region {self.region}"]
        lines += [f"{action.sign} {action.resource:<{wide}}  {action.reason}" for action in self.actions]
        lines += ["", f"Costs (list prices of {prices.DATED}, {prices.REGION})"]
        lines += [f"  {cost.what:<{wide}}  {cost.told}" for cost in self.costs]
        if (idle := prices.idle(self.costs)) is not None:
            lines += [f"  {'together, used or not':<{wide}}  ${idle:,.2f} per month"]
        lines += ["", f"IAM actions needed: {len(self.permissions)}; `sf-transactions permissions` prints the policies"]
        return [*lines, *self._actions_by_service(), "", self._told()]

    def _actions_by_service(self) -> Iterator[str]:
        split = sorted(permission.split(":") for permission in self.permissions)
        wide = max(len(service) for service, _ in split)
        for service, group in groupby(split, itemgetter(0)):
            told = ", ".join(action for _, action in group)
            yield from wrap(told, WIDTH, initial_indent=f"  {service:<{wide}}  ", subsequent_indent=" " * (wide + 4))

    def _told(self) -> str:
        counts = [
            f"{count} to {word}"
            for sign, word in (("+", "create"), ("~", "change"), ("-", "delete"))
            if (count := sum(action.sign == sign for action in self.actions))
        ]
        return ", ".join(counts) or "nothing to do"

    def as_json(self) -> dict[str, Any]:
        return {
            "account": self.account,
            "region": self.region,
            "changes": self.changes,
            "actions": [
                {"sign": action.sign, "resource": action.resource, "reason": action.reason} for action in self.actions
            ],
            "monthly_costs": {
                "prices_of": prices.DATED,
                "region": prices.REGION,
                "currency": "USD",
                "used_or_not": str(idle) if (idle := prices.idle(self.costs)) is not None else None,
                "items": [
                    {
                        "what": cost.what,
                        "amount": str(cost.amount) if cost.amount is not None else None,
                        "per": cost.per,
                    }
                    for cost in self.costs
                ],
            },
            "iam_actions": list(self.permissions),
        }


def plan(settings: Settings) -> Plan:
    """Compares AWS with what should be. Raises ProvisionError or SettingsError; changes nothing on AWS."""
    aws, want, keys = prepared(settings)
    return Plan(
        aws.account,
        aws.region,
        tuple(actions(aws, want, keys, settings)),
        tuple(prices.costs(want)),
        needed(want),
    )


def prepared(settings: Settings, say: Callable[[str], object] = lambda line: None) -> tuple[Aws, Desired, Keys]:
    """The account, the desired state and this home's keys, which are made when there are none and no server yet."""
    aws = connect(settings, say)
    if not has_keys(settings.home):
        _refuse_a_second_home(aws, settings)
    keys = ensure_keys(settings.home)
    return aws, desired(settings, aws.account, aws.region, keys.client_public, aws.partition), keys


def without_keys(settings: Settings, say: Callable[[str], object] = lambda line: None) -> tuple[Aws, Desired]:
    """The account and the desired state for what needs neither keys nor the addresses of clients, and so does not ask
    for them: a teardown, and the policies."""
    aws = connect(settings, say)
    settings = replace(settings, redshift_cidr=settings.redshift_cidr or NO_CIDR)
    return aws, desired(settings, aws.account, aws.region, NO_KEY, aws.partition)


def _refuse_a_second_home(aws: Aws, settings: Settings) -> None:
    """Keys made here would lock out the home that provisioned the server. Raises ProvisionError."""
    with explained("SFTP server"):
        server = server_id(aws, settings.required("s3_bucket"))
    if server:
        raise ProvisionError(
            f"the SFTP server {server} is this project's, and {settings.home / 'keys'} holds no keys: copy that folder "
            "from where the server was provisioned, or run `sf-transactions keys make` to give it new keys from here"
        )


def actions(aws: Aws, want: Desired, keys: Keys, settings: Settings) -> Iterator[Action]:
    """The actions in dependency order. Each is worked out when it is asked for, so that applying them one by one
    sees what the ones before have made."""
    secrets = stack.Secrets(settings.redshift_password, settings.sftp_oidc_client_secret)
    for resource in stack.resources(aws, want, keys, secrets):
        with explained(resource.title):
            action = _action(resource)
        yield action
    with explained("resources of before"):
        old = list(stack.superseded(aws, want))
    for resource in old:
        reason = "it is ours, and no longer in the settings"
        yield Action("-", resource.title, reason, partial(delete, resource))


def _action(resource: Resource) -> Action:
    found = resource.find_ours()
    if found is None:
        return Action("+", resource.title, "not there", resource.create)
    changes = list(resource.drift(found))
    if not changes:
        return Action("=", resource.title, "as it should be")
    reason = "; ".join(change.reason for change in changes)
    return Action("~", resource.title, reason, lambda: [change.do() for change in changes])


def delete(resource: Resource) -> None:
    """Deletes what gave way to another; the data of a warehouse stays as a snapshot."""
    from sf_transactions.provision.destroy import delete_with_snapshot

    delete_with_snapshot(resource, keep_data=True)
