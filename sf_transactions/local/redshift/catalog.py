"""What stands in the database: the system tables that people ask, and the columns of a table with their limits.

The system tables lie in a schema of the stand-in's own, where the names `svv_tables`, `sys_load_error_detail` and
`information_schema.columns` lead; nobody can write to it. A function that DuckDB lacks is a macro there.
"""

import datetime
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sf_transactions.local.redshift.errors import SqlError

if TYPE_CHECKING:
    import duckdb

_TYPE_NAME = """
    case when data_type = 'VARCHAR' then 'character varying' when data_type like 'DECIMAL%' then 'numeric'
         when data_type = 'DOUBLE' then 'double precision' when data_type = 'FLOAT' then 'real'
         when data_type = 'TIMESTAMP' then 'timestamp without time zone' else lower(data_type) end"""
_LIMIT = r"strlen\(\"?(\w+)\"?\) <= (\d+)"
SYSTEM_TABLES = f"""
create schema if not exists public;
create schema if not exists stand_in;
create table if not exists stand_in.sys_load_error_detail (
    user_id integer, query_id bigint, transaction_id bigint, session_id integer, database_name varchar,
    table_id integer, start_time timestamp, file_name varchar, line_number bigint, column_name varchar,
    column_type varchar, column_length varchar, position integer, error_code integer, error_message varchar
);
create or replace view stand_in.schemata as
select current_database() as catalog_name, schema_name, 'admin' as schema_owner
from duckdb_schemas() where not internal and schema_name not in ('main', 'stand_in');
create or replace view stand_in.svv_tables as
select current_database() as table_catalog, schema_name as table_schema, table_name, 'BASE TABLE' as table_type,
    comment as remarks
from duckdb_tables() where not internal and not temporary and schema_name not in ('main', 'stand_in')
union all
select current_database(), schema_name, view_name, 'VIEW', comment
from duckdb_views() where not internal and not temporary and schema_name not in ('main', 'stand_in');
create or replace view stand_in.tables as
select table_catalog, table_schema, table_name, table_type from stand_in.svv_tables;
create or replace view stand_in.svv_columns as
select current_database() as table_catalog, c.schema_name as table_schema, c.table_name, c.column_name,
    c.column_index as ordinal_position, c.column_default,
    case when c.is_nullable then 'YES' else 'NO' end as is_nullable, {_TYPE_NAME} as data_type,
    l.character_maximum_length, c.numeric_precision, c.numeric_scale, c.comment as remarks
from duckdb_columns() c
left join (
    select schema_name, table_name, regexp_extract(constraint_text, '{_LIMIT}', 1) as column_name,
        max(try_cast(regexp_extract(constraint_text, '{_LIMIT}', 2) as integer)) as character_maximum_length
    from duckdb_constraints() where constraint_type = 'CHECK' group by 1, 2, 3
) l on l.schema_name = c.schema_name and l.table_name = c.table_name and l.column_name = c.column_name
where not c.internal and c.database_name = current_database() and c.schema_name not in ('main', 'stand_in');
create or replace view stand_in.columns as select * exclude (remarks) from stand_in.svv_columns;
create or replace macro stand_in.strtol(digits, base) as case base
    when 10 then cast(digits as bigint)
    when 16 then cast('0x' || digits as bigint)
    else error('STRTOL is known here with base 10 and 16') end;
"""


@dataclass(frozen=True)
class Target:
    """A column of a table."""

    name: str
    type: str
    nullable: bool
    max_bytes: int | None
    default: str | None


@dataclass(frozen=True)
class Found:
    """A table: its name as DuckDB takes it, and its columns in order."""

    name: str
    columns: tuple[Target, ...]


@dataclass(frozen=True)
class LoadError:
    """Where and why COPY refused a file."""

    file_name: str
    line_number: int
    column: Target | None
    error_code: int
    error_message: str
    position: int = 0


def table(cursor: "duckdb.DuckDBPyConnection", name: str) -> Found:
    """A table by its name, quoted or not: a temporary one first, then by the search path. Raises SqlError."""
    parts = [part.strip('"').lower() for part in name.split(".")]
    schema, plain = parts[0] if len(parts) > 1 else None, parts[-1]
    rows = cursor.execute(
        "select database_name, schema_name from duckdb_tables() where lower(table_name) = ?"
        " and case when ? is null then temporary or list_contains(string_split(current_setting('search_path'), ','),"
        " schema_name) else schema_name = ? and not temporary end"
        " order by temporary desc, list_position(string_split(current_setting('search_path'), ','), schema_name)",
        [plain, schema, schema],
    ).fetchall()
    if not rows or schema in ("stand_in", "main"):
        raise SqlError("42P01", f'relation "{name}" does not exist')
    where = "database_name = ? and schema_name = ? and lower(table_name) = ?"
    place = [*rows[0], plain]
    columns = cursor.execute(
        f"select column_name, data_type, is_nullable, column_default from duckdb_columns() where {where}"
        " order by column_index",
        place,
    ).fetchall()
    checks = cursor.execute(
        f"select constraint_text from duckdb_constraints() where constraint_type = 'CHECK' and {where}", place
    ).fetchall()
    limits = dict(re.findall(_LIMIT, " ".join(check[0] for check in checks)))
    targets = tuple(
        Target(column, kind, nullable, int(limits[column]) if column in limits else None, default)
        for column, kind, nullable, default in columns
    )
    return Found(".".join(f'"{part}"' for part in place), targets)


def definition(column: Target, default: bool) -> str:
    """A column as CREATE TABLE takes it."""
    name = f'"{column.name}"'
    limit = f" CHECK (strlen({name}) <= {column.max_bytes})" if column.max_bytes else ""
    value = f" DEFAULT {column.default}" if default and column.default else ""
    return f"{name} {column.type}{value}{'' if column.nullable else ' NOT NULL'}{limit}"


def record(cursor: "duckdb.DuckDBPyConnection", error: LoadError, session: int, query: int, database: str) -> None:
    """Writes a row of SYS_LOAD_ERROR_DETAIL by a cursor of its own: it outlives the rollback, as in Redshift."""
    column = error.column
    length = str(column.max_bytes or "") if column else ""
    cursor.execute(
        "insert into stand_in.sys_load_error_detail values (100, ?, ?, ?, ?, 0, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [query, query, session, database, datetime.datetime.now(datetime.UTC).replace(tzinfo=None), error.file_name,
         error.line_number, column.name if column else "", column.type.lower() if column else "", length,
         error.position, error.error_code, error.error_message[:512]],
    )  # fmt: skip
