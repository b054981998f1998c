"""What the warehouse holds, as frames: dimensions, facts, evidence, and the day they are of.

`held` tells whether it is still the same as when a file was made from it.

Facts and evidence are many, and the files of the star are quicker to read than rows over a connection. A file is used
only where it is what the warehouse holds. Of the facts of a fiscal year it has as many rows, the same dollars, and the
same sum of ids, each of which is a hash of its row; the evidence was loaded last, and its counts are the same.
"""

import hashlib
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING

from sf_transactions.ddl import quoted
from sf_transactions.model import (
    COUNTS,
    DIMENSIONS,
    DOLLARS,
    FISCAL_YEAR,
    PUBLICATION,
    PUBLISHED_CODES,
    SCHEMA,
    TRANSACTION,
    TRANSACTION_PUBLISHED,
    Dimension,
    Table,
)
from sf_transactions.resources import loading, made
from sf_transactions.resources.home import Home, HomeError
from sf_transactions.resources.parts import read_part
from sf_transactions.resources.warehouse import Warehouse, WarehouseError, fetch, rows
from sf_transactions.transform.amounts import cents_of_decimals
from sf_transactions.transform.star import YEARS_AT_ONCE

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    import redshift_connector

SEPARATOR = "chr(31)"  # between the values of a row that is hashed
PRIME = 1_000_000_007
IDS = f"sum(transaction_id % {PRIME})"  # of 63-bit ids a BIGINT holds no sum


@dataclass(frozen=True)
class Held:
    """When the source system last updated the newest of the facts, and a hash of all that reports are made from: facts,
    dimensions, days, and the views as they are defined there. `years` has it of each fiscal year by itself."""

    as_of: datetime | None
    sha256: str
    years: Mapping[int, str]

    @property
    def day(self) -> date:
        """The day that decides which fiscal years are closed: today where the source system tells none."""
        return self.as_of.date() if self.as_of else date.today()


def held(connection: "redshift_connector.Connection") -> Held:
    _, days = rows(connection, f"select fiscal_year, data_as_of from {PUBLICATION.qualified} order by 1")
    day_of = {int(year): day for year, day in days}
    of_all = (_digests(connection), _views(connection))
    years = {
        year: hashlib.sha256(repr((facts, day_of.get(year), of_all)).encode()).hexdigest()
        for year, facts in fingerprints(connection).items()
    }
    digest = hashlib.sha256(repr((years, days, of_all)).encode()).hexdigest()
    return Held(max((day for _, day in days if day is not None), default=None), digest, years)


def compared(connection: "redshift_connector.Connection") -> str:
    """A hash of all that is compared after a load: of tables with a row a transaction the rows and the sums of all that
    can be added up, by fiscal year, of the dimensions every value; and of the views as they are defined there. Dollars
    by side are for `comparisons.totals` to tell."""
    sums = [rows(connection, _sums(table))[1] for table in (TRANSACTION, TRANSACTION_PUBLISHED, PUBLISHED_CODES)]
    return hashlib.sha256(repr((sums, _digests(connection), _views(connection))).encode()).hexdigest()


def _sums(table: Table) -> str:
    added = [
        f"sum({quoted(column.name)})" if column.is_dollars else f"sum({quoted(column.name)} % {PRIME})"
        for column in table.columns
        if column.is_dollars or column.sql_type in ("BIGINT", "INTEGER")
    ]
    by_year = f"group by {FISCAL_YEAR.name} order by {FISCAL_YEAR.name}" if FISCAL_YEAR in table.columns else ""
    return f"select count(*), {', '.join(added)} from {table.qualified} {by_year}"


def _views(connection: "redshift_connector.Connection") -> list[tuple]:
    return rows(connection, f"select viewname, definition from pg_views where schemaname = '{SCHEMA}' order by 1")[1]


