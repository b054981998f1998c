"""The rows of a CSV file for COPY: as a table of texts that are known to fit, or the first line at fault.

The fast way checks whole columns with Arrow. Only a file that fails is read again, value by value, to name the line.
"""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from sf_transactions.local.redshift.catalog import LoadError, Target
from sf_transactions.local.redshift.errors import not_supported

if TYPE_CHECKING:
    import pyarrow as pa


BYTES_AT_ONCE = 1 << 20  # of a file that are in memory as texts


@dataclass(frozen=True)
class Format:
    """How a file is to be read: the options of COPY."""

    delimiter: str = ","
    quote: str = '"'
    header: int = 0
    null: str = "\\N"
    empty_as_null: bool = False
    blanks_as_null: bool = False
    truncate: bool = False


class Fault(Exception):
    """A file that does not fit the table; `error` says where."""

    def __init__(self, error: LoadError) -> None:
        super().__init__(error.error_message)
        self.error = error


# (error code, message) as Redshift has them
_EXTRA = (1202, "Extra column(s) found")
_MISSING = (1213, "Missing data for not-null field")
_DELIMITER = (1214, "Delimiter not found")
_QUOTE = (1212, "Invalid quote formatting for CSV")
_INTEGERS = {"SMALLINT": 15, "INTEGER": 31, "BIGINT": 63}
_PATTERNS = {
    "DATE": r"\d{4}-\d{2}-\d{2}",
    "TIMESTAMP": r"\d{4}-\d{2}-\d{2}([ T]\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?)?",
    "BOOLEAN": r"(?i:t|f|true|false|y|n|yes|no|0|1)",
    "DOUBLE": r" *[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)? *",
    "FLOAT": r" *[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)? *",
}


def read(name: str, content: bytes, columns: Sequence[Target], how: Format) -> "Iterator[pa.RecordBatch]":
    """The rows as texts, some at a time, with null where COPY loads NULL. Raises Fault."""
    import pyarrow as pa
    import pyarrow.csv

    start = _behind_header(content, how.header)
    _check_quotes(name, content, start, how)
    if start == len(content):
        return
    try:
        found = pyarrow.csv.open_csv(
            pa.BufferReader(pa.py_buffer(content).slice(start)),
            read_options=pyarrow.csv.ReadOptions(
                column_names=[column.name for column in columns], block_size=BYTES_AT_ONCE
            ),
            parse_options=pyarrow.csv.ParseOptions(
                delimiter=how.delimiter, quote_char=how.quote, newlines_in_values=True, ignore_empty_lines=False
            ),
            convert_options=pyarrow.csv.ConvertOptions(
                column_types={column.name: pa.string() for column in columns},
                null_values=[how.null, ""] if how.empty_as_null else [how.null],
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
            ),
        )
        for batch in found:
            some = pa.Table.from_batches([batch])
            texts = [_fitted(some[column.name], column, how) for column in columns]
            if any(text is None for text in texts):
                raise Fault(first_fault(name, content, columns, how, "a value does not fit its column"))
            yield from pa.Table.from_arrays(texts, names=some.column_names).to_batches()
    except pa.ArrowInvalid as error:
        raise Fault(first_fault(name, content, columns, how, str(error))) from None


def _behind_header(content: bytes, lines: int) -> int:
    """Where the rows begin, behind so many lines."""
    start = 0
    for _ in range(lines):
        end = content.find(b"\n", start)
        if end < 0:
            return len(content)
        start = end + 1
    return start


def _check_quotes(name: str, content: bytes, start: int, how: Format) -> None:
    """Arrow is lenient about quotes within a value and after one, and about one that is never closed."""
    quote, delimiter = re.escape(how.quote.encode()), re.escape(how.delimiter.encode())
    if content.find(how.quote.encode(), start) < 0:
        return
    value = rb"(?:%b[^%b]*+(?:%b%b[^%b]*+)*+%b|[^%b%b\r\n]*+)" % (*(quote,) * 7, delimiter)
    found = re.compile(rb"(?:%b(?:%b|\r?\n|\Z))*+" % (value, delimiter)).match(content, start)
    end = found.end() if found else start
    if end < len(content):
        raise Fault(LoadError(name, content[:end].count(b"\n") + 1, None, *_QUOTE))


def pattern(column: Target) -> str:
    """What a text must look like to be loaded into a column that holds no texts."""
    if column.type in _INTEGERS:
        return r" *[+-]?\d+ *"
    if column.type.startswith("DECIMAL("):
        scale = int(column.type[8:-1].split(",")[1])
        return rf" *[+-]?(\d+(\.\d{{0,{scale}}}0*)?|\.\d{{1,{max(scale, 1)}}}0*) *"
    if column.type not in _PATTERNS:
        raise not_supported(f"COPY into {column.type} ({column.name})")
    return _PATTERNS[column.type]


