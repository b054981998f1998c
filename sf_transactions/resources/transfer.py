"""The door to Transfer Family: SFTP with a pinned host key and one client key."""

import base64
import contextlib
import functools
import io
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg

from sf_transactions.settings import Settings

if TYPE_CHECKING:
    import paramiko

TIMEOUT_SECONDS = 60


class TransferError(RuntimeError):
    """The SFTP endpoint cannot be reached, is not the one pinned, or refused; the message says which."""


class OtherHostKey(TransferError):
    """The server shows another host key than the pinned one."""


class Sftp:
    """An open SFTP session. Each thread that uses it has a channel of its own: paramiko's do not take several."""

    def __init__(self, first: "paramiko.SFTPClient", another: "Callable[[], paramiko.SFTPClient]", where: str) -> None:
        self._channels = threading.local()
        self._channels.client = first
        self._another = another
        self._where = where

    def _client(self) -> "paramiko.SFTPClient":
        if not hasattr(self._channels, "client"):
            self._channels.client = self._another()
        return self._channels.client

    def put(self, content: bytes | Path, remote_path: str) -> None:
        """Stores bytes, or a local file, as a file whose size the server then confirms. Raises TransferError.

        The size alone proves little: paramiko swallows errors at close, and an older file of the same size passes.
        The caller verifies what was stored.
        """
        import paramiko

        source = io.BytesIO(content) if isinstance(content, bytes) else content.open("rb")
        with source:
            try:
                self._client().putfo(source, remote_path)
            except (OSError, EOFError, paramiko.SSHException, paramiko.SFTPError) as error:
                raise TransferError(
                    f"{self._where} did not store {remote_path}: {_reason(error)}; what stands there is not to be used"
                ) from None

    def remove(self, remote_path: str) -> None:
        """Removes a file. Raises TransferError."""
        import paramiko

        try:
            self._client().remove(remote_path)
        except (OSError, EOFError, paramiko.SSHException, paramiko.SFTPError) as error:
            raise TransferError(f"{self._where} did not remove {remote_path}: {_reason(error)}") from None


