"""What the warehouse holds, as frames: dimensions, facts, and the day they are of.

`held` tells whether it is still the same as when a file was made from it.

Facts are many, and the files of the star are quicker to read than rows over a connection. A file is used for a fiscal
year only where it is what the warehouse holds: as many rows, the same dollars, and the same sum of ids, each of which
is a hash of its row.
"""

import hashlib
import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from sf_transactions.ddl import quoted
from sf_transactions.model import DIMENSIONS, PUBLICATION, SCHEMA, TRANSACTION
from sf_transactions.resources.home import Home
from sf_transactions.resources.parts import read_part
from sf_transactions.resources.warehouse import fetch
from sf_transactions.transform.star import YEARS_AT_ONCE

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    import redshift_connector

IDS = "sum(transaction_id % 1000000007)"  # of 63-bit ids a BIGINT holds no sum


@dataclass(frozen=True)
class Held:
    """The rows of the dimensions, when the source system last updated the newest of the facts, and a hash of all that
    reports are made from: facts, dimensions, days, and the views as they are defined there."""

    members: "Mapping[str, pd.DataFrame]"
    as_of: datetime | None
    sha256: str


def held(connection: "redshift_connector.Connection") -> Held:
    members = dimensions(connection)
    days = fetch(connection, f"select fiscal_year, data_as_of from {PUBLICATION.qualified} order by 1")
    views = fetch(connection, f"select viewname, definition from pg_views where schemaname = '{SCHEMA}' order by 1")
    frames = (days, views, *members.values())
    texts = [json.dumps(fingerprints(connection)), *(frame.to_csv(index=False) for frame in frames)]
    as_of = days["data_as_of"].dropna().max() if days["data_as_of"].notna().any() else None
    return Held(members, as_of, hashlib.sha256("\0".join(texts).encode()).hexdigest())


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

    wanted = fingerprints(connection)
    with ThreadPoolExecutor(YEARS_AT_ONCE) as pool:
        found = pool.map(lambda year: _from_star(home, year, wanted[year]), wanted)
        parts = [part or _from_warehouse(connection, year) for year, part in zip(wanted, found, strict=True)]
    return pa.concat_tables(parts) if parts else _schema().empty_table()


def dimensions(connection: "redshift_connector.Connection") -> "dict[str, pd.DataFrame]":
    """The four dimensions, sorted by id: ids as int64, names and codes as text."""
    found = {}
    for dimension in DIMENSIONS:
        columns = ", ".join(map(quoted, dimension.table.column_names))
        frame = fetch(connection, f"select {columns} from {dimension.table.qualified} order by {dimension.id_column}")
        found[dimension.name] = frame.astype({dimension.id_column: "int64"})
    return found


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
    ids = table["transaction_id"].to_numpy() % 1_000_000_007
    agrees = (len(table), str(pc.sum(table["amount"]).as_py()), int(ids.sum())) == fingerprint
    return table if agrees else None


def _from_warehouse(connection: "redshift_connector.Connection", year: int) -> "pa.Table":
    import pyarrow as pa

    columns = ", ".join(TRANSACTION.column_names)
    frame = fetch(connection, f"select {columns} from {TRANSACTION.qualified} where fiscal_year = {year}")
    return pa.Table.from_pandas(frame, schema=_schema(), preserve_index=False)
