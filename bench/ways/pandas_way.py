"""The transform in pandas: categoricals, groupby and merge.

Ids are hashes of what they name, as ours are, so that they do not depend on the order of rows.
"""

from pathlib import Path

from sf_transactions.model import (
    CODED_DIMENSIONS,
    DIMENSIONS,
    FINANCE,
    PUBLISHED_NAMES,
    RELATED_GOVT_UNITS,
    TRANSACTION,
    code_column,
    no_member,
)


def transform(source: Path, out: Path) -> None:
    """The CSV files in `source` to the star in `out`."""
    import pandas as pd

    rows = pd.concat(
        [
            pd.read_csv(path, dtype=str, keep_default_na=False, na_values=[""])[list(PUBLISHED_NAMES)]
            for path in sorted(source.glob("*.csv"))
        ],
        ignore_index=True,
    )
    rows["cents"] = (rows["amount"].astype("float64") * 100).round().astype("int64")
    for dimension in DIMENSIONS:
        for column in dimension.columns:
            rows[column] = rows[column].fillna(no_member(column))
    rows["related_govt_units"] = rows["related_govt_units"].map(RELATED_GOVT_UNITS)
    for dimension in CODED_DIMENSIONS:
        members = rows.groupby(["fiscal_year", *dimension.columns], as_index=False).size()
        table = members[list(dimension.key)].drop_duplicates()
        for level in dimension.levels:
            path = [*dimension.parents(level), level]
            code = code_column(level)
            yearly = members.groupby([*path, code, "fiscal_year"], as_index=False)["size"].sum()
            yearly = yearly.sort_values(["fiscal_year", "size", code], ascending=[False, False, True])
            table = table.merge(yearly.drop_duplicates(path)[[*path, code]], on=path)
        rows = _with_ids(rows, table, dimension, out)
    rows = _with_ids(rows, rows[list(FINANCE.levels)].drop_duplicates(), FINANCE, out)
    values = ["fiscal_year", *(dimension.id_column for dimension in DIMENSIONS), "cents"]
    numbered = rows[values].assign(occurrence=rows.groupby(values).cumcount())
    rows["transaction_id"] = pd.util.hash_pandas_object(numbered, index=False)
    rows["amount"] = rows["cents"] / 100
    fact = rows[list(TRANSACTION.column_names)]
    fact.to_csv(out / "transaction.csv.gz", index=False, compression={"method": "gzip", "compresslevel": 1})


def _with_ids(rows, table, dimension, out: Path):
    import pandas as pd

    table = table.reset_index(drop=True)
    table.insert(0, dimension.id_column, pd.util.hash_pandas_object(table[list(dimension.key)], index=False))
    table.to_csv(out / f"{dimension.name}.csv.gz", index=False)
    return rows.merge(table[[dimension.id_column, *dimension.key]], on=list(dimension.key))
