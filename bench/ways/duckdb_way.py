"""The transform in DuckDB SQL, on distinct members.

Ids are hashes of what they name, as ours are, so that they do not depend on the order of rows.
"""

from pathlib import Path

from sf_transactions.model import CODED_DIMENSIONS, DIMENSIONS, FINANCE, RELATED_GOVT_UNITS, code_column, no_member


def transform(source: Path, out: Path) -> None:
    """The CSV files in `source` to the star in `out`."""
    import duckdb

    connection = duckdb.connect()
    connection.execute(
        f"CREATE TABLE published AS SELECT * FROM read_csv('{source}/*.csv', all_varchar = true, header = true,"
        " allow_quoted_nulls = false)"
    )
    filled = ", ".join(_filled(column) for dimension in DIMENSIONS for column in dimension.columns)
    connection.execute(
        f"CREATE TABLE filled AS SELECT fiscal_year, {filled}, amount::DECIMAL(18,2) AS amount FROM published"
    )
    for dimension in CODED_DIMENSIONS:
        _dimension(connection, dimension)
        _write(connection, f"SELECT * FROM {dimension.name}", out / f"{dimension.name}.csv.gz")
    (side,) = FINANCE.levels
    connection.execute(
        f"CREATE TABLE finance AS SELECT hash({side}) AS finance_id, {side} FROM (SELECT DISTINCT {side} FROM filled)"
    )
    _write(connection, "SELECT * FROM finance", out / "finance.csv.gz")
    ids = ", ".join(dimension.id_column for dimension in DIMENSIONS)
    joins = " ".join(f"JOIN {dimension.name} USING ({_list(dimension.key)})" for dimension in DIMENSIONS)
    _write(
        connection,
        f"SELECT hash(fiscal_year, {ids}, amount, row_number() OVER (PARTITION BY fiscal_year, {ids}, amount))"
        f" AS transaction_id, fiscal_year, {ids}, amount FROM filled {joins}",
        out / "transaction.csv.gz",
    )


def _filled(column: str) -> str:
    text = f"coalesce(\"{column}\", '{no_member(column)}')"
    if column == "related_govt_units":
        pairs = ", ".join(f"'{published}': '{known}'" for published, known in RELATED_GOVT_UNITS.items())
        text = f"MAP {{{pairs}}}[{text}]"
    return f'{text} AS "{column}"'


def _list(columns) -> str:
    return ", ".join(f'"{column}"' for column in columns)


def _dimension(connection, dimension) -> None:
    connection.execute(
        f"CREATE TEMP TABLE members AS SELECT fiscal_year, {_list(dimension.columns)}, count(*) AS n"
        " FROM filled GROUP BY ALL"
    )
    joins = ""
    for level in dimension.levels:
        path = _list([*dimension.parents(level), level])
        code = code_column(level)
        connection.execute(
            f"CREATE TEMP TABLE {level}_kept AS SELECT {path}, {code} FROM (SELECT {path}, {code}, fiscal_year,"
            f" sum(n) AS n FROM members GROUP BY ALL) QUALIFY row_number() OVER"
            f" (PARTITION BY {path} ORDER BY fiscal_year DESC, n DESC, {code}) = 1"
        )
        joins += f" JOIN {level}_kept USING ({path})"
    connection.execute(
        f"CREATE TABLE {dimension.name} AS SELECT hash({_list(dimension.key)}) AS {dimension.id_column},"
        f" {_list(dimension.columns)} FROM (SELECT DISTINCT {_list(dimension.key)} FROM members) {joins}"
    )
    connection.execute("DROP TABLE members")


def _write(connection, query: str, path: Path) -> None:
    connection.execute(f"COPY ({query}) TO '{path}' (FORMAT csv, HEADER, COMPRESSION gzip)")
