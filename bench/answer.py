"""Whether two ways of the transform give the same star: every fact with all the names and codes of its members, and an
id that no other has."""

from pathlib import Path

from sf_transactions.model import DIMENSIONS


def answer(folder: Path) -> tuple[int, int, int, str]:
    """Rows, ids, a sum of hashes that does not depend on the order of rows, and dollars, of the star in `folder`."""
    import duckdb

    columns = ", ".join(f'{dimension.name}."{column}"' for dimension in DIMENSIONS for column in dimension.columns)
    joins = " ".join(f"JOIN {_table(folder, dimension.name)} USING ({dimension.id_column})" for dimension in DIMENSIONS)
    found = duckdb.sql(
        "SELECT count(*), count(DISTINCT transaction_id),"
        f" sum(hash(concat_ws('|', fiscal_year, {columns}, amount::DECIMAL(18,2)))::HUGEINT),"
        f" sum(amount::DECIMAL(18,2))::VARCHAR FROM {_table(folder, 'transaction')} {joins}"
    ).fetchall()
    return found[0]


def _table(folder: Path, name: str) -> str:
    files = f"{folder}/{name}/*.csv.gz" if (folder / name).is_dir() else f"{folder}/{name}.csv.gz"
    return f"read_csv('{files}', all_varchar = true, header = true, allow_quoted_nulls = false) AS \"{name}\""
