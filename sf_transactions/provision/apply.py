"""Applies the plan, one resource after the other; run again, it goes on where it stopped."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sf_transactions.provision.errors import explained
from sf_transactions.provision.keys import fingerprint, write_known_hosts
from sf_transactions.provision.lookup import redshift_endpoint, sftp_endpoint
from sf_transactions.provision.plan import actions, prepared
from sf_transactions.provision.roles import role_arn
from sf_transactions.settings import Settings


@dataclass(frozen=True)
class Provisioned:
    """Where the endpoints are, and how they are known."""

    sftp_host: str
    sftp_port: int
    redshift_host: str
    redshift_port: int
    host_key: str  # the line that a client pins
    fingerprint: str
    sftp_command: str
    transfer_role_arn: str
    redshift_role_arn: str


def provision(settings: Settings, say: Callable[[str], object]) -> Provisioned:
    """Makes what is missing, sets right what was changed, and deletes what gave way to another.

    Raises ProvisionError or SettingsError.
    """
    aws, want, keys = prepared(settings, say)
    for action in actions(aws, want, keys, settings):
        if action.do is None:
            continue
        say(f"{action.sign} {action.resource}: {action.reason}")
        started = time.monotonic()
        with explained(action.resource):
            action.do()
        if (seconds := time.monotonic() - started) > 10:
            say(f"  {action.resource} took {seconds:.0f} s")
    sftp = sftp_endpoint(settings, aws)
    redshift = redshift_endpoint(settings, aws)
    known_hosts = write_known_hosts(keys, *sftp)
    with explained("roles"):
        arns = [role_arn(aws, want, role.name) for role in (want.transfer_role, want.redshift_role)]
    return Provisioned(
        *sftp,
        *redshift,
        keys.host_public,
        fingerprint(keys.host_public),
        sftp_command(settings.sftp_username, *sftp, keys.client_key, known_hosts),
        *arns,
    )


def sftp_command(user: str, host: str, port: int, client_key: Path, known_hosts: Path) -> str:
    """How a person logs in with OpenSSH, which then knows the host key and tries no other key."""
    return f"sftp -P {port} -i {client_key} -o IdentitiesOnly=yes -o UserKnownHostsFile={known_hosts} {user}@{host}"
