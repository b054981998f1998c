"""The two SSH keys of the project: the client's, which logs in, and the server's host key, which is pinned."""

import contextlib
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from sf_transactions.provision.errors import ProvisionError


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
    def known_hosts(self) -> Path:
        return self.folder / "known_hosts"

    @property
    def client_public(self) -> str:
        return _first_line(self.client_key.with_suffix(".pub"))

    @property
    def host_public(self) -> str:
        return _first_line(self.host_key.with_suffix(".pub"))

    def pin(self, *lines: str) -> None:
        """What clients take for the server's key from now on. None of them reads half of it."""
        place = self.host_key.with_suffix(".pub")
        incoming = place.with_suffix(".incoming")
        incoming.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        incoming.replace(place)

    @property
    def pinned(self) -> list[str]:
        """The host keys that clients take: one, or two while it is rotated."""
        return self.host_key.with_suffix(".pub").read_text(encoding="utf-8").split("\n")[:-1]

    def host_private(self) -> str:
        """The host key itself, for the one call that gives it to the server. Never log it."""
        return self.host_key.read_text(encoding="utf-8")


def has_keys(home: Path) -> bool:
    return any((home / "keys" / name).exists() for name in ("client_key", "host_key"))


def ensure_keys(home: Path, algorithm: str = "ed25519") -> Keys:
    """The keys in `<home>/keys`, made where they are missing: two different ones of this algorithm.

    Raises ProvisionError when a key that is there cannot be read: it is never replaced, for it may be in use.
    """
    keys = Keys(home / "keys")
    keys.folder.mkdir(parents=True, exist_ok=True)
    keys.folder.chmod(0o700)
    for path in (keys.client_key, keys.host_key):
        ensure_key(path, algorithm)
    return keys


def ensure_key(path: Path, algorithm: str) -> str:
    """The public half of the key at this path, which is made when it is missing. Raises ProvisionError."""
    if not path.exists():
        _make(path, algorithm)
    path.chmod(0o600)
    return _write_public(path)


def _first_line(path: Path) -> str:
    return path.read_text(encoding="utf-8").split("\n")[0].strip()


def fingerprint(public_key: str) -> str:
    """A public key's fingerprint as OpenSSH and AWS write it, such as SHA256:47DEQpj8HBSa..."""
    import base64
    import hashlib

    digest = hashlib.sha256(base64.b64decode(public_key.split()[1])).digest()
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


def same_key(one: str, other: str) -> bool:
    """Whether two public lines are the same key, whatever their comments."""
    return one.split()[:2] == other.split()[:2]


def known_host(host: str, port: int, key: str) -> str:
    """A line of OpenSSH's known_hosts."""
    return f"{host if port == 22 else f'[{host}]:{port}'} {' '.join(key.split()[:2])}"


def write_known_hosts(keys: Keys, host: str, port: int) -> Path:
    """The pinned host keys in OpenSSH's form, for logins by hand."""
    lines = [known_host(host, port, key) for key in keys.pinned]
    keys.known_hosts.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return keys.known_hosts


def public_of(private_key: bytes) -> str:
    """The public half of a private key, in OpenSSH's form or PEM, as one line. Raises ValueError when it is none."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization

    openssh = b"OPENSSH PRIVATE KEY" in private_key
    load = serialization.load_ssh_private_key if openssh else serialization.load_pem_private_key
    try:
        key = load(private_key, password=None)
    except (UnsupportedAlgorithm, TypeError) as error:
        raise ValueError(str(error)) from None
    line = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return f"{line.decode()} sf-transactions"


RSA_BITS = 4096


def _generate(algorithm: str) -> bytes:
    """ed25519 in OpenSSH's form, or RSA in PEM, which every client reads."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

    if algorithm == "rsa":
        return rsa.generate_private_key(65537, RSA_BITS).private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        )
    return ed25519.Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )


def _make(path: Path, algorithm: str) -> None:
    private = _generate(algorithm)
    incoming = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(incoming, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(private)
        # A link never takes the place of a key that another process has made in the meantime.
        with contextlib.suppress(FileExistsError):
            os.link(incoming, path)
    finally:
        incoming.unlink(missing_ok=True)


def _write_public(path: Path) -> str:
    """Writes the public half beside the private key when it is missing or belongs to another, and gives it. Lines after
    the first stay: during a rotation clients pin two host keys."""
    try:
        line = public_of(path.read_bytes())
    except (OSError, ValueError):
        raise ProvisionError(
            f"the key {path} cannot be read: it must be a private key, OpenSSH's or PEM, without a passphrase; "
            "put it right, or delete it to have a new one made"
        ) from None
    public = path.with_name(f"{path.name}.pub")
    if not public.exists() or public.read_text(encoding="utf-8", errors="replace").split()[:2] != line.split()[:2]:
        public.write_text(f"{line}\n", encoding="utf-8")
    return line
