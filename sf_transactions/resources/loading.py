"""One load of the warehouse: COPY into staging, replace, compare, commit; or nothing at all."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sf_transactions.ddl import quoted
from sf_transactions.model import (
    CODED_DIMENSIONS,
    DIMENSIONS,
    FINANCE,
    PUBLISHED_CODES,
    TRANSACTION,
    TRANSACTION_PUBLISHED,
    Dimension,
    Table,
    code_column,
)
from sf_transactions.resources.warehouse import WarehouseError, execute, fetch

if TYPE_CHECKING:
    import pandas as pd
    import redshift_connector


@dataclass(frozen=True)
class Copy:
    """What COPY needs to know: the manifest's URL, and the role the cluster assumes to read it."""

    manifest: str
    role_arn: str
    region: str


def replace_table(
    connection: "redshift_connector.Connection", table: Table, copy: Copy, fiscal_years: Sequence[int]
) -> int:
    """Puts the rows of a manifest in the place of the table's, of these fiscal years where it has years.

    Returns how many rows were copied. Raises WarehouseError with file, line, column and reason when COPY refuses
    a row; the transaction is then to be rolled back.
    """
    staging = f"staging_{table.name}"
    execute(connection, f"DROP TABLE IF EXISTS {staging}")
    execute(connection, f"CREATE TEMP TABLE {staging} (LIKE {table.qualified})")
    backend = fetch(connection, "select pg_backend_pid() as pid")["pid"][0]
    try:
        execute(connection, copy_statement(staging, table, copy))
    except WarehouseError as error:
        connection.rollback()
        raise WarehouseError(f"{table.qualified}: {_load_error(connection, int(backend)) or error}") from None
    columns = ", ".join(map(quoted, table.column_names))
    rows = f"SELECT {columns} FROM {staging}"
    if table.replaces == "nothing":
        rows += f" EXCEPT SELECT {columns} FROM {table.qualified}"  # what stands, and repetitions
    else:
        execute(connection, f"DELETE FROM {table.qualified}{_replaced(table, staging, fiscal_years)}")
    execute(connection, f"INSERT INTO {table.qualified} ({columns}) {rows}")
    return int(fetch(connection, f"select count(*) as n from {staging}")["n"][0])


def _replaced(table: Table, staging: str, fiscal_years: Sequence[int]) -> str:
    """Which rows give way, as the rest of a DELETE."""
    if table.replaces == "fiscal_years":
        return f" WHERE fiscal_year IN ({', '.join(str(int(year)) for year in fiscal_years)})"
    if table.replaces == "keys":
        same = " AND ".join(f"{table.qualified}.{quoted(key)} = {staging}.{quoted(key)}" for key in table.primary_key)
        return f" USING {staging} WHERE {same}"
    return ""


def remove_unused_codes(connection: "redshift_connector.Connection") -> None:
    """Takes away sets of codes that no transaction is published under any more."""
    (key,) = PUBLISHED_CODES.primary_key
    execute(
        connection,
        f"DELETE FROM {PUBLISHED_CODES.qualified} WHERE {key} NOT IN"
        f" (SELECT {key} FROM {TRANSACTION_PUBLISHED.qualified})",
    )


def without_published_codes(connection: "redshift_connector.Connection") -> "pd.DataFrame":
    """Up to 20 transactions that do not find the codes under which they were published."""
    (id,), (key,) = TRANSACTION.primary_key, PUBLISHED_CODES.primary_key
    return fetch(
        connection,
        f"select t.{id}, t.fiscal_year, p.{key} from {TRANSACTION.qualified} t"
        f" left join {TRANSACTION_PUBLISHED.qualified} p on p.{id} = t.{id} and p.fiscal_year = t.fiscal_year"
        f" left join {PUBLISHED_CODES.qualified} c on c.{key} = p.{key} where c.{key} is null limit 20",
    )


def copy_statement(target: str, table: Table, copy: Copy) -> str:
    columns = ", ".join(map(quoted, table.column_names))
    return (
        f"COPY {target} ({columns})\nFROM '{copy.manifest}'\nIAM_ROLE '{copy.role_arn}'\n"
        f"REGION '{copy.region}'\nFORMAT AS CSV\nGZIP\nIGNOREHEADER 1\nMANIFEST\nMAXERROR 0"
    )


