"""Where the stand-ins of a home answer: free ports chosen once and kept, with the invented password."""

import json
import os
import secrets
import socket
from dataclasses import asdict, dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Ports:
    """The ports of one home's stand-ins on 127.0.0.1."""

    aws: int
    sftp: int
    redshift: int
    portal: int
    password: str = field(repr=False)
    region: str = "us-west-2"

    @property
    def aws_url(self) -> str:
        return f"http://127.0.0.1:{self.aws}"

    @property
    def portal_url(self) -> str:
        return f"http://127.0.0.1:{self.portal}"

    def named(self) -> dict[str, int]:
        return {"aws": self.aws, "sftp": self.sftp, "redshift": self.redshift, "portal": self.portal}


def ports(home: Path) -> Ports:
    """The home's ports; chosen now when it has none yet."""
    path = home / "local" / "ports.json"
    if path.exists():
        return Ports(**json.loads(path.read_text(encoding="utf-8")))
    aws, sftp, redshift, portal = _free_ports(4)
    chosen = Ports(aws, sftp, redshift, portal, password=f"Local{secrets.token_hex(12)}1")
    path.parent.mkdir(parents=True, exist_ok=True)
    incoming = path.with_suffix(".incoming")
    with os.fdopen(os.open(incoming, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(asdict(chosen), file)
    incoming.replace(path)
    return chosen


def _free_ports(count: int) -> list[int]:
    """Ports that are free now, all different, because all are held until all are chosen."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()
