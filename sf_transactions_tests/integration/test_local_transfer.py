import contextlib
import io
import shutil
import subprocess

import boto3
import paramiko
import pytest

from sf_transactions.local.transfer import SftpEndpoint, SftpServer, SftpUser
from sf_transactions.provision.keys import ensure_keys
from sf_transactions_tests.integration.moto_aws import moto_aws


@pytest.fixture
def place(tmp_path, monkeypatch):
    """An endpoint with one user whose root is the bucket `city-books`; `servers` can be emptied."""
    with moto_aws(monkeypatch):
        s3 = boto3.client("s3")
        s3.create_bucket(Bucket="city-books", CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
        s3.create_bucket(Bucket="others", CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
        s3.put_object(Bucket="others", Key="secret", Body=b"no")
        keys = ensure_keys(tmp_path)
        user = SftpUser("clerk", (keys.client_public,), (("/", "/city-books"),))
        servers = [SftpServer("s-1", (keys.host_private(),), (user,))]
        endpoint = SftpEndpoint(lambda: servers, lambda: s3)
        endpoint.start()
        yield endpoint, keys, s3, servers
        endpoint.stop()


def login(endpoint, username="clerk", key_path=None, **options) -> paramiko.SSHClient:
    client = paramiko.SSHClient()
    client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
    options |= {"pkey": paramiko.PKey.from_path(key_path)} if key_path else {}
    client.connect("127.0.0.1", endpoint.port, username, allow_agent=False, look_for_keys=False, timeout=10, **options)
    return client


def test_a_file_that_is_put_becomes_an_object_and_can_be_read_back(place):
    endpoint, keys, s3, _ = place
    with login(endpoint, key_path=keys.client_key) as client:
        sftp = client.open_sftp()
        content = bytes(range(256)) * 5000
        sftp.putfo(io.BytesIO(content), "/a/deep/path/file.bin")
        assert s3.get_object(Bucket="city-books", Key="a/deep/path/file.bin")["Body"].read() == content
        with sftp.open("/a/deep/path/file.bin") as file:
            assert file.read() == content
        assert sftp.listdir("/a") == ["deep"]
        assert sftp.stat("/a/deep/path/file.bin").st_size == len(content)


def test_the_host_key_is_the_one_given_to_the_server(place):
    endpoint, keys, _, _ = place
    with login(endpoint, key_path=keys.client_key) as client:
        shown = client.get_transport().get_remote_server_key()
        assert f"{shown.get_name()} {shown.get_base64()}" == " ".join(keys.host_public.split()[:2])


def test_no_login_without_a_server(place):
    endpoint, keys, _, servers = place
    servers.clear()
    with pytest.raises((paramiko.SSHException, EOFError, OSError)):
        login(endpoint, key_path=keys.client_key)


def test_another_key_another_user_and_a_password_are_refused(place, tmp_path):
    endpoint, keys, _, _ = place
    other = ensure_keys(tmp_path / "other")
    for attempt in (
        {"key_path": other.client_key},
        {"key_path": keys.host_key},
        {"key_path": keys.client_key, "username": "root"},
        {"password": "clerk"},
        {"password": ""},
    ):
        with pytest.raises((paramiko.AuthenticationException, paramiko.SSHException)):
            login(endpoint, **attempt)


def test_nothing_leads_out_of_the_users_root(place):
    endpoint, keys, s3, _ = place
    with login(endpoint, key_path=keys.client_key) as client:
        sftp = client.open_sftp()
        for path in ("/../others/secret", "../../others/secret", "/city-books/../../others/secret"):
            with pytest.raises(OSError):
                sftp.open(path).read()
        sftp.putfo(io.BytesIO(b"x"), "/../others/mine", confirm=False)
        assert s3.list_objects_v2(Bucket="others")["KeyCount"] == 1


def test_setstat_links_and_shells_are_refused_as_transfer_family_does(place):
    endpoint, keys, _, _ = place
    with login(endpoint, key_path=keys.client_key) as client:
        sftp = client.open_sftp()
        sftp.putfo(io.BytesIO(b"x"), "/file")
        for refused in (lambda: sftp.chmod("/file", 0o600), lambda: sftp.symlink("/file", "/link")):
            with pytest.raises(OSError):
                refused()
        with pytest.raises(paramiko.SSHException):
            client.exec_command("id")


def test_a_bucket_that_is_gone_is_an_error_of_the_client(place):
    endpoint, keys, s3, _ = place
    with login(endpoint, key_path=keys.client_key) as client:
        sftp = client.open_sftp()
        s3.delete_bucket(Bucket="city-books")
        with pytest.raises(OSError):
            sftp.putfo(io.BytesIO(b"x"), "/file")


@pytest.mark.skipif(shutil.which("sftp") is None, reason="no OpenSSH client on this machine")
def test_openssh_puts_files_by_hand(place, tmp_path):
    endpoint, keys, s3, _ = place
    (tmp_path / "fund.csv").write_text("a,b\n")
    known = tmp_path / "known_hosts"
    known.write_text(f"[127.0.0.1]:{endpoint.port} {keys.host_public}\n")
    command = ["sftp", "-b", "-", "-P", str(endpoint.port), "-i", str(keys.client_key), "-o", "IdentitiesOnly=yes"]
    command += ["-o", f"UserKnownHostsFile={known}", "-o", "StrictHostKeyChecking=yes", "clerk@127.0.0.1"]
    done = subprocess.run(
        command, input=f"put {tmp_path}/fund.csv data/fund.csv\nls data\n", capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert s3.get_object(Bucket="city-books", Key="data/fund.csv")["Body"].read() == b"a,b\n"


def sftp_of(place) -> paramiko.SFTPClient:
    endpoint, keys, _, _ = place
    return login(endpoint, key_path=keys.client_key).open_sftp()


def test_no_file_of_this_machine_is_within_reach(place, tmp_path):
    """asyncssh's own server would rename real files and tell of the real disk."""
    here = tmp_path / "here"
    here.write_text("mine")
    with contextlib.closing(sftp_of(place)) as sftp:
        for refused in (
            lambda: sftp.posix_rename(str(here), str(tmp_path / "there")),
            lambda: sftp.rename(str(here), "/there"),
            lambda: sftp.stat(str(here)),
            lambda: sftp.remove(str(here)),
            lambda: sftp.readlink(str(here)),
            lambda: sftp.listdir(str(tmp_path)),
            lambda: sftp.open(str(here)).read(),
        ):
            with pytest.raises(OSError):
                refused()
    assert here.read_text() == "mine"


def test_a_file_is_renamed_replaced_and_removed(place):
    _, _, s3, _ = place
    with contextlib.closing(sftp_of(place)) as sftp:
        sftp.putfo(io.BytesIO(b"one"), "/a")
        sftp.putfo(io.BytesIO(b"another"), "/b")
        sftp.rename("/a", "/c")
        sftp.posix_rename("/b", "/c")
        assert sftp.listdir("/") == ["c"]
        assert s3.get_object(Bucket="city-books", Key="c")["Body"].read() == b"another"
        sftp.remove("/c")
        for missing in (lambda: sftp.remove("/c"), lambda: sftp.rename("/c", "/d"), lambda: sftp.stat("/c")):
            with pytest.raises(FileNotFoundError):
                missing()


def test_folders_are_marks_in_the_bucket_and_removed_only_when_empty(place):
    _, _, s3, _ = place
    with contextlib.closing(sftp_of(place)) as sftp:
        sftp.mkdir("/data")
        assert s3.head_object(Bucket="city-books", Key="data/")["ContentLength"] == 0
        assert sftp.listdir("/data") == []
        sftp.putfo(io.BytesIO(b"x"), "/data/file")
        for refused in (
            lambda: sftp.rmdir("/data"),
            lambda: sftp.remove("/data"),
            lambda: sftp.rmdir("/"),
            lambda: sftp.rmdir("/data/file"),
            lambda: sftp.mkdir("/"),
        ):
            with pytest.raises(OSError):
                refused()
        sftp.remove("/data/file")
        sftp.rmdir("/data")
        with pytest.raises(FileNotFoundError):
            sftp.listdir("/data")
    assert s3.list_objects_v2(Bucket="city-books")["KeyCount"] == 0


@pytest.mark.full
def test_a_folder_that_nobody_made_ends_with_its_last_file_in_a_versioned_bucket_too(place):
    _, _, s3, _ = place
    s3.put_bucket_versioning(Bucket="city-books", VersioningConfiguration={"Status": "Enabled"})
    with contextlib.closing(sftp_of(place)) as sftp:
        for path in ("/doctor/a", "/doctor-2/b", "/deep/doctor/c"):
            sftp.putfo(io.BytesIO(b"x"), path)
        sftp.remove("/doctor/a")
        assert set(sftp.listdir("/")) == {"doctor-2", "deep"}
        sftp.remove("/deep/doctor/c")
        assert sftp.listdir("/") == ["doctor-2"]


def test_a_folder_of_more_than_a_thousand_files_is_listed_whole(place):
    _, _, s3, _ = place
    for number in range(1005):
        s3.put_object(Bucket="city-books", Key=f"many/{number}", Body=b"")
    with contextlib.closing(sftp_of(place)) as sftp:
        assert set(sftp.listdir("/many")) == {str(number) for number in range(1005)}


def test_a_file_is_opened_as_its_flags_say(place):
    with contextlib.closing(sftp_of(place)) as sftp:
        sftp.putfo(io.BytesIO(b"0123456789"), "/file")
        with sftp.open("/file", "r+") as file:
            file.seek(2)
            file.write(b"ab")
        with sftp.open("/file") as file:
            assert file.read() == b"01ab456789"
            with pytest.raises(OSError):
                sftp.open("/file", "wx")
        with sftp.open("/file", "w") as file:
            file.write(b"new")
        assert sftp.stat("/file").st_size == 3
        for refused in ("r", "r+"):
            with pytest.raises(FileNotFoundError):
                sftp.open("/none", refused)
        with pytest.raises(OSError):
            sftp.open("/file", "a")


def test_a_name_that_is_no_text_is_refused_and_the_session_goes_on(place):
    with contextlib.closing(sftp_of(place)) as sftp:
        with pytest.raises(OSError):
            sftp.stat(b"/\xff\xfe")
        sftp.putfo(io.BytesIO(b"x"), "/Año fiscal, détail.csv")
        assert sftp.listdir("/") == ["Año fiscal, détail.csv"]


def test_what_has_come_of_an_upload_is_stored_when_the_connection_is_lost(place):
    endpoint, keys, s3, _ = place
    client = login(endpoint, key_path=keys.client_key)
    file = client.open_sftp().open("/partial", "w")
    file.write(b"half")
    file.flush()
    client.get_transport().sock.close()
    s3.get_waiter("object_exists").wait(
        Bucket="city-books", Key="partial", WaiterConfig={"Delay": 0.1, "MaxAttempts": 100}
    )
    assert s3.get_object(Bucket="city-books", Key="partial")["Body"].read() == b"half"


def test_a_file_that_s3_refuses_is_an_error_at_close(place):
    """paramiko's own close swallows it, so that the answer is looked at below."""
    _, _, s3, _ = place
    with contextlib.closing(sftp_of(place)) as sftp:
        file = sftp.open("/file", "w")
        file.write(b"x")
        file.flush()
        s3.delete_bucket(Bucket="city-books")
        with pytest.raises(OSError):
            sftp._request(paramiko.sftp.CMD_CLOSE, file.handle)


def test_a_user_sees_only_the_folder_that_is_mapped(place):
    _, keys, s3, servers = place
    user = SftpUser("clerk", (keys.client_public,), (("/", "/city-books/home/clerk"),))
    servers[0] = SftpServer("s-1", (keys.host_private(),), (user,))
    s3.put_object(Bucket="city-books", Key="home/clerk-2/secret", Body=b"no")
    with contextlib.closing(sftp_of(place)) as sftp:
        sftp.putfo(io.BytesIO(b"x"), "/file")
        for path in ("/../clerk-2/secret", "../clerk-2/secret", "/home/clerk-2/secret"):
            with pytest.raises(FileNotFoundError):
                sftp.stat(path)
    assert s3.head_object(Bucket="city-books", Key="home/clerk/file")["ContentLength"] == 1


def test_keys_that_are_none_let_nobody_in_and_keep_nobody_out(place):
    endpoint, keys, _, servers = place
    nonsense = SftpUser("other", ("garbage", "", "ssh-ed25519 AAAA"), (("/", "/city-books"),))
    both = SftpUser("clerk", ("garbage", keys.client_public), (("/", "/city-books"),))
    servers[0] = SftpServer("s-1", (keys.host_private(),), (nonsense, both))
    with contextlib.closing(sftp_of(place)) as sftp:
        assert sftp.listdir("/") == []
    with pytest.raises(paramiko.AuthenticationException):
        login(endpoint, username="other", key_path=keys.client_key)
    servers[0] = SftpServer("s-1", ("no private key",), (both,))
    with pytest.raises((paramiko.SSHException, EOFError, OSError)):
        login(endpoint, key_path=keys.client_key)


def test_connections_cannot_be_forwarded(place):
    endpoint, keys, _, _ = place
    with login(endpoint, key_path=keys.client_key) as client:
        transport = client.get_transport()
        with pytest.raises(paramiko.ChannelException):
            transport.open_channel("direct-tcpip", ("127.0.0.1", endpoint.port), ("127.0.0.1", 1))
        with pytest.raises(paramiko.SSHException):
            transport.request_port_forward("127.0.0.1", 0)
        with pytest.raises(paramiko.SSHException):
            client.invoke_shell()


@pytest.mark.skipif(shutil.which("sftp") is None, reason="no OpenSSH client on this machine")
def test_openssh_keeps_to_the_pinned_host_key(place, tmp_path):
    endpoint, keys, _, servers = place
    other = ensure_keys(tmp_path / "other")
    servers[0] = SftpServer("s-1", (other.host_private(),), servers[0].users)
    done = openssh(endpoint, keys, tmp_path, "ls")
    assert done.returncode != 0
    assert "Host key verification failed" in done.stderr


@pytest.mark.skipif(shutil.which("sftp") is None, reason="no OpenSSH client on this machine")
def test_openssh_renames_and_is_told_nothing_of_the_disk(place, tmp_path):
    endpoint, keys, s3, _ = place
    (tmp_path / "fund.csv").write_text("a,b\n")
    done = openssh(endpoint, keys, tmp_path, f"put {tmp_path}/fund.csv old\nrename old new\nls\n")
    assert done.returncode == 0, done.stderr
    assert s3.list_objects_v2(Bucket="city-books")["Contents"][0]["Key"] == "new"
    for refused in ("df", "chmod 600 new", "ln -s new link", "ln new link"):
        assert openssh(endpoint, keys, tmp_path, refused).returncode != 0, refused


def openssh(endpoint, keys, folder, commands: str) -> subprocess.CompletedProcess:
    """OpenSSH's own client, which knows the pinned host key only."""
    known = folder / "known_hosts"
    known.write_text(f"[127.0.0.1]:{endpoint.port} {keys.host_public}\n")
    command = ["sftp", "-b", "-", "-P", str(endpoint.port), "-i", str(keys.client_key), "-F", "none"]
    command += ["-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none", "-o", f"UserKnownHostsFile={known}"]
    command += ["-o", "StrictHostKeyChecking=yes", "clerk@127.0.0.1"]
    return subprocess.run(command, input=commands, capture_output=True, text=True, timeout=60)
