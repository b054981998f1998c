"""Applies the plan, one resource after the other; run again, it goes on where it stopped."""

from collections.abc import Callable
from dataclasses import dataclass

from sf_transactions.provision import actual, make
from sf_transactions.provision.desired import desired
from sf_transactions.provision.errors import explained
from sf_transactions.provision.keys import ensure_keys
from sf_transactions.provision.lookup import redshift_endpoint, sftp_endpoint
from sf_transactions.provision.plan import actions
from sf_transactions.settings import Settings


@dataclass(frozen=True)
class Provisioned:
    """Where the endpoints are."""

    sftp_host: str
    sftp_port: int
    redshift_host: str
    redshift_port: int
    host_key: str  # the one line that a client pins
    transfer_role_arn: str
    redshift_role_arn: str


def provision(settings: Settings, say: Callable[[str], object]) -> Provisioned:
    """Makes what is missing and sets right what was changed. Raises ProvisionError or SettingsError."""
    settings.required("redshift_password")
    aws = actual.connect()
    keys = ensure_keys(settings.home)
    want = desired(settings, aws.account, aws.region, keys.client_public)
    for action in actions(aws, want, keys, settings):
        if action.do is not None:
            say(f"{action.sign} {action.resource}")
            with explained(action.resource):
                action.do()
    sftp = (settings.sftp_host, settings.port("sftp_port") or 22) if settings.sftp_host else sftp_endpoint(settings)
    redshift = (
        (settings.redshift_host, settings.port("redshift_port") or 5439)
        if settings.redshift_host
        else redshift_endpoint(settings)
    )
    with explained("roles"):
        arns = [make.role_arn(aws, role.name) for role in (want.transfer_role, want.redshift_role)]
    return Provisioned(*sftp, *redshift, keys.host_public, *arns)