class Transfer(dg.ConfigurableResource):
    """Transfer Family's SFTP endpoint. Without a host, the server is looked up from AWS by its tag."""

    username: str
    client_key_path: str
    host_key_path: str
    host: str | None = None
    port: int | None = None
    timeout_seconds: float = TIMEOUT_SECONDS

    @classmethod
    def from_settings(
        cls, settings: Settings, client_key: Path | None = None, host_key: Path | None = None
    ) -> "Transfer":
        """The SFTP endpoint of these settings, with the keys of their home unless others are given."""
        keys = settings.home / "keys"
        return cls(
            host=settings.sftp_host,
            port=settings.port("sftp_port"),
            username=settings.sftp_username,
            client_key_path=str(client_key or keys / "client_key"),
            host_key_path=str(host_key or keys / "host_key.pub"),
        )

    @contextlib.contextmanager
    def connect(self) -> Iterator[Sftp]:
        """A session, closed at the end. The host key must be the pinned one; no other key or agent is tried."""
        import paramiko

        host, port = self._endpoint()
        pinned = _host_keys(Path(self.host_key_path))
        key = _client_key(Path(self.client_key_path))
        with contextlib.closing(paramiko.SSHClient()) as client:
            first = self._open_pinned(client, host, port, key, pinned)
            yield Sftp(first, functools.partial(self._channel, client), f"{self.username}@{host}:{port}")

    def _open_pinned(
        self, client: "paramiko.SSHClient", host: str, port: int, key: "paramiko.PKey", pinned: "list[paramiko.PKey]"
    ) -> "paramiko.SFTPClient":
        """A session with a server that shows the pinned host key; while that is rotated, one of two."""
        for other in pinned[:-1]:
            with contextlib.suppress(OtherHostKey):
                return self._open(client, host, port, key, other)
        return self._open(client, host, port, key, pinned[-1])

    def _endpoint(self) -> tuple[str, int]:
        if self.host:
            return self.host, self.port or 22
        from sf_transactions.provision.lookup import sftp_endpoint

        return sftp_endpoint(Settings.from_environ())

    def _open(
        self, client: "paramiko.SSHClient", host: str, port: int, key: "paramiko.PKey", pinned: "paramiko.PKey"
    ) -> "paramiko.SFTPClient":
        import paramiko

        class RejectOtherKind(paramiko.RejectPolicy):
            """Without a known key of the kind that the server shows, paramiko asks the policy."""

            def missing_host_key(self, client, hostname, key):
                raise paramiko.BadHostKeyException(hostname, key, pinned)

        client.get_host_keys().add(host if port == 22 else f"[{host}]:{port}", pinned.get_name(), pinned)
        client.set_missing_host_key_policy(RejectOtherKind())
        seconds = self.timeout_seconds
        try:
            client.connect(
                host,
                port,
                self.username,
                pkey=key,
                allow_agent=False,
                look_for_keys=False,
                timeout=seconds,
                banner_timeout=seconds,
                auth_timeout=seconds,
                channel_timeout=seconds,
            )
            return self._channel(client)
        except paramiko.BadHostKeyException as error:
            raise OtherHostKey(
                f"the SFTP server {host}:{port} shows the host key {_fingerprint(error.key)}, not the pinned "
                f"{_fingerprint(pinned)} of {self.host_key_path}: it is another server, or its key was changed"
            ) from None
        except paramiko.AuthenticationException:
            raise TransferError(
                f"{self.username}@{host}:{port} refused the login with the key {self.client_key_path}: "
                "`sf-transactions provision` gives the user this key"
            ) from None
        except (OSError, EOFError, paramiko.SSHException) as error:
            raise TransferError(
                f"cannot reach the SFTP server {self.username}@{host}:{port}: {_reason(error)}; check SFTP_HOST and "
                "SFTP_PORT, and that it runs (`sf-transactions plan`)"
            ) from None

    def _channel(self, client: "paramiko.SSHClient") -> "paramiko.SFTPClient":
        session = client.open_sftp()
        channel = session.get_channel()
        if channel is not None:
            channel.settimeout(self.timeout_seconds)
        return session


def _client_key(path: Path) -> "paramiko.PKey":
    import paramiko

    try:
        return paramiko.PKey.from_path(path)
    except FileNotFoundError:
        raise TransferError(f"the client key {path} is not there: run `sf-transactions provision`") from None
    except (OSError, paramiko.SSHException, paramiko.UnknownKeyType, ValueError, TypeError) as error:
        raise TransferError(
            f"the client key {path} cannot be read: {_reason(error)}; it must be an OpenSSH private key without a "
            "passphrase"
        ) from None


def _host_keys(path: Path) -> "list[paramiko.PKey]":
    """The pinned host keys, a line each."""
    import paramiko

    try:
        lines = [line.split()[:2] for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        if not lines:
            raise ValueError("it is empty")
        return [paramiko.PKey.from_type_string(kind, base64.b64decode(key, validate=True)) for kind, key in lines]
    except FileNotFoundError:
        raise TransferError(f"the pinned host key {path} is not there: run `sf-transactions provision`") from None
    except (OSError, paramiko.SSHException, paramiko.UnknownKeyType, ValueError) as error:
        raise TransferError(
            f"the pinned host key {path} cannot be read: {_reason(error)}; it must be one line such as "
            "`ssh-ed25519 AAAA...`"
        ) from None


def _fingerprint(key: "paramiko.PKey") -> str:
    return f"{key.get_name()} {key.fingerprint}"


def _reason(error: BaseException) -> str:
    if isinstance(error, EOFError):
        return "it closed the connection"
    if isinstance(error, TimeoutError):
        return "it did not answer in time"
    return str(error) or type(error).__name__
