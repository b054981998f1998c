"""Transfer Family's SFTP endpoint on loopback: who is let in, by the users and keys of the Transfer API. What they find
there is in `transfer_files.py`."""

import asyncio
import contextlib
import json
import logging
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import asyncssh

from sf_transactions.local.transfer_files import Files

log = logging.getLogger("sf_transactions.local.transfer")


@dataclass(frozen=True)
class SftpUser:
    """A user of a server: the public keys that log in, and where its logical root leads."""

    name: str
    public_keys: tuple[str, ...]
    mappings: tuple[tuple[str, str], ...]  # (entry, target), such as ("/", "/bucket")
    policy: str = ""  # of the session, as JSON; narrows what the role may do


@dataclass(frozen=True)
class SftpServer:
    """A server of the Transfer API. `host_keys` are secret, and one of a kind."""

    server_id: str
    host_keys: tuple[str, ...] = field(repr=False)
    users: tuple[SftpUser, ...]
    # A custom identity provider: asked with Transfer Family's event, it answers with the user's place or nothing.
    provider: Callable[[dict[str, str]], dict[str, Any]] | None = None


class SftpEndpoint:
    """An SFTP endpoint on 127.0.0.1. `servers` is asked at every connection; until there is one, none is taken."""

    def __init__(self, servers: Callable[[], list[SftpServer]], s3: Callable[[], Any], port: int = 0) -> None:
        self._servers, self._s3, self._wanted_port = servers, s3, port
        self.port = 0

    def start(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", self._wanted_port), backlog=64)
        self._listener.setblocking(False)
        self.port = self._listener.getsockname()[1]
        started = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(started,), name="sftp", daemon=True)
        self._thread.start()
        started.wait()

    def stop(self) -> None:
        """Ends every connection and waits until it has ended."""
        self._loop.call_soon_threadsafe(self._end)
        self._thread.join(10)
        self._listener.close()

    def _run(self, started: threading.Event) -> None:
        with contextlib.suppress(asyncio.CancelledError):  # that is how `stop` ends it
            asyncio.run(self._accept(started))

    async def _accept(self, started: threading.Event) -> None:
        self._loop = asyncio.get_running_loop()
        accepting = asyncio.current_task()
        assert accepting is not None
        self._end = accepting.cancel
        started.set()
        sessions: set[asyncio.Task] = set()
        while True:
            sock, _ = await self._loop.sock_accept(self._listener)
            session = self._loop.create_task(self._serve(sock))
            sessions.add(session)
            session.add_done_callback(sessions.discard)

    async def _serve(self, sock: socket.socket) -> None:
        """Serves a connection with the host keys of the server that stands now; hangs up when there is none."""
        servers = self._servers()
        if not servers:
            sock.close()
            return
        server = servers[0]
        try:
            connection = await asyncssh.run_server(
                sock,
                server_factory=lambda: _Login(server),
                server_host_keys=[asyncssh.import_private_key(key) for key in server.host_keys],
                sftp_factory=lambda channel: Files(channel, self._s3),
                allow_scp=False,
                agent_forwarding=False,
                gss_host=None,
                encoding=None,
            )
            await connection.wait_closed()
        except asyncssh.KeyImportError:  # its words may hold the key
            sock.close()
            log.warning("the host key of %s is no private key that OpenSSH reads: nobody is let in", server.server_id)
        except (asyncssh.Error, OSError) as error:
            sock.close()
            log.info("a connection ended: %s", error)


class _Login(asyncssh.SSHServer):
    """Lets in the users of the server by their keys, or those whom its identity provider knows, and nobody else."""

    def __init__(self, server: SftpServer) -> None:
        self._server = server
        self._users = {user.name: user for user in server.users}

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connection = conn

    def begin_auth(self, username: str) -> bool:
        return True

    def password_auth_supported(self) -> bool:
        return self._server.provider is not None

    async def validate_password(self, username: str, password: str) -> bool:
        user = await self._provided(username, password) if password else None
        return self._let_in(user) if user else False

    async def _provided(self, username: str, password: str) -> SftpUser | None:
        """The user as the identity provider describes it; None when it refuses, or fails."""
        assert self._server.provider is not None
        peer = self._connection.get_extra_info("peername")
        event = {
            "username": username,
            "password": password,
            "protocol": "SFTP",
            "serverId": self._server.server_id,
            "sourceIp": peer[0] if peer else "",
        }
        try:
            answer = await asyncio.to_thread(self._server.provider, event)
            return _described(username, answer)
        except (RuntimeError, ValueError, KeyError, TypeError) as error:
            log.warning("the identity provider of %s failed: %s", self._server.server_id, type(error).__name__)
            return None

    def _let_in(self, user: SftpUser) -> bool:
        self._connection.set_extra_info(sftp_user=user)
        return True

    def kbdint_auth_supported(self) -> bool:
        return False

    def public_key_auth_supported(self) -> bool:
        return True

    async def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        user = self._users.get(username) if self._server.provider is None else await self._provided(username, "")
        known = user is not None and any(_reads_as(line, key) for line in user.public_keys)
        return self._let_in(user) if known and user else False


def _described(username: str, answer: dict[str, Any]) -> SftpUser | None:
    """The user of a provider's answer; None when it is empty. Raises ValueError, KeyError or TypeError when AWS, too,
    could make nothing of it."""
    if not answer:
        return None
    if answer["HomeDirectoryType"] != "LOGICAL" or not answer["Role"]:
        raise ValueError("a role and a logical home are needed")
    mappings = tuple((each["Entry"], each["Target"]) for each in json.loads(answer["HomeDirectoryDetails"]))
    return SftpUser(username, tuple(answer.get("PublicKeys", ())), mappings, answer.get("Policy", ""))


def _reads_as(line: str, key: asyncssh.SSHKey) -> bool:
    """Whether a line is this public key. moto takes any text for a key; one that is none lets nobody in."""
    try:
        return asyncssh.import_public_key(line) == key
    except asyncssh.KeyImportError:
        return False