def _digests(connection: "redshift_connector.Connection") -> list[tuple]:
    """Of each dimension its rows and the sum of their hashes."""
    return sorted(rows(connection, " union all ".join(_digest(dimension.table) for dimension in DIMENSIONS))[1])


def _digest(table: Table) -> str:
    """The query for a table's rows and the sum of their hashes, 60 bits each, which the warehouse makes itself."""
    values = f" || {SEPARATOR} || ".join(f"cast({quoted(name)} as varchar)" for name in table.column_names)
    of_row = f"cast(strtol(substring(md5({values}), 1, 15), 16) as decimal(38, 0))"
    return f"select '{table.name}' as table_name, count(*) as row_count, sum({of_row}) as hashes from {table.qualified}"


def members(connection: "redshift_connector.Connection") -> "dict[str, pd.DataFrame]":
    """The dimensions by name, sorted by id: ids as int64, names and codes as text."""
    import pandas as pd

    frames = {}
    for dimension in DIMENSIONS:
        names, found = rows(connection, _every_row(dimension.table))
        frames[dimension.name] = pd.DataFrame(found, columns=names, dtype=object).astype({dimension.id_column: "int64"})
    return frames


def rows_of(warehouse: Warehouse, table: Table) -> "pd.DataFrame":
    """Every row that a table holds in the warehouse, by its key. Raises WarehouseError."""
    return warehouse.query(_every_row(table))


def _every_row(table: Table) -> str:
    """The query for all rows of a table, by its key."""
    keys = ", ".join(map(quoted, table.primary_key))
    return f"select {_columns(table)} from {table.qualified} order by {keys}"


def fingerprints(connection: "redshift_connector.Connection") -> dict[int, tuple[int, str, int]]:
    """Rows, dollars and the sum of ids of each fiscal year in the warehouse."""
    _, found = rows(
        connection,
        f"select fiscal_year, count(*), sum(amount), {IDS} from {TRANSACTION.qualified} group by 1 order by 1",
    )
    return {int(year): (int(row_count), str(amount), int(ids)) for year, row_count, amount, ids in found}


def facts(connection: "redshift_connector.Connection", home: Home) -> "pa.Table":
    """Every row of `transaction`, `amount` as DECIMAL(18,2): from the star's files where they agree, else from the
    warehouse."""
    import pyarrow as pa

    wanted = fingerprints(connection)
    with ThreadPoolExecutor(YEARS_AT_ONCE) as pool:
        found = pool.map(lambda year: _from_star(home, year, wanted[year]), wanted)
        parts = [part or _from_warehouse(connection, year) for year, part in zip(wanted, found, strict=True)]
    return pa.concat_tables(parts) if parts else _schema().empty_table()


def evidence_of_other_years(
    connection: "redshift_connector.Connection", home: Home, dimension: Dimension, fiscal_years: Collection[int]
) -> "pd.DataFrame | None":
    """The evidence of every loaded fiscal year but these, dollars in cents; None when no other is loaded.

    Raises WarehouseError naming the years whose facts are loaded but whose evidence is missing: without it
    an old code could be put over a new one.
    """
    table = dimension.evidence
    counts = [column.name for column in COUNTS]
    _, counted = rows(
        connection,
        f"select fiscal_year, count(*), {', '.join(f'sum({name})' for name in counts)}"
        f" from {table.qualified} group by 1 order by 1",
    )
    years = {year for (year,) in rows(connection, f"select distinct fiscal_year from {TRANSACTION.qualified}")[1]}
    missing = sorted(years - {year for year, *_ in counted} - set(fiscal_years))
    if missing:
        raise WarehouseError(
            f"{table.qualified} lacks the evidence of the loaded fiscal years {', '.join(map(str, missing))}: "
            "materialize these years too, all in one run"
        )
    if {year for year, *_ in counted}.issubset(fiscal_years):
        return None
    import pandas as pd

    found = None
    if was_loaded(connection, home, table):
        found = _rows_of_star(home, table)
        ours = found.assign(n=1).groupby("fiscal_year", as_index=False)[["n", *counts]].sum()
        stand = _in_cents(pd.DataFrame(counted, columns=["fiscal_year", "n", *counts], dtype=object), table)
        if ours.to_numpy(object).tolist() != stand.to_numpy(object).tolist():
            found = None
    if found is None:
        found = _in_cents(fetch(connection, f"select {_columns(table)} from {table.qualified}"), table)
    return found[~found["fiscal_year"].isin(fiscal_years)].reset_index(drop=True)


