"""The AWS stand-in on loopback for a test, and the environment that leads boto3 to it."""

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from sf_transactions.local.aws import AwsEndpoint, reset
from sf_transactions.provision.plan import plan
from sf_transactions.settings import Settings

ACCOUNT = "123456789012"


@contextlib.contextmanager
def moto_aws(monkeypatch: pytest.MonkeyPatch, wrapped: Callable[[Any], Any] = lambda app: app) -> Iterator[str]:
    """Starts AWS with empty state, behind `wrapped`, and points the environment at it. Gives its URL."""
    monkeypatch.setenv("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")  # as the stand-ins do: no machine is started from them
    reset()
    server = AwsEndpoint(wrapped=wrapped).start()
    for name, value in {
        "AWS_ENDPOINT_URL": server.url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-west-2",
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)
    try:
        yield server.url
    finally:
        server.stop()


@contextlib.contextmanager
def clients_made_once() -> Iterator[None]:
    """Making a client takes boto3 longer than most calls, and every step of provisioning makes its own: here those of
    one environment are shared."""
    make = boto3.session.Session.client
    made: dict[tuple, Any] = {}

    def client(self: Any, service: str, **given: Any) -> Any:
        if given:
            return make(self, service, **given)
        key = (service, *sorted((name, value) for name, value in os.environ.items() if name.startswith("AWS_")))
        if key not in made:
            made[key] = make(self, service)
        return made[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(boto3.session.Session, "client", client)
        yield


def city_books(home: Path, **others: str | None) -> Settings:
    """Settings of a small project of its own."""
    given: dict[str, str | None] = {"redshift_cidr": "203.0.113.7/32", "redshift_password": "Secret123x", **others}
    return Settings(home_dir=str(home), s3_bucket="city-books", **given)  # type: ignore[arg-type]


def quiet(line: str) -> None:
    """Says nothing."""


def signs(settings: Settings) -> str:
    return "".join(action.sign for action in plan(settings).actions)


def changes(settings: Settings) -> dict[str, str]:
    """What the plan would do, by resource: the sign and the reason."""
    return {each.resource: f"{each.sign} {each.reason}" for each in plan(settings).actions if each.sign != "="}