def _fitted(values: "pa.ChunkedArray", column: Target, how: Format) -> "pa.ChunkedArray | None":
    """The values as the column takes them; None when one does not fit."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if column.type == "VARCHAR":
        if how.blanks_as_null:
            values = _without(r"\A\s+\z", values)
        if column.max_bytes and _longest(values) > column.max_bytes:
            if not how.truncate:
                return None
            values = pa.chunked_array([[_cut(value, column.max_bytes) for value in values.to_pylist()]], pa.string())
    else:
        values = pc.utf8_trim(values, " ")
        if pc.min(pc.binary_length(values)).as_py() == 0:
            values = _without(r"\A\z", values)
        if not _matches(values, column):
            return None
    return None if values.null_count and not column.nullable else values


def _matches(values: "pa.ChunkedArray", column: Target) -> bool:
    """Whether all values look as they must. Of most numbers that is told by their being digits, ten times as fast."""
    import pyarrow.compute as pc

    if column.type in _INTEGERS and pc.all(pc.ascii_is_decimal(values), min_count=0).as_py():
        return True
    return pc.all(pc.match_substring_regex(values, rf"\A(?:{pattern(column)})\z"), min_count=0).as_py()


def _without(pattern: str, values: "pa.ChunkedArray") -> "pa.ChunkedArray":
    """The values, null where the pattern matches. Making a scalar of a Python value would load pandas."""
    import pyarrow as pa
    import pyarrow.compute as pc

    return pc.if_else(pc.match_substring_regex(values, pattern), pa.nulls(1, pa.string())[0], values)


def _longest(values: "pa.ChunkedArray") -> int:
    import pyarrow.compute as pc

    return pc.max(pc.binary_length(values)).as_py() or 0


def _cut(value: str | None, size: int) -> str | None:
    return None if value is None else value.encode()[:size].decode("utf-8", "ignore")


def first_fault(name: str, content: bytes, columns: Sequence[Target], how: Format, reason: str) -> LoadError:
    """Reads a file that was refused again, value by value. Lines count from 1, header included."""
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        bad = content[error.start : error.end].hex()
        return LoadError(name, line, None, 1220, f"String contains invalid or unsupported UTF8 codepoints: 0x{bad}")
    body = content[_behind_header(content, how.header) :].decode("utf-8")
    lines = text.count("\n") - body.count("\n")
    reader = csv.reader(io.StringIO(body, newline=""), delimiter=how.delimiter, quotechar=how.quote, strict=True)
    line = lines + 1
    try:
        for row in reader:
            values = row or [""]
            if len(values) < len(columns):
                return LoadError(name, line, columns[len(values)], *_DELIMITER)
            if len(values) > len(columns):
                return LoadError(name, line, None, *_EXTRA)
            for column, value in zip(columns, values, strict=True):
                if fault := _value_fault(column, value, how):
                    return LoadError(name, line, column, *fault)
            line = lines + reader.line_num + 1
    except csv.Error as error:
        return LoadError(name, line, None, _QUOTE[0], f"{_QUOTE[1]}: {error}")
    return LoadError(name, 0, None, 1204, reason)


def _value_fault(column: Target, value: str, how: Format) -> tuple[int, str] | None:
    null = value == how.null or (how.blanks_as_null and value != "" and value.isspace())
    if column.type == "VARCHAR":
        if (null or (how.empty_as_null and value == "")) and not column.nullable:
            return _MISSING
        size = len(value.encode())
        if column.max_bytes and size > column.max_bytes and not how.truncate:
            return 1204, f"String length exceeds DDL length: {size} bytes for VARCHAR({column.max_bytes})"
        return None
    if null or value.strip(" ") == "":
        return None if column.nullable else _MISSING
    kind = column.type
    if not re.fullmatch(pattern(column), value):
        if kind.startswith("DECIMAL(") and re.fullmatch(r" *[+-]?\d*\.?\d+ *", value):
            return 1207, f"Value {value!r} has more digits behind the point than {kind}, and would be cut off"
        return 1207, f"Invalid digit, Value {value!r}, Type: {kind.title()}"
    if kind in _INTEGERS and not -(2 ** _INTEGERS[kind]) <= int(value) < 2 ** _INTEGERS[kind]:
        return 1207, f"Overflow, Value {value!r}, Type: {kind.title()}"
    if kind.startswith("DECIMAL("):
        precision, scale = map(int, kind[8:-1].split(","))
        if abs(Decimal(value.strip())) >= Decimal(10) ** (precision - scale):
            return 1207, f"Overflow, Value {value!r}, Type: {kind}"
    if kind in ("DATE", "TIMESTAMP") and not _is_date(value):
        return 1206, f"Invalid {kind.lower()} format or value {value!r}"
    return None


def _is_date(value: str) -> bool:
    import datetime

    try:
        datetime.datetime.fromisoformat(value)
    except ValueError:
        return False
    return True
