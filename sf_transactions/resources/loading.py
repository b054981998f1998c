"""One load of the warehouse: COPY into staging, replace, compare, commit; or nothing at all."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sf_transactions.ddl import create_view, drop_view, listed, quoted, schema_statements, views
from sf_transactions.model import (
    EVIDENCE,
    LOAD,
    LOAD_RECEIPT,
    LOADED_BESIDE,
    PUBLICATION,
    PUBLISHED_CODES,
    SCHEMA,
    TABLES,
    TRANSACTION_PUBLISHED,
    Table,
)
from sf_transactions.resources import load_errors
from sf_transactions.resources.home import Home, read_json
from sf_transactions.resources.storage import Storage
from sf_transactions.resources.warehouse import WarehouseError, commit, execute, rows, value

if TYPE_CHECKING:
    import redshift_connector

OTHER_COLUMNS = "42P16"  # CREATE OR REPLACE VIEW of a view that has other columns
LOCK_SECONDS = 1800  # how long a load waits for another


@dataclass(frozen=True)
class Load:
    """What a load carries: the manifests' URLs by table, of these fiscal years.

    `data_as_of` tells when the source system last updated the rows of each year that has rows, as published.
    `storage` is where the objects are, and knows by which role COPY reads them.
    """

    run_id: str
    load_id: str
    fiscal_years: tuple[int, ...]
    data_as_of: Mapping[int, str]
    manifests: Mapping[str, str]
    storage: Storage


def load_id(manifests: Mapping[str, str]) -> str:
    """The hash of what is loaded: the names of the manifests hold that of their contents."""
    return hashlib.sha256(json.dumps(manifests, sort_keys=True).encode()).hexdigest()[:16]


def sent(home: Home) -> dict[str, dict[str, Any]]:
    """What S3 was last filled with from this home, by table: manifest, fiscal years, objects. Raises HomeError when it
    never was."""
    return {table.name: read_json(home.receipt(table.name), "s3/*") for table in TABLES}


def manifests(sent: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    return {name: receipt["manifest"] for name, receipt in sent.items()}


def make_schema(connection: "redshift_connector.Connection") -> None:
    """Makes the tables where one is missing, and commits. Views are made by the load."""
    _, stand = rows(connection, f"select table_name from information_schema.tables where table_schema = '{SCHEMA}'")
    if not {(table.name,) for table in (*TABLES, *LOADED_BESIDE)}.issubset(stand):
        for statement in schema_statements():
            execute(connection, statement)
    commit(connection)


def begin(connection: "redshift_connector.Connection", load: Load) -> bool:
    """Begins the load's transaction: waits until no other load is under way, and holds the lock until its end.

    Returns whether this very load stands already: nothing has changed since, or its COMMIT took place although the
    answer was lost.
    Raises WarehouseError when another load does not end, or has changed what this one was made from.
    """
    execute(connection, f"SET statement_timeout TO {LOCK_SECONDS * 1000}")
    try:
        execute(connection, f"LOCK TABLE {LOAD.qualified}")
    except WarehouseError as error:
        if error.code != "57014":
            raise
        raise WarehouseError(f"another load has held {LOAD.qualified} for {LOCK_SECONDS} s: run again later") from None
    execute(connection, "SET statement_timeout TO 0")
    return stands(connection, load.load_id)


def stands(connection: "redshift_connector.Connection", load_id: str) -> bool:
    """Whether this load was committed last."""
    _, last = rows(  # the clock counts seconds: of two loads in one, nobody knows which stands
        connection,
        f"select distinct load_id from {LOAD.qualified}"
        f" where loaded_at = (select max(loaded_at) from {LOAD.qualified})",
    )
    return last == [(load_id,)]


def loaded_at(connection: "redshift_connector.Connection", load_id: str) -> str:
    """When a load last began to write. Raises WarehouseError when it was not committed."""
    found = value(connection, f"select max(loaded_at) from {LOAD.qualified} where load_id = %s", (load_id,))
    if found is None:
        raise WarehouseError(f"what S3 was filled with (load {load_id}) is not loaded: materialize redshift/* too")
    return found.isoformat()


def write(connection: "redshift_connector.Connection", load: Load, stands: bool = False) -> dict[str, int]:
    """Writes all tables and views and the row of the load, within the transaction. Returns the rows copied, by table.

    Of a load that stands already only the views are written. Raises WarehouseError with file, line, column, value and
    reason when COPY refuses a row.
    """
    try:
        return _write(connection, load, stands, ())
    except WarehouseError as error:
        if error.code != OTHER_COLUMNS:
            raise
    connection.rollback()
    return _write(connection, load, begin(connection, load) and stands, views())


def _write(
    connection: "redshift_connector.Connection", load: Load, stands: bool, outdated: Sequence[str]
) -> dict[str, int]:
    copied = {} if stands else _replace_tables(connection, load)
    for view in outdated:
        execute(connection, drop_view(view))
    for view in views():
        execute(connection, create_view(view))
    return copied


def _replace_tables(connection: "redshift_connector.Connection", load: Load) -> dict[str, int]:
    copied = {table.name: _replace_table(connection, table, load) for table in TABLES}
    remove_unused_codes(connection)
    _replace_publication(connection, load)
    execute(
        connection,
        f"INSERT INTO {LOAD.qualified} SELECT %s, %s, getdate(), %s, %s, %s",
        (load.run_id, load.load_id, min(load.fiscal_years), max(load.fiscal_years), sum(copied.values())),
    )
    return copied


def write_receipt(
    connection: "redshift_connector.Connection", run_id: str, load_id: str, rows: Sequence[Sequence[Any]]
) -> None:
    """Puts the receipt of a load in the place of the one it may have already, and commits."""
    ids = (run_id, load_id)
    execute(connection, f"DELETE FROM {LOAD_RECEIPT.qualified} WHERE run_id = %s AND load_id = %s", ids)
    if rows:
        one = f"({', '.join(['%s'] * len(LOAD_RECEIPT.columns))})"
        values = [value for row in rows for value in (*ids, *row)]
        execute(connection, f"INSERT INTO {LOAD_RECEIPT.qualified} VALUES {', '.join([one] * len(rows))}", values)
    commit(connection)


def empty(connection: "redshift_connector.Connection") -> None:
    """Takes every row out of the tables, and the views away, within the transaction."""
    for view in views():
        execute(connection, drop_view(view))
    for table in (*TABLES, PUBLICATION):
        execute(connection, f"DELETE FROM {table.qualified}")


def _replace_table(connection: "redshift_connector.Connection", table: Table, load: Load) -> int:
    staging = f"staging_{table.name}"
    execute(connection, f"CREATE TEMP TABLE {staging} (LIKE {table.qualified})")
    try:
        execute(connection, copy_statement(staging, table, load))
    except WarehouseError as error:
        if error.retryable:
            raise
        connection.rollback()
        detail = load_errors.told(connection, load.storage.read)
        raise WarehouseError(f"{table.qualified}: {detail or error}", error.code) from None
    if table in EVIDENCE:
        _refuse_stale(connection, table, staging, load)
    for statement in _exchange(table, staging, load.fiscal_years):
        execute(connection, statement)
    copied = int(value(connection, f"select count(*) from {staging}"))
    execute(connection, f"DROP TABLE {staging}")
    return copied


def _replace_publication(connection: "redshift_connector.Connection", load: Load) -> None:
    execute(connection, f"DELETE FROM {PUBLICATION.qualified} WHERE fiscal_year IN ({listed(load.fiscal_years)})")
    if load.data_as_of:
        columns = ", ".join(PUBLICATION.column_names)
        rows = ", ".join(["(%s, CAST(%s AS TIMESTAMP))"] * len(load.data_as_of))
        values = [value for row in load.data_as_of.items() for value in row]
        execute(connection, f"INSERT INTO {PUBLICATION.qualified} ({columns}) VALUES {rows}", values)


def remove_unused_codes(connection: "redshift_connector.Connection") -> None:
    """Takes away sets of codes that no transaction is published under any more."""
    (key,) = PUBLISHED_CODES.primary_key
    execute(
        connection,
        f"DELETE FROM {PUBLISHED_CODES.qualified} WHERE {key} NOT IN"
        f" (SELECT {key} FROM {TRANSACTION_PUBLISHED.qualified})",
    )


def copy_statement(target: str, table: Table, load: Load) -> str:
    columns = ", ".join(map(quoted, table.column_names))
    return (
        f"COPY {target} ({columns})\nFROM '{load.manifests[table.name]}'\nIAM_ROLE '{load.storage.copy_role()}'\n"
        f"REGION '{load.storage.region()}'\nFORMAT AS CSV\nGZIP\nIGNOREHEADER 1\nMANIFEST\nMAXERROR 0"
    )


def _exchange(table: Table, staging: str, fiscal_years: Sequence[int]) -> tuple[str, ...]:
    """The statements that put the rows of the staging table in the place of those that give way."""
    columns = ", ".join(map(quoted, table.column_names))
    insert = f"INSERT INTO {table.qualified} ({columns}) SELECT {columns} FROM {staging}"
    same = " AND ".join(f"{table.qualified}.{quoted(key)} = {staging}.{quoted(key)}" for key in table.primary_key)
    if table.replaces == "fiscal_years":
        years = f"WHERE fiscal_year IN ({listed(fiscal_years)})"
        return f"DELETE FROM {table.qualified} {years}", f"{insert} {years}"
    if table.replaces == "keys":  # what the load does not have stays
        return f"DELETE FROM {table.qualified} USING {staging} WHERE {same}", insert
    if table.replaces == "nothing":
        (key,) = map(quoted, table.primary_key)  # a hash of the row, so that it alone need be looked up
        new = f"{key} NOT IN (SELECT {key} FROM {table.qualified})"
        return (f"{insert.replace('SELECT', 'SELECT DISTINCT')} WHERE {new}",)
    return f"DELETE FROM {table.qualified}", insert


def _refuse_stale(connection: "redshift_connector.Connection", table: Table, staging: str, load: Load) -> None:
    """Raises WarehouseError when the evidence of other fiscal years, which the codes rest on, is not what stands.

    The file holds the evidence of all loaded years: a load of other years that came in between has changed it.
    """
    columns = ", ".join(map(quoted, table.column_names))
    other = f"WHERE fiscal_year NOT IN ({listed(load.fiscal_years)})"
    stand, carried = (f"SELECT {columns} FROM {name} {other}" for name in (table.qualified, staging))
    differ = value(
        connection, f"select count(*) from (({stand} EXCEPT {carried}) UNION ALL ({carried} EXCEPT {stand})) as d"
    )
    if differ:
        raise WarehouseError(
            f"{table.qualified}: another load was committed after the codes of this one were made ({differ} rows of "
            "evidence of other fiscal years differ): run again, from codes/* on"
        )


def analyze(connection: "redshift_connector.Connection") -> None:
    """Renews the statistics that the planner goes by."""
    for table in TABLES:
        execute(connection, f"ANALYZE {table.qualified}")
    commit(connection)
