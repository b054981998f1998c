"""The SQL of the warehouse: the DDL derived from `model.py`, and the files of `sql/`."""

from collections.abc import Iterable
from pathlib import Path

from sf_transactions.model import LOADED_BESIDE, SCHEMA, TABLES, Table

# Quoted wherever they stand: type names of SQL, which not every parser takes as column names.
RESERVED = frozenset({"character", "object"})
EXTERNAL_SCHEMA = "lake"  # Redshift's schema over the Glue database
SQL = Path(__file__).parent / "sql"
if not SQL.is_dir():  # a checkout: the wheel carries sql/ inside the package
    SQL = Path(__file__).parent.parent / "sql"


def listed(fiscal_years: Iterable[int]) -> str:
    """Fiscal years as the list of an IN."""
    return ", ".join(str(int(year)) for year in fiscal_years)


def quoted(name: str) -> str:
    return f'"{name}"' if name in RESERVED else name


def create_table(table: Table) -> str:
    """The DDL of a table. Keys are declared for the planner and for readers; Redshift does not enforce them."""
    lines = [f"    {quoted(column.name)} {column.sql_type} NOT NULL" for column in table.columns]
    lines.append(f"    PRIMARY KEY ({', '.join(map(quoted, table.primary_key))})")
    lines += [
        f"    FOREIGN KEY ({column}) REFERENCES {SCHEMA}.{other} ({column})" for column, other in table.foreign_keys
    ]
    sort = f"\nSORTKEY ({', '.join(table.sort_key)})" if table.sort_key else ""
    body = ",\n".join(lines)
    return (
        f"-- {table.description}.\n"
        "-- Generated from sf_transactions/model.py by `make generated`; edit there.\n"
        f"CREATE TABLE IF NOT EXISTS {table.qualified} (\n{body}\n)\n{table.distribution}{sort};\n"
    )


def schema_statements() -> list[str]:
    """What makes an empty schema, in an order that satisfies references."""
    tables = (read(f"schema/{table.name}.sql") for table in (*TABLES, *LOADED_BESIDE))
    return [f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}", *tables]


def external_schema(glue_database: str) -> str:
    """What makes the tables of a Glue database readable from Redshift where their files lie (Spectrum), as `lake`.

    The files are read by the default role, which a provisioned cluster or workgroup has. Redshift runs it in no
    transaction block, and only for who may create schemas; there is none on the stand-in.
    """
    database = glue_database.replace("'", "''")
    return (
        f"CREATE EXTERNAL SCHEMA IF NOT EXISTS {EXTERNAL_SCHEMA}\n"
        f"FROM DATA CATALOG\nDATABASE '{database}'\nIAM_ROLE default"
    )


def read(name: str) -> str:
    """The one statement of a file in `sql/`, without its semicolon."""
    return (SQL / name).read_text(encoding="utf-8").rstrip().removesuffix(";")


def create_view(name: str) -> str:
    """CREATE OR REPLACE of a report view."""
    return read(f"report/{name}.sql")


def drop_view(name: str) -> str:
    return f"DROP VIEW IF EXISTS {SCHEMA}.{name}"


def comment(name: str) -> str:
    """What a file in `sql/` says of itself in its first lines."""
    lines = (SQL / name).read_text(encoding="utf-8").splitlines()
    return " ".join(line.removeprefix("--").strip() for line in lines if line.startswith("--"))


def views() -> tuple[str, ...]:
    """The report views, each a file in `sql/report/`."""
    return tuple(sorted(path.stem for path in (SQL / "report").glob("*.sql")))
