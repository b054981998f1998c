"""The door to Redshift: connections by redshift_connector, queries, and errors in words."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import dagster as dg
from pydantic import Field

from sf_transactions.provision.lookup import redshift_endpoint
from sf_transactions.resources import credentials
from sf_transactions.resources.warehouse_errors import WarehouseError, driver_errors, from_driver
from sf_transactions.settings import Settings

if TYPE_CHECKING:
    import pandas as pd
    import redshift_connector


RETRIES = 4
BACKOFF_SECONDS = 2.0


class Warehouse(dg.ConfigurableResource):
    """Redshift's SQL endpoint. Without a host, the cluster is looked up from AWS by its name."""

    database: str
    user: str
    password: str | None = Field(default=None, repr=False, json_schema_extra={"dagster__is_secret": True})
    host: str | None = None
    port: int | None = None
    ssl: bool = True

    @classmethod
    def from_settings(cls, settings: Settings, password: Any = None) -> "Warehouse":
        """The warehouse of these settings; `password` may be a reference to the secret instead of the secret."""
        return cls(
            host=settings.redshift_host,
            port=settings.port("redshift_port"),
            database=settings.redshift_database,
            user=settings.redshift_user,
            password=password or settings.redshift_password,
            ssl=settings.ssl,
        )

    @contextlib.contextmanager
    def connect(self) -> Iterator["redshift_connector.Connection"]:
        """A connection outside of any transaction; statements start one, which ends at commit or is rolled back."""
        import redshift_connector

        settings = Settings.from_environ()
        host, port = (self.host, self.port or 5439) if self.host else redshift_endpoint(settings)
        login = credentials.login(replace(settings, redshift_user=self.user), self.password)
        where = f"{login.user}@{host}:{port}/{self.database}"
        try:
            connection = redshift_connector.connect(
                host=host,
                port=port,
                database=self.database,
                user=login.user,
                password=login.password,
                ssl=self.ssl,
                application_name="sf_transactions",
            )
        except driver_errors() as error:
            found = from_driver(error)
            raise WarehouseError(
                f"cannot connect to the warehouse {where}: {found}. Check that the cluster runs "
                "(`sf-transactions plan`) and the settings REDSHIFT_*",
                found.code,
                retryable=found.retryable,
            ) from None
        try:
            yield connection
        finally:
            with contextlib.suppress(*driver_errors()):  # a broken connection is closed already
                connection.close()

    def query(self, statement: str, parameters: Sequence[Any] = ()) -> "pd.DataFrame":
        """The answer to one statement, in a transaction of its own. Decimals stay exact (objects)."""
        with self.connect() as connection:
            return fetch(connection, statement, parameters)

    def tables(self) -> set[str]:
        """The names of the tables that stand in schema `report`."""
        found = self.query("select table_name from information_schema.tables where table_schema = 'report'")
        return set(found["table_name"])


def fetch(
    connection: "redshift_connector.Connection", statement: str, parameters: Sequence[Any] = ()
) -> "pd.DataFrame":
    """The answer to one statement as a frame of objects (NULL is None), on an open connection.

    Raises WarehouseError.
    """
    import pandas as pd

    names, answer = rows(connection, statement, parameters)
    # Objects, so that an integer beside a null stays an integer and a decimal exact.
    return pd.DataFrame(answer, columns=names, dtype=object)


def rows(
    connection: "redshift_connector.Connection", statement: str, parameters: Sequence[Any] = ()
) -> tuple[list[str], list[tuple]]:
    """The names of the columns and the rows of the answer to one statement, on an open connection; without pandas.

    Raises WarehouseError.
    """
    with execute(connection, statement, parameters) as cursor:
        names = [column[0].decode() if isinstance(column[0], bytes) else column[0] for column in cursor.description]
        return names, [tuple(row) for row in cursor.fetchall()]


def value(connection: "redshift_connector.Connection", statement: str, parameters: Sequence[Any] = ()) -> Any:
    """The one value that answers a statement. Raises WarehouseError."""
    ((found,),) = rows(connection, statement, parameters)[1]
    return found


def execute(connection: "redshift_connector.Connection", statement: str, parameters: Sequence[Any] = ()):
    """Runs one statement and returns its cursor. Raises WarehouseError with the server's own words."""
    cursor = connection.cursor()
    try:
        cursor.execute(statement, tuple(parameters) or None)
    except driver_errors() as error:
        raise from_driver(error) from None
    return cursor


def commit(connection: "redshift_connector.Connection") -> None:
    """Ends the transaction. Raises WarehouseError; when the connection was lost nobody knows whether it took place."""
    try:
        connection.commit()
    except driver_errors() as error:
        raise from_driver(error) from None


@contextlib.contextmanager
def tried_again(context: dg.AssetExecutionContext) -> Iterator[None]:
    """Hands an error that passes by itself to Dagster, which runs the step again: after a while that doubles.

    Any other error ends the step at once.
    """
    try:
        yield
    except WarehouseError as error:
        if not error.retryable:
            raise
        seconds = BACKOFF_SECONDS * 2**context.retry_number
        context.log.warning(f"{error}: tried again in {seconds:g} s, at most {RETRIES} times")
        raise dg.RetryRequested(max_retries=RETRIES, seconds_to_wait=seconds) from error