def _load_error(connection: "redshift_connector.Connection", backend: int) -> str | None:
    """The last row of SYS_LOAD_ERROR_DETAIL of this session, as a sentence."""
    rows = fetch(
        connection,
        "select trim(file_name) as file_name, line_number, trim(column_name) as column_name,"
        " trim(error_message) as error_message from sys_load_error_detail"
        " where session_id = %s order by start_time desc limit 1",
        (backend,),
    )
    connection.rollback()
    if rows.empty:
        return None
    row = rows.iloc[0]
    column = f", column {row['column_name']}" if row["column_name"] else ""
    return f"COPY failed at {row['file_name']}, line {row['line_number']}{column}: {row['error_message']}"


def totals(connection: "redshift_connector.Connection", fiscal_years: Sequence[int]) -> "pd.DataFrame":
    """fiscal_year, revenue_or_spending, row_count and amount of the fact, of these years."""
    years = ", ".join(str(int(year)) for year in fiscal_years)
    return fetch(
        connection,
        f"select t.fiscal_year, f.revenue_or_spending, count(*) as row_count, sum(t.amount) as amount"
        f" from {TRANSACTION.qualified} t join {FINANCE.table.qualified} f on f.finance_id = t.finance_id"
        f" where t.fiscal_year in ({years}) group by 1, 2 order by 1, 2",
    )


def duplicated_ids(connection: "redshift_connector.Connection", table: Table) -> "pd.DataFrame":
    """Up to 20 ids that more than one row has; Redshift does not enforce keys."""
    (key,) = table.primary_key
    return fetch(
        connection,
        f"select {key}, count(*) as row_count from {table.qualified} group by {key} having count(*) > 1 limit 20",
    )


def dangling_ids(connection: "redshift_connector.Connection") -> dict[str, int]:
    """For each dimension, the number of fact rows whose id it lacks."""
    found = {}
    for dimension in DIMENSIONS:
        key = dimension.id_column
        found[dimension.name] = int(
            fetch(
                connection,
                f"select count(*) as n from {TRANSACTION.qualified} t left join {dimension.table.qualified} d"
                f" on d.{key} = t.{key} where d.{key} is null",
            )["n"][0]
        )
    return found


def names_with_several_codes(connection: "redshift_connector.Connection", dimension: Dimension) -> "pd.DataFrame":
    """Up to 20 names a level that carry more than one code within their parents."""
    import pandas as pd

    parts = []
    for level in dimension.levels:
        path = ", ".join(quoted(name) for name in (*dimension.parents(level), level))
        parts.append(
            fetch(
                connection,
                f"select '{level}' as level, {quoted(level)} as name, count(distinct {code_column(level)}) as codes"
                f" from {dimension.table.qualified} group by {path}"
                f" having count(distinct {code_column(level)}) > 1 limit 20",
            )
        )
    return pd.concat(parts, ignore_index=True)


def evidence_of_other_years(
    connection: "redshift_connector.Connection", dimension: Dimension, fiscal_years: Sequence[int]
) -> "pd.DataFrame":
    """The evidence of every loaded fiscal year but these, dollars in cents.

    Raises WarehouseError naming the years whose facts are loaded but whose evidence is missing: without it
    an old code could be put over a new one.
    """
    assert dimension in CODED_DIMENSIONS
    table = dimension.evidence
    loaded = fetch(connection, f"select distinct fiscal_year from {TRANSACTION.qualified}")["fiscal_year"]
    columns = ", ".join(
        f"cast({column.name} * 100 as bigint) as {column.name}" if column.is_dollars else quoted(column.name)
        for column in table.columns
    )
    years = ", ".join(str(int(year)) for year in fiscal_years)
    found = fetch(connection, f"select {columns} from {table.qualified} where fiscal_year not in ({years})")
    missing = sorted(
        {int(year) for year in loaded} - set(found["fiscal_year"].astype(int)) - set(map(int, fiscal_years))
    )
    if missing:
        raise WarehouseError(
            f"{table.qualified} lacks the evidence of the loaded fiscal years {', '.join(map(str, missing))}: "
            "materialize these years too, all in one run"
        )
    return found
