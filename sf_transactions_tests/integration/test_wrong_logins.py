"""What the SFTP endpoint refuses: wrong logins of every kind, ways out of the home, and all that is not SFTP."""

import contextlib
import io
import shutil
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import boto3
import paramiko
import pytest

from sf_transactions.local.transfer import SftpEndpoint, SftpServer, SftpUser
from sf_transactions.provision.keys import ensure_keys
from sf_transactions_tests.integration.moto_aws import moto_aws

HOME = "city-books/home/clerk"


class Place:
    """An endpoint with two users, clerk and auditor, whose homes are two prefixes of a bucket."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.s3 = boto3.client("s3")
        where = {"CreateBucketConfiguration": {"LocationConstraint": "us-west-2"}}
        for bucket in ("city-books", "others"):
            self.s3.create_bucket(Bucket=bucket, **where)
        for bucket, key in (("others", "secret"), ("city-books", "secret"), ("city-books", "home/clerk-2/secret")):
            self.s3.put_object(Bucket=bucket, Key=key, Body=b"no")
        self.clerk, self.auditor, self.stranger = (ensure_keys(folder / name) for name in ("clerk", "auditor", "other"))
        users = tuple(
            SftpUser(name, (keys.client_public,), (("/", f"/city-books/home/{name}"),))
            for name, keys in (("clerk", self.clerk), ("auditor", self.auditor))
        )
        self.endpoint = SftpEndpoint(lambda: [SftpServer("s-1", (self.clerk.host_private(),), users)], lambda: self.s3)
        self.endpoint.start()

    def stored(self) -> set[tuple[str, str]]:
        return {
            (bucket, each["Key"])
            for bucket in ("city-books", "others")
            for each in self.s3.list_objects_v2(Bucket=bucket)["Contents"]
        }

    @contextlib.contextmanager
    def transport(self):
        with contextlib.closing(paramiko.Transport(("127.0.0.1", self.endpoint.port))) as transport:
            transport.start_client(timeout=10)
            yield transport

    @contextlib.contextmanager
    def sftp(self):
        with self.transport() as transport:
            transport.auth_publickey("clerk", paramiko.PKey.from_path(self.clerk.client_key))
            with contextlib.closing(paramiko.SFTPClient.from_transport(transport)) as sftp:
                yield sftp


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch, moto_aws(patch):
        place = Place(tmp_path_factory.mktemp("place"))
        yield place
        place.endpoint.stop()


def by_key(place: Place, username: str, path: Path) -> Callable:
    return lambda transport: transport.auth_publickey(username, paramiko.PKey.from_path(path))


def with_rsa(transport) -> None:
    transport.auth_publickey("clerk", paramiko.RSAKey.generate(2048))


def with_ecdsa(transport) -> None:
    transport.auth_publickey("clerk", paramiko.ECDSAKey.generate())


def answered(*answers: str) -> Callable:
    return lambda transport: transport.auth_interactive("clerk", lambda title, about, asked: list(answers))


LOGINS: dict[str, Callable[[Place], Callable]] = {
    "no key": lambda place: lambda transport: transport.auth_none("clerk"),
    "another ed25519 key": lambda place: by_key(place, "clerk", place.stranger.client_key),
    "another RSA key": lambda place: with_rsa,
    "another ECDSA key": lambda place: with_ecdsa,
    "the server's own host key": lambda place: by_key(place, "clerk", place.clerk.host_key),
    "the key of another user": lambda place: by_key(place, "clerk", place.auditor.client_key),
    "the own key under another's name": lambda place: by_key(place, "auditor", place.clerk.client_key),
    "root": lambda place: by_key(place, "root", place.clerk.client_key),
    "an unknown user": lambda place: by_key(place, "nobody", place.clerk.client_key),
    "an empty name": lambda place: by_key(place, "", place.clerk.client_key),
    "another case": lambda place: by_key(place, "Clerk", place.clerk.client_key),
    "a space after the name": lambda place: by_key(place, "clerk ", place.clerk.client_key),
    "a path as name": lambda place: by_key(place, "../clerk", place.clerk.client_key),
    "a NUL in the name": lambda place: by_key(place, "clerk\0", place.clerk.client_key),
    "a name of ten thousand letters": lambda place: by_key(place, "c" * 10_000, place.clerk.client_key),
    "an empty password": lambda place: lambda transport: transport.auth_password("clerk", ""),
    "the name as password": lambda place: lambda transport: transport.auth_password("clerk", "clerk"),
    "root's password": lambda place: lambda transport: transport.auth_password("root", "root"),
    "a long password": lambda place: lambda transport: transport.auth_password("clerk", "x" * 10_000),
    "keyboard-interactive": lambda place: answered("clerk"),
}


@pytest.mark.parametrize("kind", LOGINS)
def test_a_wrong_login_is_refused(place, kind):
    with place.transport() as transport:
        with pytest.raises((paramiko.AuthenticationException, paramiko.SSHException, EOFError)):
            LOGINS[kind](place)(transport)
        assert not transport.is_authenticated()
        with pytest.raises((paramiko.SSHException, EOFError)):
            paramiko.SFTPClient.from_transport(transport)


def test_a_certificate_of_ones_own_authority_is_refused(place, tmp_path):
    if shutil.which("ssh-keygen") is None:
        pytest.skip("no OpenSSH on this machine")
    mine = ensure_keys(tmp_path)
    sign = ["ssh-keygen", "-q", "-s", str(mine.host_key), "-I", "clerk", "-n", "clerk", str(mine.client_key) + ".pub"]
    subprocess.run(sign, check=True)
    key = paramiko.PKey.from_path(mine.client_key)
    key.load_certificate(f"{mine.client_key}-cert.pub")
    with place.transport() as transport, pytest.raises(paramiko.AuthenticationException):
        transport.auth_publickey("clerk", key)


def test_a_key_that_was_taken_from_the_user_is_refused_at_once(place, tmp_path):
    users = [SftpUser("clerk", (place.clerk.client_public,), (("/", f"/{HOME}"),))]
    endpoint = SftpEndpoint(lambda: [SftpServer("s-2", (place.clerk.host_private(),), tuple(users))], lambda: place.s3)
    endpoint.start()
    try:
        for held, outcome in ((True, True), (False, False)):
            if not held:
                users[0] = SftpUser("clerk", (), (("/", f"/{HOME}"),))
            with contextlib.closing(paramiko.Transport(("127.0.0.1", endpoint.port))) as transport:
                transport.start_client(timeout=10)
                with contextlib.suppress(paramiko.AuthenticationException):
                    transport.auth_publickey("clerk", paramiko.PKey.from_path(place.clerk.client_key))
                assert transport.is_authenticated() is outcome
    finally:
        endpoint.stop()


def test_what_is_no_ssh_is_hung_up_on(place):
    with socket.create_connection(("127.0.0.1", place.endpoint.port), 10) as plain:
        plain.sendall(b"GET / HTTP/1.1\r\n\r\n" * 100)
        plain.settimeout(10)
        with contextlib.suppress(ConnectionError):
            while plain.recv(4096):
                pass


WAYS_OUT = (
    "/../clerk-2/secret",
    "../clerk-2/secret",
    "../../secret",
    "/../../../others/secret",
    "/./../../secret",
    "//../../secret",
    "a/../../../secret",
    "/home/clerk-2/secret",
    "/city-books/secret",
    "/etc/passwd",
    "....//....//secret",
    "..\\..\\secret",
    "/%2e%2e/secret",
    "/\u2025/secret",
)


@pytest.mark.parametrize("path", WAYS_OUT)
def test_no_path_leads_out_of_the_home(place, path):
    before = place.stored()
    with place.sftp() as sftp:
        for attempt in (
            lambda: sftp.open(path).read(),
            lambda: sftp.stat(path),
            lambda: sftp.remove(path),
            lambda: sftp.rename(path, "/mine"),
            lambda: sftp.listdir(path),
            lambda: sftp.rmdir(path),
        ):
            with pytest.raises(OSError):
                attempt()
        assert place.stored() == before
        sftp.putfo(io.BytesIO(b"x"), path, confirm=False)
        made = place.stored() - before
        assert all(bucket == "city-books" and key.startswith("home/clerk/") for bucket, key in made)
        for _, key in made:
            place.s3.delete_object(Bucket="city-books", Key=key)


def test_no_link_leads_out_of_the_home(place):
    with place.sftp() as sftp:
        sftp.putfo(io.BytesIO(b"x"), "/file")
        for attempt in (
            lambda: sftp.symlink("/../../secret", "/link"),
            lambda: sftp.symlink("/etc/passwd", "/link"),
            lambda: sftp.readlink("/file"),
            lambda: sftp.chmod("/file", 0o777),
            lambda: sftp.chown("/file", 0, 0),
            lambda: sftp.utime("/file", (0, 0)),
            lambda: sftp.truncate("/file", 0),
        ):
            with pytest.raises(OSError):
                attempt()
        assert sftp.listdir("/") == ["file"]
        sftp.remove("/file")


@pytest.mark.parametrize(
    "attempt",
    [
        lambda channel: channel.exec_command("id"),
        lambda channel: channel.exec_command("scp -t /"),
        lambda channel: channel.invoke_shell(),
        lambda channel: channel.invoke_subsystem("netconf"),
    ],
)
def test_there_is_nothing_but_sftp(place, attempt):
    with place.transport() as transport:
        transport.auth_publickey("clerk", paramiko.PKey.from_path(place.clerk.client_key))
        channel = transport.open_session()
        with pytest.raises(paramiko.SSHException):
            attempt(channel)
