"""Where the stand-ins of a home answer: free ports chosen once and kept, with the invented password."""

import json
import os
import secrets
import socket
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any


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
    path = _file(home)
    if path.exists():
        return Ports(**json.loads(path.read_text(encoding="utf-8")))
    aws, sftp, redshift, portal = _free_ports(4)
    return _keep(home, Ports(aws, sftp, redshift, portal, password=f"Local{secrets.token_hex(12)}1"))


def ports_to_start_on(home: Path) -> Ports:
    """The home's ports, before a start: one that another program has taken in the meantime is replaced."""
    chosen = ports(home)
    taken = [name for name, port in chosen.named().items() if not _is_free(port)]
    if not taken:
        return chosen
    others: dict[str, Any] = dict(zip(taken, _free_ports(len(taken)), strict=True))
    return _keep(home, replace(chosen, **others))


def _file(home: Path) -> Path:
    return home / "local" / "ports.json"


def _keep(home: Path, chosen: Ports) -> Ports:
    path = _file(home)
    path.parent.mkdir(parents=True, exist_ok=True)
    incoming = path.with_suffix(".incoming")
    with os.fdopen(os.open(incoming, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(asdict(chosen), file)
    incoming.replace(path)
    return chosen


def _is_free(port: int) -> bool:
    """Whether a server could listen here. Connections of a server that has ended are no hindrance, as for servers."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


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