def _in_cents(frame: "pd.DataFrame", table: Table) -> "pd.DataFrame":
    """The rows with dollars, which are decimals, as cents."""
    dollars = [column.name for column in table.columns if column.is_dollars]
    return frame.assign(**{name: [int(amount.scaleb(2)) for amount in frame[name]] for name in dollars})


def _rows_of_star(home: Home, table: Table) -> "pd.DataFrame":
    """The rows of a table in the star's file, dollars in cents."""
    import pandas as pd
    import pyarrow as pa

    kinds = {"INTEGER": pa.int64(), "BIGINT": pa.int64(), DOLLARS: pa.decimal128(18, 2)}
    types = {column.name: kinds.get(column.sql_type, pa.string()) for column in table.columns}
    part = read_part(home.star(table.name), types)
    values = {
        name: cents_of_decimals(part[name].combine_chunks()) if pa.types.is_decimal(kind) else part[name].to_pandas()
        for name, kind in types.items()
    }
    return pd.DataFrame(values)


def _columns(table: Table) -> str:
    return ", ".join(map(quoted, table.column_names))


def was_loaded(connection: "redshift_connector.Connection", home: Home, table: Table) -> bool:
    """Whether the file of a table at home is the one of the load that stands."""
    try:
        sent = loading.sent(home)
    except HomeError:
        return False  # S3 was never filled from here
    file, (part,) = home.star(table.name), sent[table.name]["objects"]
    stands = file.exists() and part["sha256"] == made.sha256(file)
    return stands and loading.stands(connection, loading.load_id(loading.manifests(sent)))


def sha256_held(warehouse: Warehouse, home: Home, table: Table) -> str:
    """A hash of the rows that a table holds in the warehouse; where its file at home was loaded last, that of the file.

    Raises WarehouseError.
    """
    with warehouse.connect() as connection:
        if was_loaded(connection, home, table):
            return made.sha256(home.star(table.name))
        _, found = rows(connection, _every_row(table))
    return hashlib.sha256(repr(found).encode()).hexdigest()


def _schema() -> "pa.Schema":
    import pyarrow as pa

    types = {"INTEGER": pa.int32(), "BIGINT": pa.int64(), "DECIMAL(18,2)": pa.decimal128(18, 2)}
    return pa.schema([(column.name, types[column.sql_type]) for column in TRANSACTION.columns])


def _from_star(home: Home, year: int, fingerprint: tuple[int, str, int]) -> "pa.Table | None":
    """The star's part of a fiscal year, or None where there is none or it is not what the warehouse holds."""
    import pyarrow.compute as pc

    part = home.star(TRANSACTION.name, str(year))
    if not part.exists():
        return None
    table = read_part(part, {field.name: field.type for field in _schema()})
    ids = table["transaction_id"].to_numpy() % PRIME
    agrees = (len(table), str(pc.sum(table["amount"]).as_py()), int(ids.sum())) == fingerprint
    return table if agrees else None


def _from_warehouse(connection: "redshift_connector.Connection", year: int) -> "pa.Table":
    import pyarrow as pa

    columns = ", ".join(TRANSACTION.column_names)
    frame = fetch(connection, f"select {columns} from {TRANSACTION.qualified} where fiscal_year = {year}")
    return pa.Table.from_pandas(frame, schema=_schema(), preserve_index=False)
