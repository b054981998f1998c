"""Why COPY refused a file: SYS_LOAD_ERROR_DETAIL as a sentence, with the value at fault."""

import csv
import gzip
import io
import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING

from sf_transactions.resources.storage import StorageError
from sf_transactions.resources.warehouse import fetch
from sf_transactions.resources.warehouse_errors import with_fix

if TYPE_CHECKING:
    import redshift_connector


def told(connection: "redshift_connector.Connection", read: Callable[[str], bytes]) -> str | None:
    """The last error of this session's COPY: file, line, column, value, reason and what to do; None without one."""
    session = fetch(connection, "select pg_backend_pid() as pid")["pid"][0]  # of the leader node: in no other query
    rows = fetch(
        connection,
        "select trim(file_name) as file_name, line_number, trim(column_name) as column_name,"
        " trim(error_message) as error_message from sys_load_error_detail"
        " where session_id = %s order by start_time desc limit 1",
        (int(session),),
    )
    connection.rollback()
    if rows.empty:
        return None
    row = rows.iloc[0]
    where = f"COPY failed at {row['file_name']}, line {row['line_number']}"
    if row["column_name"]:
        where += f", column {row['column_name']}"
        if (value := _value(read, row["file_name"], int(row["line_number"]), row["column_name"])) is not None:
            where += f", value {value!r}"
    return f"{where}: {with_fix(row['error_message'])}"


def _value(read: Callable[[str], bytes], url: str, line: int, column: str) -> str | None:
    """The text that stands in a column of the row that begins at a line, counted from 1; None when there is none."""
    try:
        text = gzip.decompress(read(url)).decode()
    except (StorageError, OSError, EOFError, ValueError):  # a file that cannot be read is the reason itself
        return None
    lines = text.splitlines(keepends=True)
    header = next(csv.reader(lines[:1]), [])
    row = next(csv.reader(io.StringIO("".join(itertools.islice(lines, line - 1, None)))), [])
    return dict(zip(header, row, strict=False)).get(column)
