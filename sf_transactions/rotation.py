"""New keys in the place of the old, without a moment in which a login fails.

Each step may be repeated: a rotation that was killed is finished by the next one. Old and new overlap for longer than a
login takes, and no run of this home begins meanwhile.
"""

import time
from collections.abc import Callable
from pathlib import Path

from sf_transactions.provision.aws import Aws
from sf_transactions.provision.desired import Desired
from sf_transactions.provision.errors import ProvisionError, explained
from sf_transactions.provision.keys import Keys, ensure_key, fingerprint, same_key, write_known_hosts
from sf_transactions.provision.login import Function
from sf_transactions.provision.lookup import sftp_endpoint
from sf_transactions.provision.plan import prepared
from sf_transactions.provision.sftp import User, server_id
from sf_transactions.resources.home import locked
from sf_transactions.resources.transfer import Transfer, TransferError
from sf_transactions.settings import Settings

# Transfer Family takes a while until all of it knows a key, and tells only by taking it.
SECONDS = 300
PAUSE_SECONDS = 3.0
# A login that has read the old files is given this long before they are no longer good.
OVERLAP_SECONDS = 10.0


def rotate_client_key(settings: Settings, algorithm: str, say: Callable[[str], object]) -> None:
    """The user gets a second key, which is tried, takes the place of the first, and stays alone.

    Raises ProvisionError; the old key then still logs in.
    """
    with locked(settings.home, "a rotation of keys"):
        aws, want, keys = prepared(settings, say)
        new, old = keys.folder / "client_key.next", keys.client_public
        public = ensure_key(new, algorithm)
        user = f"SFTP user {want.sftp_username}"
        with explained(user):
            _let_in(aws, want, old, public)
        say(f"{user} may log in with {fingerprint(public)} too")
        _until(f"the new key {fingerprint(public)} does not log in", lambda: _log_in(settings, new))
        _take_place(new, keys.client_key)
        say("the new key logs in, and took the place of the old one")
        time.sleep(OVERLAP_SECONDS)
        with explained(user):
            _let_in(aws, want, public)
        say("the old key logs in no more")


def _let_in(aws: Aws, want: Desired, *keys: str) -> None:
    """The user logs in by these keys and no others: keys of Transfer Family, or of the identity provider's function.

    Raises ProvisionError when neither is there.
    """
    if want.login:
        _set_right(Function(aws, want, want.login, keys))
        return
    user = User(aws, want, want.sftp_username)
    found = user.find_ours()
    if found is None:
        raise ProvisionError(f"there is no {user.title}: run `sf-transactions provision`")
    client, named = aws.client("transfer"), {"ServerId": found["ServerId"], "UserName": user.name}
    held = found.get("SshPublicKeys", [])
    for key in keys:
        if not any(same_key(each["SshPublicKeyBody"], key) for each in held):
            client.import_ssh_public_key(SshPublicKeyBody=key, **named)
    for each in held:
        if not any(same_key(each["SshPublicKeyBody"], key) for key in keys):
            client.delete_ssh_public_key(SshPublicKeyId=each["SshPublicKeyId"], **named)


def _set_right(function: Function) -> None:
    found = function.find_ours()
    if found is None:
        raise ProvisionError(f"there is no {function.title}: run `sf-transactions provision`")
    for change in function.drift(found):
        change.do()


def rotate_host_key(settings: Settings, algorithm: str, say: Callable[[str], object]) -> None:
    """Clients pin the new key beside the old one before the server shows it; the old one is forgotten afterwards.

    The API does not show which key the endpoint uses, so that it is asked by connecting. Raises ProvisionError.
    """
    with locked(settings.home, "a rotation of keys"):
        aws, want, keys = prepared(settings, say)
        new = keys.folder / "host_key.next"
        public = ensure_key(new, algorithm)
        host, port = sftp_endpoint(settings, aws)
        keys.pin(keys.host_public, public)
        write_known_hosts(keys, host, port)
        say(f"clients of this home take {fingerprint(keys.host_public)} and {fingerprint(public)}")
        time.sleep(OVERLAP_SECONDS)
        server = _server(aws, want.owner)
        with explained("SFTP server"):
            aws.client("transfer").update_server(ServerId=server, HostKey=new.read_text(encoding="utf-8"))
        _until(
            f"{host}:{port} does not show the new host key {fingerprint(public)}",
            lambda: _shows(settings, keys, public),
        )
        _take_place(new, keys.host_key)
        _forget_others(aws, server, fingerprint(public))
        keys.pin(public)
        write_known_hosts(keys, host, port)
        say(f"the server shows {fingerprint(public)}; the old host key is forgotten")


def _server(aws: Aws, owner: str) -> str:
    with explained("SFTP server"):
        server = server_id(aws, owner)
    if server is None:
        raise ProvisionError("there is no SFTP server of this project: run `sf-transactions provision`")
    return server


def _forget_others(aws: Aws, server: str, kept: str) -> None:
    """A new host key of another kind stands beside the old one until that is deleted."""
    client = aws.client("transfer")
    with explained("SFTP server"):
        for key in client.list_host_keys(ServerId=server)["HostKeys"]:  # ten at most
            if key["Fingerprint"].rstrip("=") != kept:
                client.delete_host_key(ServerId=server, HostKeyId=key["HostKeyId"])


def _log_in(settings: Settings, client_key: Path) -> None:
    with Transfer.from_settings(settings, client_key=client_key).connect():
        pass


def _shows(settings: Settings, keys: Keys, public: str) -> None:
    """A login that takes the new host key only."""
    only = keys.folder / ".host_key.only"
    only.write_text(f"{public}\n", encoding="utf-8")
    try:
        with Transfer.from_settings(settings, host_key=only).connect():
            pass
    finally:
        only.unlink()


def _until(otherwise: str, attempt: Callable[[], None]) -> None:
    """Attempts it until it succeeds. Raises ProvisionError with the last reason after a while."""
    deadline = time.monotonic() + SECONDS
    while True:
        try:
            return attempt()
        except TransferError as error:
            if time.monotonic() > deadline:
                raise ProvisionError(f"{otherwise} after {SECONDS} s: {error}; the old one still works") from None
        time.sleep(PAUSE_SECONDS)


def _take_place(new: Path, old: Path) -> None:
    """The private key last: a killed rotation finds the new one still waiting, and does this again."""
    public = new.with_name(f"{new.name}.pub")
    old.with_suffix(".pub").write_text(public.read_text(encoding="utf-8"), encoding="utf-8")
    new.replace(old)
    public.unlink()
