"""What the warehouse holds, as frames: dimensions, facts, and the day they are of.

Facts are many, and the files of the star are quicker to read than rows over a connection. A file is used for a fiscal
year only where it is what the warehouse holds: as many rows, the same dollars, and the same sum of ids, each of which
is a hash of its row.
"""

from datetime import datetime
from typing import TYPE_CHECKING

from sf_transactions.ddl import quoted
from sf_transactions.model import DIMENSIONS, PUBLICATION, TRANSACTION
from sf_transactions.resources.home import Home
from sf_transactions.resources.warehouse import fetch

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    import redshift_connector

IDS = "sum(transaction_id % 1000000007)"  # of 63-bit ids a BIGINT holds no sum


def fingerprints(connection: "redshift_connector.Connection") -> dict[int, tuple[int, str, int]]:
    """Rows, dollars and the sum of ids of each fiscal year in the warehouse."""
    found = fetch(
        connection,
        f"select fiscal_year, count(*) as row_count, sum(amount) as amount, {IDS} as ids"
        f" from {TRANSACTION.qualified} group by 1 order by 1",
    )
    return {int(row.fiscal_year): (int(row.row_count), str(row.amount), int(row.ids)) for row in found.itertuples()}


def facts(connection: "redshift_connector.Connection", home: Home) -> "pa.Table":
    """Every row of `transaction`, `amount` as DECIMAL(18,2): from the star's files where they agree, else from the
    warehouse."""
    import pyarrow as pa

    parts = [
        _from_star(home, year, fingerprint) or _from_warehouse(connection, year)
        for year, fingerprint in fingerprints(connection).items()
    ]
    return pa.concat_tables(parts) if parts else _schema().empty_table()


def dimensions(connection: "redshift_connector.Connection") -> "dict[str, pd.DataFrame]":
    """The four dimensions, sorted by id: ids as int64, names and codes as text."""
    found = {}
    for dimension in DIMENSIONS:
        columns = ", ".join(map(quoted, dimension.table.column_names))
        frame = fetch(connection, f"select {columns} from {dimension.table.qualified} order by {dimension.id_column}")
        found[dimension.name] = frame.astype({dimension.id_column: "int64"})
    return found


def data_as_of(connection: "redshift_connector.Connection") -> datetime | None:
    """When the source system last updated the newest of the loaded rows."""
    return fetch(connection, f"select max(data_as_of) as data_as_of from {PUBLICATION.qualified}")["data_as_of"][0]


def _schema() -> "pa.Schema":
    import pyarrow as pa

    types = {"INTEGER": pa.int32(), "BIGINT": pa.int64(), "DECIMAL(18,2)": pa.decimal128(18, 2)}
    return pa.schema([(column.name, types[column.sql_type]) for column in TRANSACTION.columns])


def _from_star(home: Home, year: int, fingerprint: tuple[int, str, int]) -> "pa.Table | None":
    """The star's part of a fiscal year, or None where there is none or it is not what the warehouse holds."""
    import pyarrow.compute as pc
    import pyarrow.csv

    part = home.star(TRANSACTION.name, str(year))
    if not part.exists():
        return None
    types = {field.name: field.type for field in _schema()}
    table = pyarrow.csv.read_csv(part, convert_options=pyarrow.csv.ConvertOptions(column_types=types))
    ids = table["transaction_id"].to_numpy() % 1_000_000_007
    agrees = (len(table), str(pc.sum(table["amount"]).as_py()), int(ids.sum())) == fingerprint
    return table if agrees else None


def _from_warehouse(connection: "redshift_connector.Connection", year: int) -> "pa.Table":
    import pyarrow as pa

    columns = ", ".join(TRANSACTION.column_names)
    frame = fetch(connection, f"select {columns} from {TRANSACTION.qualified} where fiscal_year = {year}")
    return pa.Table.from_pandas(frame, schema=_schema(), preserve_index=False)
