"""The two SSH keys of the project: the client's, which logs in, and the server's host key, which is pinned."""

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Keys:
    """Where the keys are; private ones are readable by their owner only."""

    folder: Path

    @property
    def client_key(self) -> Path:
        return self.folder / "client_key"

    @property
    def host_key(self) -> Path:
        return self.folder / "host_key"

    @property
    def client_public(self) -> str:
        return self.client_key.with_suffix(".pub").read_text(encoding="utf-8").strip()

    @property
    def host_public(self) -> str:
        return self.host_key.with_suffix(".pub").read_text(encoding="utf-8").strip()

    def host_private(self) -> str:
        """The host key itself, for the one call that gives it to the server. Never log it."""
        return self.host_key.read_text(encoding="utf-8")


def ensure_keys(home: Path) -> Keys:
    """The keys in `<home>/keys`, made where they are missing: two different ed25519 keys in OpenSSH's form."""
    keys = Keys(home / "keys")
    keys.folder.mkdir(parents=True, exist_ok=True)
    keys.folder.chmod(0o700)
    for path in (keys.client_key, keys.host_key):
        if not path.exists():
            _make(path)
    return keys


def _make(path: Path) -> None:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    path.with_suffix(".pub").write_bytes(public + b" sf-transactions\n")
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(private)
