"""Keys are rotated while logins go on; whatever kills a rotation, the next one finishes it."""

import threading
from dataclasses import replace

import boto3
import pytest

from sf_transactions import rotation
from sf_transactions.local import standins
from sf_transactions.local.ports import Ports
from sf_transactions.provision.apply import provision
from sf_transactions.provision.errors import ProvisionError
from sf_transactions.provision.keys import ensure_keys
from sf_transactions.provision.plan import plan
from sf_transactions.resources.home import HomeError, locked
from sf_transactions.resources.transfer import Transfer, TransferError
from sf_transactions_tests.integration.moto_aws import city_books, clients_made_once, moto_aws, quiet

ROTATE = {"client": rotation.rotate_client_key, "host": rotation.rotate_host_key}


@pytest.fixture
def settings(tmp_path, monkeypatch):
    """A provisioned project with an SFTP endpoint that follows the Transfer API."""
    monkeypatch.setattr(rotation, "PAUSE_SECONDS", 0.05)
    monkeypatch.setattr(rotation, "OVERLAP_SECONDS", 1.0)
    with clients_made_once(), moto_aws(monkeypatch):
        s3 = boto3.client("s3")
        endpoint = standins._sftp(Ports(0, 0, 0, 0, password=""), lambda: s3)
        settings = replace(city_books(tmp_path), sftp_host="127.0.0.1", sftp_port=str(endpoint.port))
        provision(settings, quiet)
        yield settings
        endpoint.stop()


def log_in(settings) -> None:
    with Transfer.from_settings(settings).connect():
        pass


@pytest.mark.parametrize(
    ("which", "algorithm"),
    [
        ("host", "ed25519"),
        pytest.param("client", "ed25519", marks=pytest.mark.full),
        pytest.param("host", "rsa", marks=pytest.mark.full),
    ],
)
def test_a_key_is_rotated_while_logins_go_on_and_none_fails(settings, which, algorithm):
    keys = ensure_keys(settings.home)
    before = {"client": keys.client_public, "host": keys.host_public}
    old_client = settings.home / "old_client"
    old_client.write_bytes(keys.client_key.read_bytes())
    ended, failed, count = threading.Event(), [], 0

    def keep_logging_in() -> None:
        nonlocal count
        while not ended.is_set():
            try:
                log_in(settings)
                count += 1
            except TransferError as error:
                failed.append(str(error))

    with_logins = threading.Thread(target=keep_logging_in)
    with_logins.start()
    said: list[str] = []
    try:
        ROTATE[which](settings, algorithm, said.append)
    finally:
        ended.set()
        with_logins.join()
    assert failed == [] and count >= 3
    after = {"client": keys.client_public, "host": keys.host_public}
    assert {name for name in after if after[name] != before[name]} == {which}
    assert keys.pinned == [keys.host_public]
    assert not plan(settings).changes
    log_in(settings)
    if which == "client":
        with (
            pytest.raises(TransferError, match="refused the login"),
            Transfer.from_settings(settings, client_key=old_client).connect(),
        ):
            pass
    assert {path.name for path in keys.folder.iterdir()} == {
        "client_key", "client_key.pub", "host_key", "host_key.pub", "known_hosts",
    }  # fmt: skip
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in (keys.client_key, keys.host_key))
    assert "PRIVATE" not in "\n".join(said)


@pytest.mark.full
def test_a_client_key_may_be_rsa_of_4096_bits_in_pem(settings):
    rotation.rotate_client_key(settings, "rsa", quiet)
    assert (settings.home / "keys" / "client_key").read_text().startswith("-----BEGIN RSA PRIVATE KEY-----")
    log_in(settings)


@pytest.mark.full
@pytest.mark.parametrize("which", ["client", "host"])
@pytest.mark.parametrize("step", ["before", "after"])
def test_a_rotation_that_was_killed_is_finished_by_the_next_and_logins_work_in_between(
    settings, monkeypatch, which, step
):
    class Killed(BaseException):
        pass

    take_place = rotation._take_place

    def killed(*paths) -> None:
        if step == "after":
            take_place(*paths)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(rotation, "_take_place", killed)
        with pytest.raises(Killed):
            ROTATE[which](settings, "ed25519", quiet)
    log_in(settings)
    ROTATE[which](settings, "ed25519", quiet)
    log_in(settings)
    assert not plan(settings).changes


@pytest.mark.full
def test_an_endpoint_that_does_not_take_the_new_key_leaves_the_old_one_in_place(settings, monkeypatch):
    monkeypatch.setattr(rotation, "SECONDS", 0.2)
    elsewhere = replace(settings, sftp_port="1")
    before = ensure_keys(settings.home).client_public
    with pytest.raises(ProvisionError, match=r"the new key SHA256:\S+ does not log in after .*the old one still works"):
        rotation.rotate_client_key(elsewhere, "ed25519", quiet)
    assert ensure_keys(settings.home).client_public == before
    log_in(settings)


def test_no_rotation_begins_while_a_run_holds_the_home(settings):
    with locked(settings.home, "run 1"), pytest.raises(HomeError, match="in use by run 1"):
        rotation.rotate_client_key(settings, "ed25519", quiet)


@pytest.mark.full
def test_without_a_server_the_command_that_makes_one_is_named(settings):
    server = boto3.client("transfer").list_servers()["Servers"][0]["ServerId"]
    boto3.client("transfer").delete_server(ServerId=server)
    for rotate in ROTATE.values():
        with pytest.raises(ProvisionError, match="run `sf-transactions provision`"):
            rotate(settings, "ed25519", quiet)
