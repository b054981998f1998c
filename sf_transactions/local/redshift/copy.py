"""COPY from S3: the options this project uses, read strictly, and the line that is at fault when a file is refused."""

import csv
import datetime
import gzip
import io
import json
import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from sf_transactions.local.redshift.errors import SqlError

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

_COPY = re.compile(
    r"""COPY\s+(?P<table>[\w."]+)\s*(?:\((?P<columns>[^)]*)\))?\s+FROM\s+'(?P<source>s3://[^']+)'\s*(?P<options>.*)""",
    re.I | re.S,
)
_OPTIONS = {
    "role": re.compile(r"IAM_ROLE\s+'([^']+)'|IAM_ROLE\s+DEFAULT", re.I),
    "region": re.compile(r"REGION\s+(?:AS\s+)?'([\w-]+)'", re.I),
    "csv": re.compile(r"(?:FORMAT\s+(?:AS\s+)?)?CSV\b", re.I),
    "gzip": re.compile(r"GZIP\b", re.I),
    "manifest": re.compile(r"MANIFEST\b", re.I),
    "header": re.compile(r"IGNOREHEADER\s+(?:AS\s+)?(\d+)", re.I),
    "errors": re.compile(r"MAXERROR\s+(?:AS\s+)?(\d+)", re.I),
    "statistics": re.compile(r"(?:COMPUPDATE|STATUPDATE)\s+(?:ON|OFF|TRUE|FALSE|PRESET)", re.I),
    "encoding": re.compile(r"ENCODING\s+(?:AS\s+)?UTF8", re.I),
}


@dataclass(frozen=True)
class LoadError:
    """A row of SYS_LOAD_ERROR_DETAIL."""

    file_name: str
    line_number: int
    column_name: str
    column_type: str
    error_message: str
    start_time: datetime.datetime


class CopyFailed(SqlError):
    """COPY refused a file; `load_error` says where."""

    def __init__(self, table: str, load_error: LoadError) -> None:
        message = f"Load into table '{table}' failed. Check 'sys_load_error_detail' system table for details."
        super().__init__("XX000", message)
        self.load_error = load_error


@dataclass(frozen=True)
class Target:
    """A column of the table that is loaded."""

    name: str
    type: str
    nullable: bool
    max_bytes: int | None


def run(cursor: "duckdb.DuckDBPyConnection", source: str, roles: tuple[str, ...], s3: Callable[[], Any]) -> int:
    """Executes a COPY statement and returns how many rows it loaded. Raises SqlError; nothing is kept then."""
    found = _COPY.fullmatch(source.strip())
    if not found:
        raise SqlError("42601", "syntax error in COPY: COPY table [(columns)] FROM 's3://...' options")
    options = _read_options(found["options"])
    _check_role(options, roles)
    name = found["table"].replace('"', "")
    targets = _targets(cursor, name, found["columns"])
    client = s3()
    total = 0
    for key in _keys(client, found["source"], "manifest" in options):
        table = _read(client, key, targets, options, name)
        cursor.register("copied_part", table)
        try:
            columns = ", ".join(f'"{target.name}"' for target in targets)
            cursor.execute(f"INSERT INTO {name} ({columns}) SELECT {columns} FROM copied_part")
        finally:
            cursor.unregister("copied_part")
        total += table.num_rows
    return total


