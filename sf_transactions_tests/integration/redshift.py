"""The stand-in for Redshift as tests speak to it, and the files of its COPY."""

import contextlib
import gzip
import json
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import redshift_connector

from sf_transactions.local.redshift.server import Cluster, RedshiftEndpoint

ROLE = "arn:aws:iam::123456789012:role/copy"
CLUSTER = Cluster("sf-transactions", "dev", "admin", "Secret-123", (ROLE,))


def connect(endpoint: RedshiftEndpoint, **given: Any) -> redshift_connector.Connection:
    words = {"database": "dev", "user": "admin", "password": "Secret-123", "ssl": False, **given}
    return redshift_connector.connect(host="127.0.0.1", port=endpoint.port, **words)


def ask(connection: redshift_connector.Connection, statement: str, parameters: Sequence[Any] = ()) -> list[list[Any]]:
    """The rows that a statement gives."""
    cursor = connection.cursor()
    cursor.execute(statement, tuple(parameters) or None)
    return [list(row) for row in cursor.fetchall()] if cursor.description else []


def code(error: BaseException) -> str:
    """The SQLSTATE of an error."""
    assert isinstance(error, redshift_connector.Error), repr(error)
    return error.args[0]["C"]


def refused(connection: redshift_connector.Connection, statement: str, parameters: Sequence[Any] = ()) -> str:
    """The SQLSTATE with which a statement is refused; the transaction is rolled back."""
    try:
        ask(connection, statement, parameters)
    except redshift_connector.Error as error:
        connection.rollback()
        return code(error)
    raise AssertionError(f"executed: {statement}")


@contextlib.contextmanager
def session(endpoint: RedshiftEndpoint, **given: Any) -> Iterator[redshift_connector.Connection]:
    with contextlib.closing(connect(endpoint, **given)) as connection:
        yield connection


@contextlib.contextmanager
def rolled_back(sessions):
    with sessions as connection:
        yield connection
        with contextlib.suppress(redshift_connector.Error):
            connection.rollback()


# The contract: what is said of SQL holds for the stand-in and for a real cluster, which is asked with `-m cluster`.
STAND_IN = "stand-in"
CLUSTER_TOO = [STAND_IN, pytest.param("cluster", marks=[pytest.mark.cluster, pytest.mark.enable_socket])]

BUCKET = "redshift-test"


class Bucket:
    """Files for COPY."""

    def __init__(self, client: Any) -> None:
        self.client = client

    def put(self, key: str, content: str | bytes, zipped: bool = True) -> str:
        raw = content.encode() if isinstance(content, str) else content
        self.client.put_object(Bucket=BUCKET, Key=key, Body=gzip.compress(raw) if zipped else raw)
        return f"s3://{BUCKET}/{key}"

    def manifest(self, key: str, urls: Sequence[str], mandatory: bool = True, **meta: Any) -> str:
        entries = [{"url": url, "mandatory": mandatory, **({"meta": meta} if meta else {})} for url in urls]
        return self.put(key, json.dumps({"entries": entries}), zipped=False)
