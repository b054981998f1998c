"""Who is let in to the SQL endpoint: the users of the clusters, by their passwords."""

import hmac
import struct
from collections.abc import Sequence
from dataclasses import dataclass

from sf_transactions.local.redshift import wire
from sf_transactions.local.redshift.errors import SqlError

SECONDS = 60  # that a client has to log in, as PostgreSQL's authentication_timeout


@dataclass(frozen=True)
class Cluster:
    """A cluster as the Redshift API describes it, with what a login needs."""

    identifier: str
    database: str
    user: str
    password: str
    iam_roles: tuple[str, ...]

    def __repr__(self) -> str:
        return f"Cluster({self.identifier!r})"


def first(connection: wire.Connection) -> tuple[int, bytes]:
    """The first message after the requests for encryption, each of which is refused once."""
    refusable = {wire.SSL, wire.GSS}
    code, body = connection.startup()
    while code in refusable:
        refusable.remove(code)
        connection.send_raw(b"N")
        code, body = connection.startup()
    return code, body


def authenticate(connection: wire.Connection, clusters: Sequence[Cluster], user: str, database: str) -> Cluster:
    """The cluster that the user logs in to, by the password that is asked for. Raises SqlError."""
    if not clusters:
        raise SqlError("28000", "no cluster exists; run `sf-transactions provision`")
    connection.send(b"R", struct.pack("!i", 3))
    connection.flush()
    kind, body = connection.message(wire.LONGEST_LOGIN)
    if kind != b"p":
        raise SqlError("28P01", f'password authentication failed for user "{user}"')
    password = wire.split_text(body)[0]
    known = [
        cluster
        for cluster in clusters
        if cluster.user == user and hmac.compare_digest(cluster.password.encode(), password.encode())
    ]
    if not known:
        raise SqlError("28P01", f'password authentication failed for user "{user}"')
    for cluster in known:
        if cluster.database == database:
            return cluster
    raise SqlError("3D000", f'database "{database}" does not exist')
