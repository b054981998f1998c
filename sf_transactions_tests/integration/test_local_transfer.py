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
        servers = [SftpServer("s-1", keys.host_private(), (user,))]
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
