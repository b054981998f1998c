"""Passwords that Redshift makes and keeps in secrets of its own."""

import json
import secrets

from moto.secretsmanager.models import secretsmanager_backends


def make(account: str, region: str, service: str, name: str, user: str) -> tuple[str, str]:
    """A new password, and the ARN of the secret that holds it."""
    password = f"{secrets.token_urlsafe(24)}aA1"
    content = json.dumps({"username": user, "password": password})
    vault = secretsmanager_backends[account][region]
    return password, vault.create_managed_secret(service, f"redshift!{name}", secret_string=content).arn


def forget(account: str, region: str, arn: str | None) -> None:
    vault = secretsmanager_backends[account][region]
    if arn and arn in vault.secrets:
        vault.secrets.pop(arn)