def _read_options(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    rest = text.strip()
    while rest:
        for name, pattern in _OPTIONS.items():
            if match := pattern.match(rest):
                found[name] = next((group for group in match.groups() if group), "")
                rest = rest[match.end() :].strip()
                break
        else:
            raise SqlError("0A000", f"COPY option {rest.split()[0]} is not supported by the stand-in")
    if "csv" not in found:
        raise SqlError("0A000", "the stand-in copies FORMAT AS CSV only")
    if int(found.get("errors") or 0):
        raise SqlError("0A000", "the stand-in copies with MAXERROR 0 only")
    return found


def _check_role(options: dict[str, str], roles: tuple[str, ...]) -> None:
    role = options.get("role")
    if role is None:
        raise SqlError("42601", "COPY needs an IAM_ROLE")
    if (role and role not in roles) or not roles:
        raise SqlError("42501", f"the cluster is not authorized to assume IAM Role {role or 'default'}")


def _targets(cursor: "duckdb.DuckDBPyConnection", table: str, columns: str | None) -> list[Target]:
    schema, _, name = table.rpartition(".")
    rows = cursor.execute(
        "select column_name, data_type, is_nullable, schema_name from duckdb_columns() where table_name = ?"
        " and (schema_name = ? or (? = '' and schema_name = 'main')) order by column_index",
        [name, schema, schema],
    ).fetchall()
    if not rows:
        raise SqlError("42P01", f'relation "{table}" does not exist')
    checks = cursor.execute(
        "select constraint_text from duckdb_constraints() where constraint_type = 'CHECK' and table_name = ?"
        " and schema_name = ?",
        [name, rows[0][3]],
    ).fetchall()
    limits = dict(re.findall(r'strlen\("?(\w+)"?\) <= (\d+)', " ".join(check[0] for check in checks)))
    known = {
        column: Target(column, kind, nullable, int(limits[column]) if column in limits else None)
        for column, kind, nullable, _ in rows
    }
    if not columns:
        return list(known.values())
    names = [column.strip().strip('"') for column in columns.split(",")]
    for column in names:
        if column not in known:
            raise SqlError("42703", f'column "{column}" of relation "{table}" does not exist')
    return [known[column] for column in names]


def _split_url(url: str) -> tuple[str, str]:
    bucket, _, key = url.removeprefix("s3://").partition("/")
    return bucket, key


def _keys(client: Any, source: str, manifest: bool) -> list[tuple[str, str]]:
    """The objects to load, as (bucket, key). Raises SqlError when one that must be there is not."""
    bucket, key = _split_url(source)
    if not manifest:
        listed = client.list_objects_v2(Bucket=bucket, Prefix=key).get("Contents", [])
        if not listed:
            raise SqlError("XX000", f"The specified S3 prefix '{key}' does not exist")
        return [(bucket, each["Key"]) for each in listed]
    try:
        entries = json.loads(_object(client, bucket, key))["entries"]
        wanted = [(_split_url(each["url"]), each.get("mandatory", False), each.get("meta", {})) for each in entries]
    except (ValueError, KeyError, TypeError):
        raise SqlError("XX000", f"the manifest {source} is no JSON with entries") from None
    found = []
    for (part_bucket, part_key), mandatory, meta in wanted:
        size = _size(client, part_bucket, part_key)
        if size is None:
            if mandatory:
                raise SqlError("XX000", f"the mandatory file s3://{part_bucket}/{part_key} does not exist")
            continue
        if meta.get("content_length", size) != size:
            raise SqlError(
                "XX000",
                f"s3://{part_bucket}/{part_key} has {size} bytes, the manifest says {meta['content_length']}",
            )
        found.append((part_bucket, part_key))
    return found


def _size(client: Any, bucket: str, key: str) -> int | None:
    from botocore.exceptions import ClientError

    try:
        return int(client.head_object(Bucket=bucket, Key=key)["ContentLength"])
    except ClientError as error:
        if error.response["Error"]["Code"] in ("404", "NoSuchKey", "NoSuchBucket"):
            return None
        raise SqlError("XX000", f"S3ServiceException reading s3://{bucket}/{key}: {error}") from None


def _object(client: Any, bucket: str, key: str) -> bytes:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        return client.get_object(Bucket=bucket, Key=key)["Body"].read()
    except (ClientError, BotoCoreError) as error:
        raise SqlError("XX000", f"S3ServiceException reading s3://{bucket}/{key}: {error}") from None


def _read(client: Any, part: tuple[str, str], targets: list[Target], options: dict[str, str], table: str) -> "pa.Table":
    """A file as a typed table, or CopyFailed with the first line at fault."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.csv

    name = f"s3://{part[0]}/{part[1]}"
    content = _object(client, *part)
    if "gzip" in options:
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError, zlib.error) as error:
            raise CopyFailed(table, _load_error(name, 0, None, f"the gzip file cannot be read: {error}")) from None
    header = int(options.get("header") or 0)
    names = [target.name for target in targets]
    try:
        found = pyarrow.csv.read_csv(
            io.BytesIO(content),
            read_options=pyarrow.csv.ReadOptions(column_names=names, skip_rows=header),
            parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
            convert_options=pyarrow.csv.ConvertOptions(
                column_types={target.name: _arrow_type(target) for target in targets},
                null_values=[""],
                strings_can_be_null=False,
            ),
        )
        bad = any(not target.nullable and found[target.name].null_count for target in targets) or any(
            target.max_bytes and len(found) and pc.max(pc.binary_length(found[target.name])).as_py() > target.max_bytes
            for target in targets
        )
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        if not content.strip() or content.count(b"\n") <= header:
            return pa.table({target.name: pa.array([], _arrow_type(target)) for target in targets})
        raise CopyFailed(
            table, _find_fault(name, content, targets, header) or _load_error(name, 0, None, str(error))
        ) from None
    if bad:
        fault = _find_fault(name, content, targets, header)
        raise CopyFailed(table, fault or _load_error(name, 0, None, "a value does not fit its column"))
    return found


def _arrow_type(target: Target) -> "pa.DataType":
    import pyarrow as pa

    if target.type.startswith("DECIMAL("):
        return pa.decimal128(*map(int, target.type[8:-1].split(",")))
    simple = {"BIGINT": pa.int64(), "INTEGER": pa.int32(), "SMALLINT": pa.int16(), "VARCHAR": pa.string()}
    try:
        return simple[target.type]
    except KeyError:
        raise SqlError("0A000", f"the stand-in does not copy into {target.type} ({target.name})") from None


def _load_error(name: str, line: int, target: Target | None, message: str) -> LoadError:
    column, kind = (target.name, target.type) if target else ("", "")
    return LoadError(name, line, column, kind, message, datetime.datetime.now())


def _find_fault(name: str, content: bytes, targets: list[Target], header: int) -> LoadError | None:
    """Reads the file again, value by value, and says where the first fault is. Lines count from 1, header included."""
    try:
        reader = csv.reader(io.StringIO(content.decode("utf-8"), newline=""), strict=True)
        for number, row in enumerate(reader):
            if number < header:
                continue
            line = reader.line_num
            if len(row) < len(targets):
                return _load_error(name, line, targets[len(row)], "Delimiter not found")
            if len(row) > len(targets):
                return _load_error(name, line, None, "Extra column(s) found")
            for target, value in zip(targets, row, strict=True):
                if fault := _value_fault(target, value):
                    return _load_error(name, line, target, fault)
    except csv.Error as error:
        return _load_error(name, reader.line_num, None, f"Invalid quote formatting for CSV: {error}")
    except UnicodeDecodeError as error:
        return _load_error(name, content[: error.start].count(b"\n") + 1, None, "String contains invalid UTF-8")
    return None


def _value_fault(target: Target, value: str) -> str | None:
    if target.type == "VARCHAR":
        size = len(value.encode())
        if target.max_bytes and size > target.max_bytes:
            return f"String length exceeds DDL length: {size} bytes, VARCHAR({target.max_bytes})"
        return None
    if value == "":
        return None if target.nullable else "Missing data for not-null field"
    if target.type.startswith("DECIMAL("):
        precision, scale = map(int, target.type[8:-1].split(","))
        try:
            exact = Decimal(value)
        except InvalidOperation:
            return f"Invalid numeric value {value!r}"
        if exact != round(exact, scale) or abs(exact) >= Decimal(10) ** (precision - scale):
            return f"Numeric value {value!r} does not fit DECIMAL({precision},{scale})"
        return None
    if not re.fullmatch(r"-?\d+", value):
        return f"Invalid digit, Value {value!r}, Type: {target.type.title()}"
    bits = {"BIGINT": 63, "INTEGER": 31, "SMALLINT": 15}[target.type]
    return None if -(2**bits) <= int(value) < 2**bits else f"Overflow, Value {value!r}, Type: {target.type.title()}"
