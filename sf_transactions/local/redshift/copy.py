"""COPY from S3: the statement and its options, read strictly, and its execution."""

import contextlib
import re
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from sf_transactions.local.redshift import catalog, options, rows, source
from sf_transactions.local.redshift.errors import SqlError, not_supported
from sf_transactions.local.redshift.parse import QUALIFIED

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

_COPY = re.compile(
    rf"COPY\s+(?P<table>{QUALIFIED})\s*(?:\((?P<columns>[^)]*)\))?\s+FROM\s+'(?P<source>s3://[^']+)'\s*(?P<options>.*)",
    re.I | re.S,
)
_OPTIONS = options.SHARED | {
    "quote": rf"QUOTE{options.AS}'(.)'",
    "manifest": r"MANIFEST\b",
    "header": rf"IGNOREHEADER{options.AS}(\d+)\b",
    "errors": rf"MAXERROR{options.AS}(\d+)\b",
    "statistics": r"(?:COMPUPDATE|STATUPDATE)(?:\s+(?:ON|OFF|TRUE|FALSE|PRESET)\b)?",
    "encoding": rf"ENCODING{options.AS}'?UTF-?8'?(?!\w)",
    "dates": rf"DATEFORMAT{options.AS}'(?:auto|YYYY-MM-DD)'",
    "times": rf"TIMEFORMAT{options.AS}'(?:auto|YYYY-MM-DD HH:MI:SS)'",
    "empty": r"EMPTYASNULL\b",
    "blanks": r"BLANKSASNULL\b",
    "truncate": r"TRUNCATECOLUMNS\b",
}
_PATTERNS = {name: re.compile(pattern, re.I) for name, pattern in _OPTIONS.items()}


class CopyFailed(SqlError):
    """COPY refused a file; `load_error` says where."""

    def __init__(self, table: str, load_error: catalog.LoadError) -> None:
        message = f"Load into table '{table}' failed. Check 'sys_load_error_detail' system table for details."
        super().__init__("XX000", message)
        self.load_error = load_error


class _Misfit(Exception):
    """The database refused a value that looked right, such as February 30."""


def run(
    cursor: "duckdb.DuckDBPyConnection", statement: str, roles: tuple[str, ...], user: str, s3: Callable[[], Any]
) -> tuple[str, int]:
    """Executes a COPY statement; returns the table's name and how many rows it loaded.

    Raises SqlError or DuckDB's error; the caller then rolls back, so that nothing is kept.
    """
    found = _COPY.fullmatch(statement.strip())
    if not found:
        raise SqlError("42601", "syntax error in COPY: COPY table [(columns)] FROM 's3://...' options")
    given = _read_options(found["options"])
    how = _format(given)
    table = catalog.table(cursor, found["table"])
    name = found["table"].rpartition(".")[2].strip('"').lower()
    columns = _targets(table, name, found["columns"])
    options.check_role(given["role"], roles, user)
    client = s3()
    source.check_region(client, found["source"], given.get("region", ""))

    def fetched(each: source.Wanted) -> bytes | None:
        content = source.content(client, each, found["source"])
        try:
            return source.unzip(content) if content and "gzip" in given else content
        except source.BadFile as error:
            raise CopyFailed(name, catalog.LoadError(each.url, 0, None, 1224, str(error))) from None

    started: list[source.Wanted] = []
    error: list[Exception] = []  # what went wrong while the database asked for rows; it knows the words only

    def batches() -> "Generator[pa.RecordBatch]":
        try:
            for each, content in zip(wanted, _one_ahead(fetched, wanted), strict=True):
                started.append(each)
                if content is not None:
                    yield from rows.read(each.url, content, columns, how)
        except rows.Fault as fault:
            error.append(CopyFailed(name, fault.error))
            raise
        except Exception as failure:
            error.append(failure)
            raise

    wanted = source.objects(client, found["source"], "manifest" in given)
    try:
        return name, _insert(cursor, table, columns, batches())
    except _Misfit as misfit:
        files = ((each.url, fetched(each)) for each in started)
        raise CopyFailed(name, _misfit(files, columns, how, str(misfit))) from None
    except Exception:
        if error:
            raise error[0] from None
        raise


def _misfit(
    files: Iterable[tuple[str, bytes | None]], columns: list[catalog.Target], how: rows.Format, reason: str
) -> catalog.LoadError:
    """Where the value stands that the database refused."""
    fault = None
    for url, content in files:
        fault = rows.first_fault(url, content or b"", columns, how, reason)
        if fault.line_number:
            break
    assert fault
    return fault


def _one_ahead(
    fetch: "Callable[[source.Wanted], bytes | None]", wanted: "Sequence[source.Wanted]"
) -> Iterator[bytes | None]:
    """What is fetched of each, the next while the one before is in use."""
    with ThreadPoolExecutor(1) as pool:
        ahead: deque[Future[bytes | None]] = deque()
        for each in wanted:
            ahead.append(pool.submit(fetch, each))
            if len(ahead) > 1:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()


def _insert(
    cursor: "duckdb.DuckDBPyConnection",
    table: catalog.Found,
    columns: list[catalog.Target],
    batches: "Generator[pa.RecordBatch]",
) -> int:
    """Inserts texts as they come, and returns how many rows they were.

    They are one stream: the database keeps what it was given to read until the transaction ends.
    """
    import duckdb
    import pyarrow as pa

    names = ", ".join(f'"{column.name}"' for column in columns)
    casts = ", ".join(
        f'"{column.name}"' if column.type == "VARCHAR" else f'CAST("{column.name}" AS {column.type})'
        for column in columns
    )
    schema = pa.schema([(column.name, pa.string()) for column in columns])
    cursor.register("copied", pa.RecordBatchReader.from_batches(schema, batches))
    try:
        inserted = cursor.execute(f"INSERT INTO {table.name} ({names}) SELECT {casts} FROM copied").fetchall()
    except (duckdb.ConversionException, duckdb.OutOfRangeException) as error:
        raise _Misfit(str(error).splitlines()[0]) from None
    finally:
        batches.close()
        with contextlib.suppress(duckdb.TransactionException):  # after an error the rollback takes the name away
            cursor.unregister("copied")
    return inserted[0][0]


def _read_options(text: str) -> dict[str, str]:
    found = options.read(text, _PATTERNS, "COPY", often="statistics")
    if "csv" not in found:
        raise not_supported("COPY of another format than CSV")
    if int(found.get("errors") or 0):
        raise not_supported("COPY with MAXERROR above 0")
    return found


def _format(given: dict[str, str]) -> rows.Format:
    return rows.Format(
        delimiter=given.get("delimiter", ",").replace("\\t", "\t"),
        quote=given.get("quote", '"'),
        header=int(given.get("header") or 0),
        null=given.get("null", "\\N"),
        empty_as_null="empty" in given,
        blanks_as_null="blanks" in given,
        truncate="truncate" in given,
    )


def _targets(table: catalog.Found, name: str, columns: str | None) -> list[catalog.Target]:
    if columns is None:
        return list(table.columns)
    known = {column.name.lower(): column for column in table.columns}
    names = [column.strip().strip('"').lower() for column in columns.split(",")]
    for column in names:
        if column not in known:
            raise SqlError("42703", f'column "{column}" of relation "{name}" does not exist')
    if len(set(names)) < len(names):
        raise SqlError("42701", "a column is named twice in COPY")
    return [known[column] for column in names]
