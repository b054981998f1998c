import asyncio
import concurrent.futures
import contextlib
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import asyncssh
import pytest

from sf_transactions.resources.transfer import Transfer, TransferError

USER = "sf-transactions"


class Server(asyncssh.SSHServer):
    """Lets in one user."""

    def begin_auth(self, username: str) -> bool:
        return True


class Session(asyncssh.SFTPServer):
    """Files in a folder; `lost` is how many bytes of every file the server loses when it is closed."""

    lost = 0
    stalled = False

    def setstat(self, path, attrs):
        raise asyncssh.SFTPOpUnsupported("Transfer Family refuses SETSTAT")

    fsetstat = setstat

    async def open(self, path, pflags, attrs):
        if self.stalled:
            await asyncio.sleep(5)
        return super().open(path, pflags, attrs)

    def close(self, file_obj):
        if self.lost:
            file_obj.truncate(max(file_obj.tell() - self.lost, 0))
        super().close(file_obj)


class Endpoint:
    """An SFTP server on a real socket, with keys of its own, in a folder."""

    def __init__(self, folder: Path, *, algorithm: str = "ssh-ed25519", session: type[Session] = Session) -> None:
        self.files = folder / "files"
        self.files.mkdir()
        self.client_key_path = folder / "client_key"
        self.host_key_path = folder / "host_key.pub"
        self.client_key = asyncssh.generate_private_key("ssh-ed25519")
        self.host_key = asyncssh.generate_private_key(algorithm)
        self.client_key.write_private_key(self.client_key_path)
        self.host_key.write_public_key(self.host_key_path)
        self.session = session
        self.port = 0

    @contextlib.contextmanager
    def running(self) -> Iterator["Endpoint"]:
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever, daemon=True)
        thread.start()
        acceptor = asyncio.run_coroutine_threadsafe(self._listen(), loop).result(20)
        self.port = acceptor.get_port()
        try:
            yield self
        finally:
            with contextlib.suppress(concurrent.futures.TimeoutError):
                asyncio.run_coroutine_threadsafe(self._stop(acceptor), loop).result(5)
            loop.call_soon_threadsafe(loop.stop)
            thread.join(5)

    async def _listen(self):
        return await asyncssh.listen(
            "127.0.0.1",
            0,
            server_factory=Server,
            server_host_keys=[self.host_key],
            authorized_client_keys=asyncssh.import_authorized_keys(self.client_key.export_public_key().decode()),
            sftp_factory=lambda channel: self.session(channel, chroot=str(self.files).encode()),
        )

    async def _stop(self, acceptor) -> None:
        acceptor.close()
        await acceptor.wait_closed()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def door(self, **settings) -> Transfer:
        return Transfer(
            **{
                "host": "127.0.0.1",
                "port": self.port,
                "username": USER,
                "client_key_path": str(self.client_key_path),
                "host_key_path": str(self.host_key_path),
                "timeout_seconds": 10,
            }
            | settings
        )


@pytest.fixture
def endpoint(tmp_path):
    with Endpoint(tmp_path).running() as endpoint:
        yield endpoint


def fingerprint(key) -> str:
    return key.get_fingerprint().removeprefix("SHA256:")


def another_key(path: Path, algorithm: str = "ssh-ed25519") -> Path:
    asyncssh.generate_private_key(algorithm).write_private_key(path)
    asyncssh.read_private_key(path).write_public_key(path.with_suffix(".pub"))
    return path


def test_many_files_go_through_one_connection(endpoint, tmp_path):
    (tmp_path / "part.csv.gz").write_bytes(b"x" * 3_000_000)
    with endpoint.door().connect() as sftp:
        for number in range(20):
            sftp.put(b"%d" % number, f"/{number}.txt")
        sftp.put(tmp_path / "part.csv.gz", "/part.csv.gz")
        sftp.put(b"", "/empty")
    assert (endpoint.files / "19.txt").read_bytes() == b"19"
    assert (endpoint.files / "part.csv.gz").read_bytes() == b"x" * 3_000_000
    assert (endpoint.files / "empty").read_bytes() == b""


def test_files_go_side_by_side_through_one_connection(endpoint):
    contents = {f"/{number}.bin": bytes([number]) * (40_000 * number) for number in range(24)}
    with endpoint.door().connect() as sftp, ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda name: sftp.put(contents[name], name), contents))
    assert {f"/{file.name}": file.read_bytes() for file in endpoint.files.iterdir()} == contents


def test_a_file_is_replaced_by_the_next_of_its_name(endpoint):
    with endpoint.door().connect() as sftp:
        sftp.put(b"long and old", "/name")
        sftp.put(b"new", "/name")
    assert (endpoint.files / "name").read_bytes() == b"new"


@pytest.mark.parametrize("algorithm", ["ecdsa-sha2-nistp256", "ssh-rsa"])
def test_other_kinds_of_pinned_host_key_are_understood(tmp_path, algorithm):
    with Endpoint(tmp_path, algorithm=algorithm).running() as endpoint:
        with endpoint.door().connect() as sftp:
            sftp.put(b"content", "/name")
        assert (endpoint.files / "name").read_bytes() == b"content"


