"""COPY from S3: the statement and its options, read strictly, and its execution."""

import contextlib
import re
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from sf_transactions.local.redshift import catalog, options, rows, source
from sf_transactions.local.redshift.errors import SqlError, not_supported
from sf_transactions.local.redshift.parse import QUALIFIED

if TYPE_CHECKING:
    import duckdb

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
    client, total = s3(), 0
    source.check_region(client, found["source"], given.get("region", ""))

    def fetched(each: source.Wanted) -> bytes | None:
        content = source.content(client, each, found["source"])
        try:
            return source.unzip(content) if content and "gzip" in given else content
        except source.BadFile as error:
            raise CopyFailed(name, catalog.LoadError(each.url, 0, None, 1224, str(error))) from None

    wanted = source.objects(client, found["source"], "manifest" in given)
    for url, content in zip((each.url for each in wanted), _one_ahead(fetched, wanted), strict=True):
        if content is None:
            continue
        try:
            total += sum(_insert(cursor, table, columns, some) for some in rows.read(url, content, columns, how))
        except rows.Fault as error:
            raise CopyFailed(name, error.error) from None
        except _Misfit as error:
            raise CopyFailed(name, rows.first_fault(url, content, columns, how, str(error))) from None
    return name, total


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
    texts: Any,
) -> int:
    import duckdb

    names = ", ".join(f'"{column.name}"' for column in columns)
    casts = ", ".join(
        f'"{column.name}"' if column.type == "VARCHAR" else f'CAST("{column.name}" AS {column.type})'
        for column in columns
    )
    cursor.register("copied_part", texts)
    try:
        cursor.execute(f"INSERT INTO {table.name} ({names}) SELECT {casts} FROM copied_part")
    except (duckdb.ConversionException, duckdb.OutOfRangeException) as error:
        raise _Misfit(str(error).splitlines()[0]) from None
    finally:
        with contextlib.suppress(duckdb.TransactionException):  # after an error the rollback takes the name away
            cursor.unregister("copied_part")
    return texts.num_rows


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
