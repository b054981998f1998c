import shutil
import subprocess

import paramiko
import pytest

from sf_transactions.provision.errors import ProvisionError
from sf_transactions.provision.keys import ensure_keys, fingerprint, public_of


def test_keys_are_two_different_ones_that_paramiko_loads(tmp_path):
    keys = ensure_keys(tmp_path)
    client, host = paramiko.PKey.from_path(keys.client_key), paramiko.PKey.from_path(keys.host_key)
    assert client.get_name() == host.get_name() == "ssh-ed25519"
    assert client.fingerprint != host.fingerprint
    assert keys.client_public.split()[:2] == [client.get_name(), client.get_base64()]
    assert keys.host_public.split()[:2] == [host.get_name(), host.get_base64()]


def test_private_keys_are_readable_by_their_owner_only(tmp_path):
    keys = ensure_keys(tmp_path)
    for path in (keys.client_key, keys.host_key):
        assert path.stat().st_mode & 0o777 == 0o600
    assert keys.folder.stat().st_mode & 0o777 == 0o700
    keys.client_key.chmod(0o644)
    ensure_keys(tmp_path)
    assert keys.client_key.stat().st_mode & 0o777 == 0o600


def test_keys_are_made_once_and_nothing_else_lies_beside_them(tmp_path):
    before = {path.name: path.read_bytes() for path in ensure_keys(tmp_path).folder.iterdir()}
    after = {path.name: path.read_bytes() for path in ensure_keys(tmp_path).folder.iterdir()}
    assert after == before
    assert set(before) == {"client_key", "client_key.pub", "host_key", "host_key.pub"}


def test_a_missing_or_foreign_public_half_is_written_anew(tmp_path):
    keys = ensure_keys(tmp_path)
    client, host = keys.client_public, keys.host_public
    (keys.folder / "client_key.pub").unlink()
    (keys.folder / "host_key.pub").write_text(client)
    ensure_keys(tmp_path)
    assert (keys.client_public, keys.host_public) == (client, host)


@pytest.mark.parametrize("content", [b"", b"no key", b"-----BEGIN OPENSSH PRIVATE KEY-----\n"])
def test_a_damaged_key_is_named_and_never_replaced(tmp_path, content):
    keys = ensure_keys(tmp_path)
    keys.client_key.write_bytes(content)
    with pytest.raises(ProvisionError, match=f"the key {keys.client_key} cannot be read"):
        ensure_keys(tmp_path)
    assert keys.client_key.read_bytes() == content


@pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="no OpenSSH on this machine")
def test_a_key_with_a_passphrase_is_named(tmp_path):
    keys = ensure_keys(tmp_path)
    keys.client_key.unlink()
    make = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "passphrase", "-f", str(keys.client_key)]
    subprocess.run(make, input="y\n", text=True, check=True)
    with pytest.raises(ProvisionError, match="without a passphrase"):
        ensure_keys(tmp_path)


@pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="no OpenSSH on this machine")
def test_openssh_agrees_on_fingerprint_and_public_half(tmp_path):
    keys = ensure_keys(tmp_path)
    told = subprocess.run(["ssh-keygen", "-lf", str(keys.host_key)], capture_output=True, text=True, check=True)
    assert fingerprint(keys.host_public) in told.stdout.split()
    derived = subprocess.run(["ssh-keygen", "-yf", str(keys.host_key)], capture_output=True, text=True, check=True)
    assert public_of(keys.host_key.read_bytes()).split()[:2] == derived.stdout.split()[:2]