@pytest.mark.parametrize("algorithm", ["ssh-ed25519", "ecdsa-sha2-nistp256"])
def test_a_server_with_another_host_key_is_refused_and_both_fingerprints_are_told(endpoint, tmp_path, algorithm):
    pinned = another_key(tmp_path / "other", algorithm).with_suffix(".pub")
    with (
        pytest.raises(TransferError, match="shows the host key") as error,
        endpoint.door(host_key_path=str(pinned)).connect(),
    ):
        pass
    assert fingerprint(endpoint.host_key) in str(error.value)
    assert fingerprint(asyncssh.read_public_key(pinned)) in str(error.value)


def test_the_users_own_known_hosts_do_not_count(endpoint, tmp_path, monkeypatch):
    home = tmp_path / "home"
    (home / ".ssh").mkdir(parents=True)
    known = f"[127.0.0.1]:{endpoint.port} {endpoint.host_key.export_public_key().decode()}"
    (home / ".ssh" / "known_hosts").write_text(known)
    monkeypatch.setenv("HOME", str(home))
    pinned = another_key(tmp_path / "other").with_suffix(".pub")
    with pytest.raises(TransferError, match="not the pinned"), endpoint.door(host_key_path=str(pinned)).connect():
        pass


def test_a_refused_login_names_the_user_and_the_endpoint(endpoint, tmp_path):
    key = another_key(tmp_path / "stranger")
    with (
        pytest.raises(TransferError, match=f"{USER}@127.0.0.1:{endpoint.port} refused the login") as error,
        endpoint.door(client_key_path=str(key)).connect(),
    ):
        pass
    assert "sf-transactions provision" in str(error.value)


def test_no_key_but_the_given_one_is_tried(endpoint, tmp_path, monkeypatch):
    home = tmp_path / "home"
    (home / ".ssh").mkdir(parents=True)
    endpoint.client_key.write_private_key(home / ".ssh" / "id_ed25519")
    monkeypatch.setenv("HOME", str(home))
    key = another_key(tmp_path / "stranger")
    with pytest.raises(TransferError, match="refused the login"), endpoint.door(client_key_path=str(key)).connect():
        pass


def test_a_server_that_is_down_is_named(endpoint):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: refuses
        port = taken.getsockname()[1]
        with (
            pytest.raises(TransferError, match=f"cannot reach the SFTP server {USER}@127.0.0.1:{port}: .*SFTP_HOST"),
            endpoint.door(port=port).connect(),
        ):
            pass


def test_a_server_that_is_silent_is_given_up(endpoint):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        door = endpoint.door(port=silent.getsockname()[1], timeout_seconds=0.5)
        with pytest.raises(TransferError, match="cannot reach"), door.connect():
            pass


def test_a_file_that_the_server_refuses_is_named(endpoint):
    with endpoint.door().connect() as sftp, pytest.raises(TransferError, match="did not store /no/such/folder/name"):
        sftp.put(b"content", "/no/such/folder/name")


def test_a_file_that_the_server_cuts_is_noticed_by_its_size(tmp_path):
    class Losing(Session):
        lost = 3

    with (
        Endpoint(tmp_path, session=Losing).running() as endpoint,
        endpoint.door().connect() as sftp,
        pytest.raises(TransferError, match="did not store /name: size mismatch"),
    ):
        sftp.put(b"content", "/name")


def test_a_server_that_stops_answering_is_given_up(tmp_path):
    class Stalled(Session):
        stalled = True

    with (
        Endpoint(tmp_path, session=Stalled).running() as endpoint,
        endpoint.door(timeout_seconds=1).connect() as sftp,
        pytest.raises(TransferError, match="did not store /name: it did not answer in time"),
    ):
        sftp.put(b"content", "/name")


def test_what_the_caller_raises_is_not_taken_for_a_fault_of_the_server(endpoint):
    with pytest.raises(FileNotFoundError), endpoint.door().connect() as sftp:
        sftp.put(Path("/no/such/file"), "/name")


@pytest.mark.parametrize("name", ["client_key_path", "host_key_path"])
def test_a_missing_key_file_is_named_with_what_to_do(endpoint, name):
    with (
        pytest.raises(TransferError, match="/no/such/key is not there: run `sf-transactions provision`"),
        endpoint.door(**{name: "/no/such/key"}).connect(),
    ):
        pass


@pytest.mark.parametrize("name", ["client_key_path", "host_key_path"])
@pytest.mark.parametrize("content", [b"", b"no key at all", b"ssh-ed25519 AAAA", b"ssh-nonsense AAAAC3Nz", b"\xff\xfe"])
def test_a_damaged_key_file_is_named(endpoint, tmp_path, name, content):
    path = tmp_path / "damaged"
    path.write_bytes(content)
    with pytest.raises(TransferError, match=f"key {path} cannot be read"), endpoint.door(**{name: str(path)}).connect():
        pass


def test_a_client_key_with_a_passphrase_is_told(endpoint, tmp_path):
    path = tmp_path / "locked"
    endpoint.client_key.write_private_key(path, passphrase="secret")
    with (
        pytest.raises(TransferError, match="without a passphrase"),
        endpoint.door(client_key_path=str(path)).connect(),
    ):
        pass
